"""What slash commands may be given: ranges, suggestions, and the way from options to a request.

Discord's ranges and suggestions are a courtesy to whoever types; people also send what was never suggested, so the
request's own makers have the last word.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias
from uuid import UUID

from discord import Interaction, app_commands
from discord.app_commands import Choice, Range

from bot.discord_ui import wording
from bot.services.errors import UnknownJob
from bot.services.images import JobRecord
from generation.catalog import ModelCatalog
from generation.job import JobId
from generation.request import MAX_COUNT, MAX_GUIDANCE, MAX_PROMPT, MAX_STEPS, SEEDS, GenerationRequest, SchedulerName

Prompt: TypeAlias = Range[str, 1, MAX_PROMPT]
Steps: TypeAlias = Range[int, 1, MAX_STEPS]
Guidance: TypeAlias = Range[float, 0.0, MAX_GUIDANCE]
Seed: TypeAlias = Range[int, 0, SEEDS - 1]
Count: TypeAlias = Range[int, 1, MAX_COUNT]

DESCRIPTIONS = {
    "prompt": "What to draw",
    "negative_prompt": "What to keep out of the picture",
    "aspect": "Width to height, such as 1:1, 3:2 or 9:16",
    "steps": "Denoising steps: more is slower and often finer",
    "guidance": "How closely to follow the prompt",
    "seed": "The same seed and parameters draw the same picture",
    "count": "How many pictures",
    "scheduler": "How noise is removed",
    "model": "Which model draws",
}

ASPECTS = ("1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16", "2:1", "1:2")
MOST_CHOICES = 25  #: Discord's limit
MAX_CHOICE = 100  #: characters of a choice, Discord's limit


def to_request(
    catalog: ModelCatalog,
    *,
    prompt: str,
    negative_prompt: str | None,
    aspect: str | None,
    steps: int | None,
    guidance: float | None,
    seed: int | None,
    count: int | None,
    scheduler: str | None,
    model: str | None,
) -> GenerationRequest:
    """A valid request; what is not given takes the model's defaults. Raises InvalidRequest."""
    return catalog.get(model).request(
        prompt=prompt,
        negative_prompt=negative_prompt or "",
        aspect=aspect or "1:1",
        steps=steps,
        guidance_scale=guidance,
        seed=seed,
        count=count or 1,
        scheduler=scheduler,
    )


async def suggest_aspects(_: Interaction[Any], typed: str) -> list[Choice[str]]:
    """Common ratios; any other may be typed."""
    return suggestions(typed, ((aspect, aspect) for aspect in ASPECTS))


async def suggest_schedulers(_: Interaction[Any], typed: str) -> list[Choice[str]]:
    """The schedulers on offer."""
    return suggestions(typed, ((name, name) for name in SchedulerName))


def suggest_models(catalog: ModelCatalog, typed: str) -> list[Choice[str]]:
    """The models on offer."""
    return suggestions(typed, ((spec.name, spec.name) for spec in catalog))


def described(job: JobRecord) -> str:
    """A job in a line of suggestions."""
    prompt = " ".join(job.request.prompt.split())
    return f"{job.requester_name}: {wording.counted(job.request.count, 'picture')}, {prompt}"


def job_id(typed: str) -> JobId:
    """The job somebody chose or typed. Raises UnknownJob."""
    try:
        return UUID(typed.strip())
    except ValueError:
        raise UnknownJob() from None


def suggestions(typed: str, offered: Iterable[tuple[str, str]]) -> list[app_commands.Choice[str]]:
    """Of the (shown, value) pairs those that contain what was typed, those that begin with it first."""
    sought = typed.strip().casefold()
    fitting = [
        (not shown.casefold().startswith(sought), Choice(name=_cut(shown), value=value))
        for shown, value in offered
        if sought in shown.casefold() and len(value) <= MAX_CHOICE
    ]
    return [choice for _, choice in sorted(fitting, key=lambda pair: pair[0])][:MOST_CHOICES]


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHOICE else text[: MAX_CHOICE - 1] + "…"
