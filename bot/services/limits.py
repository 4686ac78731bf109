"""How much one member may ask for. Decides and touches nothing: settings and usage come in, a refusal comes out."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, time, timedelta
from enum import IntEnum
from typing import TypeAlias

from bot.errors import LimitReached
from bot.records import DayUse, LimitRow, LimitScope, LimitValues, Member
from generation.errors import InvalidRequest
from generation.request import MAX_SIZE, MAX_STEPS, GenerationRequest


class LimitRule(IntEnum):
    """How a limit holds. Looked at in this order, so that what time cannot mend is said first."""

    EACH = 1  #: no request may ask for more
    DAY = 2  #: no more in a day, UTC
    PAUSE = 3  #: seconds from one accepted job to the next
    NOW = 4  #: no more at a time
    SHARE = 5  #: bounds nothing: the member's weight in the fair order


@dataclass(frozen=True, slots=True)
class LimitKind:
    """One limit that can be set. An entry in LIMIT_KINDS is all that a new one needs."""

    name: str  #: as admins type it, and as rows keep it
    title: str  #: as people read it
    meaning: str  #: in a few words, for the admin who sets it
    rule: LimitRule
    least: float
    most: float
    _: KW_ONLY
    unit: str = ""  #: of its values
    is_whole: bool = True  #: whether its values are whole numbers
    default: float | None = None  #: None: no limit
    more_generous: Callable[[Iterable[float]], float] = max
    asked: Callable[[GenerationRequest, float], float] = lambda request, seconds: 0.0  #: of it, by a request
    used: Callable[[DayUse], float] = lambda use: 0.0  #: of it, so far
    scopes: frozenset[LimitScope] = frozenset(LimitScope)  #: whom it can be set for


# fmt: off
LIMIT_KINDS = (
    LimitKind("images_a_day", "pictures a day", "Pictures a day (UTC)", LimitRule.DAY, 0, 1_000_000,
              asked=lambda request, _: request.count, used=lambda use: use.images),
    LimitKind("device_seconds_a_day", "device seconds a day", "Seconds of device time a day (UTC)", LimitRule.DAY,
              0, 86_400, unit="s", asked=lambda _, seconds: seconds, used=lambda use: use.device_seconds),
    LimitKind("jobs_at_once", "jobs at once", "Jobs waiting or running at once", LimitRule.NOW, 0, 1_000,
              default=4, asked=lambda _request, _seconds: 1, used=lambda use: use.waiting_or_running),
    LimitKind("largest_size", "largest size", "Longest side, in pixels", LimitRule.EACH, 64, MAX_SIZE,
              unit="pixels", asked=lambda request, _: max(request.size)),
    LimitKind("most_steps", "most steps", "Denoising steps", LimitRule.EACH, 1, MAX_STEPS,
              asked=lambda request, _: request.steps),
    LimitKind("cooldown", "cooldown", "Seconds between two jobs", LimitRule.PAUSE, 0, 86_400,
              unit="s", more_generous=min),
    LimitKind("weight", "weight", "Share in the fair order, from 0.25 to 4, for a role or a member", LimitRule.SHARE,
              0.25, 4, is_whole=False, default=1, scopes=frozenset({LimitScope.ROLE, LimitScope.MEMBER})),
)
# fmt: on

KINDS: Mapping[str, LimitKind] = {kind.name: kind for kind in LIMIT_KINDS}


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectiveLimit:
    """One limit as it holds for one member, and where it comes from."""

    value: float | None  #: None: no limit
    scope: LimitScope | None = None  #: None: the bot's own default, or the operator's ceiling
    subject: str | None = None  #: the role or member it was set for
    capped_from: float | None = None  #: what the server has set, where the operator's ceiling is lower


EffectiveLimits: TypeAlias = Mapping[str, EffectiveLimit]  #: all kinds, by name


class Limits:
    """The rules. For each limit the member's own setting goes before the most generous of their roles', that before
    the server's, that before the default; none goes beyond the operator's ceiling. 0 a day means none at all."""

    def __init__(self, ceiling: LimitValues | None = None) -> None:
        """`ceiling` holds on every server and in direct messages."""
        self.ceiling: LimitValues = ceiling or {}

    def effective(self, rows: Iterable[LimitRow], member: Member) -> EffectiveLimits:
        """What holds for this member, given the settings of the server they speak from."""
        rows = tuple(rows)
        return {kind.name: self._effective(kind, rows, member) for kind in LIMIT_KINDS}

    def check(
        self, limits: EffectiveLimits, use: DayUse, batch: Sequence[tuple[GenerationRequest, float]], now: datetime
    ) -> None:
        """Raises LimitReached if requests that come together are more than the limits leave.

        Each stands with the device seconds that it is estimated at.
        """
        for kind in sorted(LIMIT_KINDS, key=lambda kind: kind.rule):
            if (most := limits[kind.name].value) is not None:
                asked, used = _asked(kind, batch), kind.used(use)
                reached, resets_at = _look(kind, most, asked, used, use, now)
                if reached:
                    raise LimitReached(kind.name, most, asked, used, resets_at)

    def _effective(self, kind: LimitKind, rows: tuple[LimitRow, ...], member: Member) -> EffectiveLimit:
        said = [
            EffectiveLimit(value=row.values[kind.name], scope=row.scope, subject=row.subject)
            for row in rows
            if kind.name in row.values
        ]
        own = [one for one in said if one.scope is LimitScope.MEMBER and one.subject == member.id]
        roles = [one for one in said if one.scope is LimitScope.ROLE and one.subject in member.roles]
        server = [one for one in said if one.scope is LimitScope.SERVER]
        best = kind.more_generous(one.value or 0 for one in roles) if roles else None
        own_or_best = own or [one for one in roles if one.value == best]
        limit = (own_or_best or server or [EffectiveLimit(value=kind.default)])[0]
        if limit.value is None:
            return EffectiveLimit(value=self.ceiling.get(kind.name))
        if (value := capped(kind, limit.value, self.ceiling)) != limit.value:
            return EffectiveLimit(value=value, capped_from=limit.value if limit.scope else None)
        return limit


def _asked(kind: LimitKind, batch: Sequence[tuple[GenerationRequest, float]]) -> float:
    """What requests that come together ask for: a day counts them all, and at a time they are one."""
    amounts = [kind.asked(request, seconds) for request, seconds in batch]
    return sum(amounts) if kind.rule is LimitRule.DAY else max(amounts)


def _look(
    kind: LimitKind, most: float, asked: float, used: float, use: DayUse, now: datetime
) -> tuple[bool, datetime | None]:
    """Whether the limit says no, and when it will no longer, where time alone helps."""
    match kind.rule:
        case LimitRule.EACH:
            return asked > most, None
        case LimitRule.DAY:
            # More than a whole day's worth: no midnight will help.
            return used + asked > most or used >= most, next_day(now) if 0 < most >= asked else None
        case LimitRule.PAUSE:
            over = None if use.last_accepted_at is None else use.last_accepted_at + timedelta(seconds=most)
            return over is not None and now < over, over
        case LimitRule.NOW:
            return used + asked > most, None
        case LimitRule.SHARE:
            return False, None


def capped(kind: LimitKind, value: float, ceiling: LimitValues) -> float:
    """The value, or the operator's ceiling where that is less generous."""
    most = ceiling.get(kind.name, value)
    return value if kind.more_generous((value, most)) == most else most


