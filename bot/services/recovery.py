"""What a start owes those who asked before it: each unfinished job goes on, or its requester learns why not."""

import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from bot.clock import Clock
from bot.errors import WordRefused
from bot.records import JobRecord
from bot.services.answers import Recovery, Resumed
from bot.services.words import Words
from bot.storage import jobs, unfinished, usage
from bot.storage.database import Database, Transaction
from bot.storage.input_files import InputFiles
from bot.storage.suspects import SuspectsFile
from generation.catalog import ModelCatalog
from generation.dispatcher import Dispatcher
from generation.errors import Interrupted, Refusal
from generation.job import Job, JobId, JobStatus
from generation.request import GenerationRequest
from generation.ticket import JobTicket

log = logging.getLogger(__name__)

LEARNS_FROM = 500  #: jobs
TELLS_WITHIN = timedelta(days=7)  #: how long it is still worth saying that a job was ended, and looking for a message


class Restart:
    """Puts the last run's jobs back in line, once, before anybody can ask for new ones."""

    def __init__(
        self,
        *,
        database: Database,
        suspects: SuspectsFile,
        input_files: InputFiles,
        dispatcher: Dispatcher[JobRecord],
        catalog: ModelCatalog,
        words: Words,
        clock: Clock,
    ) -> None:
        self._database = database
        self._suspects = suspects
        self._input_files = input_files
        self._dispatcher = dispatcher
        self._catalog = catalog
        self._words = words
        self._clock = clock
        self._strays: set[JobId] = set()  #: seen live in their rows only, at the last look

    async def recover(self) -> Recovery:
        """Everything that is still owed. Jobs go back in the order they were accepted.

        A job that the device worked for when the process died goes back too, alone in its batch; one that it worked
        for in two such deaths is set aside. Raises StorageFault.
        """
        now, suspects = self._clock(), self._suspects.read()
        going_on, recovery = await self._database.write(
            lambda transaction: self._found(transaction, suspects, now), alone=True
        )
        self._suspects.write(frozenset())  # that death is counted
        resumed = tuple(
            Resumed(job=record, ticket=resume(self._dispatcher, record, self._input_files)) for record in going_on
        )
        if resumed or recovery.rendered:
            log.info("%d jobs of the last run go on, %d have pictures to post", len(resumed), len(recovery.rendered))
        return replace(recovery, resumed=resumed)

    async def settle(self, owed: Collection[JobId] = ()) -> int:
        """End the rows that say live and that nobody draws, such as one whose answer was lost; says how many.

        Only what was so at the last look too: a job is accepted in its row first. `owed` are ends that are known and
        not written yet. Raises StorageFault.
        """
        alive = {job.id for job in (*self._dispatcher.running(), *self._dispatcher.waiting())}
        live = await self._database.read(jobs.live_servers)
        strays = {job_id for job_id in live if job_id not in alive and job_id not in owed}
        strays = {job_id for job_id in strays if self._dispatcher.ticket(job_id) is None}
        lost, self._strays, now = strays & self._strays, strays, self._clock()
        for job_id in lost:
            log.warning("job %s is live in its row and drawn by nobody: it ends here", job_id)
            await self._database.write(
                lambda tx, job_id=job_id: jobs.finish(
                    tx, job_id, JobStatus.INTERRUPTED, now, error_code=Interrupted.code, among=jobs.LIVE
                )
            )
        return len(lost)

    async def learn_costs(self) -> None:
        """Let the dispatcher judge new jobs by what the last ones have cost."""
        for request, device_seconds, device in await self._database.read(_costs):
            self._dispatcher.estimates.learn(request, device_seconds, device)

    def _found(
        self, transaction: Transaction, suspects: frozenset[JobId] | None, now: datetime
    ) -> tuple[list[JobRecord], Recovery]:
        again = [self._again(transaction, record, suspects, now) for record in jobs.live(transaction)]
        found = Recovery(
            rendered=unfinished.unposted(transaction),
            ended=unfinished.untold(transaction, now - TELLS_WITHIN),
            deleted=unfinished.with_messages_left(transaction, now - TELLS_WITHIN),
        )
        return [record for record in again if record is not None], found

    def _again(
        self, transaction: Transaction, record: JobRecord, suspects: frozenset[JobId] | None, now: datetime
    ) -> JobRecord | None:
        """The job as it goes on; None when it was ended here instead. `suspects` None: each that had begun is one."""
        begun = record.status is JobStatus.STARTED
        crashed = begun if suspects is None else record.id in suspects
        if crashed and record.crashes >= unfinished.CRASHES_ALLOWED:
            unfinished.crashed(transaction, record, now)
            return None
        try:
            self._catalog.require(record.request)
        except Refusal:  # another model or LoRA is on offer now, or the rules have changed
            jobs.finish(transaction, record.id, JobStatus.INTERRUPTED, now, error_code=Interrupted.code)
            return None
        if not self._words.still_accepts(transaction, record):
            jobs.finish(transaction, record.id, JobStatus.FAILED, now, error_code=WordRefused.code)
            return None
        if not crashed:
            if begun:
                unfinished.clear(transaction, record.id)
            return replace(record, status=JobStatus.ACCEPTED)
        # Waiting again in the row as well: a second crash before its turn is not its doing.
        unfinished.crashed(transaction, record, now)
        return replace(record, status=JobStatus.ACCEPTED, crashes=record.crashes + 1)


def _costs(transaction: Transaction) -> list[tuple[GenerationRequest, float, str]]:
    """What the last jobs have cost, those aside that today's rules would refuse."""
    return [cost for cost in usage.measured(transaction, LEARNS_FROM) if _is_valid(cost[0])]


def _is_valid(request: GenerationRequest) -> bool:
    try:
        request.check()
    except Refusal:
        return False
    return True


def resume(dispatcher: Dispatcher[JobRecord], record: JobRecord, input_files: InputFiles) -> JobTicket[JobRecord]:
    """Put an accepted job back in line; alone in its batch, if the process died under it before."""
    return dispatcher.restore(job_of(record, input_files), alone=record.crashes > 0)


def job_of(record: JobRecord, input_files: InputFiles) -> Job:
    """The job for the dispatcher. Members share a server's turns by their weights."""
    return Job(
        id=record.id,
        request=record.request,
        requester=record.requester,
        weight=record.weight,
        group=record.server,
        inputs=partial(input_files.of, record.request),
    )
