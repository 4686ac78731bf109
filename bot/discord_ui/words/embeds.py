"""Values -> what people read in private answers. No I/O."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import discord

from bot.discord_ui.words import text
from bot.discord_ui.words.attachments import Attachment
from bot.records import JobRecord, LimitScope, LimitValues
from bot.services.answers import QueuedJob, QueueView, Usage
from bot.services.limits import LIMIT_KINDS, EffectiveLimit, LimitKind, LimitRule, capped
from generation.catalog import ModelCatalog, ModelSpec
from generation.loras import loras_text
from generation.metadata import exact, parameters_text
from generation.reading import Reading
from generation.request import SchedulerName

COLOUR = discord.Colour(0x5865F2)
MOST_LINES = 15  #: of one kind in an embed
MAX_DESCRIPTION = 4096  #: characters, Discord's limit
_MOST_IN_EMBED = 5800  #: characters; Discord takes 6000, and what is left out is to be said
_SOME = 8  #: things of a group that are named
_MOST_PARAMETERS = 3500  #: characters in a message; what is longer comes as a file

_FROM = {LimitScope.SERVER: "this server's", LimitScope.ROLE: "your role", LimitScope.MEMBER: "yours alone"}


_HELP = """`/imagine` draws what you describe; its options set the shape, how many, a picture to begin with and more.
`/models` lists what can draw, `/queue` shows who waits, `/cancel` stops a job of yours.
`/usage` shows what you used today and your limits, `/result` shows your pictures again.
`/history` looks back, `/show` tells all of a job, `/compare` what differs between two, `/favourites` what you starred.

In a prompt: `(word:1.2)` and `[word]` weigh, `{red|blue}` leaves a choice, `--ar 16:9 --no blue --seed 5` set options.

Below a result:
**Rerun** draws it again with new seeds, **Edit** changes the words or a part, **Vary** draws others like it, \
**Upscale** draws it larger, **More** draws around it or colours it, **Info** has all parameters, **Delete** removes it.
Reactions: 🔁 draws again, ⭐ keeps it, ✉️ sends it to you, ❌ deletes what is yours.
In the menu of any message with a picture: **Use as image**, **Vary**, **Upscale**, **Parameters**.
Admins set limits and see statistics with `/admin`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivateAnswer:
    """An embed for one person, with a file where the words are too long."""

    embed: discord.Embed
    file: Attachment | None = None

    def to_edit(self) -> dict[str, Any]:
        """Arguments for completing a deferred answer."""
        return {"embed": self.embed, "attachments": [self.file.to_file()] if self.file else []}


def info(job: JobRecord) -> PrivateAnswer:
    """All parameters of a job, in the form that other tools read, to be copied."""
    request = job.request
    copied = parameters_text(request, seed=request.seed)
    removed = [image.removed_at for image in job.images if image.removed_at is not None]
    embed = discord.Embed(title="Parameters", colour=COLOUR)
    # A fence inside the prompt would end ours, and the copy would not be the prompt.
    fits = len(copied) <= _MOST_PARAMETERS and "```" not in copied
    embed.description = f"```\n{copied}\n```" if fits else "The parameters are in the attached file."
    for name, value in (
        *((("Written as", text.shown(request.template)),) if request.template is not None else ()),
        ("Model", text.shown(request.model)),
        ("Scheduler", request.scheduler),
        ("Steps", request.steps),
        ("Guidance", exact(request.guidance_scale)),
        ("Size", "×".join(map(str, request.size))),
        ("Seeds", ", ".join(f"`{seed}`" for seed in request.seeds)),
        *((("LoRAs", text.shown(loras_text(request.loras), 400)),) if request.loras else ()),
        ("Asked by", f"<@{job.requester}>"),
        ("Asked", text.relative(job.accepted_at)),
        ("Device time", text.seconds(job.device_seconds)),
        ("Status", job.status),
        ("Job", f"`{job.id}`"),
        *((("Held back", str(held)),) if (held := sum(image.is_held for image in job.images)) else ()),
        *((("File", f"no longer kept, removed {text.relative(removed[0])}"),) if removed else ()),
        *((("Made from", f"`{job.parent}`"),) if job.parent else ()),
    ):
        embed.add_field(name=name, value=str(value))
    return PrivateAnswer(embed=embed, file=None if fits else Attachment.text("parameters.txt", copied))


def queue(view: QueueView) -> discord.Embed:
    """Who is drawn for and who waits; other people's prompts are not in the value to begin with."""
    embed = discord.Embed(title="Queue", colour=COLOUR)
    if not view.running and not view.waiting:
        embed.description = "Nobody is waiting. Your next picture is drawn at once."
    if view.running:
        embed.add_field(name=f"Drawing ({len(view.running)})", value=_lines(map(_running, view.running)), inline=False)
    if view.waiting:
        embed.add_field(name=f"Waiting ({len(view.waiting)})", value=_lines(map(_waiting, view.waiting)), inline=False)
    return embed


def usage(used: Usage) -> discord.Embed:
    """What one member used today and what is left to them."""
    embed = discord.Embed(title="Your use today", colour=COLOUR)
    embed.description = f"The count starts again {text.relative(used.resets_at)}, at midnight UTC."
    most, seconds = used.limits["images_a_day"].value, used.limits["device_seconds_a_day"].value
    embed.add_field(name="Pictures", value=_of(str(used.images), most, "{:g}".format))
    embed.add_field(name="Jobs", value=str(used.jobs))
    embed.add_field(name="Waiting or running", value=str(used.waiting_or_running))
    embed.add_field(name="Device time", value=_of(text.seconds(used.device_seconds), seconds, text.seconds))
    limits = "\n".join(_limit(kind, used.limits[kind.name]) for kind in LIMIT_KINDS)
    embed.add_field(name="Your limits", value=limits, inline=False)
    return embed


