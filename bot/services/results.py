"""A member's own results, for when they were not there as the pictures came, or could not be given them."""

from collections.abc import Callable

from bot.clock import Clock
from bot.errors import NoResult, UnknownJob
from bot.records import JobRecord, Member
from bot.services.answers import Shown
from bot.storage import holds, jobs, unfinished
from bot.storage.database import Database, Transaction
from generation.job import JobId, JobStatus

MOST_RESULTS = 25  #: to choose one from


class Results:
    """Finds a member's jobs that have pictures. Only ever their own."""

    def __init__(
        self, *, database: Database, clock: Clock, ended: Callable[[JobStatus], None] = lambda status: None
    ) -> None:
        """`ended` is told of jobs that end here."""
        self._database = database
        self._ended = ended
        self._clock = clock

    async def of(self, member: Member) -> tuple[JobRecord, ...]:
        """A member's results, wherever they asked: those that could not be delivered first, then the newest."""
        return await self._database.read(
            lambda transaction: unfinished.results_of(transaction, member.id, MOST_RESULTS)
        )

    async def one(self, job_id: JobId | None, member: Member) -> JobRecord:
        """The one of that id, or the first of them. Raises NoResult, UnknownJob for somebody else's."""
        if job_id is None:
            first = next(iter(await self.of(member)), None)
            if first is None:
                raise NoResult
            return first
        record = await self._database.read(lambda transaction: jobs.get(transaction, job_id))
        if record is None or record.requester != member.id or record.deleted_at is not None:
            raise UnknownJob
        if not record.images:
            raise NoResult
        return record

    async def fetched(self, shown: Shown) -> None:
        """Its requester has this now: what was kept for them has reached its good end, or is held back.

        Raises StorageFault.
        """
        job, now = shown.job, self._clock()
        if not job.is_kept:
            return

        def note(transaction: Transaction) -> bool:
            if not shown.pictures:
                holds.withhold(transaction, job.id, now)
                return False
            if let_through := shown.let_through:
                holds.given(transaction, let_through, now)
            return jobs.finish(transaction, job.id, JobStatus.POSTED, now, among={JobStatus.RENDERED})

        if await self._database.write(note):
            self._ended(JobStatus.POSTED)
