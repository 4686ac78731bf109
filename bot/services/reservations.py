"""Taking a share of what a member may have, so that no two commands can take the same one."""

from bot.services.errors import Blocked
from bot.services.limits import EffectiveLimits, Limits, day_start
from bot.services.members import Member, Whereabouts
from bot.storage import jobs, servers, usage
from bot.storage.database import Database, Transaction
from bot.storage.records import Clock, DayUse, JobRecord
from generation.job import Job, JobId


class Reservations:
    """The accepted row is the reservation: checked for and written in one transaction, and there is one writer."""

    def __init__(self, *, database: Database, limits: Limits, clock: Clock) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock

    async def take(self, job: Job, member: Member, at: Whereabouts, parent: JobId | None) -> None:
        """Write the job down as accepted. Raises Blocked or LimitReached."""
        async with self._database.writing() as transaction:
            if member.server is not None:
                block = await servers.block_of(transaction, member.server, member.id)
                if block is not None:
                    raise Blocked(block.reason)
            now = self._clock()
            limits, use = await self._account(transaction, member)
            self._limits.check(limits, use, job.request, now)
            record = JobRecord(
                id=job.id,
                parent=parent,
                request=job.request,
                requester=member.id,
                requester_name=member.name,
                server=member.server,
                channel=at.channel,
                message=at.message,
                reply_to=at.reply_to,
                interaction_token=at.interaction_token,
                token_expires=at.token_expires,
                accepted_at=now,
                cost=job.cost,
            )
            await jobs.insert(transaction, record)

    async def account(self, member: Member) -> tuple[EffectiveLimits, DayUse]:
        """What holds for a member where they speak from, and what they have taken of it."""
        async with self._database.reading() as transaction:
            return await self._account(transaction, member)

    async def _account(self, transaction: Transaction, member: Member) -> tuple[EffectiveLimits, DayUse]:
        rows = ()
        if member.server is not None:
            rows = await servers.limits_that_concern(transaction, member.server, member.id, member.roles)
        use = await usage.of_member(transaction, member.id, member.server, day_start(self._clock()))
        return self._limits.effective(rows, member), use
