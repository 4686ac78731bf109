"""A database of every revision so far, with rows in every state, becomes one that this bot reads and starts on."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from bot.errors import StorageFault, UnusableDatabase
from bot.records import JobRecord
from bot.services.recovery import Restart
from bot.services.words import Words
from bot.storage import jobs, pictures, schema, servers, unfinished, usage
from bot.storage.database import Database
from bot.storage.input_files import InputFiles
from bot.storage.suspects import SUSPECTS, SuspectsFile
from generation.catalog import DrawingOptions, ModelCatalog, ModelSpec
from generation.dispatcher import Dispatcher
from generation.errors import InvalidRequest
from generation.job import JobStatus
from generation.journal import MemoryJournal
from tests.bot.services.conftest import HandClock
from tests.migrations.make_databases import FOLDER, ODD, STATES

FILES = sorted(FOLDER.glob("*.sql"))
CATALOG = ModelCatalog([ModelSpec(name="builtin", source="builtin", native_size=64, size_multiple=8, min_size=32)])


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "bot.db"
    connection = sqlite3.connect(file)
    connection.executescript(request.param.read_text("utf-8"))
    connection.commit()
    connection.close()
    return file


@pytest.fixture
async def database(file: Path):
    database = Database(f"sqlite:///{file}")
    yield database
    await database.close()


async def stored(database: Database, number: int) -> JobRecord:
    record = await database.read(lambda transaction: jobs.get(transaction, UUID(int=number)))
    assert record is not None
    return record


def test_there_is_one_of_every_revision_before_the_last():
    assert len(FILES) >= 4


async def test_every_row_is_read_as_it_was(database):
    await database.open()
    for number, state in enumerate(STATES):
        record = await stored(database, number)
        assert (record.status, record.request.prompt) == (state, f'a "red" heart 🎈 {number}\n\\')
        assert (record.request.seed, record.request.guidance_scale, record.request.count) == (2**32 - 1, 7.5, 2)
        assert len(record.images) == (state in ("rendered", "posted"))
    for number, odd in enumerate(ODD):
        record = await stored(database, 40 + number)
        assert {name: getattr(record.request, name) for name in odd} == odd
    assert await database.read(lambda transaction: servers.limits_at(transaction, "9000", "server", None)) == {
        "cooldown": 5
    }
    rows, more = await database.read(lambda transaction: servers.limits_of(transaction, "9000", 2))
    assert ([row.scope for row in rows], more) == (["server", "role"], 1)
    assert len(await database.read(lambda transaction: servers.audit_of(transaction, "9000"))) == 1
    assert len(await database.read(lambda transaction: unfinished.quarantined(transaction, "9000"))) == 1
    results = await database.read(lambda transaction: unfinished.results_of(transaction, "1001", 25))
    assert results[0].is_kept
    assert len(results) == 1 + 2 + len(ODD) + 1


async def test_the_bot_starts_on_it_and_ends_what_todays_rules_refuse(database, tmp_path):
    await database.open()
    dispatcher = Dispatcher([], MemoryJournal())
    restart = Restart(
        database=database,
        suspects=SuspectsFile(tmp_path / SUSPECTS),
        input_files=InputFiles(tmp_path / "inputs"),
        dispatcher=dispatcher,
        catalog=CATALOG,
        words=Words(database=database, clock=HandClock()),
        clock=HandClock(),
    )
    await restart.learn_costs()
    recovery = await restart.recover()

    assert {resumed.job.id.int for resumed in recovery.resumed} == {0, 1}, "one that waited, one that ran"
    for number in range(len(ODD)):
        record = await stored(database, 20 + number)
        assert (record.status, record.error_code) == (JobStatus.INTERRUPTED, "interrupted")
        with pytest.raises(InvalidRequest):
            CATALOG.request(DrawingOptions.of(record.request, seed=1))
    costs = await database.read(lambda transaction: usage.measured(transaction, 500))
    assert len(costs) == 1 + len(ODD) + 2
    await dispatcher.close()


async def test_killed_in_the_middle_the_old_schema_is_whole(database, file, monkeypatch):
    upgrade: Callable[..., None] = schema.upgrade

    def killed(connection):
        upgrade(connection)
        raise StorageFault(detail="as if killed here")

    before = dump(file)
    monkeypatch.setattr(schema, "upgrade", killed)
    with pytest.raises(StorageFault):
        await database.open()
    assert dump(file) == before
    monkeypatch.undo()
    await database.open()
    assert len(await database.read(jobs.live)) == 2 + len(ODD)


async def test_a_disk_without_room_for_it_is_said_before_anything_is_done(database, file, monkeypatch, request):
    before = dump(file)
    total, used, _ = usage = shutil.disk_usage(file)
    almost_full = type(usage)(total, used, file.stat().st_size)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: almost_full)
    if request.node.callspec.id >= "0004":  # no table is built anew
        await database.open()
        return
    with pytest.raises(UnusableDatabase, match="no_room"):
        await database.open()
    assert dump(file) == before


def dump(file: Path) -> list[str]:
    connection = sqlite3.connect(file)
    lines = list(connection.iterdump())
    connection.close()
    return lines


async def test_what_was_removed_is_not_on_the_disk(database):
    await database.open()
    drawn = 1 + 1 + len(ODD) + 1  # rendered, posted, the odd ones, and one that could not be delivered
    assert await database.read(pictures.bytes_on_disk) in (100 * drawn, 100 * (drawn + 1))
