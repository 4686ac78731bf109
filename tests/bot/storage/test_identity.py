"""A database and its DATA_DIR carry one id, and neither is used with another."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.errors import DataInUse, WrongFolder
from bot.storage.addresses import sqlite_url
from bot.storage.database import Database
from bot.storage.identity import check_pair, pair


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Callable]:
    """Opens a database that lies in no data folder."""
    databases: list[Database] = []

    async def opened(name: str, *, within: Path | None = None) -> Database:
        databases.append(Database(sqlite_url((within or tmp_path) / name)))
        await databases[-1].open()
        return databases[-1]

    yield opened
    for database in databases:
        await database.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    return tmp_path / "other"


async def test_the_first_start_gives_both_the_same_id(opened, folder):
    database = await opened("one.db")
    await pair(database, folder)
    id_ = (folder / "identity").read_text()
    await pair(database, folder)
    await check_pair(database, folder)
    assert (folder / "identity").read_text() == id_


async def test_another_folder_is_refused_with_what_to_write_where(opened, folder, other):
    database = await opened("one.db")
    await pair(database, folder)
    id_ = (folder / "identity").read_text().strip()
    for look in (pair, check_pair):
        with pytest.raises(WrongFolder) as caught:
            await look(database, other)
        assert (caught.value.database, caught.value.file) == (id_, str(other / "identity"))
    assert not (other / "identity").exists()
    (other / "identity").write_text(id_)  # as the operator is told
    await pair(database, other)


async def test_the_folder_of_another_database_is_refused(opened, folder, other):
    await pair(await opened("one.db"), folder)
    second = await opened("two.db")
    await pair(second, other)
    with pytest.raises(WrongFolder):
        await pair(second, folder)


async def test_a_copy_that_is_put_into_a_new_folder_belongs_there(opened, folder, other):
    database = await opened("bot.db", within=folder)
    await pair(database, folder)
    await database.close()
    shutil.copy(folder / "bot.db", other / "bot.db")
    copy = await opened("bot.db", within=other)
    await check_pair(copy, other)
    await pair(copy, other)
    assert (other / "identity").read_text() == (folder / "identity").read_text()


async def test_a_new_database_takes_over_the_folders_id(opened, folder):
    await pair(await opened("one.db"), folder)
    new = await opened("two.db")
    await pair(new, folder)
    await pair(new, folder)


async def test_an_id_that_is_none_is_said(opened, folder):
    (folder / "identity").write_text("scribble")
    with pytest.raises(DataInUse, match="identity"):
        await pair(await opened("one.db"), folder)


async def test_a_database_that_is_not_there_yet_says_nothing_and_is_not_made(folder, tmp_path):
    database = Database(sqlite_url(tmp_path / "new.db"))
    await check_pair(database, folder)
    await database.close()
    assert not (tmp_path / "new.db").exists()
