"""The journal: one contract for both, then what only the durable one promises."""

import errno
import os
import sqlite3

import pytest
from sqlalchemy.exc import IntegrityError

from bot.errors import Quarantined, StorageFault
from bot.retrying import PATIENT
from bot.storage import jobs
from bot.storage.database import Database
from bot.storage.journal import StoredJournal
from bot.storage.suspects import SUSPECTS, SuspectsFile
from generation.errors import BrokenImage, Cancelled, Interrupted
from generation.job import Job, JobStatus
from generation.journal import MemoryJournal
from generation.result import GeneratedImage, GenerationResult


@pytest.fixture
async def job(database, new_record) -> Job:
    """An accepted job that has its row."""
    record = new_record()
    await database.write(lambda transaction: jobs.insert(transaction, record))
    return Job(id=record.id, request=record.request, requester=record.requester)


@pytest.fixture
def result(job) -> GenerationResult:
    images = tuple(
        GeneratedImage(index=index, seed=seed, width=64, height=128, png=b"picture %d" % index)
        for index, seed in enumerate(job.request.seeds)
    )
    return GenerationResult(job_id=job.id, images=images, device_seconds=1.25)


class Pauses:
    """Waits that take no time; `then` is what happens during the first of them."""

    def __init__(self, then=lambda: None) -> None:
        self.taken = []
        self._then = then

    async def __call__(self, seconds: float) -> None:
        if not self.taken:
            self._then()
        self.taken.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def suspects(tmp_path) -> SuspectsFile:
    return SuspectsFile(tmp_path / SUSPECTS)


@pytest.fixture
def durable(database, files, suspects, now, pauses) -> StoredJournal:
    return StoredJournal(database=database, files=files, suspects=suspects, clock=lambda: now, pause=pauses)


@pytest.fixture
async def row(database, job):
    """Looks the job's row up."""

    async def looked_up():
        return await database.read(lambda transaction: jobs.get(transaction, job.id))

    return looked_up


def on_disk(folder):
    return list(folder.rglob("*.png"))


@pytest.mark.parametrize("kind", ["memory", "durable"])
async def test_every_journal_takes_a_jobs_whole_life(kind, durable, job, result):
    journal = MemoryJournal() if kind == "memory" else durable

    await journal.started(job)
    receipt = await journal.rendered(job, result)
    await journal.ended(job, JobStatus.FAILED, BrokenImage(), 1.0)  # whatever else comes is no reason to fall over

    assert receipt.device_seconds == 1.25
    assert [image.seed for image in receipt.images] == [2**32 - 1, 0]


async def test_the_row_tells_what_the_files_hold(durable, job, result, row, files, now):
    await durable.started(job)
    receipt = await durable.rendered(job, result)

    record = await row()
    assert (record.status, record.rendered_at) == (JobStatus.RENDERED, now)
    assert record.device_seconds == 1.25
    assert record == receipt
    assert [image.seed for image in record.images] == [2**32 - 1, 0]
    assert [await files.read(image.file, image.sha256) for image in record.images] == [b"picture 0", b"picture 1"]
    assert [image.size for image in record.images] == [9, 9]


async def test_an_end_is_written_once(durable, job, row):
    await durable.ended(job, JobStatus.FAILED, BrokenImage(), 0.5)
    await durable.ended(job, JobStatus.CANCELLED, Cancelled(), 0.0)

    record = await row()
    assert (record.status, record.error_code, record.device_seconds) == (JobStatus.FAILED, "broken_image", 0.5)


async def test_no_end_comes_after_the_pictures(durable, job, result, row):
    await durable.rendered(job, result)
    await durable.ended(job, JobStatus.INTERRUPTED, Interrupted(), 0.0)

    assert (await row()).status is JobStatus.RENDERED


@pytest.mark.parametrize(("status", "error"), [(JobStatus.CANCELLED, Cancelled), (JobStatus.INTERRUPTED, Interrupted)])
async def test_pictures_that_come_after_the_end_are_thrown_away(durable, job, result, row, tmp_path, status, error):
    await durable.ended(job, status, error(), 0.0)

    with pytest.raises(error):
        await durable.rendered(job, result)

    assert (await row()).images == ()
    assert on_disk(tmp_path) == []


async def test_a_disk_that_fills_up_between_two_pictures_leaves_neither(
    durable, job, result, row, files, tmp_path, monkeypatch, pauses
):
    write, written = files.write, []

    async def write_one(png):
        if written:
            raise StorageFault(detail="disk full")
        written.append(await write(png))
        return written[0]

    monkeypatch.setattr(files, "write", write_one)
    with pytest.raises(StorageFault):
        await durable.rendered(job, result)

    assert written
    assert on_disk(tmp_path) == []
    assert (await row()).status is JobStatus.ACCEPTED
    assert len(pauses.taken) == PATIENT.attempts - 1
    assert pauses.taken[-1] > pauses.taken[0]


async def test_a_disk_that_has_room_again_loses_nothing(durable, job, result, row, tmp_path, monkeypatch, pauses):
    fsync, left = os.fsync, [1]

    def full(handle):
        if left:
            left.pop()
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr("bot.storage.image_files.os.fsync", full)
    await durable.rendered(job, result)

    assert (await row()).status is JobStatus.RENDERED
    assert len(on_disk(tmp_path)) == 2
    assert not list(tmp_path.rglob("*.partial"))
    assert len(pauses.taken) == 1


@pytest.fixture
def impatient(monkeypatch):
    """Nobody waits long for a locked database."""
    monkeypatch.setattr("bot.storage.engines.BUSY_TIMEOUT", 0.01)


