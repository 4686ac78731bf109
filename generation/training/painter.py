# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false
"""A model that is measured: draws what it reads of a prompt, each text and seed once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from generation.reading import Reading
from generation.training.sample_grid import draw

Pictures = NDArray[np.uint8]  #: n, height, width, 3


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How pictures are drawn for judging."""

    steps: int = 20
    guidance: float = 4.0
    concept_seeds: int = 2
    pair_seeds: int = 8
    first_seed: int = 1000


@dataclass
class Painter:
    """The pipeline, with the reading that is before its tokenizer."""

    pipeline: StableDiffusionPipeline
    reading: Reading | None
    settings: EvaluationSettings
    _drawn: dict[tuple[str, int], NDArray[np.uint8]] = field(default_factory=dict[tuple[str, int], NDArray[np.uint8]])

    def read(self, prompt: str) -> str:
        """Return what the tokenizer gets."""
        return self.reading.read(prompt).text if self.reading else prompt

    def draw(self, prompts: Sequence[str], seeds: Sequence[int]) -> Pictures:
        """Draw a picture a prompt, each of its own seed: [n, height, width, 3]."""
        keys = [(self.read(prompt), seed) for prompt, seed in zip(prompts, seeds, strict=True)]
        if new := [key for key in dict.fromkeys(keys) if key not in self._drawn]:
            settings = self.settings
            texts, own = [text for text, _ in new], [seed for _, seed in new]
            pictures = draw(self.pipeline, texts, seeds=own, steps=settings.steps, guidance=settings.guidance)
            self._drawn.update(zip(new, pictures, strict=True))
        return np.stack([self._drawn[key] for key in keys])

    def draw_each(self, prompts: Sequence[str]) -> Pictures:
        """Draw them with seeds that count up from the first."""
        return self.draw(prompts, range(self.settings.first_seed, self.settings.first_seed + len(prompts)))
