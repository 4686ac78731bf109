"""One earlier job in full and what it was made from; two jobs side by side; what came of a replay. No I/O."""

from dataclasses import fields
from typing import cast

import discord

from bot.discord_ui.words import text
from bot.discord_ui.words.attachments import Attachment
from bot.discord_ui.words.embeds import COLOUR, PrivateAnswer
from bot.discord_ui.words.history import action, link, status
from bot.records import JobRecord
from bot.services.history import Comparison, Lineage, Parent
from bot.services.replays import Verdict
from generation.loras import LoraUse, hashes_text, loras_text
from generation.metadata import exact, parameters_text
from generation.result import DrawnWith

_MOST_PARAMETERS = 1500  #: characters; an embed holds 6000 of everything, and what is longer comes as a file
_MOST_FIELD = 1024  #: characters, Discord's limit
_PROMPT = 60  #: characters of a parent's prompt
_COMPARED = 120  #: characters of a value that is compared; with every one of them escaped twice a field holds two
_BEFORE = 30  #: characters before the place where two texts begin to differ
_HASH = 10  #: digits of an input's hash


_FIELDS = {
    "guidance_scale": "Guidance",
    "loras": "LoRAs",
    "lora_hashes": "LoRA hashes",
    "source": "Begins with",
    "model_hash": "Model hash",
    "dtype": "Precision",
}
_NOTHING_DIFFERS = "Nothing that is known of them."


def shown(lineage: Lineage) -> PrivateAnswer:
    """The whole record of a job, and its line of parents."""
    job = lineage.job
    copied = parameters_text(job.request, seed=job.request.seed)
    fits = len(copied) <= _MOST_PARAMETERS and "```" not in copied
    embed = discord.Embed(title="Job", colour=COLOUR)
    embed.description = f"```\n{copied}\n```" if fits else "The parameters are in the attached file."
    for name, value in (*_asked(job), *_became(job)):
        embed.add_field(name=name, value=value)
    for number, lines in enumerate(_fields(lineage)):
        embed.add_field(name="Made from" if number == 0 else "And before that", value=lines, inline=False)
    return PrivateAnswer(embed=embed, file=None if fits else Attachment.text("parameters.txt", copied))


def compared(comparison: Comparison) -> PrivateAnswer:
    """What differs between two jobs, a field each."""
    embed = discord.Embed(title="What differs", colour=COLOUR)
    jobs = (comparison.first, comparison.second)
    said = [f"`{number}.` `{job.id}` {link(job) or ''}".strip() for number, job in enumerate(jobs, start=1)]
    differ = (*comparison.asked, *comparison.drawn_with)
    embed.description = "\n".join([*said, *([] if differ else [_NOTHING_DIFFERS])])
    for one in differ:
        values = enumerate(_apart(_value(one.field, one.first), _value(one.field, one.second)), start=1)
        lines = "\n".join(f"`{number}.` {text.shown(value, _COMPARED) or 'none'}" for number, value in values)
        embed.add_field(name=name_of(one.field), value=lines, inline=False)
    return PrivateAnswer(embed=embed)


def replayed(verdict: Verdict) -> str:
    """Whether a replay is the same as what it repeats, and what has changed since."""
    changes = ", ".join(
        f"{name_of(one.field).lower()} {_changed(one.field, one.first)} → {_changed(one.field, one.second)}"
        for one in verdict.changes
    )
    changed = f"Changed since: {changes}." if changes else "Nothing that I know of has changed since."
    if not verdict.is_known and not changes:
        changed = "What the first one was drawn with was not written down."
    if verdict.equal is None:
        return f"🔍 What this repeats is no longer kept, so I cannot compare them. {changed if changes else ''}".strip()
    if all(verdict.equal):
        return f"🟰 **Exactly equal** to what this repeats, pixel by pixel. {changed if changes else ''}".strip()
    differ = [str(number) for number, equal in enumerate(verdict.equal, start=1) if not equal]
    which = "" if len(differ) == len(verdict.equal) else f" in picture {' and '.join(differ)}"
    return f"≠ **Not equal**{which} to what this repeats. {changed}"


