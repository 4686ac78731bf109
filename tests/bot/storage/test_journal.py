"""The journal: one contract for both, then what only the durable one promises."""

from uuid import UUID

import pytest

from bot.storage import jobs
from bot.storage.errors import StorageFault
from bot.storage.journal import StoredJournal
from generation.errors import BrokenImage, Cancelled, Interrupted
from generation.job import Job, JobStatus
from generation.journal import MemoryJournal
from generation.result import GeneratedImage, GenerationResult


@pytest.fixture
async def job(database, new_record) -> Job:
    """An accepted job that has its row."""
    record = new_record()
    async with database.writing() as transaction:
        await jobs.insert(transaction, record)
    return Job(id=record.id, request=record.request, requester=record.requester)


@pytest.fixture
def result(job) -> GenerationResult:
    images = tuple(
        GeneratedImage(index=index, seed=seed, width=64, height=128, png=b"picture %d" % index)
        for index, seed in enumerate(job.request.seeds)
    )
    return GenerationResult(job_id=job.id, images=images, device_seconds=1.25)


@pytest.fixture
def durable(database, files, now) -> StoredJournal:
    return StoredJournal(database=database, files=files, clock=lambda: now)


@pytest.fixture
async def row(database, job):
    """Looks the job's row up."""

    async def looked_up():
        async with database.reading() as transaction:
            return await jobs.get(transaction, job.id)

    return looked_up


def on_disk(folder):
    return list(folder.rglob("*.png"))


@pytest.mark.parametrize("kind", ["memory", "durable"])
async def test_every_journal_takes_a_jobs_whole_life(kind, durable, job, result):
    journal = MemoryJournal() if kind == "memory" else durable

    await journal.started(job)
    receipt = await journal.rendered(job, result)
    await journal.ended(job, JobStatus.FAILED, BrokenImage(), 1.0)  # whatever else comes is no reason to fall over

    assert receipt.job_id == job.id
    assert receipt.device_seconds == 1.25
    assert len(set(receipt.image_ids)) == 2
    assert all(isinstance(image_id, UUID) for image_id in receipt.image_ids)


async def test_the_row_tells_what_the_files_hold(durable, job, result, row, files, now):
    await durable.started(job)
    receipt = await durable.rendered(job, result)

    record = await row()
    assert (record.status, record.starts, record.rendered_at) == (JobStatus.RENDERED, 1, now)
    assert record.device_seconds == 1.25
    assert tuple(image.id for image in record.images) == receipt.image_ids
    assert [image.seed for image in record.images] == [2**32 - 1, 0]
    assert [await files.read(image.file) for image in record.images] == [b"picture 0", b"picture 1"]
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
    durable, job, result, row, files, tmp_path, monkeypatch
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
