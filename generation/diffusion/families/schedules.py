"""An image's way from noise to picture: timesteps, and what a step does to its latents.

A LinearSchedule is a first-order deterministic scheduler as a table, shared by images, so that one operation steps
many of them. A step of DDIM (eta 0) or Euler is linear: x_(t-1) = keep_t x_t + add_t prediction, whatever the model
predicts. The two numbers of each step are read off diffusers' own scheduler by giving it the unit vectors; none of it
is written again. Every other scheduler is an OwnSchedule, an object for each image.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from generation.diffusion.families.base import Schedule
from generation.diffusion.families.schedulers import make_scheduler, takes_generator
from generation.request import SchedulerName

_LINEAR = (SchedulerName.DDIM, SchedulerName.EULER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """How much of the picture is left at each timestep of the training, and what the model predicts."""

    alphas_cumprod: Tensor  #: [T]
    prediction_type: str

    def original(self, model_input: Tensor, prediction: Tensor, timestep: float) -> Tensor:
        """Compute x_0 from latents and prediction [1, C, h, w].

        From x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) e (Ho et al., arXiv:2006.11239, eq. 4) for `epsilon`, and
        x_0 = sqrt(a_t) x_t - sqrt(1 - a_t) v (Salimans and Ho, arXiv:2202.00512) for `v_prediction`. The model's scaled
        input is x_t in this form whatever the scheduler's own scale is.
        """
        index = min(max(round(timestep), 0), len(self.alphas_cumprod) - 1)
        alpha = self.alphas_cumprod[index].to(model_input)
        if self.prediction_type == "epsilon":
            return (model_input - (1 - alpha).sqrt() * prediction) / alpha.sqrt()
        if self.prediction_type == "v_prediction":
            return alpha.sqrt() * model_input - (1 - alpha).sqrt() * prediction
        return prediction


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearSchedule:
    """One number a step in each list. It has no state."""

    timesteps: list[float]
    input_scale: list[float]  #: what the denoiser's input is multiplied by
    keep: list[float]  #: of the latents
    add: list[float]  #: of the prediction
    of_original: list[float]  #: of a picture that is there already
    of_noise: list[float]  #: that is added to it
    init_noise_sigma: float
    signal: Signal

    def model_input(self, latents: Tensor, step: int) -> Tensor:
        """As Schedule says."""
        scale = self.input_scale[step]
        return latents if scale == 1 else latents * scale

    def advance(self, latents: Tensor, prediction: Tensor, step: int) -> Tensor:
        """As Schedule says."""
        return advance_together([(self, step)], latents, prediction)

    def add_noise(self, original: Tensor, noise: Tensor, step: int) -> Tensor:
        """As Schedule says."""
        return original * self.of_original[step] + noise * self.of_noise[step]

    def predicted_original(self, model_input: Tensor, prediction: Tensor, step: int) -> Tensor:
        """As Schedule says."""
        return self.signal.original(model_input, prediction, self.timesteps[step])


def advance_together(steps: Sequence[tuple[LinearSchedule, int]], latents: Tensor, predictions: Tensor) -> Tensor:
    """Take one step of each schedule, in one operation for all rows [R, C, h, w].

    Computed row by row and without fused operations, so that an image's bits do not depend on its neighbours.
    """
    numbers = [[schedule.keep[step], schedule.add[step]] for schedule, step in steps]
    precise = torch.promote_types(latents.dtype, torch.float32)
    keep, add = torch.tensor(numbers, dtype=precise).to(latents.device, non_blocking=True).T[..., None, None, None]
    stepped = latents.to(precise) * keep + predictions.to(precise) * add
    return stepped.to(latents.dtype)


class OwnSchedule:
    """A diffusers scheduler with the state of one image's run; steps are made in order."""

    def __init__(self, scheduler: Any, signal: Signal, generator: torch.Generator) -> None:
        """`scheduler` has its timesteps, on the CPU: looking one up does not make the CPU wait for the GPU."""
        self._scheduler = scheduler
        self._settings = {"generator": generator} if takes_generator(scheduler) else {}
        self.timesteps: list[float] = scheduler.timesteps.tolist()
        self.init_noise_sigma = float(scheduler.init_noise_sigma)
        self._signal = signal

    def model_input(self, latents: Tensor, step: int) -> Tensor:
        """As Schedule says."""
        return self._scheduler.scale_model_input(latents, self._scheduler.timesteps[step])

    def advance(self, latents: Tensor, prediction: Tensor, step: int) -> Tensor:
        """As Schedule says."""
        timestep = self._scheduler.timesteps[step]
        prediction = prediction.to(latents.dtype)
        return self._scheduler.step(prediction, timestep, latents, **self._settings, return_dict=False)[0]

    def add_noise(self, original: Tensor, noise: Tensor, step: int) -> Tensor:
        """As Schedule says: diffusers' scheduler goes by its own place, whatever timestep it is given."""
        return self._scheduler.add_noise(original, noise, self._scheduler.timesteps[step : step + 1])

    def predicted_original(self, model_input: Tensor, prediction: Tensor, step: int) -> Tensor:
        """As Schedule says."""
        return self._signal.original(model_input, prediction, self.timesteps[step])


