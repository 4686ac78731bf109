"""Taking a share of what a member may have, so that no two commands can take the same one."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from bot.clock import Clock
from bot.errors import Blocked, TooBusy, TooManyStrikes
from bot.records import Account, BlockRecord, DayUse, JobRecord, LimitRow, Member, Place
from bot.services.access import AccessSettings
from bot.services.access_settings import settings_on
from bot.services.limits import EffectiveLimits, Limits, day_start
from bot.services.strikes import Strikes, standing_of_all
from bot.storage import jobs, servers, usage
from bot.storage.database import Database, Transaction
from bot.storage.lines import Line
from generation.errors import Refusal
from generation.job import JobId
from generation.request import GenerationRequest

TOGETHER = 200  #: reservations in one transaction; it takes a fraction of a second
MOST_WAITING = 2 * TOGETHER  #: who stands further back would not be answered in time
LONGEST_LINE = 1.0  #: seconds to wait for the database, of the 3 that Discord gives for an answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What somebody wants to have reserved."""

    job_id: JobId
    request: GenerationRequest
    member: Member
    at: Place
    estimated_seconds: float  #: of the device
    now: datetime
    parent: JobId | None = None
    action: str | None = None  #: what was done to the parent
    batch: UUID | None = None  #: shared by what is asked for together

    @property
    def account(self) -> Account:
        """Whose limits it is held to."""
        return self.member.id, self.member.server


Batch: TypeAlias = tuple[Asked, ...]  #: of one member, reserved whole or not at all; mostly of one job
Records: TypeAlias = tuple[JobRecord, ...]


class Reservations:
    """The accepted row is the reservation: checked for and written in one transaction, and there is one writer.

    Those who ask at the same moment share a transaction, with as many statements as one of them would take alone. They
    are looked at in the order they came, each as if those before were written down already.
    """

    def __init__(self, *, database: Database, limits: Limits, clock: Clock) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock
        self._asking: Line[Batch, Records | Refusal] = database.line(self._take_together, most=TOGETHER)

    def ask(self, asked: Batch) -> asyncio.Future[Records | Refusal]:
        """Have jobs of one member written down as accepted, all or none, or learn why not; the future may raise
        StorageFault.

        Raises TooBusy where the line is too long: those who could not be answered in time would only slow the others.
        """
        if len(self._asking) >= MOST_WAITING or self._database.seconds_in_line > LONGEST_LINE:
            raise TooBusy
        return self._asking.join(asked)

    def leave(self, reservation: asyncio.Future[Records | Refusal]) -> bool:
        """Give up the place in line, so that nothing is written. False when it is too late for that."""
        return self._asking.leave(reservation)

    async def account(self, member: Member) -> tuple[EffectiveLimits, DayUse]:
        """What holds for a member where they speak from, and what they have taken of it."""
        account, now = (member.id, member.server), self._clock()
        books = await self._database.read(lambda transaction: _Books.of(transaction, {account}, now))
        return self._limits.effective(books.limits_of(account), member), books.use[account]

    def _take_together(self, transaction: Transaction, group: list[Batch]) -> list[Records | Refusal]:
        now = max(batch[0].now for batch in group)
        books = _Books.of(transaction, {batch[0].account for batch in group}, now)
        outcomes = [self._enter(books, batch, now) for batch in group]
        if accepted := [record for outcome in outcomes if isinstance(outcome, tuple) for record in outcome]:
            jobs.insert(transaction, *accepted)
        return outcomes

    def _enter(self, books: "_Books", batch: Batch, now: datetime) -> Records | Refusal:
        """Put them on the member's account, or say why not."""
        account, member = batch[0].account, batch[0].member
        if (block := books.blocks.get(account)) is not None:
            return Blocked(block.reason)
        strikes = books.strikes.get(account)  # on servers only
        if strikes is not None and strikes.blocked_until is not None:
            return TooManyStrikes(strikes.blocks_at, strikes.blocked_until)
        limits = self._limits.effective(books.limits_of(account), member)
        costs = [(asked.request, asked.estimated_seconds) for asked in batch]
        try:
            for model in {asked.request.model for asked in batch}:
                books.access_on(account).check(member, model, now)
            self._limits.check(limits, books.use[account], costs, now)
        except Refusal as refusal:
            return refusal
        books.charge(account, costs, now)
        weight = limits["weight"].value or 1.0
        # A moment of its own for each, none after now: what is read in order later is in the order of asking.
        moments = (now - timedelta(microseconds=left) for left in reversed(range(len(batch))))
        return tuple(_record(asked, moment, weight=weight) for asked, moment in zip(batch, moments, strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Books:
    """What counts for these members, read once; what they take is added here as it will be written."""

    blocks: dict[Account, BlockRecord]
    strikes: dict[Account, Strikes]
    access: dict[str, AccessSettings]
    limits: dict[str, tuple[LimitRow, ...]]
    use: dict[Account, DayUse]

    @classmethod
    def of(cls, transaction: Transaction, accounts: set[Account], now: datetime) -> "_Books":
        on_servers = {account for account in accounts if account[1] is not None}
        return cls(
            blocks=servers.blocks_of(transaction, on_servers) if on_servers else {},
            strikes=standing_of_all(transaction, on_servers, now) if on_servers else {},
            access=settings_on(transaction, {server for _, server in on_servers if server}) if on_servers else {},
            limits=servers.limits_that_concern(transaction, on_servers) if on_servers else {},
            use=usage.of_members(transaction, accounts, day_start(now), now),
        )

    def limits_of(self, account: Account) -> Iterable[LimitRow]:
        return self.limits.get(account[1] or "", ())

    def access_on(self, account: Account) -> AccessSettings:
        return self.access.get(account[1] or "", AccessSettings())

    def charge(self, account: Account, costs: Sequence[tuple[GenerationRequest, float]], now: datetime) -> None:
        use = self.use[account]
        self.use[account] = replace(
            use,
            jobs=use.jobs + len(costs),
            images=use.images + sum(request.count for request, _ in costs),
            device_seconds=use.device_seconds + sum(seconds for _, seconds in costs),
            waiting_or_running=use.waiting_or_running + 1,
            last_accepted_at=now,
        )


def _record(asked: Asked, accepted_at: datetime, *, weight: float) -> JobRecord:
    member = asked.member
    return JobRecord(
        id=asked.job_id,
        parent=asked.parent,
        action=asked.action,
        batch=asked.batch,
        request=asked.request,
        requester=member.id,
        requester_name=member.name,
        server=member.server,
        place=asked.at,
        accepted_at=accepted_at,
        weight=weight,
        estimated_seconds=asked.estimated_seconds,
    )
