"""Generation parameters -> the PNG text chunk that AUTOMATIC1111 made the standard.

The chunk is named `parameters` and holds three parts: the prompt, a line "Negative prompt: ..." when there is one, and
a line "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model hash: ..., Model: ...". Its readers
tell the parts by these very words, at the start of a line or anywhere, so none of them may stand in somebody's text.
"""

import io
import json
import re
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from generation.loras import hashes_text
from generation.request import GenerationRequest

CHUNK = "parameters"
_HASH = 10  #: digits, as of the model's
_NEGATIVE = "Negative prompt: "
_WORDS_OF_THE_FORM = re.compile(r"(negative prompt|steps)(?=:)", re.IGNORECASE)


def parameters_text(
    request: GenerationRequest, *, seed: int, model_hash: str | None = None, read: str | None = None
) -> str:
    """Write the text that describes one image of the request, as other tools read it.

    `read` is what the model's tokenizer got, written down where that is not the prompt itself.
    """
    prompt, negative_prompt = request.texts_of(seed)
    settings = {
        "Steps": request.steps,
        "Sampler": request.scheduler,
        "CFG scale": exact(request.guidance_scale),
        "Seed": seed,
        "Size": f"{request.width}x{request.height}",
        **_strengths(request),
        **({"Init image hash": request.source[:_HASH]} if request.source else {}),
        **({"Mask hash": request.mask[:_HASH]} if request.mask else {}),
        **({"Tile size": request.tile} if request.tile else {}),
        **({"Model hash": model_hash} if model_hash else {}),
        **({"Model": model} if (model := _name(request.model)) else {}),
        **({"Lora hashes": json.dumps(hashes)} if (hashes := hashes_text(request.loras)) else {}),
        **({"Read as": _name(read)} if read not in (None, prompt) else {}),
    }
    lines = [" ".join((_one_line(prompt), *_tags(request)))]
    if negative := _one_line(negative_prompt):
        lines.append(_NEGATIVE + negative)
    lines.append(", ".join(f"{name}: {value}" for name, value in settings.items()))
    return "\n".join(lines)


def _tags(request: GenerationRequest) -> list[str]:
    """Write the LoRAs that the prompt does not name itself as AUTOMATIC1111 reads them from there."""
    prompt = request.prompt.casefold()
    named = [use for use in request.loras if f"<lora:{use.name.casefold()}:" not in prompt]
    return [f"<lora:{use.name}:{exact(use.weight)}>" for use in named]


def _strengths(request: GenerationRequest) -> dict[str, Any]:
    """Write how much is changed of a picture, and what AUTOMATIC1111 calls hires fix, whose steps are those made."""
    strengths = [exact(number) for number in (request.strength, request.hires_strength) if number is not None]
    settings: dict[str, Any] = dict(zip(("Denoising strength", "Hires denoising strength"), strengths, strict=False))
    if request.hires is not None:
        steps = request.passes[-1].drawn_steps
        settings |= {"Hires upscale": exact(request.hires), "Hires steps": steps, "Hires upscaler": "Lanczos"}
    return settings


def exact(number: float) -> str:
    """Write a number as short as it can be read back from, without losing any of it: 7, 7.5, 7.1234567."""
    return str(int(number)) if number == int(number) else repr(number)


def png_of(
    picture: Image.Image, request: GenerationRequest, *, seed: int, model_hash: str | None, read: str | None = None
) -> bytes:
    """Encode the picture as PNG, with its parameters in the text chunk; `read` is `parameters_text`'s."""
    info = PngInfo()
    info.add_text(CHUNK, parameters_text(request, seed=seed, model_hash=model_hash, read=read))
    out = io.BytesIO()
    picture.save(out, "PNG", pnginfo=info)
    return out.getvalue()


def enlarged(png: bytes, factor: int) -> bytes:
    """Enlarge each side of the picture `factor` times, by Lanczos; its parameters keep the native size."""
    picture = Image.open(io.BytesIO(png))
    info = PngInfo()
    if (text := picture.info.get(CHUNK)) is not None:
        info.add_text(CHUNK, text)
    out = io.BytesIO()
    size = (picture.width * factor, picture.height * factor)
    picture.resize(size, Image.Resampling.LANCZOS).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def _one_line(prompt: str) -> str:
    """Write a prompt so that no reader takes a part of it for another one.

    It is still the same prompt to a model: CLIP's tokenizer takes any white space for one space, and splits words from
    colons by itself.
    """
    return _WORDS_OF_THE_FORM.sub(r"\1 ", " ".join(prompt.split()))


def _name(text: str) -> str:
    """Write a model's name, or its words, without what separates settings, as AUTOMATIC1111 does."""
    return " ".join(re.sub(r'[,:"\\]', " ", text).split())
