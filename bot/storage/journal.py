"""The durable journal: file first, row second, and only then is anybody told."""

import asyncio
from contextlib import suppress
from uuid import uuid4

from bot.storage import jobs, unfinished
from bot.storage.database import Database
from bot.storage.errors import StorageFault
from bot.storage.image_files import ImageFiles, StoredFile
from bot.storage.patience import Pause, patiently
from bot.storage.records import Clock, ImageRecord
from generation.errors import Cancelled, Interrupted, KnownError
from generation.job import Job, JobStatus
from generation.journal import Journal
from generation.result import GeneratedImage, GenerationResult, RenderedJob


class StoredJournal(Journal):
    """Writes a job's life into its row and its pictures into files. A crash leaves at worst an orphan file.

    A disk that is full or a database that is locked is tried again a few times: what was drawn is worth some patience.
    """

    def __init__(self, *, database: Database, files: ImageFiles, clock: Clock, pause: Pause = asyncio.sleep) -> None:
        self._database = database
        self._files = files
        self._clock = clock
        self._pause = pause

    async def started(self, job: Job) -> None:
        """The job was handed to a worker. Raises StorageFault."""
        await patiently(lambda: self._started(job), doing=f"the start of job {job.id}", pause=self._pause)

    async def rendered(self, job: Job, result: GenerationResult) -> RenderedJob:
        """Keep the pictures. Raises Cancelled or Interrupted when the job was over first, StorageFault."""
        written: list[ImageRecord] = []
        try:
            for image in result.images:
                stored = await patiently(
                    lambda png=image.png: self._files.write(png), doing=f"a picture of job {job.id}", pause=self._pause
                )
                written.append(_record(image, stored))
            await patiently(
                lambda: self._rendered(job, result, written), doing=f"the pictures of job {job.id}", pause=self._pause
            )
        except KnownError:
            await self._discard(written)
            raise
        return RenderedJob(
            job_id=job.id, image_ids=tuple(record.id for record in written), device_seconds=result.device_seconds
        )

    async def ended(self, job: Job, status: JobStatus, error: KnownError, device_seconds: float) -> None:
        """The job ended without pictures; one that is over already stays as it is. Raises StorageFault."""
        await patiently(
            lambda: self._ended(job, status, error, device_seconds), doing=f"the end of job {job.id}", pause=self._pause
        )

    async def put_back(self, job: Job, device_seconds: float) -> None:
        """The job was not finished and waits again. One attempt: the process is about to stop. Raises StorageFault."""
        await self._database.write(lambda transaction: unfinished.put_back(transaction, job.id, device_seconds))

    async def _started(self, job: Job) -> None:
        await self._database.write(lambda transaction: jobs.start(transaction, job.id, self._clock()))

    async def _rendered(self, job: Job, result: GenerationResult, images: list[ImageRecord]) -> None:
        if await self._database.write(
            lambda transaction: jobs.render(transaction, job.id, self._clock(), result.device_seconds, images)
        ):
            return
        async with self._database.reading() as transaction:
            record = await jobs.get(transaction, job.id)
        if record is not None and {image.id for image in record.images} == {image.id for image in images}:
            return  # an earlier attempt did arrive, only its answer was lost
        interrupted = record is not None and record.status is JobStatus.INTERRUPTED
        raise Interrupted if interrupted else Cancelled

    async def _ended(self, job: Job, status: JobStatus, error: KnownError, device_seconds: float) -> None:
        await self._database.write(
            lambda transaction: jobs.finish(
                transaction,
                job.id,
                status,
                self._clock(),
                error_code=error.code,
                device_seconds=device_seconds,
                among=jobs.LIVE,
            )
        )

    async def _discard(self, images: list[ImageRecord]) -> None:
        with suppress(StorageFault):  # orphans at worst; what went wrong first is what counts
            await asyncio.gather(*(self._files.delete(image.file) for image in images))


def _record(image: GeneratedImage, stored: StoredFile) -> ImageRecord:
    return ImageRecord(
        id=uuid4(),
        index=image.index,
        seed=image.seed,
        width=image.width,
        height=image.height,
        file=stored.name,
        sha256=stored.sha256,
        size=stored.size,
    )
