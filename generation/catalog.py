"""The models on offer: their native sizes, defaults and limits."""

import math
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from generation.alternatives import NO_WILDCARDS, Wildcards, texts
from generation.errors import InvalidRequest, ModelUnavailable
from generation.loras import NO_LORAS, LoraOffer, LoraUse
from generation.prompt_grammar import plain
from generation.reading import Reading, Understood
from generation.request import (
    LEAST_HIRES,
    LEAST_STRENGTH,
    MAX_COUNT,
    MAX_SIZE,
    SEEDS,
    SIZE_STEP,
    SYNTAX,
    WORD_FOR_WORD,
    GenerationRequest,
    SchedulerName,
    Texts,
    clean_text,
    fewest_steps,
)

MAX_ASPECT = 3.0  #: no side longer than this times the other; models draw everything twice beyond
DEFAULT_STRENGTH = 0.6  #: of the change to a picture without a mask
LARGER_STRENGTH = 0.35  #: and to one that is drawn larger: details come, and the picture stays
MOST_LARGER = 4  #: times the model's largest side a picture may have that is drawn in tiles
_LEEWAY = 1.25  #: times as many pixels as the native size has, or as few, for a ratio that is closer to the asked one
_PIXELS_COUNT = 0.1  #: how much a change of pixels counts beside as large a change of the ratio
_GROUND_COUNTS = 0.02  #: the same, where the pixels are mere ground


class Canvas(StrEnum):
    """The shapes that a model draws well."""

    ANY = "any"
    SQUARE = "square"  #: of another shape it draws a square, which is set on a plain ground of that shape


