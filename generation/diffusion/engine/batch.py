"""ImageRun and JobRun: the engine's view of what is being drawn."""

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from generation.diffusion.families.base import LatentShape, Looked, PromptConditioning
from generation.diffusion.families.schedules import LinearSchedule, advance_together
from generation.diffusion.loading.model import LoadedModel
from generation.inputs import fitted
from generation.job import Job

BatchKey: TypeAlias = tuple[LatentShape, int]  #: latent shape and text length; only equals stack


class JobRun:
    """A job inside the engine: its images, and what it has used."""

    def __init__(self, job: Job, *, cancelled: Callable[[], bool], arrival: int = 0) -> None:
        self.job = job
        self.arrival = arrival  #: its number in the order of admission
        self.cancelled = cancelled
        self.conditioning: PromptConditioning | None = None
        self._latent_shape: LatentShape | None = None
        self.pending = deque(range(job.request.count))  #: images that are not begun
        self.images: list[ImageRun] = []  #: images that are begun and have steps left
        self.unfinished = job.request.count
        self.looked: Looked | None = None  #: the pictures that it begins with
        self.device_seconds = 0.0
        self.most_rows = 0  #: of a call that it had a part in
        self.steps_done = 0
        self.preview: bytes | None = None  #: a newer one that was not said yet
        self.last_preview: float | None = None  #: when it was drawn
        self.read = job.request.prompt  #: what the tokenizer gets

    @property
    def has_steps_left(self) -> bool:
        """Whether any of its images still needs a row."""
        return bool(self.images or self.pending)

    @property
    def steps(self) -> int:
        """Denoising steps over all its images."""
        return self.job.request.drawn_steps * self.job.request.count

    @property
    def key(self) -> BatchKey:
        """The key of its images: those of one key can share a call. Known once the prompt is encoded."""
        if self.conditioning is None or self._latent_shape is None:
            raise RuntimeError("encode() comes first")
        return self._latent_shape, self.conditioning.positive.tokens

    @property
    def rows(self) -> int:
        """Rows that each of its images takes in a call. Known once the prompt is encoded."""
        return 0 if self.conditioning is None else self.conditioning.rows

    def encode(self, model: LoadedModel) -> None:
        """Encode its prompts, and the pictures that it begins with, once for all its images. Raises InputGone."""
        request, inputs = self.job.request, self.job.inputs()
        inputs.require(request)
        width, height = model.spec.drawn_size(request.width, request.height)
        self._latent_shape = model.latent_shape(width, height)
        if inputs.source is not None:
            size, drawn = (request.width, request.height), (width, height)
            mask = None if inputs.mask is None else fitted(inputs.mask, size, drawn)
            self.looked = model.look(fitted(inputs.source, size, drawn), mask)
        self.read, negative = (model.spec.read(text).text for text in (request.prompt, request.negative_prompt))
        self.conditioning = model.encode(
            self.read,
            negative,
            guidance_scale=request.guidance_scale,
            width=width,
            height=height,
        )


class ImageRun:
    """One image that is being drawn: its own generator, its own place in its schedule.

    The reverse process: from pure noise x_T the schedule walks down its timesteps; at each the model predicts the
    noise in x_t (or the velocity v), from which the schedule computes the less noisy x_(t-1).
    """

    def __init__(self, run: JobRun, index: int, model: LoadedModel, conditioning: PromptConditioning) -> None:
        request = run.job.request
        self.run = run
        self.index = index
        self.seed = request.seeds[index]
        self.conditioning = conditioning
        self.guidance_scale = request.guidance_scale
        generator = torch.Generator("cpu").manual_seed(self.seed)
        start = model.family.start(request, generator, run.looked)
        self.schedule, self.latents, self.step = start.schedule, start.latents, start.step
        self._known, self._seen = start.known, start.seen

    @property
    def timestep(self) -> float:
        """The timestep of its next step."""
        return self.schedule.timesteps[self.step]

    @property
    def done(self) -> bool:
        """Whether all steps are made."""
        return self.step >= len(self.schedule.timesteps)

    def model_input(self) -> Tensor:
        """Return its latents [1, C, h, w] as the model expects them at this timestep."""
        return self.schedule.model_input(self.latents, self.step)

    def denoiser_input(self) -> Tensor:
        """Return the same with what an inpainting model sees besides, [1, C + C', h, w]."""
        scaled = self.model_input()
        return scaled if self._seen is None else torch.cat([scaled, self._seen], dim=1)

    def move(self, latents: Tensor) -> None:
        """Take these latents as those after the step, but outside the mask the source's, as noisy as is due then."""
        self.step += 1
        if self._known is not None:
            known = self._known.original
            if not self.done:
                known = self.schedule.add_noise(known, self._known.noise, self.step)
            latents = (1 - self._known.mask) * known + self._known.mask * latents
        self.latents = latents


def stepping_together(images: list[ImageRun]) -> list[list[ImageRun]]:
    """Group the images as `advance` takes them: all with linear schedules together, each of the others alone."""
    linear = [image for image in images if isinstance(image.schedule, LinearSchedule)]
    return [*([linear] if linear else []), *([image] for image in images if image not in linear)]


def advance(images: list[ImageRun], predictions: list[Tensor]) -> None:
    """Take one step down the schedule of each image, with the (guided) predictions [1, C, h, w].

    When this raises, no image has moved.
    """
    linear = [(s, image.step) for image in images if isinstance(s := image.schedule, LinearSchedule)]
    if len(images) > 1 and len(linear) == len(images):
        latents = torch.cat([image.latents for image in images])
        rows = list(advance_together(linear, latents, torch.cat(predictions)).chunk(len(images)))
    else:
        rows = [
            image.schedule.advance(image.latents, prediction, image.step)
            for image, prediction in zip(images, predictions, strict=True)
        ]
    for image, row in zip(images, rows, strict=True):
        image.move(row)
