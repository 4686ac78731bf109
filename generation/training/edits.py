# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false
"""Whether a model can change pictures, by diffusers' own pipelines: image to image, and inpainting."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline
from PIL import Image

from generation.training.evaluation import Measurement
from generation.training.painter import Painter, Pictures
from generation.training.pictures import colour_share, ink_overlap, seam

STRENGTH = 0.6
KEPT, COLOURED = 0.6, 0.6  #: of the ink, for an edit to have worked
SEAM = 1.5  #: times the edges elsewhere, at most

#: thing, its colour, the colour asked for
PAIRS = (
    ("heart", "red", "green"), ("star", "yellow", "blue"), ("apple", "red", "purple"), ("car", "red", "blue"),
    ("balloon", "red", "green"), ("fish", "blue", "red"), ("frog", "green", "pink"), ("rose", "red", "yellow"),
    ("t-shirt", "blue", "green"), ("banana", "yellow", "green"), ("alien", "green", "purple"), ("pig", "pink", "blue"),
    ("cactus", "green", "orange"), ("whale", "blue", "green"), ("crown", "yellow", "red"), ("duck", "yellow", "pink"),
    ("carrot", "orange", "red"), ("pear", "green", "purple"), ("key", "yellow", "blue"), ("umbrella", "purple", "red"),
)  # fmt: skip


@torch.no_grad()
def edit_measurements(painter: Painter, pairs: Sequence[tuple[str, str, str]] = PAIRS) -> list[Measurement]:
    """Measure how many pictures take another colour and keep their shape, and how well halves are filled in."""
    before = painter.draw_each([f"{colour} {name}" for name, colour, _ in pairs])
    wanted = [f"{colour} {name}" for name, _, colour in pairs]
    changed = _edited(painter, StableDiffusionImg2ImgPipeline, wanted, before, strength=STRENGTH)
    worked = [
        ink_overlap(old, new) >= KEPT and colour_share(new, colour) >= COLOURED
        for old, new, (_, _, colour) in zip(before, changed, pairs, strict=True)
    ]
    height, width = before.shape[1:3]
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, (width // 2, 0, width, height))
    same = [f"{colour} {name}" for name, colour, _ in pairs]
    filled = _edited(
        painter, StableDiffusionInpaintPipeline, same, before, mask_image=[mask] * len(pairs), width=width,
        height=height, strength=1.0,
    )  # fmt: skip
    seams, without = (np.array([seam(picture) for picture in pictures]) for pictures in (filled, before))
    count = len(pairs)
    recoloured = f"another colour and the same shape, image to image at {STRENGTH}"
    smooth = f"half of it inpainted: edge along the middle at most {SEAM} times that elsewhere; ceiling: untouched"
    mean = f"half of it inpainted: mean edge along the middle over that elsewhere (untouched: {without.mean():.2f})"
    return [
        Measurement(name=recoloured, value=100 * float(np.mean(worked)), n=count),
        Measurement(
            name=smooth,
            value=100 * float((seams <= SEAM).mean()),
            n=count,
            ceiling=100 * float((without <= SEAM).mean()),
            ceiling_n=count,
        ),
        Measurement(name=mean, value=float(seams.mean()), n=count, unit=""),
    ]


def _edited(painter: Painter, kind: Any, prompts: Sequence[str], pictures: Pictures, **settings: Any) -> Pictures:
    pipeline = kind.from_pipe(painter.pipeline, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    first = painter.settings.first_seed
    output = pipeline(
        list(prompts),
        image=[Image.fromarray(picture) for picture in pictures],
        num_inference_steps=painter.settings.steps,
        guidance_scale=painter.settings.guidance,
        generator=[torch.Generator().manual_seed(first + 500 + at) for at in range(len(prompts))],
        **settings,
    )
    return np.stack([np.asarray(image.convert("RGB")) for image in output.images])
