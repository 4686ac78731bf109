"""A second bot on one database is refused, whatever its folder and however it spells the path."""

from pathlib import Path

import pytest

from bot.errors import DatabaseInUse, StorageFault, UnusableDatabase
from bot.storage.addresses import sqlite_url
from bot.storage.database import Database
from tests.bot.postgres import Server


def nothing(transaction: object) -> None:
    """What anybody may write."""


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
    first, second = Database(url), Database(again)
    await first.hold()
    for _ in range(2):
        with pytest.raises(DatabaseInUse):
            await second.hold()
    await first.close()
    await second.hold()
    await second.close()
    await second.close()


async def test_a_server_that_is_away_is_worth_waiting_for(postgres: Server) -> None:
    database = Database(postgres.url)
    postgres.stop()
    try:
        with pytest.raises(StorageFault):
            await database.hold()
    finally:
        postgres.start()
    await database.hold()
    await database.close()


async def test_a_lock_lost_with_its_connection_is_taken_again_before_anything_is_written(postgres: Server) -> None:
    first, second = Database(postgres.url), Database(postgres.url)
    await first.hold()
    postgres.stop()
    postgres.start()
    with pytest.raises(StorageFault):  # its connection is broken
        await first.write(nothing)
    await first.write(nothing)
    with pytest.raises(DatabaseInUse):
        await second.hold()
    await first.close()
    await second.close()


async def test_a_bot_whose_lock_another_one_has_taken_writes_nothing_and_ends_at_once(postgres: Server) -> None:
    first, second = Database(postgres.url), Database(postgres.url)
    await first.hold()
    postgres.stop()
    postgres.start()
    await second.hold()
    for _ in range(2):
        with pytest.raises(StorageFault):
            await first.write(nothing)
    with pytest.raises(DatabaseInUse) as caught:
        await first.stay()  # by the clock of this test: without a pause
    assert caught.value.was_ours
    await first.close()
    await second.close()


async def test_a_bot_that_writes_nothing_finds_out_at_its_next_look(postgres: Server) -> None:
    first, second, looks = Database(postgres.url), Database(postgres.url), 0

    async def pause(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            postgres.stop()  # this look finds it away
        elif looks == 3:
            postgres.start()
            await second.hold()

    await first.hold()
    with pytest.raises(DatabaseInUse):
        await first.stay(pause=pause)
    assert looks in (3, 4)
    await first.close()
    await second.close()


@pytest.mark.parametrize("then", ["removed", "replaced"])
async def test_a_file_that_somebody_removes_or_replaces_is_noticed(tmp_path: Path, then: str) -> None:
    file, looks = tmp_path / "bot.db", 0
    database = Database(sqlite_url(file))

    async def pause(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            file.rename(tmp_path / "away")
            if then == "replaced":
                file.write_bytes((tmp_path / "away").read_bytes())

    await database.hold()
    await database.open()
    with pytest.raises(UnusableDatabase, match="replaced"):
        await database.stay(pause=pause)
    assert looks == 2
    await database.close()


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnusableDatabase):
        await Database(sqlite_url(Path("/proc/nowhere/bot.db"))).hold()
