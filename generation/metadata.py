"""Generation parameters -> the PNG text chunk that AUTOMATIC1111 made the standard.

The chunk is named `parameters` and holds three parts: the prompt, a line "Negative prompt: ..." when there is one, and
a line "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Model hash: ..., Model: ...".
"""

import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from generation.request import GenerationRequest

CHUNK = "parameters"
_NEGATIVE = "Negative prompt: "


def parameters_text(request: GenerationRequest, *, seed: int, model_hash: str | None = None) -> str:
    """Write the text that describes one image of the request, as other tools read it."""
    settings = {
        "Steps": request.steps,
        "Sampler": request.scheduler,
        "CFG scale": f"{request.guidance_scale:g}",
        "Seed": seed,
        "Size": f"{request.width}x{request.height}",
        **({"Model hash": model_hash} if model_hash else {}),
        "Model": _quoted(request.model),
    }
    lines = [request.prompt]
    if request.negative_prompt:
        lines.append(_NEGATIVE + request.negative_prompt)
    lines.append(", ".join(f"{name}: {value}" for name, value in settings.items()))
    return "\n".join(lines)


def png_of(picture: Image.Image, request: GenerationRequest, *, seed: int, model_hash: str | None) -> bytes:
    """Encode the picture as PNG, with its parameters in the text chunk."""
    info = PngInfo()
    info.add_text(CHUNK, parameters_text(request, seed=seed, model_hash=model_hash))
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


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if set(value) & set(',:"\n') else value
