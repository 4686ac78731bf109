"""Values -> what admins read. No I/O."""

from collections.abc import Sequence

import discord

from bot.discord_ui.words import text
from bot.discord_ui.words.embeds import COLOUR, limit_values
from bot.records import JobRecord, LimitRow, LimitScope
from bot.services.answers import ServerLimits, Stats
from bot.services.limits import KINDS

_A_PAGE = 8  #: rows of limits, so that all kinds of each fit under an operator's ceiling
_MOST_MEMBERS = 15
NO_LIMITS = "no daily limit, no cooldown, 4 jobs at once for each member"  #: where nothing is set
_MOST_QUARANTINED = 12


def subject(scope: LimitScope, subject_id: str | None) -> str:
    """Whom a limit is for, in Discord's markup; never pings."""
    match scope:
        case LimitScope.SERVER:
            return "this server"
        case LimitScope.ROLE:
            return f"<@&{subject_id}>"
        case LimitScope.MEMBER:
            return f"<@{subject_id}>"


def limits(found: ServerLimits, page: int = 1) -> discord.Embed:
    """A page of what is set on a server, and the operator's ceiling."""
    embed = discord.Embed(title="Limits", colour=COLOUR)
    pages = max(1, -(-len(found.rows) // _A_PAGE))
    rows = found.rows[(min(page, pages) - 1) * _A_PAGE :][:_A_PAGE]
    parts = [f"For {subject(row.scope, row.subject)}\n{limit_values(row.values, found.ceiling)}" for row in rows]
    if found.ceiling:
        parts.insert(0, f"The bot's operator allows at most\n{limit_values(found.ceiling, {})}")
    if found.more and page >= pages:
        parts.append(f"… and {found.more} more, which this list does not show.")
    if not found.rows:
        parts.append(f"Nothing is set here: {NO_LIMITS}.")
    embed.description = "\n\n".join(parts)
    order = "A member's own setting goes before their roles', the most generous role before the server."
    number = f"Page {min(page, pages)} of {pages}. " if pages > 1 else ""
    embed.set_footer(text=number + order)
    return embed


def limit_choice(row: LimitRow, server: discord.Guild | None) -> tuple[str, str]:
    """What is set for one server, role or member as a suggestion: as it is shown, and its value."""
    found = (
        server
        and row.subject
        and (server.get_role if row.scope is LimitScope.ROLE else server.get_member)(int(row.subject))
    )
    gone = "deleted role" if row.scope is LimitScope.ROLE else "member"
    whom = "this server" if row.scope is LimitScope.SERVER else found.name if found else f"{gone} {row.subject}"
    set_ = ", ".join(f"{KINDS[name].title} {value:g}" for name, value in row.values.items() if name in KINDS)
    return f"{whom}: {set_}", f"{row.scope}:{row.subject or ''}"


def limits_now(found: ServerLimits) -> str:
    """What is set for one server, role or member after a change."""
    (row,) = found.rows
    return f"Limits for {subject(row.scope, row.subject)} are now:\n{limit_values(row.values, found.ceiling)}"


def limits_reset(scope: LimitScope, subject_id: str | None, *, was_set: bool) -> str:
    """What became of the limits of one server, role or member."""
    done = "were removed." if was_set else "were not set; nothing changed."
    return f"The limits for {subject(scope, subject_id)} {done}"


def blocked(member: int) -> str:
    """What an admin reads who has blocked a member."""
    return f"<@{member}> is blocked on this server. In direct messages with me they can still draw."


def unblocked(member: int, *, was_blocked: bool) -> str:
    """What an admin reads who has let a member in again."""
    return f"<@{member}> {'may ask for pictures again' if was_blocked else 'was not blocked'}."


def quarantine(jobs: Sequence[JobRecord]) -> discord.Embed:
    """The jobs that were set aside: what was asked, by whom, when."""
    embed = discord.Embed(title="Quarantine", colour=COLOUR)
    if not jobs:
        embed.description = "Nothing is set aside."
        return embed
    lines = [
        f"<@{job.requester}> {text.relative(job.accepted_at)}: {text.shown(job.request.prompt, 100)} "
        f"({job.request.width}×{job.request.height}, {job.request.steps} steps, `{job.id}`)"
        for job in jobs[:_MOST_QUARANTINED]
    ]
    if more := len(jobs) - len(lines):
        lines.append(f"… and {more} more")
    embed.description = "I crashed twice while drawing these:\n" + "\n".join(lines)
    embed.set_footer(text="/admin quarantine release: lets one try once more, alone.")
    return embed


def stats(found: Stats) -> discord.Embed:
    """A server's days and its members' shares of them."""
    embed = discord.Embed(title="Statistics", colour=COLOUR)
    head = f"{'day':<10} {'jobs':>5} {'pictures':>8} {'failed':>6} {'seconds':>8}"
    busy = [day for day in found.by_day if day.jobs] or list(found.by_day[-1:])
    rows = [
        f"{day.day.isoformat():<10} {day.jobs:>5} {day.images:>8} {day.failures:>6} {day.device_seconds:>8.1f}"
        for day in busy[-31:]
    ]
    embed.description = "```\n" + "\n".join([head, *rows]) + "\n```"
    people = [
        f"{text.shown(one.name, 40)}: {text.counted(one.jobs, 'job')}, {text.counted(one.images, 'picture')}, "
        f"{text.counted(one.failures, 'failure')}, {text.seconds(one.device_seconds)}"
        for one in found.by_member[:_MOST_MEMBERS]
    ]
    while sum(map(len, people)) + len(people) > 1000:
        people.pop()
    embed.add_field(name="Members", value="\n".join(people) or "nobody yet", inline=False)
    return embed
