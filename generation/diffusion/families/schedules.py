"""An image's way from noise to picture: timesteps, and what a step does to its latents.

A LinearSchedule is a first-order deterministic scheduler as a table, shared by images, so that one operation steps
many of them. A step of DDIM (eta 0) or Euler is linear: x_(t-1) = keep_t x_t + add_t prediction, whatever the model
predicts. The two numbers of each step are read off diffusers' own scheduler by giving it the unit vectors; none of it
is written again. Every other scheduler is an OwnSchedule, an object for each image.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from generation.diffusion.families.schedulers import make_scheduler, takes_generator
from generation.request import SchedulerName

_LINEAR = (SchedulerName.DDIM, SchedulerName.EULER)


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearSchedule:
    """One number a step in each list. It has no state."""

    timesteps: list[float]
    input_scale: list[float]  #: what the U-Net's input is multiplied by
    keep: list[float]  #: of the latents
    add: list[float]  #: of the prediction
    init_noise_sigma: float
    alphas_cumprod: Tensor  #: [T], what is left of the picture at each timestep of the training

    def model_input(self, latents: Tensor, step: int) -> Tensor:
        """Scale the latents [1, C, h, w] as the U-Net expects them at this step."""
        scale = self.input_scale[step]
        return latents if scale == 1 else latents * scale


class OwnSchedule:
    """A diffusers scheduler with the state of one image's run; steps are made in order."""

    def __init__(self, scheduler: Any, generator: torch.Generator) -> None:
        """`scheduler` has its timesteps, on the CPU: looking one up does not make the CPU wait for the GPU."""
        self._scheduler = scheduler
        self._settings = {"generator": generator} if takes_generator(scheduler) else {}
        self.timesteps: list[float] = scheduler.timesteps.tolist()
        self.init_noise_sigma = float(scheduler.init_noise_sigma)
        self.alphas_cumprod: Tensor = scheduler.alphas_cumprod

    def model_input(self, latents: Tensor, step: int) -> Tensor:
        """Scale the latents [1, C, h, w] as the U-Net expects them at this step."""
        return self._scheduler.scale_model_input(latents, self._scheduler.timesteps[step])

    def advance(self, latents: Tensor, prediction: Tensor, step: int) -> Tensor:
        """Return the latents after this step; latents and prediction are [1, C, h, w]."""
        timestep = self._scheduler.timesteps[step]
        prediction = prediction.to(latents.dtype)
        return self._scheduler.step(prediction, timestep, latents, **self._settings, return_dict=False)[0]


class Schedules:
    """Makes the schedules of one model's images; a table is made once."""

    def __init__(self, config: Mapping[str, Any], dtype: torch.dtype) -> None:
        """`config` is that of the model's own scheduler, `dtype` that of its latents."""
        self._config = config
        self._dtype = dtype
        self._tables: dict[tuple[SchedulerName, int], LinearSchedule | None] = {}

    def make(self, name: SchedulerName, steps: int, generator: torch.Generator) -> LinearSchedule | OwnSchedule:
        """Make the schedule of an image; `generator` is the image's own."""
        if name in _LINEAR:
            if (name, steps) not in self._tables:
                self._tables[name, steps] = self._read(name, steps)
            if (table := self._tables[name, steps]) is not None:
                return table
        return OwnSchedule(self._scheduler(name, steps), generator)

    def _scheduler(self, name: SchedulerName, steps: int) -> Any:
        scheduler = make_scheduler(name, self._config)
        scheduler.set_timesteps(steps, device="cpu")
        return scheduler

    def _read(self, name: SchedulerName, steps: int) -> LinearSchedule | None:
        """Read the table off diffusers' scheduler; None for one that is not linear with this model."""
        scheduler = self._scheduler(name, steps)
        if scheduler.config.get("thresholding"):
            return None
        almost_one = 1 + 2.0**-40  # in float32 it is 1
        latents = torch.tensor([1, 0, almost_one], dtype=torch.float64)
        prediction = torch.tensor([0, 1, 0], dtype=torch.float64)
        scales: list[float] = []
        stepped: list[list[float]] = []
        for timestep in scheduler.timesteps:
            scales.append(float(scheduler.scale_model_input(latents, timestep)[0]))
            stepped.append(scheduler.step(prediction, timestep, latents, return_dict=False)[0].tolist())
        keep, add, almost_keep = map(list[float], zip(*stepped, strict=True))
        if not all(map(math.isfinite, [*keep, *add])):
            return None
        if self._dtype == torch.float64 and keep == almost_keep:
            return None  # it rounds to float32 whatever it is given, which is not linear in float64
        return LinearSchedule(
            timesteps=scheduler.timesteps.tolist(),
            input_scale=scales,
            keep=keep,
            add=add,
            init_noise_sigma=float(scheduler.init_noise_sigma),
            alphas_cumprod=scheduler.alphas_cumprod,
        )
