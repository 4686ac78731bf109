"""How far a run is, how fast it learns, and with how many threads: what the VAE's, the U-Net's and the judge's runs
share.
"""

import math
import time
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When a run ends: after so many steps or so many minutes, whichever comes first."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise ValueError("a run needs an end: steps, minutes or both")

    def progress(self, step: int, seconds: float) -> float:
        """Return the share of the run that is done: 0 at the start, 1 at the end."""
        by_step = step / self.steps if self.steps else 0.0
        by_time = seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_step, by_time))


def learning_rate(peak: float, step: int, progress: float, *, warmup: int = 60) -> float:
    """Climb shortly, then follow half a cosine down to a hundredth: big steps find shapes, small ones details."""
    return peak * min(1.0, (step + 1) / warmup) * (0.5 * (1 + math.cos(math.pi * progress)) * 0.99 + 0.01)


@dataclass
class ThreadTuner:
    """Finds, again and again, whether one thread or all are faster on a CPU that others use too.

    Torch's threads wait for each other many times in a step, so when another program holds one core, all wait for the
    slowest: on a busy two-core machine one thread can beat two. Every `every` steps both are timed for three steps.
    """

    every: int = 60
    most: int = field(default_factory=torch.get_num_threads)
    _step: int = 0
    _last: float = 0.0
    _times: dict[int, float] = field(default_factory=dict[int, float])

    def tick(self) -> None:
        """Count a step; called once after each."""
        if self.most < 2:
            return
        now, phase = time.perf_counter(), self._step % self.every
        if phase in (2, 3, 5, 6):
            threads = 1 if phase < 4 else self.most
            self._times[threads] = min(now - self._last, self._times.get(threads, math.inf))
        if phase == 0:
            self._times.clear()
            torch.set_num_threads(1)
        elif phase == 3:
            torch.set_num_threads(self.most)
        elif phase == 6:
            torch.set_num_threads(min(self._times, key=lambda count: self._times[count]))
        self._step += 1
        self._last = now
