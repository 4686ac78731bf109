# pyright: reportUnknownMemberType=false
"""Gradient descent itself, and the loop around it: what the runs of the VAE, the U-Net and the judge share.

Everything random in a step follows from the run's seed and the step's number (`generator`, `words`), never from
what was drawn before. A run that was stopped and goes on from its checkpoint is therefore the same run, to the last
bit.
"""

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from generation.training.checkpoint import load_checkpoint, save_checkpoint
from generation.training.crew import Crew
from generation.training.pace import Budget, ThreadTuner, learning_rate


@dataclass(frozen=True, kw_only=True)
class LearnerSettings:
    """What every run has to be told."""

    budget: Budget
    batch: int = 32
    peak_rate: float = 2e-3
    seed: int = 0
    device: str = "cpu"
    save_minutes: float = 2.0
    look_minutes: float = 6.0  #: between two sample grids


class Learner(ABC):
    """Networks that learn, step by step. A subclass says what their error is."""

    name = "learner"

    def __init__(self, settings: LearnerSettings, crew: Crew, parameters: Sequence[nn.Parameter]) -> None:
        self.settings = settings
        self.crew = crew
        self.parameters = list(parameters)
        self.optimizer = torch.optim.AdamW(self.parameters, lr=0.0, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
        self.step = 0
        self.seconds = 0.0  #: spent, over all sittings; by the leader's clock, so that the whole crew ends together
        self._since: float | None = None

    @abstractmethod
    def error(self) -> Tensor:
        """Compute the error of this process's share of the current step's batch."""

    @abstractmethod
    def look(self, path: Path) -> None:
        """Save a picture of what has been learnt so far."""

    def after_step(self) -> None:  # noqa: B027
        """Do what has to be done after the weights have moved; by default nothing."""

    @property
    def progress(self) -> float:
        """The share of the run that is done: 0 at the start, 1 at the end."""
        return self.settings.budget.progress(self.step, self.seconds)

    def generator(self) -> torch.Generator:
        """Make this step's randomness for tensors."""
        return torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.step)

    def words(self) -> random.Random:
        """Make this step's randomness for words."""
        return random.Random(f"{self.settings.seed} {self.step}")

    def learn(self) -> float:
        """Take one step down the error's slope; return the error."""
        self._since = self._since or time.perf_counter()
        error = self.error()
        self.optimizer.zero_grad()
        error.backward()
        now = time.perf_counter()
        self.seconds = self.crew.agree(self.parameters, self.seconds + now - self._since)
        self._since = now
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings.peak_rate, self.step, self.progress)
        nn.utils.clip_grad_norm_(self.parameters, 1.0)  # one odd batch must not undo an hour
        self.optimizer.step()
        self.step += 1
        self.after_step()
        return float(error.detach())

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "networks": [parameter.detach().cpu() for parameter in self.parameters],
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.step, self.seconds = state["step"], state["seconds"]
        copy_into(self.parameters, state["networks"])
        self.optimizer.load_state_dict(state["optimizer"])


@torch.no_grad()
def copy_into(parameters: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Give each parameter its saved value."""
    for parameter, value in zip(parameters, values, strict=True):
        parameter.copy_(value)


def train(learner: Learner, folder: Path) -> None:
    """Learn until the budget is used up, going on from the checkpoint in `folder` if there is one."""
    settings, checkpoint = learner.settings, folder / "checkpoint.pt"
    if state := load_checkpoint(checkpoint):
        learner.restore(state)
    tuner = ThreadTuner() if settings.device == "cpu" and learner.crew.size == 1 else None
    steps = tqdm(
        _until_done(learner),
        desc=learner.name,
        initial=learner.step,
        total=settings.budget.steps,
        mininterval=5,
        disable=not learner.crew.leads,
    )
    saved = looked = learner.seconds
    mean: float | None = None
    for error in steps:
        mean = error if mean is None else 0.99 * mean + 0.01 * error
        steps.set_postfix(error=f"{mean:.4f}", progress=f"{learner.progress:.1%}", refresh=False)
        if tuner:
            tuner.tick()
        if not learner.crew.leads:
            continue
        if learner.seconds - saved > 60 * settings.save_minutes:
            save_checkpoint(checkpoint, learner.state())
            saved = learner.seconds
        if learner.seconds - looked > 60 * settings.look_minutes:
            learner.look(folder / "grids" / f"step-{learner.step:06d}.png")
            looked = learner.seconds
    if learner.crew.leads:
        save_checkpoint(checkpoint, learner.state())
        learner.look(folder / "grids" / f"step-{learner.step:06d}.png")


def _until_done(learner: Learner) -> Iterator[float]:
    while learner.progress < 1:
        yield learner.learn()