def check_ranges(values: LimitValues, scope: LimitScope | None = None) -> None:
    """Raises InvalidRequest for a limit nobody can mean, or that cannot be set for this scope."""
    for name, value in values.items():
        kind = KINDS.get(name)
        if kind is None:
            raise InvalidRequest("limit", "choice", name, choices=tuple(KINDS))
        if not (kind.least <= value <= kind.most and math.isfinite(value)):
            raise InvalidRequest(name, "range", value, least=kind.least, most=kind.most)
        if scope is not None and scope not in kind.scopes:
            raise InvalidRequest(name, "missing", choices=tuple(sorted(kind.scopes)))


def parse_limits(text: str) -> LimitValues:
    """The operator's ceiling from "images_a_day=50,device_seconds_a_day=600". Raises InvalidRequest."""
    values: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        try:
            values[name] = float(number)
        except ValueError:
            kind = KINDS.get(name)
            if kind is None:
                raise InvalidRequest("limit", "choice", name, choices=tuple(KINDS)) from None
            raise InvalidRequest(name, "range", number, least=kind.least, most=kind.most) from None
    check_ranges(values, LimitScope.SERVER)
    return values


def day_start(now: datetime) -> datetime:
    """The midnight that began this day, UTC."""
    return datetime.combine(now.astimezone(UTC).date(), time(), UTC)


def next_day(now: datetime) -> datetime:
    """The midnight that ends this day, UTC."""
    return day_start(now) + timedelta(days=1)
