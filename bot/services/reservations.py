"""Taking a share of what a member may have, so that no two commands can take the same one."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from bot.clock import Clock
from bot.errors import Blocked, TooBusy
from bot.records import Account, BlockRecord, DayUse, JobRecord, LimitRow, Member, Place
from bot.services.access import AccessSettings
from bot.services.access_settings import settings_on
from bot.services.limits import EffectiveLimits, Limits, day_start
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
    parent: JobId | None
    action: str | None  #: what was done to the parent
    estimated_seconds: float  #: of the device
    now: datetime

    @property
    def account(self) -> Account:
        """Whose limits it is held to."""
        return self.member.id, self.member.server


class Reservations:
    """The accepted row is the reservation: checked for and written in one transaction, and there is one writer.

    Those who ask at the same moment share a transaction, with as many statements as one of them would take alone. They
    are looked at in the order they came, each as if those before were written down already.
    """

    def __init__(self, *, database: Database, limits: Limits, clock: Clock) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock
        self._asking: Line[Asked, JobRecord | Refusal] = database.line(self._take_together, most=TOGETHER)

    def ask(self, asked: Asked) -> asyncio.Future[JobRecord | Refusal]:
        """Have the job written down as accepted, or learn why not; the future may raise StorageFault.

        Raises TooBusy where the line is too long: those who could not be answered in time would only slow the others.
        """
        if len(self._asking) >= MOST_WAITING or self._database.seconds_in_line > LONGEST_LINE:
            raise TooBusy
        return self._asking.join(asked)

    def leave(self, reservation: asyncio.Future[JobRecord | Refusal]) -> bool:
        """Give up the place in line, so that nothing is written. False when it is too late for that."""
        return self._asking.leave(reservation)

    async def account(self, member: Member) -> tuple[EffectiveLimits, DayUse]:
        """What holds for a member where they speak from, and what they have taken of it."""
        account, now = (member.id, member.server), self._clock()
        books = await self._database.read(lambda transaction: _Books.of(transaction, {account}, now))
        return self._limits.effective(books.limits_of(account), member), books.use[account]

    def _take_together(self, transaction: Transaction, group: list[Asked]) -> list[JobRecord | Refusal]:
        now = max(asked.now for asked in group)
        books = _Books.of(transaction, {asked.account for asked in group}, now)
        outcomes = [self._enter(books, asked, now) for asked in group]
        if accepted := [outcome for outcome in outcomes if isinstance(outcome, JobRecord)]:
            jobs.insert(transaction, *accepted)
        return outcomes

    def _enter(self, books: "_Books", asked: Asked, now: datetime) -> JobRecord | Refusal:
        """Put it on the member's account, or say why not."""
        account = asked.account
        if (block := books.blocks.get(account)) is not None:
            return Blocked(block.reason)
        limits = self._limits.effective(books.limits_of(account), asked.member)
        try:
            books.access_on(account).check(asked.member, asked.request.model, now)
            self._limits.check(limits, books.use[account], asked.request, asked.estimated_seconds, now)
        except Refusal as refusal:
            return refusal
        books.charge(asked, now)
        return _record(asked, now, weight=limits["weight"].value or 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Books:
    """What counts for these members, read once; what they take is added here as it will be written."""

    blocks: dict[Account, BlockRecord]
    access: dict[str, AccessSettings]
    limits: dict[str, tuple[LimitRow, ...]]
    use: dict[Account, DayUse]

    @classmethod
    def of(cls, transaction: Transaction, accounts: set[Account], now: datetime) -> "_Books":
        on_servers = {account for account in accounts if account[1] is not None}
        return cls(
            blocks=servers.blocks_of(transaction, on_servers) if on_servers else {},
            access=settings_on(transaction, {server for _, server in on_servers if server}) if on_servers else {},
            limits=servers.limits_that_concern(transaction, on_servers) if on_servers else {},
            use=usage.of_members(transaction, accounts, day_start(now), now),
        )

    def limits_of(self, account: Account) -> Iterable[LimitRow]:
        return self.limits.get(account[1] or "", ())

    def access_on(self, account: Account) -> AccessSettings:
        return self.access.get(account[1] or "", AccessSettings())

    def charge(self, asked: Asked, now: datetime) -> None:
        use = self.use[asked.account]
        self.use[asked.account] = replace(
            use,
            jobs=use.jobs + 1,
            images=use.images + asked.request.count,
            device_seconds=use.device_seconds + asked.estimated_seconds,
            waiting_or_running=use.waiting_or_running + 1,
            last_accepted_at=now,
        )


def _record(asked: Asked, now: datetime, *, weight: float) -> JobRecord:
    member = asked.member
    return JobRecord(
        id=asked.job_id,
        parent=asked.parent,
        action=asked.action,
        request=asked.request,
        requester=member.id,
        requester_name=member.name,
        server=member.server,
        place=asked.at,
        accepted_at=now,
        weight=weight,
        estimated_seconds=asked.estimated_seconds,
    )