def _changed(field: str, value: object) -> str:
    return text.shown(_value(field, value), 40) or "none"


def name_of(field: str) -> str:
    """A field of a request, or of what a job was drawn with, as members read it."""
    return _FIELDS.get(field, field.replace("_", " ").capitalize())


def _value(field: str, value: object) -> str:
    if value is None:
        return ""
    if field in ("source", "mask"):
        return str(value)[:_HASH]
    if isinstance(value, tuple):
        uses = cast("tuple[LoraUse, ...]", value)
        return f"{loras_text(uses)} ({hashes_text(uses)})" if uses else ""
    return exact(value) if isinstance(value, float) else str(value)


def _apart(first: str, second: str) -> tuple[str, str]:
    """Two texts from a few words before where they begin to differ, if that is far from their beginning."""
    pairs = enumerate(zip(first, second, strict=False))
    alike = next((place for place, (one, other) in pairs if one != other), min(len(first), len(second)))
    if max(len(first), len(second)) <= _COMPARED or alike <= _BEFORE:
        return first, second
    begin = first.rfind(" ", 0, alike - _BEFORE) + 1 or alike - _BEFORE
    return f"…{first[begin:]}", f"…{second[begin:]}"


def _asked(job: JobRecord) -> list[tuple[str, str]]:
    request = job.request
    inputs = [("image", request.source), ("mask", request.mask)]
    named = ", ".join(f"{role} `{digest[:_HASH]}`" for role, digest in inputs if digest is not None)
    strength = "" if request.strength is None else f", strength {exact(request.strength)}"
    return [
        ("Model", text.shown(request.model, 100)),
        ("Scheduler", text.shown(str(request.scheduler), 100)),
        ("Steps", str(request.steps)),
        ("Guidance", exact(request.guidance_scale)),
        ("Size", "×".join(map(str, request.size))),
        ("Seeds", ", ".join(f"`{seed}`" for seed in request.seeds)),
        *([("Begins with", f"{named}{strength}")] if named else []),
        *([("LoRAs", text.shown(loras_text(request.loras), 400))] if request.loras else []),
        ("Asked by", f"<@{job.requester}>"),
        ("Asked", text.relative(job.accepted_at)),
    ]


def _became(job: JobRecord) -> list[tuple[str, str]]:
    estimated = f", estimated {text.seconds(job.estimated_seconds)}" if job.estimated_seconds else ""
    error = f" (`{job.error_code}`)" if job.error_code else ""
    return [
        ("Status", f"{status(job)}{error}"),
        *([("Drawn", text.relative(job.rendered_at))] if job.rendered_at else []),
        *([("Ended", text.relative(job.ended_at))] if job.ended_at else []),
        ("Device time", f"{text.seconds(job.device_seconds)}{estimated}"),
        *([("Crashes", str(job.crashes))] if job.crashes else []),
        *([("Drawn with", drawn)] if (drawn := _drawn_with(job.drawn_with)) else []),
        ("Job", " · ".join(filter(None, (f"`{job.id}`", link(job))))),
    ]


def _drawn_with(known: DrawnWith) -> str:
    parts = [(field.name, getattr(known, field.name)) for field in fields(known)]
    return ", ".join(f"{name_of(name).lower()} {text.shown(str(value), 60)}" for name, value in parts if value)


def _fields(lineage: Lineage) -> list[str]:
    """The line of parents, one in a line, in as few fields as hold them."""
    lines = [_step(number, parent) for number, parent in enumerate(lineage.parents, start=1)]
    lines += ["… and more before that"] if lineage.more else []
    fields: list[str] = []
    for line in lines:
        if fields and len(fields[-1]) + 1 + len(line) <= _MOST_FIELD:
            fields[-1] += f"\n{line}"
        else:
            fields.append(line)
    return fields


def _step(number: int, parent: Parent) -> str:
    done = action(parent.action)
    if parent.job is None:
        return f"`{number}.` {done}, of a job that was deleted or is not yours to see"
    said = f"`{number}.` {done}, of: {text.shown(parent.job.request.prompt, _PROMPT)}"
    return " · ".join(filter(None, (said, link(parent.job))))
