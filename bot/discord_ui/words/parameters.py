"""What a picture's file says about how it was made, for whoever asked."""

import discord

from bot.discord_ui.words import text
from bot.discord_ui.words.embeds import COLOUR
from generation.foreign_parameters import ForeignParameters

_MOST_PROMPT, _MOST_FIELD, _MOST_FIELDS = 1500, 1024, 20  #: characters of a text and of a field, and fields; Discord's


def read(found: ForeignParameters) -> discord.Embed:
    """All that is known, as an embed."""
    embed = discord.Embed(title=f"Parameters, as {text.shown(found.tool)} writes them", colour=COLOUR)
    said = [text.shown(found.prompt, _MOST_PROMPT)] if found.prompt else ["It does not say what was asked for."]
    if found.negative_prompt:
        said.append(f"**Not:** {text.shown(found.negative_prompt, _MOST_PROMPT)}")
    embed.description = "\n\n".join(said)
    size = f"{found.size[0]}×{found.size[1]}" if found.size else None
    known: list[tuple[str, object]] = [
        ("Model", found.model),
        ("Model hash", found.model_hash),
        ("Sampler", found.sampler),
        ("Steps", found.steps),
        ("Guidance", found.guidance_scale),
        ("Seed", found.seed),
        ("Size", size),
        ("LoRAs", ", ".join(f"{name} {value}".rstrip() for name, value in found.loras) or None),
        *found.others,
    ]
    for name, value in [(name, value) for name, value in known if value not in (None, "")][:_MOST_FIELDS]:
        embed.add_field(name=text.shown(name, 60), value=text.shown(str(value), 150))
    return embed
