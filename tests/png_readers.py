"""Three further readers of the `parameters` text, by the rules that they have in public.

Two are written out here, as far as prompts and settings go; the third is a library.
"""

import io
import json
import re

from PIL import Image
from sd_parsers import ParserManager

_A1111_FIELD = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_PROMPT_READER_FIELD = re.compile(r"\s*([^:,]+):\s*([^,]+)")


def as_automatic1111(text: str) -> dict[str, str]:
    """The last line has the settings if it has three; a line that starts with "Negative prompt:" turns the side."""
    *lines, last = text.strip().split("\n")
    if len(_A1111_FIELD.findall(last)) < 3:
        lines, last = [*lines, last], ""
    sides: tuple[list[str], list[str]] = ([], [])
    side = 0
    for line in map(str.strip, lines):
        if line.startswith("Negative prompt:"):
            side = 1
            line = line.removeprefix("Negative prompt:").strip()
        sides[side].append(line)
    fields = {name: json.loads(value) if value[:1] == '"' else value for name, value in _A1111_FIELD.findall(last)}
    return {"Prompt": "\n".join(sides[0]), "Negative prompt": "\n".join(sides[1]), **fields}


def as_sd_prompt_reader(text: str) -> dict[str, str]:
    """The settings begin at the first line "Steps:", the other side at the first "Negative prompt:" line."""
    steps = text.find("\nSteps:")
    positive, negative = (text[:steps] if steps != -1 else text).strip(), ""
    settings = text[steps:].strip() if steps != -1 else ""
    if "Negative prompt:" in text:
        at = text.find("\nNegative prompt:")
        after = text[at + len("Negative prompt:") + 1 :]
        negative = (text[at + len("Negative prompt:") + 1 : steps] if steps != -1 else after).strip()
        positive = text[:at].strip()
    return {"Prompt": positive, "Negative prompt": negative, **dict(_PROMPT_READER_FIELD.findall(settings))}


def as_sd_parsers(png: bytes) -> dict[str, str]:
    """What the library sd-parsers makes of a picture."""
    info = ParserManager().parse(Image.open(io.BytesIO(png)))
    assert info is not None
    (sampler,) = info.samplers
    return {
        "Prompt": "\n".join(prompt.value for prompt in sampler.prompts),
        "Negative prompt": "\n".join(prompt.value for prompt in sampler.negative_prompts),
        "Sampler": sampler.name,
        "Model": (sampler.model and sampler.model.name) or "",
        **{names.get(name, name): str(value) for name, value in (sampler.parameters | info.metadata).items()},
    }


names = {"steps": "Steps", "cfg_scale": "CFG scale", "seed": "Seed"}
