"""The durable journal: file first, row second, and only then is anybody told."""

import asyncio
from contextlib import suppress
from uuid import uuid4

from bot.storage import jobs
from bot.storage.database import Database
from bot.storage.errors import StorageFault
from bot.storage.image_files import ImageFiles, StoredFile
from bot.storage.records import Clock, ImageRecord
from generation.errors import Cancelled, Interrupted, KnownError
from generation.job import Job, JobStatus
from generation.journal import Journal
from generation.result import GenerationResult, RenderedJob


class StoredJournal(Journal):
    """Writes a job's life into its row and its pictures into files. A crash leaves at worst an orphan file."""

    def __init__(self, *, database: Database, files: ImageFiles, clock: Clock) -> None:
        self._database = database
        self._files = files
        self._clock = clock

    async def started(self, job: Job) -> None:
        """The job was handed to a worker."""
        async with self._database.writing() as transaction:
            await jobs.start(transaction, job.id, self._clock())

    async def rendered(self, job: Job, result: GenerationResult) -> RenderedJob:
        """Keep the pictures. Raises Cancelled or Interrupted when the job was over first, StorageFault."""
        written: list[StoredFile] = []
        try:
            for image in result.images:
                written.append(await self._files.write(image.png))
            records = tuple(
                ImageRecord(
                    id=uuid4(),
                    index=image.index,
                    seed=image.seed,
                    width=image.width,
                    height=image.height,
                    file=stored.name,
                    sha256=stored.sha256,
                    size=stored.size,
                )
                for image, stored in zip(result.images, written, strict=True)
            )
            async with self._database.writing() as transaction:
                if not await jobs.render(transaction, job.id, self._clock(), result.device_seconds, records):
                    record = await jobs.get(transaction, job.id)
                    interrupted = record is not None and record.status is JobStatus.INTERRUPTED
                    raise Interrupted if interrupted else Cancelled
        except KnownError:
            await self._discard(written)
            raise
        return RenderedJob(
            job_id=job.id, image_ids=tuple(record.id for record in records), device_seconds=result.device_seconds
        )

    async def ended(self, job: Job, status: JobStatus, error: KnownError, device_seconds: float) -> None:
        """The job ended without pictures; one that is over already stays as it is."""
        async with self._database.writing() as transaction:
            await jobs.finish(
                transaction,
                job.id,
                status,
                self._clock(),
                error_code=error.code,
                device_seconds=device_seconds,
                among=jobs.LIVE,
            )

    async def put_back(self, job: Job, device_seconds: float) -> None:
        """The process stops: the job waits for the next run, and nothing is held against it."""
        async with self._database.writing() as transaction:
            await jobs.put_back(transaction, job.id)

    async def _discard(self, files: list[StoredFile]) -> None:
        with suppress(StorageFault):  # orphans at worst; what went wrong first is what counts
            await asyncio.gather(*(self._files.delete(file.name) for file in files))
