"""A second bot on one database is refused, whatever its folder and however it spells the path."""

from pathlib import Path

import pytest

from bot.errors import DatabaseInUse, StorageFault, UnusableDatabase
from bot.storage.addresses import sqlite_url
from bot.storage.exclusive import DatabaseLock
from tests.bot.postgres import Server


@pytest.mark.parametrize("spelling", ["same", "link", "dots"])
async def test_two_folders_cannot_share_a_file(tmp_path: Path, spelling: str) -> None:
    file = tmp_path / "bot.db"
    file.touch()
    other = {"same": file, "link": tmp_path / "link.db", "dots": tmp_path / "x" / ".." / "bot.db"}[spelling]
    if spelling == "link":
        other.symlink_to(file)
    (tmp_path / "x").mkdir()
    await refused(f"sqlite:///{file}", f"sqlite:///{other}")


async def test_two_folders_cannot_share_a_server(postgres_url: str) -> None:
    await refused(postgres_url, postgres_url)


async def refused(url: str, again: str) -> None:
    first, second = DatabaseLock(url), DatabaseLock(again)
    await first.acquire()
    with pytest.raises(DatabaseInUse):
        await second.acquire()
    await first.release()
    await second.acquire()
    await second.release()
    await second.release()


async def test_a_server_that_is_away_is_worth_waiting_for(postgres: Server) -> None:
    postgres.stop()
    try:
        with pytest.raises(StorageFault):
            await DatabaseLock(postgres.url).acquire()
    finally:
        postgres.start()


async def test_a_lock_lost_with_its_connection_is_taken_again_unless_another_bot_has_it(postgres: Server) -> None:
    first, second, looks = DatabaseLock(postgres.url), DatabaseLock(postgres.url), 0

    async def pause(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            postgres.stop()  # the next look finds it away
        elif looks == 2:
            postgres.start()
        elif looks == 3:
            with pytest.raises(DatabaseInUse):
                await second.acquire()
            postgres.stop()
            postgres.start()
            await second.acquire()

    await first.acquire()
    with pytest.raises(DatabaseInUse) as caught:
        await first.keep(pause=pause)
    assert (looks, caught.value.was_ours) == (3, True)
    await second.release()
    await first.release()


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnusableDatabase):
        await DatabaseLock(sqlite_url(Path("/proc/nowhere/bot.db"))).acquire()
