"""Values -> what admins read. No I/O."""

from collections.abc import Sequence

import discord

from bot.discord_ui import wording
from bot.discord_ui.embeds import COLOUR, MAX_DESCRIPTION, limit_values
from bot.services.admin import JobRecord, Stats
from bot.services.limits import LimitRow, LimitScope

_MOST_LIMITS = 25  #: fields an embed can hold
_MOST_MEMBERS = 15
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


def limits(rows: Sequence[LimitRow]) -> discord.Embed:
    """Everything that is set on a server."""
    embed = discord.Embed(title="Limits", colour=COLOUR)
    if not rows:
        embed.description = "Nothing is set: no daily limit, no cooldown, 4 jobs at once for each member."
        return embed
    parts = [f"For {subject(row.scope, row.subject)}\n{limit_values(row.values)}" for row in rows]
    shown = parts[:_MOST_LIMITS]
    while sum(map(len, shown)) + 2 * len(shown) > MAX_DESCRIPTION - 50:
        shown.pop()
    if more := len(parts) - len(shown):
        shown.append(f"… and {more} more")
    embed.description = "\n\n".join(shown)
    embed.set_footer(text="A member's own setting goes before their roles', the most generous role before the server.")
    return embed


def quarantine(jobs: Sequence[JobRecord]) -> discord.Embed:
    """The jobs that were set aside: what was asked, by whom, when."""
    embed = discord.Embed(title="Quarantine", colour=COLOUR)
    if not jobs:
        embed.description = "Nothing is set aside."
        return embed
    lines = [
        f"<@{job.requester}> {wording.relative(job.accepted_at)}: {wording.shown(job.request.prompt, 100)} "
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
    head = f"{'day':<10} {'jobs':>5} {'images':>6} {'failed':>6} {'seconds':>8}"
    busy = [day for day in found.by_day if day.jobs] or list(found.by_day[-1:])
    rows = [
        f"{day.day.isoformat():<10} {day.jobs:>5} {day.images:>6} {day.failures:>6} {day.device_seconds:>8.1f}"
        for day in busy[-31:]
    ]
    embed.description = "```\n" + "\n".join([head, *rows]) + "\n```"
    people = [
        f"{wording.shown(one.name, 40)}: {wording.counted(one.jobs, 'job')}, {wording.counted(one.images, 'image')}, "
        f"{wording.counted(one.failures, 'failure')}, {wording.seconds(one.device_seconds)}"
        for one in found.by_member[:_MOST_MEMBERS]
    ]
    while sum(map(len, people)) + len(people) > 1000:
        people.pop()
    embed.add_field(name="Members", value="\n".join(people) or "nobody yet", inline=False)
    return embed