def models(catalog: ModelCatalog, note: Callable[[str], str | None], *, used: str) -> discord.Embed:
    """The models on offer and the schedulers that draw with them.

    `note` says by a model's name whom it is for, if not for everybody; `used` is what draws where none is named.
    """
    embed = discord.Embed(title="Models", colour=COLOUR)
    embed.set_footer(text="Schedulers: " + ", ".join(SchedulerName))
    specs = list(catalog)
    for spec in specs[:MOST_LINES]:
        said = [note(spec.name), "Used when you name no model." if spec.name == used else None]
        value = _cut("\n".join([*filter(None, said), *_model(spec)]), 1024)
        name = _cut(spec.name, 256)
        if len(embed) + len(name) + len(value) > _MOST_IN_EMBED:
            break
        embed.add_field(name=name, value=value, inline=False)
    if left := len(specs) - len(embed.fields):
        embed.description = f"{text.counted(left, 'more model')} of `/imagine` do not fit here."
    return embed


def help_page(catalog: ModelCatalog) -> discord.Embed:
    """How to ask for pictures, and what can be done with them."""
    examples = catalog.default.examples[:3] or ("a lighthouse at dusk",)
    embed = discord.Embed(title="How to draw with me", colour=COLOUR, description=_HELP)
    embed.add_field(name="Try", value="\n".join(f"`/imagine prompt: {example}`" for example in examples))
    return embed


def limit_values(values: LimitValues, ceiling: LimitValues) -> str:
    """The limits that are set, one a line, and where the operator allows less."""
    said = [
        f"{kind.title}: {_value(kind, value)}{_cap(kind, value, ceiling)}"
        for kind in LIMIT_KINDS
        if (value := values.get(kind.name)) is not None
    ]
    return "\n".join(said) or "none set"


def _of(used: str, most: float | None, written: Callable[[float], str]) -> str:
    return used if most is None else f"{used} of {written(most)}"


def _cap(kind: LimitKind, value: float, ceiling: LimitValues) -> str:
    if (most := capped(kind, value, ceiling)) == value:
        return ""
    return f", capped at {text.amount(kind, most)} by the bot's operator"


def _value(kind: LimitKind, value: float) -> str:
    number, _, unit = text.amount(kind, value).partition(" ")
    return f"**{number}** {unit}".rstrip()


def _limit(kind: LimitKind, limit: EffectiveLimit) -> str:
    if limit.value is None:
        return f"{kind.title}: {'none' if kind.rule is LimitRule.PAUSE else 'no limit'}"
    source = f" ({_FROM[limit.scope]})" if limit.scope is not None else ""
    if limit.capped_from is not None:
        source = f" (set to {text.amount(kind, limit.capped_from)} here, capped by the bot's operator)"
    return f"{kind.title}: {_value(kind, limit.value)}{source}"


def _running(job: QueuedJob) -> str:
    return f"{_who(job)} · step {job.step} of {job.steps}" if job.steps else _who(job)


def _waiting(job: QueuedJob) -> str:
    return f"`{job.place}.` {_who(job)}"


def _who(job: QueuedJob) -> str:
    pictures = text.counted(job.count, "picture")
    if job.mine:
        return f"**you**, {pictures}: {text.shown(job.prompt or '', 80)}"
    return f"{f'<@{job.requester}>' if job.requester else 'somebody elsewhere'}, {pictures}"


def _model(spec: ModelSpec) -> list[str]:
    lines = [spec.description] if spec.description else []
    lines.append(
        f"{spec.family}, {spec.native_size}×{spec.native_size} (sides {spec.min_size} to {spec.max_size}), "
        f"{spec.default_steps} steps, guidance {spec.default_guidance:g}, {spec.default_scheduler}"
    )
    if spec.reading is not None:
        lines += _known(spec.reading)
    if spec.examples:
        lines.append("Try: " + ", ".join(f"`{example}`" for example in spec.examples[:5]))
    if files := spec.loras.files:
        names = [f"{file.name} ({', '.join(file.triggers)})" if file.triggers else file.name for file in files[:_SOME]]
        lines.append(f"LoRAs ({len(files)}): {text.shown(', '.join(names), 400)}{', …' if len(files) > _SOME else ''}")
    return lines


def _known(reading: Reading) -> list[str]:
    """What a small model knows, a line a group, and its styles."""
    groups = itertools.groupby(sorted(reading.things, key=lambda thing: thing.group), key=lambda thing: thing.group)
    lines: list[str] = []
    for group, things in groups:
        names = [thing.name for thing in things]
        some = ", ".join(names[:: max(1, len(names) // _SOME)][:_SOME])
        lines.append(f"{group.capitalize() or 'It knows'} ({len(names)}): {some}{', …' if len(names) > _SOME else ''}")
    if reading.styles:
        lines.append(f"Styles: {', '.join(reading.styles)}")
    return lines


def _lines(lines: Iterable[str]) -> str:
    everyone = list(lines)
    # A field holds 1024 characters.
    kept: list[str] = []
    for line in everyone[:MOST_LINES]:
        if sum(map(len, kept)) + len(kept) + len(line) > 980:
            break
        kept.append(line)
    if more := len(everyone) - len(kept):
        kept.append(f"… and {more} more")
    return "\n".join(kept)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
