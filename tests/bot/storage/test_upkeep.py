"""Rows against files, and a copy of the database while it is written to."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from bot.errors import BackupRefused, StorageFault, UnusableDatabase
from bot.storage import jobs
from bot.storage.backup import backup
from bot.storage.database import Database
from bot.storage.inspection import inspect, remove_leftovers, repair
from bot.storage.journal import StoredJournal
from bot.storage.suspects import SUSPECTS, SuspectsFile
from generation.job import Job, JobStatus
from generation.result import GeneratedImage, GenerationResult


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.fixture
async def drawn(database, files, now, new_record, tmp_path) -> UUID:
    """A job with two pictures on disk."""
    record = new_record()
    await database.write(lambda transaction: jobs.insert(transaction, record))
    images = tuple(
        GeneratedImage(index=index, seed=seed, width=64, height=128, png=b"picture %d" % index)
        for index, seed in enumerate(record.request.seeds)
    )
    job = Job(id=record.id, request=record.request, requester=record.requester)
    result = GenerationResult(job_id=record.id, images=images, device_seconds=1.0)
    suspects = SuspectsFile(tmp_path / SUSPECTS)
    await StoredJournal(database=database, files=files, suspects=suspects, clock=lambda: now).rendered(job, result)
    return record.id


async def files_of(database, job_id: UUID) -> list[str]:
    record = await database.read(lambda transaction: jobs.get(transaction, job_id))
    return [image.file for image in record.images]


async def test_rows_and_files_agree(database, folder, drawn):
    findings = await inspect(database, folder)
    assert findings.agree
    assert findings.pictures == 2


async def test_nothing_was_drawn_yet(database, folder):
    assert (await inspect(database, folder)).agree


async def test_what_does_not_agree_is_named(database, folder, drawn):
    gone, changed = await files_of(database, drawn)
    (folder / gone).unlink()
    (folder / changed).write_bytes(b"scribbled over")
    (folder / "00").mkdir(exist_ok=True)
    (folder / "00" / "left.partial").write_bytes(b"half a picture")

    findings = await inspect(database, folder)

    assert findings.missing == ((drawn, gone),)
    assert findings.damaged == ((drawn, changed),)
    assert findings.orphans == ("00/left.partial",)


async def test_what_a_crash_left_is_removed_at_the_start_and_nothing_else(database, folder, drawn, new_record):
    running = new_record(status=JobStatus.STARTED)  # two pictures, neither of them in a row
    await database.write(lambda transaction: jobs.insert(transaction, running))
    assert await remove_leftovers(database, folder) == 0
    for left in ("first.png", "second.png", "third.partial"):
        (folder / "00").mkdir(exist_ok=True)
        (folder / "00" / left).write_bytes(b"of a crash")
    assert await remove_leftovers(database, folder) == 3
    assert (await inspect(database, folder)).agree


async def test_pictures_of_another_database_are_left_alone(database, folder):
    (folder / "00").mkdir(parents=True)
    for left in ("somebodys.png", "half.partial"):
        (folder / "00" / left).write_bytes(b"who knows whose")
    assert await remove_leftovers(database, folder) == 1
    assert (await inspect(database, folder)).orphans == ("00/somebodys.png",)


async def test_a_start_without_a_picture_has_nothing_to_remove(database, folder):
    assert await remove_leftovers(database, folder) == 0


async def test_mending_makes_them_agree_and_loses_nothing_else(database, folder, files, now, new_record, drawn):
    (folder / "00").mkdir(exist_ok=True)
    (folder / "00" / "orphan.png").write_bytes(b"nobody's")
    findings = await inspect(database, folder)
    await repair(database, folder, findings, lambda: now)
    assert (await inspect(database, folder)).agree
    assert len(await files_of(database, drawn)) == 2

    gone, other = await files_of(database, drawn)
    (folder / gone).unlink()
    await repair(database, folder, await inspect(database, folder), lambda: now)
    findings = await inspect(database, folder)
    assert (findings.agree, findings.pictures) == (True, 0), "a job with a lost picture is no longer shown"
    assert not (folder / other).exists()


async def test_a_backup_is_one_moment_of_the_database(database, url, tmp_path, new_record):
    async def keep_writing() -> None:
        for _ in range(30):
            await database.write(lambda transaction: jobs.insert(transaction, new_record(), new_record()))

    writing = asyncio.create_task(keep_writing())
    await asyncio.sleep(0.01)
    copy = tmp_path / "copy.db"
    await backup(url, copy)
    await writing

    connection = sqlite3.connect(copy)
    (count,) = connection.execute("SELECT count(*) FROM jobs").fetchone()
    (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    assert verdict == "ok"
    assert count % 2 == 0, "both rows of a transaction, or neither"


async def test_a_backup_overwrites_nothing(database, url, tmp_path):
    precious = tmp_path / "precious.db"
    precious.write_text("mine")
    with pytest.raises(BackupRefused, match="target_exists"):
        await backup(url, precious)
    assert precious.read_text() == "mine"


async def test_a_backup_with_pictures_has_each_file_that_its_rows_speak_of(database, url, folder, drawn, tmp_path):
    (folder / "00").mkdir(exist_ok=True)
    (folder / "00" / "later.png").write_bytes(b"its row is not in the copy")

    assert await backup(url, tmp_path / "copy.db", images=folder) == 2

    copied = Database(f"sqlite:///{tmp_path / 'copy.db'}")
    findings = await inspect(copied, tmp_path / "copy.db.images")
    await copied.close()
    assert (findings.agree, findings.pictures) == (True, 2)


async def test_a_picture_that_went_while_the_backup_ran_is_named_and_no_failure(
    database, url, folder, drawn, tmp_path, caplog
):
    gone, other = await files_of(database, drawn)
    (folder / gone).unlink()
    assert await backup(url, tmp_path / "copy.db", images=folder) == 1
    assert gone in caplog.text
    assert (tmp_path / "copy.db.images" / other).read_bytes() == (folder / other).read_bytes()


async def test_a_damaged_picture_is_copied_as_it_is_and_named(database, url, folder, drawn, tmp_path, caplog):
    damaged, good = await files_of(database, drawn)
    (folder / damaged).write_bytes(b"scribbled over")
    assert await backup(url, tmp_path / "copy.db", images=folder) == 2
    assert damaged in caplog.text
    assert good not in caplog.text


async def test_a_backup_that_was_killed_among_the_pictures_is_in_nobodys_way(database, url, folder, drawn, tmp_path):
    (tmp_path / "copy.db.partial").write_bytes(b"half a database")
    (tmp_path / "copy.db.images.partial").mkdir()
    (tmp_path / "copy.db.images.partial" / "half.png").write_bytes(b"half")
    assert await backup(url, tmp_path / "copy.db", images=folder) == 2
    assert not (tmp_path / "copy.db.images" / "half.png").exists()
    assert not list(tmp_path.glob("*.partial"))


async def test_a_backup_writes_into_no_folder_that_is_there_already(database, url, folder, drawn, tmp_path):
    precious = tmp_path / "copy.db.images"
    precious.mkdir()
    (precious / "mine.png").write_bytes(b"mine")
    with pytest.raises(BackupRefused, match="target_exists"):
        await backup(url, tmp_path / "copy.db", images=folder)
    assert [file.name for file in precious.iterdir()] == ["mine.png"]
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("trouble", ["disk full", "no pictures' folder"])
async def test_a_backup_whose_pictures_cannot_be_copied_leaves_nothing(
    database, url, folder, drawn, tmp_path, monkeypatch, trouble
):
    def full(*_):
        raise OSError("no space left on device")

    if trouble == "disk full":
        monkeypatch.setattr("pathlib.Path.write_bytes", full)
    else:
        folder.rename(tmp_path / "elsewhere")
    with pytest.raises(StorageFault):
        await backup(url, tmp_path / "copy.db", images=folder)
    assert not list(tmp_path.glob("copy*"))


async def test_a_database_from_before_an_update_is_copied_with_its_pictures(url, folder, tmp_path):
    (folder / "ab").mkdir(parents=True)
    (folder / "ab" / "old.png").write_bytes(b"old")
    with closing(sqlite3.connect(tmp_path / "bot.db")) as old, old:
        for table in ("alembic_version (version_num)", "jobs (id)", "images (id, file, sha256)"):
            old.execute(f"CREATE TABLE {table}")
        old.execute("INSERT INTO images VALUES (1, 'ab/old.png', '')")
    assert await backup(url, tmp_path / "copy.db", images=folder) == 1
    assert (tmp_path / "copy.db.images/ab/old.png").read_bytes() == b"old"


def scribbled(file: Path, harm: str) -> None:
    if harm == "a page of garbage":
        with file.open("r+b") as opened:
            opened.seek(4096 * 3)
            opened.write(b"\xa5" * 4096)
    elif harm == "cut short":
        with file.open("r+b") as opened:
            opened.truncate(50)
    elif harm == "no table":
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("DROP TABLE images")
    elif harm == "gone":
        file.unlink()


@pytest.mark.parametrize("harm", ["a page of garbage", "cut short", "no table", "gone"])
async def test_a_damaged_database_is_neither_copied_nor_in_order(url, tmp_path, harm):
    database = Database(url)
    await database.open()
    await database.close()
    file = tmp_path / "bot.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    scribbled(file, harm)

    with pytest.raises(UnusableDatabase, match="missing" if harm == "gone" else "damaged"):
        await database.look_over()
    with pytest.raises(UnusableDatabase):
        await backup(url, tmp_path / "copy.db")

    assert not list(tmp_path.glob("copy*"))
    assert file.exists() == (harm != "gone"), "nothing is made"


async def test_a_look_makes_no_database(url, tmp_path):
    with pytest.raises(UnusableDatabase, match="missing"):
        await Database(url).open(make=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["no/such/folder/copy.db"])
async def test_a_backup_that_fails_leaves_nothing(database, url, tmp_path, target):
    with pytest.raises(StorageFault):
        await backup(url, tmp_path / target)
    assert not list(tmp_path.glob("**/copy*"))


async def test_another_database_has_its_own_tool(tmp_path):
    with pytest.raises(BackupRefused, match="not_sqlite"):
        await backup("postgresql+psycopg://localhost/bot", tmp_path / "copy.db")
