"""ImageRun and JobRun: the engine's view of what is being drawn."""

from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from generation.diffusion.model import LoadedModel, PromptConditioning
from generation.diffusion.schedulers import make_scheduler, takes_generator
from generation.job import Job

BatchKey: TypeAlias = tuple[tuple[int, int, int], int]  #: latent shape and text length; only equals stack


class JobRun:
    """A job inside the engine: its images still to be started, and what it has used."""

    def __init__(self, job: Job, *, cancelled: Callable[[], bool]) -> None:
        self.job = job
        self.cancelled = cancelled
        self.conditioning: PromptConditioning | None = None
        self._latent_shape: tuple[int, int, int] | None = None
        self.pending = deque(range(job.request.count))
        self.unfinished = job.request.count
        self.device_seconds = 0.0
        self.steps_done = 0
        self.preview: bytes | None = None  #: a newer one that was not said yet
        self.last_preview: float | None = None  #: when it was drawn

    @property
    def steps(self) -> int:
        """Denoising steps over all its images."""
        return self.job.request.steps * self.job.request.count

    @property
    def key(self) -> BatchKey:
        """Images of one key can share a U-Net call. Known once the prompt is encoded."""
        if self.conditioning is None or self._latent_shape is None:
            raise RuntimeError("encode() comes first")
        return self._latent_shape, self.conditioning.positive.text.shape[1]

    @property
    def rows(self) -> int:
        """Rows each of its images takes in a U-Net call: two with classifier-free guidance."""
        return 2 if self.conditioning is not None and self.conditioning.negative is not None else 1

    def encode(self, model: LoadedModel) -> None:
        """Turn its prompts into what the U-Net understands, once for all its images."""
        request = self.job.request
        self._latent_shape = model.latent_shape(request.width, request.height)
        self.conditioning = model.encode(
            request.prompt,
            request.negative_prompt,
            guidance_scale=request.guidance_scale,
            width=request.width,
            height=request.height,
        )


class ImageRun:
    """One image in the running batch: its own scheduler, its own generator, its own place in the schedule.

    The reverse process: from pure noise x_T the scheduler walks down its timesteps; at each the U-Net predicts the
    noise in x_t (or the velocity v) and the scheduler computes the less noisy x_(t-1) from it.
    """

    def __init__(self, run: JobRun, index: int, model: LoadedModel, conditioning: PromptConditioning) -> None:
        request = run.job.request
        self.run = run
        self.index = index
        self.seed = request.seeds[index]
        self.conditioning = conditioning
        self.guidance_scale = request.guidance_scale
        self.scheduler: Any = make_scheduler(request.scheduler, model.scheduler_config)
        # Timesteps stay on the CPU: looking a step up there does not make the CPU wait for the GPU.
        self.scheduler.set_timesteps(request.steps, device="cpu")
        self.timesteps: Tensor = self.scheduler.timesteps
        self.generator = torch.Generator("cpu").manual_seed(self.seed)
        self.latents = model.initial_noise(request.width, request.height, self.generator)
        self.latents = self.latents * self.scheduler.init_noise_sigma
        self._step_settings = {"generator": self.generator} if takes_generator(self.scheduler) else {}
        self.step = 0

    @property
    def timestep(self) -> Tensor:
        """The timestep of its next step, 0-dimensional."""
        return self.timesteps[self.step]

    @property
    def done(self) -> bool:
        """Whether all steps are made."""
        return self.step >= len(self.timesteps)

    def model_input(self) -> Tensor:
        """Its latents [1, C, h, w] as the U-Net expects them at this timestep."""
        return self.scheduler.scale_model_input(self.latents, self.timestep)

    def advance(self, prediction: Tensor) -> None:
        """One step down the schedule with the (guided) prediction [1, C, h, w]."""
        self.latents = self.scheduler.step(
            prediction, self.timestep, self.latents, **self._step_settings, return_dict=False
        )[0]
        self.step += 1
