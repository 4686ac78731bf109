"""Workers -> what an operator reads. No I/O."""

from collections.abc import Sequence

import discord

from bot.discord_ui.words import text
from bot.discord_ui.words.embeds import COLOUR
from bot.services.workers import WorkerState
from generation.device import DeviceState

_STATES = {
    DeviceState.STARTING: "⏳ starting, begun {since}",
    DeviceState.READY: "🟢 ready, started {since}",
    DeviceState.LOST: "🔴 lost {since}, and started again soon",
    DeviceState.LEAVING: "🟡 leaving{what}",
    DeviceState.DRAINED: "⚪ drained {since}",
}
_MOST = 4000  #: characters, of the 4,096 of a description


def workers(found: Sequence[WorkerState]) -> discord.Embed:
    """All of them."""
    parts: list[str] = []
    for worker in found:
        parts.append(_worker(worker))
        if sum(map(len, parts)) + 2 * len(parts) > _MOST:
            parts[-1] = f"… and {len(found) - len(parts) + 1} more"
            break
    embed = discord.Embed(title="Workers", colour=COLOUR, description="\n\n".join(parts))
    if all(worker.may_leave for worker in found):
        words = "One that is drained finishes what it draws within 30 seconds; the others draw the rest."
    else:
        words = "A single device works in the bot's own process, and stops with it."
    embed.set_footer(text=words)
    return embed


def consent(worker: WorkerState) -> str:
    """What draining this worker means."""
    name = f"**{text.shown(worker.name)}**"
    if worker.jobs:
        has = f"{name} has {text.counted(worker.jobs, 'job')}, {text.counted(worker.images, 'picture')}."
        return f"{has} What it draws has 30 seconds; the rest waits for another worker. Drain it?"
    return f"{name} is the only one that draws. Everything waits until you take one back. Drain it?"


def _worker(worker: WorkerState) -> str:
    what = ": it finishes what it draws" if worker.jobs else ""
    state = _STATES[worker.state].format(since=text.relative(worker.since), what=what)
    known = [text.shown(worker.device)] if worker.device else []
    if worker.jobs:
        known.append(f"{text.counted(worker.jobs, 'job')}, {text.counted(worker.images, 'picture')}")
    elif worker.state is DeviceState.READY:
        known.append("nothing to draw")
    if worker.models:
        known.append(", ".join(text.shown(model) for model in worker.models) + " loaded")
    if worker.pace is not None:
        known.append(f"{worker.pace:.3g} steps a second")
    if worker.losses:
        known.append(f"lost {text.counted(worker.losses, 'time')}")
    return f"**{text.shown(worker.name)}** {state}" + ("\n" + " · ".join(known) if known else "")
