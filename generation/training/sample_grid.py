# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false
"""Pictures drawn by a model in training or a finished one, and many of them side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image

#: 48 prompts that a stranger might try first; the model card shows all of them, as they come out
GRID_PROMPTS = (
    "a red heart", "a panda", "a fox", "a cute cat", "a dog", "a smiley face", "a star", "the sun",
    "a blue car", "a rocket", "a house", "a castle", "a birthday cake", "a pizza", "a burger", "an ice cream",
    "a strawberry", "a banana", "a pineapple", "a sunflower", "a red rose", "a christmas tree", "a mushroom",
    "a cactus",
    "a purple banana", "a green apple", "a blue donut", "a pink elephant", "a golden crown", "a yellow submarine",
    "a penguin on a blue background", "a ghost on a black background",
    "a robot", "an alien", "a skull", "a unicorn", "an owl", "an octopus", "a butterfly", "a bee",
    "a cup of coffee", "a guitar", "a balloon", "a gift", "a diamond", "a light bulb", "a train",
    "a cat riding a bicycle",
)  # fmt: skip


#: 12 things with the same four seeds, as `count: 4` draws them; the card shows them as they come out
_FOURS = ("heart", "star", "cat", "fox", "dog", "car", "house", "rocket", "pizza", "sunflower", "robot", "ghost")
FOUR_PROMPTS = tuple(f"a {name}" for name in _FOURS for _ in range(4))
FOUR_SEEDS = tuple(seed for _ in _FOURS for seed in range(4))


@torch.no_grad()
def draw(
    pipeline: StableDiffusionPipeline,
    prompts: Sequence[str],
    *,
    seeds: Sequence[int],
    steps: int = 20,
    guidance: float = 4.0,
    at_once: int = 24,
) -> NDArray[np.uint8]:
    """Draw one picture a prompt, each of its own seed: [n, height, width, 3]."""
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    drawn: list[NDArray[np.uint8]] = []
    for start in range(0, len(prompts), at_once):
        chosen = slice(start, start + at_once)
        output: Any = pipeline(
            list(prompts[chosen]),
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[chosen]],
        )
        images = output.images
        drawn += [np.asarray(image) for image in images]
    return np.stack(drawn)


def grid(pictures: NDArray[np.uint8], *, columns: int = 8) -> Image.Image:
    """Lay the pictures out in rows, white where the last row ends early."""
    count, height, width, channels = pictures.shape
    rows = -(-count // columns)
    sheet = np.full((rows * columns, height, width, channels), 255, dtype=np.uint8)
    sheet[:count] = pictures
    sheet = sheet.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return Image.fromarray(sheet.reshape(rows * height, columns * width, channels))


def save_grid(path: Path, pictures: NDArray[np.uint8], *, columns: int = 8) -> None:
    """Write the grid as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grid(pictures, columns=columns).save(path, optimize=True)
