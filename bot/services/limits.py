"""How much one member may ask for. Decides and touches nothing: settings and usage come in, a refusal comes out."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, time, timedelta

from bot.services.errors import LimitReached
from bot.services.members import Member
from bot.storage.records import DayUse, LimitRow, LimitScope, LimitValues
from generation.errors import InvalidRequest
from generation.request import MAX_SIZE, MAX_STEPS, GenerationRequest

__all__ = [
    "DEFAULT_LIMITS",
    "LIMIT_NAMES",
    "LIMIT_RANGES",
    "EffectiveLimit",
    "EffectiveLimits",
    "LimitRow",
    "LimitScope",
    "LimitValues",
    "Limits",
    "check_ranges",
    "day_start",
    "next_day",
]

DEFAULT_LIMITS = LimitValues(jobs_at_once=4)

LIMIT_NAMES = {
    "images_a_day": "images a day",
    "jobs_at_once": "jobs at once",
    "largest_size": "largest size",
    "most_steps": "most steps",
    "cooldown": "cooldown",
}

LIMIT_RANGES = {  #: (least, most) an admin may set
    "images_a_day": (0, 1_000_000),
    "jobs_at_once": (0, 1_000),
    "largest_size": (64, MAX_SIZE),
    "most_steps": (1, MAX_STEPS),
    "cooldown": (0, 86_400),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectiveLimit:
    """One limit as it holds for one member, and where it comes from."""

    value: int | None  #: None: no limit
    scope: LimitScope | None = None  #: None: the bot's own default
    subject: str | None = None  #: the role or member it was set for


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectiveLimits:
    """All limits as they hold for one member; the fields are those of LimitValues."""

    images_a_day: EffectiveLimit
    jobs_at_once: EffectiveLimit
    largest_size: EffectiveLimit
    most_steps: EffectiveLimit
    cooldown: EffectiveLimit


class Limits:
    """The rules. For each limit the member's own setting goes before the most generous of their roles', that before
    the server's, that before the defaults; 0 pictures a day or 0 jobs at once means none at all."""

    def __init__(self, defaults: LimitValues = DEFAULT_LIMITS) -> None:
        self._defaults = defaults

    def effective(self, rows: Iterable[LimitRow], member: Member) -> EffectiveLimits:
        """What holds for this member, given the settings of the server they speak from."""
        rows = tuple(rows)
        return EffectiveLimits(
            **{limit.name: self._effective(limit.name, rows, member) for limit in fields(LimitValues)}
        )

    def _effective(self, limit: str, rows: tuple[LimitRow, ...], member: Member) -> EffectiveLimit:
        said = [
            EffectiveLimit(value=value, scope=row.scope, subject=row.subject)
            for row in rows
            if (value := getattr(row.values, limit)) is not None
        ]
        own = [one for one in said if one.scope is LimitScope.MEMBER and one.subject == member.id]
        roles = [one for one in said if one.scope is LimitScope.ROLE and one.subject in member.roles]
        server = [one for one in said if one.scope is LimitScope.SERVER]
        default = EffectiveLimit(value=getattr(self._defaults, limit))
        if not own and roles:
            return _most_generous(limit, roles)
        return (own or server or [default])[0]

    def check(self, limits: EffectiveLimits, use: DayUse, request: GenerationRequest, now: datetime) -> None:
        """Raises LimitReached if the request is more than the limits leave; what time cannot mend is said first."""
        side = max(request.width, request.height)
        if (most := limits.largest_size.value) is not None and side > most:
            asked = f"{request.width}x{request.height}"
            raise _reached("largest_size", most, f"No side may be longer, in pixels; you asked for {asked}.")
        if (most := limits.most_steps.value) is not None and request.steps > most:
            raise _reached("most_steps", most, f"You asked for {request.steps}.")
        if (most := limits.images_a_day.value) is not None and use.images + request.count > most:
            left = max(most - use.images, 0)
            asked = f"Today you have {left} left and asked for {request.count}."
            # More than a whole day's worth: no midnight will help.
            raise _reached("images_a_day", most, asked, None if request.count > most else next_day(now))
        if (seconds := limits.cooldown.value) and use.last_accepted_at is not None:
            over = use.last_accepted_at + timedelta(seconds=seconds)
            if now < over:
                raise _reached("cooldown", seconds, "That is how many seconds lie between your jobs.", over)
        if (most := limits.jobs_at_once.value) is not None and use.waiting_or_running >= most:
            doing = f"You have {use.waiting_or_running} waiting or running"
            raise _reached(
                "jobs_at_once", most, f"{doing}. It frees up as soon as one is done." if most else doing + "."
            )


def check_ranges(values: LimitValues) -> None:
    """Raises InvalidRequest for a limit no admin can mean."""
    for limit, value in asdict(values).items():
        least, most = LIMIT_RANGES[limit]
        if value is not None and not least <= value <= most:
            raise InvalidRequest(LIMIT_NAMES[limit], f"from {least} to {most}", value)


def day_start(now: datetime) -> datetime:
    """The midnight that began this day, UTC."""
    return datetime.combine(now.astimezone(UTC).date(), time(), UTC)


def next_day(now: datetime) -> datetime:
    """The midnight that ends this day, UTC."""
    return day_start(now) + timedelta(days=1)


def _most_generous(limit: str, among: list[EffectiveLimit]) -> EffectiveLimit:
    best = min if limit == "cooldown" else max
    return best(among, key=lambda one: one.value or 0)


def _reached(limit: str, value: int, advice: str, resets_at: datetime | None = None) -> LimitReached:
    return LimitReached(limit, value, resets_at, name=LIMIT_NAMES[limit], advice=advice)
