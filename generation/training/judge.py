# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""A classifier that says which concept a picture shows, to measure the model with. It never sees a generated picture.

It is colour-blind: every picture becomes gray before the network sees it, while it learns with a random mixture of
the channels. Otherwise it would take a blue strawberry for something blue; colours are measured apart, with
`colour_of`. It learns from all styles but the held-out ones, on which its own score, the ceiling, is taken.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from generation.training.autoencoder import compose
from generation.training.crew import Crew
from generation.training.learner import Learner, LearnerSettings, copy_into
from generation.training.recolouring import HUES, between, name_of, to_hsv


def make_judge(concepts: int) -> nn.Module:
    """Make a network of four convolutions on half the picture's size."""

    def block(into: int, out: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)
        )

    return nn.Sequential(
        nn.AvgPool2d(2),
        block(1, 32),
        block(32, 64),
        block(64, 128),
        block(128, 192),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(192 * 4, concepts),
    )


class JudgeRun(Learner):
    """The run that makes the judge."""

    name = "judge"

    def __init__(
        self, settings: LearnerSettings, pictures: NDArray[np.uint8], concepts: NDArray[np.int64], count: int
    ) -> None:
        torch.manual_seed(settings.seed)
        self.judge = make_judge(count).to(settings.device).train()
        self.pictures = torch.from_numpy(pictures)  #: n, size, size, 4
        self.concepts = torch.from_numpy(concepts)  #: n, the number of what each shows
        super().__init__(settings, Crew(), list(self.judge.parameters()))

    def error(self) -> Tensor:
        """Compute the cross-entropy on pictures that were turned, stretched, blurred and put in front of something."""
        count, generator = self.settings.batch, self.generator()
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))  # for dropout
        chosen = torch.randint(0, len(self.pictures), (count,), generator=generator)
        any_colour = torch.rand(count, 3, 1, 1, generator=generator)
        is_backed = torch.rand(count, 1, 1, 1, generator=generator) < 0.4
        pictures = compose(self.pictures[chosen], torch.where(is_backed, any_colour, torch.ones(())))
        gray = disturbed(grayed(pictures, generator), generator)
        guesses = self.judge(gray.to(self.settings.device))
        return F.cross_entropy(guesses, self.concepts[chosen].to(self.settings.device), label_smoothing=0.05)

    def look(self, path: Path) -> None:
        """A judge has nothing to show."""

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs; batch norm's running means are no parameters."""
        return super().state() | {"means": [buffer.clone() for buffer in self.judge.buffers()]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        super().restore(state)
        copy_into(list(self.judge.buffers()), state["means"])


def grayed(pictures: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Turn pictures of 0 to 1 gray, -1 to 1; with a generator, by a random mixture of the channels for each."""
    weights = torch.full((len(pictures), 3, 1, 1), 1 / 3)
    if generator is not None:
        weights = torch.rand(len(pictures), 3, 1, 1, generator=generator) + 0.1
        weights = weights / weights.sum(1, keepdim=True)
    return (pictures * weights).sum(1, keepdim=True) * 2 - 1


def disturbed(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Disturb pictures as another artist, or a blurry model, might have drawn them."""
    count = len(pictures)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    across = torch.stack([uniform(0.85, 1.35) * mirror, uniform(-0.2, 0.2), uniform(-0.25, 0.25)], 1)
    down = torch.stack([uniform(-0.2, 0.2), uniform(0.85, 1.35), uniform(-0.25, 0.25)], 1)
    grid = F.affine_grid(torch.stack([across, down], 1), list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    soft = F.avg_pool2d(F.pad(moved, (1, 1, 1, 1), mode="replicate"), 3, 1)
    moved = torch.where(uniform(0, 1).view(-1, 1, 1, 1) < 0.4, soft, moved)
    contrast, light = uniform(0.7, 1.2).view(-1, 1, 1, 1), uniform(-0.15, 0.15).view(-1, 1, 1, 1)
    return moved * contrast + light + 0.03 * torch.randn(moved.shape, generator=generator)


@torch.no_grad()
def guesses(judge: nn.Module, pictures: NDArray[np.uint8]) -> Tensor:
    """Return the judge's five best guesses [n, 5] for each picture [n, size, size, 3], the best first."""
    judge.eval()
    device = next(judge.parameters()).device
    tensors = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    answers = torch.cat([judge(grayed(part).to(device)).cpu() for part in tensors.split(256)])
    return answers.topk(min(5, answers.shape[1]), 1).indices


def colour_of(picture: NDArray[np.uint8]) -> str | None:
    """Name the colour that most of a thing in front of white has; None if it is all gray.

    Pale shades count too, by their saturation: pink is a pale colour.
    """
    rgb = picture.astype(np.float32) / 255
    hue, saturation, value = to_hsv(rgb)
    drawn = np.abs(rgb - 1).max(-1) > 0.15
    weight = drawn * saturation * value
    if weight.sum() < 0.05 * max(drawn.sum(), 30):
        return None
    totals = {name: weight[np.abs(between(hue, degrees)) < 28].sum() for name, degrees in HUES.items()}
    centre = HUES[max(totals, key=lambda name: totals[name])]
    near = np.abs(between(hue, centre)) < 28
    return name_of(centre + float(np.average(between(hue, centre)[near], weights=weight[near])))
