"""ImageRun and JobRun: the engine's view of what is being drawn."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import torch
from PIL import Image
from torch import Tensor

from generation.diffusion.families.base import Known, LatentShape, Looked, PromptConditioning, Schedule
from generation.diffusion.families.schedules import LinearSchedule, advance_together
from generation.diffusion.loading.adapters import Wanted
from generation.diffusion.loading.model import LoadedModel
from generation.inputs import fitted
from generation.job import Job
from generation.request import MAX_COUNT, SEEDS
from generation.tiles import Box, boxes

BatchKey: TypeAlias = tuple[LatentShape, int]  #: latent shape and text length; equals share a call


class JobRun:
    """A job inside the engine: its images, and what it has used."""

    def __init__(self, job: Job, *, cancelled: Callable[[], bool], arrival: int = 0) -> None:
        request = job.request
        self.job = job
        self.arrival = arrival  #: its number in the order of admission
        self.cancelled = cancelled
        self.passes = request.passes  #: with the sizes that are drawn, once the prompt is encoded
        #: Of each image one a pass; none until the prompts are encoded.
        self.conditionings: tuple[tuple[PromptConditioning, ...], ...] = ()
        self.shapes: tuple[LatentShape, ...] = ()  #: of each pass
        tiles: tuple[Box | None, ...] = (None,) if request.tile is None else boxes(request.size, request.tile)
        #: Images, or tiles of them, whose next pass is not begun, and those that are begun and have steps left.
        self.pending = deque(
            ImageRun(self, index, tile) for index in range(request.count) for tile in range(len(tiles))
        )
        self.images: list[ImageRun] = []
        self.tiles = tiles
        self.unfinished = request.count
        self.drawn: defaultdict[int, list[tuple[Box, Image.Image]]] = defaultdict(list)  #: tiles of each image
        self.looked: Looked | None = None  #: the pictures that it begins with
        self.source: Image.Image | None = None  #: the whole picture whose tiles are drawn anew
        self.overview: Image.Image | None = None  #: the same with what previews have shown of it
        self.device_seconds = 0.0
        self.most_rows = 0  #: of a call that it had a part in
        self.steps_done = 0
        self.preview: bytes | None = None  #: a newer one that was not said yet
        self.last_preview: float | None = None  #: when it was drawn
        self.read = tuple(prompt for prompt, _ in request.texts)  #: what the tokenizer gets of each image's prompt
        self.loras: Wanted = ()  #: read once the prompt is encoded

    @property
    def has_steps_left(self) -> bool:
        """Whether any of its images needs a row now."""
        return bool(self.images or self.pending)

    @property
    def steps(self) -> int:
        """Denoising steps over all its images."""
        return self.job.request.drawn_steps * self.job.request.count

    @property
    def rows(self) -> int:
        """Rows that each of its images takes in a call. Known once the prompt is encoded."""
        return self.conditionings[0][0].rows if self.conditionings else 0

    def encode(self, model: LoadedModel) -> None:
        """Encode its prompts, and the pictures that it begins with, once for all its images.

        Raises InputGone, LoraUnavailable.
        """
        request, inputs = self.job.request, self.job.inputs()
        inputs.require(request)
        if request.tile is None:
            sizes = [model.spec.drawn_size(one.width, one.height) for one in self.passes]
            pairs = zip(self.passes, sizes, strict=True)
            self.passes = tuple(replace(one, width=width, height=height) for one, (width, height) in pairs)
        if inputs.source is not None and request.tile is not None:
            self.source = fitted(inputs.source, request.size, request.size)
        elif inputs.source is not None:
            size, drawn = (request.width, request.height), (self.passes[0].width, self.passes[0].height)
            self.looked = model.look(fitted(inputs.source, size, drawn), self.mask(size, drawn))
        self.loras = model.adapters.read(request.loras)
        # Mostly one pair of texts; several where a prompt has alternatives.
        read = [tuple(model.spec.read(text, request.syntax).text for text in texts) for texts in request.texts]
        self.read = tuple(prompt for prompt, _ in read)
        encoded = {texts: self._encoded(model, *texts) for texts in dict.fromkeys(read)}
        self.shapes = tuple(model.latent_shape(one.width, one.height) for one in self.passes)
        self.conditionings = tuple(encoded[texts] for texts in read)

    def _encoded(self, model: LoadedModel, prompt: str, negative: str) -> tuple[PromptConditioning, ...]:
        """Encode these texts for each pass."""
        request = self.job.request
        return tuple(
            model.encode(
                prompt,
                negative,
                syntax=request.syntax,
                guidance_scale=request.guidance_scale,
                width=one.width,
                height=one.height,
                loras=self.loras,
            )
            for one in self.passes
        )

    def mask(self, size: tuple[int, int], drawn: tuple[int, int]) -> Image.Image | None:
        """Fit the mask, if there is one, to a picture of this size of which the middle is drawn."""
        mask = self.job.inputs().mask if self.job.request.mask is not None else None
        return None if mask is None else fitted(mask, size, drawn)


class ImageRun:
    """One image, or one tile of it, that is being drawn: its own generator, its own place in its schedule.

    The reverse process: from pure noise x_T the schedule walks down its timesteps; at each the model predicts the
    noise in x_t (or the velocity v), from which the schedule computes the less noisy x_(t-1). With a second pass the
    picture, enlarged, walks down the end of another schedule; the generator goes on where it was.
    """

    schedule: Schedule
    latents: Tensor  #: [1, C, h, w]
    step: int  #: the next one to be made

    def __init__(self, run: JobRun, index: int, tile: int = 0) -> None:
        self.run = run
        self.index = index
        self.tile = tile  #: its number
        self.seed = run.job.request.seeds[index]
        self.guidance_scale = run.job.request.guidance_scale
        self._pass = 0
        self._picture: Image.Image | None = None  #: what the pass before has drawn
        # Tiles have seeds of their own, which no other image of the job has.
        self._generator = torch.Generator("cpu").manual_seed((self.seed + MAX_COUNT * tile) % SEEDS)
        self._known: Known | None = None
        self._seen: Tensor | None = None

    @property
    def key(self) -> BatchKey:
        """The key of its pass: images of one key share a call. Known once the prompt is encoded."""
        return self.run.shapes[self._pass], self.conditioning.positive.tokens

    @property
    def conditioning(self) -> PromptConditioning:
        """What the denoiser is told in this pass."""
        return self.run.conditionings[self.index][self._pass]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what this pass draws, in pixels."""
        return self.run.passes[self._pass].width, self.run.passes[self._pass].height

    @property
    def ground(self) -> tuple[int, int]:
        """Width and height of the picture in whose middle it is drawn, in pixels."""
        request = self.run.job.request
        return request.size if self._pass else (request.width, request.height)

    @property
    def box(self) -> Box | None:
        """Where it lies in the picture, if it is a tile."""
        return self.run.tiles[self.tile]

    @property
    def looks(self) -> bool:
        """Whether `begin` encodes a picture that no other image begins with."""
        return self._picture is not None or self.box is not None

    def begin(self, model: LoadedModel) -> None:
        """Begin the pass. After an error, such as memory that ran out, it can be begun again."""
        generator = self._generator.clone_state()
        start = model.family.start(self.run.passes[self._pass], generator, self._look(model))
        self.schedule, self.latents, self.step = start.schedule, start.latents, start.step
        self._known, self._seen = start.known, start.seen
        self._generator, self._picture = generator, None

    def _look(self, model: LoadedModel) -> Looked | None:
        if self._picture is not None:
            larger = self._picture.resize(self.size, Image.Resampling.LANCZOS)
            return model.look(larger, self.run.mask(self.run.job.request.size, self.size))
        if self.box is not None and self.run.source is not None:
            return model.look(self.run.source.crop(self.box), None)
        return self.run.looked

    @property
    def has_another_pass(self) -> bool:
        """Whether what is drawn in this pass is drawn on in another one."""
        return self._pass + 1 < len(self.run.passes)

    def go_on(self, picture: Image.Image) -> None:
        """Wait for a row to begin the next pass, with the picture of this one."""
        self._pass, self._picture = self._pass + 1, picture
        self.run.pending.appendleft(self)

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