@pytest.mark.parametrize("step", ["started", "rendered", "ended"])
async def test_a_database_that_is_locked_for_a_moment_is_waited_for(
    impatient, database, url, job, result, row, files, suspects, now, tmp_path, step
):
    locker = sqlite3.connect(tmp_path / "bot.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    pauses = Pauses(then=lambda: locker.execute("ROLLBACK"))
    waiting = Database(url)
    journal = StoredJournal(database=waiting, files=files, suspects=suspects, clock=lambda: now, pause=pauses)
    arguments = {"started": (job,), "rendered": (job, result), "ended": (job, JobStatus.FAILED, BrokenImage(), 0.5)}

    await getattr(journal, step)(*arguments[step])

    assert (await row()).status is (JobStatus.FAILED if step == "ended" else JobStatus(step))
    assert len(pauses.taken) == 1
    await waiting.close()
    locker.close()


async def test_pictures_that_were_written_though_the_answer_was_lost_stay(
    durable, database, job, result, row, files, monkeypatch
):
    write = database.write

    async def answers_get_lost(work):
        await write(work)
        monkeypatch.setattr(database, "write", write)
        raise StorageFault(detail="connection closed")

    monkeypatch.setattr(database, "write", answers_get_lost)
    await durable.rendered(job, result)

    assert [await files.read(image.file, image.sha256) for image in (await row()).images] == [
        b"picture 0",
        b"picture 1",
    ]


async def test_an_end_that_cannot_be_written_is_written_as_soon_as_it_can_be(
    durable, database, job, row, monkeypatch, pauses
):
    async def fails(work):
        raise StorageFault(detail="disk full")

    with monkeypatch.context() as patch:
        patch.setattr(database, "write", fails)
        await durable.ended(job, JobStatus.FAILED, BrokenImage(), 0.5)
        assert len(pauses.taken) == PATIENT.attempts - 1
        with pytest.raises(StorageFault):
            await durable.catch_up()
    assert durable.owed == {job.id}
    assert (await row()).status is JobStatus.ACCEPTED

    await durable.catch_up()

    record = await row()
    assert (record.status, record.error_code, record.device_seconds) == (JobStatus.FAILED, "broken_image", 0.5)
    assert durable.owed == frozenset()


@pytest.mark.parametrize("arrives", [False, True])
async def test_pictures_that_no_row_could_be_told_of_go_once_that_is_certain(
    durable, database, job, result, row, tmp_path, monkeypatch, arrives
):
    write = database.write

    async def fails(work):
        if arrives:
            await write(work)
        raise StorageFault(detail="connection closed")

    with monkeypatch.context() as patch:
        patch.setattr(database, "write", fails)
        patch.setattr(database, "read", fails)
        with pytest.raises(StorageFault) as fault:
            await durable.rendered(job, result)
    await durable.catch_up()
    assert len(on_disk(tmp_path)) == 2, "its row may still come to know them"

    await durable.ended(job, JobStatus.FAILED, fault.value, 0.5)
    await durable.catch_up()
    assert len(on_disk(tmp_path)) == len((await row()).images) == (2 if arrives else 0)


async def test_our_own_mistake_in_the_row_leaves_no_file(durable, database, job, result, tmp_path, monkeypatch):
    async def fails(work):
        raise IntegrityError("INSERT", {}, Exception("UNIQUE"))

    monkeypatch.setattr(database, "write", fails)
    with pytest.raises(IntegrityError):
        await durable.rendered(job, result)
    assert on_disk(tmp_path) == []


async def test_what_is_put_back_waits_as_if_it_had_not_begun(durable, job, row):
    await durable.started(job)
    await durable.put_back(job, 0.5)

    record = await row()
    assert (record.status, record.crashes, record.device_seconds) == (JobStatus.ACCEPTED, 0, 0.5)
    await durable.ended(job, JobStatus.CANCELLED, Cancelled(), 0.0)
    await durable.put_back(job, 0.5)
    assert (await row()).status is JobStatus.CANCELLED


async def test_of_a_lost_worker_those_it_drew_count_a_crash_and_are_set_aside_the_second_time(durable, job, row):
    await durable.started(job)
    assert await durable.worker_lost([job], []) == {}
    record = await row()
    assert (record.status, record.crashes) == (JobStatus.ACCEPTED, 1)

    await durable.started(job)
    over = await durable.worker_lost([job], [])
    assert isinstance(over[job.id], Quarantined)
    record = await row()
    assert (record.status, record.error_code, record.crashes) == (JobStatus.FAILED, "quarantined", 1)


async def test_of_a_lost_worker_those_that_stood_wait_as_before(durable, job, row):
    await durable.started(job)
    assert await durable.worker_lost([], [job]) == {}
    record = await row()
    assert (record.status, record.crashes) == (JobStatus.ACCEPTED, 0)


async def test_a_crash_counts_once_where_only_the_answer_to_its_writing_was_lost(
    durable, database, job, row, monkeypatch
):
    await durable.started(job)
    write = database.write
    losses = [1]

    async def answer_lost(work, **options):
        done = await write(work, **options)
        if losses:
            losses.pop()
            raise StorageFault(detail="connection closed")
        return done

    monkeypatch.setattr(database, "write", answer_lost)
    assert await durable.worker_lost([job], []) == {}
    assert (await row()).crashes == 1


async def test_pictures_stay_where_nobody_knows_whether_their_row_was_written(
    durable, database, job, result, row, tmp_path, monkeypatch
):
    await durable.started(job)
    write = database.write

    async def answer_lost(work, **options):
        await write(work, **options)
        raise StorageFault(detail="connection closed")

    monkeypatch.setattr(database, "write", answer_lost)
    with pytest.raises(StorageFault):
        await durable.rendered(job, result)

    assert (await row()).status is JobStatus.RENDERED
    assert len(on_disk(tmp_path)) == 2, "the row speaks of them"