class Schedules:
    """Makes the schedules of one model's images; a table is made once."""

    def __init__(self, config: Mapping[str, Any], dtype: torch.dtype) -> None:
        """`config` is that of the model's own scheduler, `dtype` that of its latents."""
        self._config = config
        self._dtype = dtype
        self._tables: dict[tuple[SchedulerName, int], LinearSchedule | None] = {}

    def make(self, name: SchedulerName, steps: int, generator: torch.Generator, *, first: int = 0) -> Schedule:
        """Make the schedule of an image; `generator` is the image's own, `first` the step that is made first."""
        if name in _LINEAR:
            if (name, steps) not in self._tables:
                self._tables[name, steps] = self._read(name, steps)
            if (table := self._tables[name, steps]) is not None:
                return table
        scheduler = self._scheduler(name, steps)
        _begin_at(scheduler, first)
        return OwnSchedule(scheduler, self._signal(scheduler), generator)

    def _scheduler(self, name: SchedulerName, steps: int) -> Any:
        scheduler = make_scheduler(name, self._config)
        scheduler.set_timesteps(steps, device="cpu")
        return scheduler

    def _signal(self, scheduler: Any) -> Signal:
        kind = self._config.get("prediction_type", "epsilon")
        return Signal(alphas_cumprod=scheduler.alphas_cumprod, prediction_type=kind)

    def _read(self, name: SchedulerName, steps: int) -> LinearSchedule | None:
        """Read the table off diffusers' scheduler; None for one that is not linear with this model."""
        scheduler = self._scheduler(name, steps)
        if scheduler.config.get("thresholding"):
            return None
        almost_one = 1 + 2.0**-40  # in float32 it is 1
        latents = torch.tensor([1, 0, almost_one], dtype=torch.float64)
        prediction = torch.tensor([0, 1, 0], dtype=torch.float64)
        units = torch.eye(2, dtype=torch.float64)
        noised: list[list[float]] = []
        scales: list[float] = []
        stepped: list[list[float]] = []
        for step, timestep in enumerate(scheduler.timesteps):
            _begin_at(scheduler, step)
            noised.append(scheduler.add_noise(units[:1], units[1:], timestep[None])[0].tolist())
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
            of_original=[numbers[0] for numbers in noised],
            of_noise=[numbers[1] for numbers in noised],
            init_noise_sigma=float(scheduler.init_noise_sigma),
            signal=self._signal(scheduler),
        )


def _begin_at(scheduler: Any, step: int) -> None:
    """Tell a scheduler which step comes first; DDIM has no place of its own, and goes by the timestep."""
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(step)