class ModelFamily(StrEnum):
    """How a model is built, as far as callers can tell."""

    STABLE_DIFFUSION = "Stable Diffusion"
    STABLE_DIFFUSION_XL = "Stable Diffusion XL"


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawingOptions:
    """What somebody chose for a picture. None: the model's default; for the seed a random one."""

    prompt: str
    negative_prompt: str | None = None
    aspect: str | None = None  #: width to height, such as "16:9"; 1:1 by default, see `InputPicture.aspect`
    width: int | None = None  #: pixels; goes before the aspect
    height: int | None = None  #: pixels; goes before the aspect
    steps: int | None = None
    guidance: float | None = None  #: guidance scale
    seed: int | None = None
    count: int | None = None  #: pictures; 1 by default
    scheduler: str | None = None
    model: str | None = None
    source: str | None = None  #: sha256 of an InputPicture to begin with
    mask: str | None = None  #: and of one that is white where it is drawn anew
    strength: float | None = None  #: of the change; with a mask all of it by default
    reframing: str | None = None  #: what the source was prepared for
    hires: float | None = None  #: a second pass: what is drawn is enlarged so many times, and drawn on
    hires_strength: float | None = None  #: of the change in that pass
    tiles: bool = False  #: draw the source anew in overlapping tiles of the model's native size, at any size
    loras: tuple[LoraUse, ...] = ()
    syntax: int = SYNTAX  #: the rules by which the prompts are read
    drawn: tuple[Texts, ...] = ()  #: what came of the alternatives for each image; else they are drawn from the seed
    understood: tuple[str, ...] = ()  #: what was taken out of the prompt as parameters
    ignored: tuple[str, ...] = ()  #: what looks like one there and is none
    said: tuple[str, ...] = ()  #: prompts and names of adapters in the files of source and mask
    said_negative: str = ""  #: the negative prompt there

    @classmethod
    def of(cls, request: GenerationRequest, *, seed: int) -> Self:
        """The choices that lead to this request, but for the seed: what a rerun asks for.

        With another seed alternatives are drawn anew.
        """
        is_drawn = request.template is not None or request.negative_template is not None
        return cls(
            prompt=request.prompt if request.template is None else request.template,
            negative_prompt=(
                request.negative_prompt if request.negative_template is None else request.negative_template
            ),
            syntax=request.syntax,
            drawn=request.texts if is_drawn and seed == request.seed else (),
            width=request.width,
            height=request.height,
            steps=request.steps,
            guidance=request.guidance_scale,
            seed=seed,
            count=request.count,
            scheduler=request.scheduler,
            model=request.model,
            source=request.source,
            mask=request.mask,
            strength=request.strength,
            reframing=request.reframing,
            hires=request.hires,
            hires_strength=request.hires_strength,
            tiles=request.tile is not None,
            loras=request.loras,
            said=request.said,
            said_negative=request.said_negative,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """What is known of a model before it is loaded."""

    name: str  #: what people type and see
    source: str  #: "builtin", a folder, a .safetensors file or a hub id
    config: str | None = None  #: for a single file: a folder with its configs and tokenizer
    family: ModelFamily = ModelFamily.STABLE_DIFFUSION
    description: str = ""
    native_size: int = 512  #: pixels a side the model was trained at
    size_multiple: int = 64  #: pixels; sides are multiples of this
    min_size: int = 256  #: pixels a side
    max_size: int = 1024  #: pixels a side
    canvas: Canvas = Canvas.ANY
    text_width: int | None = None  #: numbers of a token's embedding, by which LoRAs for other models are told
    default_steps: int = 25
    default_guidance: float = 7.5
    default_scheduler: SchedulerName = SchedulerName.DPMPP_2M_KARRAS
    inpaints: bool = False  #: made to fill in what a mask covers, and draws nothing without picture and mask
    guidance_embedded: bool = False  #: distilled with guidance as an input (LCM)
    examples: tuple[str, ...] = ()  #: prompts it does well
    reading: Reading | None = None  #: how it reads prompts, if it knows few words; None: as they are written
    loras: LoraOffer = NO_LORAS

    def size_of(self, aspect: str) -> tuple[int, int]:
        """Return (width, height) in pixels for an aspect such as "16:9": about the native number of pixels, near it.

        Of the sizes that the model can have, it is the one nearest to the ratio, where a little fewer or more pixels
        are little beside it. On a square canvas the shorter side is the native one, or little more. Raises
        InvalidRequest for anything that is no ratio between 1:3 and 3:1.
        """
        across, colon, down = aspect.replace(" ", "").partition(":")
        try:
            ratio = float(across) / float(down) if colon else math.nan
        except (ValueError, ZeroDivisionError):
            ratio = math.nan
        if not 1 / MAX_ASPECT <= ratio <= MAX_ASPECT:
            raise InvalidRequest("aspect", "ratio", aspect, most=MAX_ASPECT)
        return min(self._sizes_near(ratio), key=lambda size: self._distance(size, ratio))

    def drawn_size(self, width: int, height: int) -> tuple[int, int]:
        """Return (width, height) of what is drawn for a picture of this size: on a square canvas the square in it."""
        if self.canvas is Canvas.ANY:
            return width, height
        side = max(min(width, height) // self.size_multiple * self.size_multiple, SIZE_STEP)
        return side, side

    def rows(self, guidance_scale: float) -> int:
        """Count the rows that an image takes in a call of the model.

        Classifier-free guidance needs a second, negative one (Ho and Salimans, arXiv:2207.12598).
        """
        return 2 if guidance_scale > 1 and not self.guidance_embedded else 1

    @property
    def side_multiple(self) -> int:
        """Sides of a picture are multiples of this many pixels; the ground around a square can have any shape."""
        return self.size_multiple if self.canvas is Canvas.ANY else SIZE_STEP

    def read(self, prompt: str, syntax: int = SYNTAX) -> Understood:
        """What the model makes of a prompt: the text that its tokenizer gets, and which words it does not know.

        A model that has its own words for what it draws reads the bare words, without weights.
        """
        if self.reading is None or syntax == WORD_FOR_WORD:
            return self.reading.read(prompt) if self.reading else Understood(text=prompt)
        understood = self.reading.read(plain(prompt))
        return understood if understood.thing else replace(understood, text=prompt)

    def request(self, options: DrawingOptions, wildcards: Wildcards = NO_WILDCARDS) -> GenerationRequest:
        """A valid request for this model, whatever model the options name. Raises InvalidRequest, LoraRefused.

        Where so few steps are asked for that a picture to begin with leaves none of them, there are more. What the
        prompts leave open is drawn here, from the seed of each image.
        """
        default_width, default_height = self.size_of(options.aspect or "1:1")
        width = default_width if options.width is None else options.width
        height = default_height if options.height is None else options.height
        most, multiple = self.max_size, self.side_multiple
        if options.tiles:
            most, multiple = min(MOST_LARGER * self.max_size, MAX_SIZE), SIZE_STEP
        for field, side in (("width", width), ("height", height)):
            if not self.min_size <= side <= most or side % multiple:
                raise InvalidRequest(
                    field,
                    "multiple",
                    side,
                    multiple_of=multiple,
                    least=self.min_size,
                    most=most,
                    holds_for=self.name,
                )
        if self.inpaints and (options.source is None or options.mask is None):
            raise InvalidRequest("model", "together", choices=("image", "mask"), holds_for=self.name)
        strength, hires_strength = options.strength, options.hires_strength
        if strength is None and options.source is not None:
            unmasked = LARGER_STRENGTH if options.tiles else DEFAULT_STRENGTH
            strength = unmasked if options.mask is None else 1.0
        if hires_strength is None and options.hires is not None:
            hires_strength = LARGER_STRENGTH
        steps = self.default_steps if options.steps is None else options.steps
        for share in (strength, hires_strength):
            if share is not None and LEAST_STRENGTH <= share <= 1:
                steps = max(steps, fewest_steps(share))
        seed = random_seed() if options.seed is None else options.seed
        count = 1 if options.count is None else options.count
        request = GenerationRequest(
            **texts(
                clean_text(options.prompt),
                clean_text(options.negative_prompt or ""),
                seeds=[(seed + index) % SEEDS for index in range(min(count, MAX_COUNT))],
                wildcards=None if options.syntax == WORD_FOR_WORD else wildcards,
                drawn=options.drawn,
            ),
            model=self.name,
            width=width,
            height=height,
            steps=steps,
            guidance_scale=self.default_guidance if options.guidance is None else options.guidance,
            scheduler=self.default_scheduler if options.scheduler is None else scheduler_named(options.scheduler),
            seed=seed,
            count=count,
            source=options.source,
            mask=options.mask,
            strength=strength,
            reframing=options.reframing,
            hires=options.hires,
            hires_strength=hires_strength,
            tile=self.native_size if options.tiles else None,
            loras=self.loras.resolved(options.loras),
            syntax=options.syntax,
            understood=options.understood,
            ignored=options.ignored,
            said=options.said,
            said_negative=options.said_negative,
        )
        most = self.max_size / max(width, height)
        if request.hires is not None and request.hires > most:
            raise InvalidRequest("hires", "range", request.hires, least=LEAST_HIRES, most=most, holds_for=self.name)
        return request

    def larger(self, options: DrawingOptions, size: tuple[int, int], factor: float) -> DrawingOptions:
        """Choose to draw the source, which has this size in pixels, so many times as large.

        It is drawn in tiles where the model does not draw that size in one.
        """
        width, height = (SIZE_STEP * round(side * factor / SIZE_STEP) for side in size)
        tiles = any(side > self.max_size or side % self.side_multiple for side in (width, height))
        strength = LARGER_STRENGTH if options.strength is None else options.strength
        return replace(options, width=width, height=height, strength=strength, tiles=tiles)

    def _sizes_near(self, ratio: float) -> Iterator[tuple[int, int]]:
        """Sizes about this ratio; without any of about the native number of pixels, all that are allowed."""
        step = self.side_multiple
        sides = range(-(-self.min_size // step) * step, self.max_size + 1, step)
        near = {
            (width, height)
            for height in sides
            for width in (int(height * ratio) // step * step, -(-int(height * ratio) // step) * step)
            if width in sides
        } or {(width, height) for width in sides for height in sides}
        return iter([size for size in near if self._is_about_native(size)] or near)

    def _is_about_native(self, size: tuple[int, int]) -> bool:
        if self.canvas is Canvas.SQUARE:
            return self.native_size <= min(size) < self.native_size + self.size_multiple
        return 1 / _LEEWAY <= size[0] * size[1] / self.native_size**2 <= _LEEWAY

    def _distance(self, size: tuple[int, int], ratio: float) -> tuple[float, tuple[int, int]]:
        """How far a size is from what was asked for, by ratio and pixels; the size itself settles a draw."""
        width, height = size
        off = abs(math.log(width / height / ratio))
        pixels = abs(math.log(width * height / self.native_size**2))
        return off + (_PIXELS_COUNT if self.canvas is Canvas.ANY else _GROUND_COUNTS) * pixels, size


class ModelCatalog:
    """The models on offer, the default first."""

    def __init__(self, specs: Sequence[ModelSpec], *, wildcards: Wildcards = NO_WILDCARDS) -> None:
        """Raise ModelUnavailable when two models have one name: people could not tell them apart."""
        if not specs:
            raise ValueError("a catalog needs at least one model")
        self.wildcards = wildcards
        self._specs: dict[str, ModelSpec] = {}
        for spec in specs:
            if any(spec.name.casefold() == name.casefold() for name in self._specs):
                raise ModelUnavailable(spec.name, "same_name")
            self._specs[spec.name] = spec

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self._specs.values())

    @property
    def has_several(self) -> bool:
        """Whether there is more than one to choose from."""
        return len(self._specs) > 1

    @property
    def default(self) -> ModelSpec:
        """The model that is used when none is named."""
        return next(iter(self))

    def get(self, name: str | None = None) -> ModelSpec:
        """Return the model of that name, in any case of letters; the default for None. Raises InvalidRequest."""
        if name is None:
            return self.default
        for spec in self:
            if spec.name.casefold() == name.strip().casefold():
                return spec
        raise InvalidRequest("model", "choice", name, choices=tuple(spec.name for spec in self))

    def request(self, options: DrawingOptions) -> GenerationRequest:
        """A valid request for the model that the options name, or the default one.

        Raises InvalidRequest, LoraRefused.
        """
        return self.get(options.model).request(options, self.wildcards)

    def require(self, request: GenerationRequest) -> None:
        """Raise Refusal if what a stored request names is on offer no longer, or breaks today's rules."""
        self.get(request.model).loras.resolved(request.loras)
        request.check()


def scheduler_named(name: str) -> SchedulerName:
    """Return the scheduler of that name, in any case of letters. Raises InvalidRequest."""
    for scheduler in SchedulerName:
        if scheduler.casefold() == name.strip().casefold():
            return scheduler
    raise InvalidRequest("scheduler", "choice", name, choices=tuple(SchedulerName))


def random_seed() -> int:
    """Draw a seed that nobody can predict, 32-bit unsigned."""
    return secrets.randbelow(SEEDS)
