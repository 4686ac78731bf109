"""The durable journal: file first, row second, and only then is anybody told."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID, uuid4

from bot.clock import Clock
from bot.errors import Quarantined, StorageFault, is_storage_fault
from bot.records import ImageRecord, JobRecord
from bot.retrying import PATIENT, Pause, retried
from bot.storage import jobs, unfinished
from bot.storage.database import Database, Transaction
from bot.storage.image_files import ImageFiles, StoredFile
from bot.storage.suspects import SuspectsFile
from generation.errors import Cancelled, Interrupted, KnownError
from generation.job import Job, JobId, JobStatus
from generation.journal import Journal
from generation.result import GeneratedImage, GenerationResult

T = TypeVar("T")

log = logging.getLogger(__name__)


class StoredJournal(Journal[JobRecord]):
    """Writes a job's life into its row and its pictures into files. A crash leaves at worst an orphan file.

    A disk that is full or a database that is locked is tried again a few times: what was drawn is worth some patience.
    """

    def __init__(
        self,
        *,
        database: Database,
        files: ImageFiles,
        suspects: SuspectsFile,
        clock: Clock,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._database = database
        self._files = files
        self._suspects = suspects
        self._clock = clock
        self._pause = pause
        self._owed: dict[JobId, Callable[[], Awaitable[None]]] = {}  #: ends that are not written yet
        self._doubtful: dict[JobId, list[ImageRecord]] = {}  #: pictures on disk of which rows may or may not know

    def drawing(self, jobs: frozenset[JobId]) -> None:
        """A device works for these jobs next: the next start finds them, if this process dies of it."""
        self._suspects.write(jobs)

    async def started(self, job: Job) -> None:
        """A device has begun to work for the job. Raises StorageFault."""
        await self._patiently(lambda: self._started(job), doing=f"the start of job {job.id}")

    async def rendered(self, job: Job, result: GenerationResult) -> JobRecord:
        """Keep the pictures. Raises Cancelled or Interrupted when the job was over first, StorageFault."""
        written: list[ImageRecord] = []
        try:
            for image in result.images:
                stored = await self._patiently(
                    lambda png=image.png: self._files.write(png), doing=f"a picture of job {job.id}"
                )
                written.append(_record(image, stored))
        except Exception:
            await self._discard(written)
            raise
        try:
            return await self._patiently(
                lambda: self._rendered(job, result, written), doing=f"the pictures of job {job.id}"
            )
        except StorageFault:
            self._doubtful[job.id] = written  # the row may have been written, and only the answer lost
            raise
        except Exception:
            await self._discard(written)
            raise

    async def ended(self, job: Job, status: JobStatus, error: KnownError, device_seconds: float) -> None:
        """The job ended without pictures; of one that was cancelled before, only what it has cost is written.

        What cannot be written now is kept, and written by `catch_up`.
        """
        now = self._clock()

        async def write() -> None:
            await self._ended(job, status, error, device_seconds, now)

        try:
            await self._patiently(write, doing=f"the end of job {job.id}")
        except StorageFault as fault:
            log.error("the end of job %s (%s) cannot be written yet: %s", job.id, status, fault.detail)
            self._owed[job.id] = write

    @property
    def owed(self) -> frozenset[JobId]:
        """The jobs that are over, and whose rows do not say so yet."""
        return frozenset(self._owed)

    async def catch_up(self) -> None:
        """Write what could not be written before, as far as that is possible now, and remove files that no row has come
        to know. Raises StorageFault."""
        for job_id, write in tuple(self._owed.items()):
            await write()
            del self._owed[job_id]
            log.info("the end of job %s is written now", job_id)
        for job_id, written in tuple(self._doubtful.items()):
            await self._settle(job_id, written)

    async def put_back(self, job: Job, device_seconds: float) -> None:
        """The job was not finished and waits again. One attempt: the process is about to stop. Raises StorageFault."""
        await self._database.write(lambda transaction: unfinished.put_back(transaction, job.id, device_seconds))

    async def worker_lost(self, drawn: Sequence[Job], standing: Sequence[Job]) -> Mapping[JobId, KnownError]:
        """A worker in another process is gone: its jobs wait again, or are set aside. Raises StorageFault."""

        doing = "what a lost worker had drawn"
        ids = [job.id for job in drawn]

        def read(transaction: Transaction) -> list[JobRecord]:
            return [record for job_id in ids if (record := jobs.get(transaction, job_id)) is not None]

        # Read first: where only the answer to the writing is lost, the second attempt must not count once more.
        known = await self._patiently(lambda: self._database.read(read), doing=doing)
        now = self._clock()

        def write(transaction: Transaction) -> dict[JobId, KnownError]:
            for job in standing:
                unfinished.clear(transaction, job.id)
            return {record.id: Quarantined() for record in known if not unfinished.crashed(transaction, record, now)}

        return await self._patiently(lambda: self._database.write(write), doing=doing)

    async def _patiently(self, write: Callable[[], Awaitable[T]], *, doing: str) -> T:
        return await retried(write, PATIENT, passing=is_storage_fault, doing=doing, pause=self._pause)

    async def _started(self, job: Job) -> None:
        await self._database.write(lambda transaction: jobs.start(transaction, job.id))

    async def _rendered(self, job: Job, result: GenerationResult, images: list[ImageRecord]) -> JobRecord:
        now = self._clock()
        record = await self._database.write(
            lambda transaction: jobs.render(transaction, job.id, now, result.device_seconds, images, result.drawn_with)
        )
        if record is not None:
            return replace(record, unread=result.unread)
        record = await self._database.read(lambda transaction: jobs.get(transaction, job.id))
        if record is not None and {image.id for image in record.images} == {image.id for image in images}:
            return record  # an earlier attempt did arrive, only its answer was lost
        if record is not None and record.status is JobStatus.INTERRUPTED:
            raise Interrupted
        raise Cancelled(record.ended_by if record is not None else None)

    async def _ended(
        self, job: Job, status: JobStatus, error: KnownError, device_seconds: float, now: datetime
    ) -> None:
        spent = device_seconds or None  # what an earlier run has spent stays
        by = error.by if isinstance(error, Cancelled) else None

        def end(transaction: Transaction) -> None:
            is_first = jobs.finish(
                transaction,
                job.id,
                status,
                now,
                error_code=error.code,
                ended_by=by,
                device_seconds=spent,
                among=jobs.LIVE,
            )
            if not is_first and spent is not None:
                jobs.spend(transaction, job.id, spent)

        await self._database.write(end)

    async def _settle(self, job_id: JobId, written: list[ImageRecord]) -> None:
        record = await self._database.read(lambda transaction: jobs.get(transaction, job_id))
        if record is not None and record.status in jobs.LIVE:
            return  # the row may still come to know them
        known = {image.id for image in record.images} if record is not None else set[UUID]()
        await self._discard([image for image in written if image.id not in known])
        del self._doubtful[job_id]

    async def _discard(self, images: list[ImageRecord]) -> None:
        await self._files.delete([image.file for image in images])  # those that stay are orphans


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
