"""What was asked for. A constructed GenerationRequest is valid, inner code does not check again."""

import dataclasses
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self, TypeAlias
from unicodedata import category

from generation.errors import InvalidRequest
from generation.loras import LoraUse, check_loras, stored_loras
from generation.tiles import boxes

MAX_PROMPT = 6000  #: characters; what one Discord option can hold
MAX_STEPS = 150
MAX_LCM_STEPS = 50  #: LCM picks its timesteps from the 50 it was distilled at
MAX_GUIDANCE = 30.0
MAX_COUNT = 4
SEEDS = 2**32
LEAST_STRENGTH = 0.02  #: one step of LCM's 50
SIZE_STEP = 8  #: pixels one latent covers in every Stable Diffusion model
MAX_SIZE = 4096  #: pixels a side, whatever the model says
SYNTAX = 2  #: the rules by which a prompt is read today: generation.prompt_grammar
WORD_FOR_WORD = 1  #: those of earlier days: no grammar, and one chunk of the text encoder
LEAST_HIRES = 1.01  #: times as large the second pass is
MOST_HIRES = 4.0

_SHA256 = re.compile("[0-9a-f]{64}")


class SchedulerName(StrEnum):
    """The schedulers on offer; a value is the name that AUTOMATIC1111 and its readers use for the sampler."""

    DDIM = "DDIM"
    EULER = "Euler"
    EULER_A = "Euler a"
    DPMPP_2M = "DPM++ 2M"
    DPMPP_2M_KARRAS = "DPM++ 2M Karras"
    UNIPC = "UniPC"
    LCM = "LCM"


class Reframing(StrEnum):
    """Ways to draw more of a picture that there is; `generation.reframing` says how. The values are stored."""

    ZOOM_OUT_1_5 = "zoom_out_1.5"
    ZOOM_OUT_2 = "zoom_out_2"
    PAN_LEFT = "pan_left"
    PAN_RIGHT = "pan_right"
    PAN_UP = "pan_up"
    PAN_DOWN = "pan_down"
    SQUARE = "square"
    COLOURISE = "colourise"
    TILEABLE = "tileable"


#: Characters that turn the direction of the text around them, over the end of a message's line too.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})  #: not Cn: an emoji newer than this Python is there to see

#: What no font draws, whatever its category: Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt), of
#: which fillers are letters and variation selectors are marks, and the empty pattern of Braille.
_IGNORED = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2065, 0x2065),
        (0x2800, 0x2800),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFF8),
        (0x1BCA0, 0x1BCA3),
        (0x1D173, 0x1D17A),
        (0xE0000, 0xE0FFF),
    )
    for code in range(first, last + 1)
)


def clean_text(text: str) -> str:
    """Remove control characters and half characters; line ends, tabs and what joins emoji stay."""
    return "".join(c for c in text if c in "\n\t" or (c not in _BIDI_CONTROLS and category(c) not in ("Cc", "Cs")))


def has_something_to_see(text: str) -> bool:
    """Whether there is more than spaces and invisible characters."""
    return any(category(c) not in _INVISIBLE and c not in _IGNORED for c in text)


Texts: TypeAlias = tuple[str, str]  #: the prompt and the negative prompt of an image


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """One way down a schedule: from noise to a picture, or from a picture that is there to a changed one."""

    width: int  #: pixels of what is drawn
    height: int  #: pixels of what is drawn
    scheduler: SchedulerName | str
    steps: int  #: of the schedule
    strength: float | None  #: of the change; None where there is no picture yet
    tiles: int = 1  #: that an image is drawn in, each of this size, in as many steps

    @property
    def drawn_steps(self) -> int:
        """Steps that are made: the first ones are skipped where there is a picture already.

        Rounded as diffusers does.
        """
        return self.steps if self.strength is None else min(int(self.steps * self.strength), self.steps)


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest:
    """One request for `count` images. Image i is drawn from seed + i mod 2^32.

    Raises InvalidRequest for a value out of range. The model's own size limits are checked by `ModelSpec.request`,
    the maker to use.
    """

    prompt: str
    model: str
    width: int  #: pixels that are drawn; those of the picture too, unless it is enlarged by `hires`
    height: int  #: pixels
    steps: int
    guidance_scale: float  #: classifier-free guidance; at most 1 means none
    scheduler: SchedulerName | str  #: a plain string only in a stored one
    seed: int  #: 32-bit unsigned
    count: int = 1
    negative_prompt: str = ""
    source: str | None = None  #: sha256, in hex, of the picture it begins with
    mask: str | None = None  #: and of the one that is white where the source is drawn anew
    strength: float | None = None  #: of the change, 1 for all of it; given with a source, and only then
    reframing: Reframing | str | None = None  #: what the source was prepared for; a plain string only in a stored one
    hires: float | None = None  #: a second pass: the drawn picture is enlarged so many times, and drawn on
    hires_strength: float | None = None  #: of the change in that pass; given with it, and only then
    tile: int | None = None  #: pixels; the source is drawn anew in overlapping squares of this side
    loras: tuple[LoraUse, ...] = ()
    syntax: int = SYNTAX  #: the rules by which its prompts are read
    template: str | None = None  #: the prompt as it was written, where alternatives were drawn in it
    negative_template: str | None = None  #: the same of the negative prompt
    others: tuple[Texts, ...] = ()  #: of the second image on, where alternatives were drawn; else all have the same
    #: What was taken out of the prompt as parameters, such as "--steps 30", and what looks like one and is none. They
    #: say how it was asked for, not what.
    understood: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    ignored: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    #: The same of the pictures that it begins with, as their files say: prompts and names of adapters, and the negative
    #: prompt. The pictures that are kept say nothing any more.
    said: tuple[str, ...] = dataclasses.field(default=(), compare=False, repr=False)
    said_negative: str = dataclasses.field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        self.check()

    @classmethod
    def stored(cls, values: Mapping[str, Any]) -> Self:
        """A request of earlier days, as it was written down: nobody has checked it by today's rules."""
        request = object.__new__(cls)
        for field in fields(cls):
            object.__setattr__(request, field.name, values.get(field.name, field.default))
        object.__setattr__(request, "syntax", values.get("syntax", WORD_FOR_WORD))
        for name in ("understood", "ignored", "said"):  # JSON knows no tuples
            object.__setattr__(request, name, tuple(values.get(name, ())))
        object.__setattr__(request, "others", tuple((one, other) for one, other in values.get("others", ())))
        with suppress(ValueError):  # a scheduler that is no longer on offer keeps its name
            object.__setattr__(request, "scheduler", SchedulerName(request.scheduler))
        with suppress(ValueError):
            object.__setattr__(request, "reframing", request.reframing and Reframing(request.reframing))
        object.__setattr__(request, "loras", stored_loras(request.loras))
        return request

    def check(self) -> None:
        """Raises InvalidRequest if today's rules would not take it, as may be with a stored one."""
        self._check_texts()
        for field, side in (("width", self.width), ("height", self.height)):
            if not SIZE_STEP <= side <= MAX_SIZE or side % SIZE_STEP:
                raise InvalidRequest(field, "multiple", side, multiple_of=SIZE_STEP, least=SIZE_STEP, most=MAX_SIZE)
        _check_range("steps", self.steps, 1, MAX_STEPS)
        if not isinstance(self.scheduler, SchedulerName):
            raise InvalidRequest("scheduler", "choice", self.scheduler, choices=tuple(SchedulerName))
        if self.scheduler is SchedulerName.LCM:
            _check_range("steps", self.steps, 1, MAX_LCM_STEPS, holds_for=SchedulerName.LCM)
        _check_range("guidance", self.guidance_scale, 0, MAX_GUIDANCE)
        _check_range("seed", self.seed, 0, SEEDS - 1)
        for field, digest in (("image", self.source), ("mask", self.mask)):
            if digest is not None and not _SHA256.fullmatch(digest):
                raise InvalidRequest(field, "choice", digest, choices=("sha256",))
        if self.reframing is not None and not isinstance(self.reframing, Reframing):
            raise InvalidRequest("reframing", "choice", self.reframing, choices=tuple(Reframing))
        if self.source is None:
            for field, value in (("mask", self.mask), ("strength", self.strength), ("reframing", self.reframing)):
                if value is not None:
                    raise InvalidRequest(field, "together", choices=("image",))
        else:
            strength = math.nan if self.strength is None else self.strength
            _check_range("strength", strength, LEAST_STRENGTH, 1)
            _check_range("steps", self.steps, fewest_steps(strength), MAX_STEPS, holds_for=f"strength {strength:g}")
        self._check_hires()
        self._check_tile()
        check_loras(self.loras)

    def _check_texts(self) -> None:
        _check_range("count", self.count, 1, MAX_COUNT)
        _check_range("syntax", self.syntax, WORD_FOR_WORD, SYNTAX)
        if len(self.others) not in (0, self.count - 1):
            raise InvalidRequest("count", "range", self.count, least=len(self.others) + 1, most=len(self.others) + 1)
        drawn = ((self.prompt, self.negative_prompt), *self.others)
        for prompt, _ in drawn:
            if not has_something_to_see(prompt):
                raise InvalidRequest("prompt", "visible", prompt)
        for texts in (*drawn, (self.template or "", self.negative_template or "")):
            for field, text in zip(("prompt", "negative_prompt"), texts, strict=True):
                if len(text) > MAX_PROMPT:
                    raise InvalidRequest(field, "length", len(text), most=MAX_PROMPT)

    def _check_hires(self) -> None:
        if self.hires is None:
            if self.hires_strength is not None:
                raise InvalidRequest("hires_strength", "together", choices=("hires",))
            return
        _check_range("hires", self.hires, LEAST_HIRES, min(MOST_HIRES, MAX_SIZE / max(self.width, self.height)))
        strength = math.nan if self.hires_strength is None else self.hires_strength
        _check_range("hires_strength", strength, LEAST_STRENGTH, 1)
        _check_range("steps", self.steps, fewest_steps(strength), MAX_STEPS, holds_for=f"hires_strength {strength:g}")

    def _check_tile(self) -> None:
        if self.tile is None:
            return
        if self.source is None:
            raise InvalidRequest("tiles", "together", choices=("image",))
        for field, value in (("mask", self.mask), ("hires", self.hires)):
            if value is not None:
                raise InvalidRequest("tiles", "conflict", choices=(field,))
        _check_range("tiles", self.tile, SIZE_STEP, MAX_SIZE)

    @property
    def texts(self) -> tuple[Texts, ...]:
        """The prompt and the negative prompt of each image, as they are drawn."""
        first = (self.prompt, self.negative_prompt)
        return (first, *self.others) if self.others else (first,) * self.count

    def texts_of(self, seed: int) -> Texts:
        """The texts of the image with this seed."""
        index = (seed - self.seed) % SEEDS
        return self.others[index - 1] if 0 < index <= len(self.others) else (self.prompt, self.negative_prompt)

    @property
    def alone(self) -> tuple[Self, ...]:
        """A request for each of the images by itself: the same texts, the same seed."""
        each = zip(self.seeds, self.texts, strict=True)
        return tuple(
            replace(self, prompt=prompt, negative_prompt=negative, seed=seed, count=1, others=())
            for seed, (prompt, negative) in each
        )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture that is delivered, in pixels, after `hires` multiples of SIZE_STEP too."""
        factor = self.hires or 1.0
        width, height = (SIZE_STEP * round(side * factor / SIZE_STEP) for side in (self.width, self.height))
        return width, height

    @property
    def passes(self) -> tuple[Pass, ...]:
        """What is drawn for each image, one after the other: mostly one pass."""
        if self.tile is not None:
            parts = boxes(self.size, self.tile)
            left, top, right, bottom = parts[0]
            return (self._pass((right - left, bottom - top), self.strength, tiles=len(parts)),)
        first = self._pass((self.width, self.height), self.strength)
        return (first,) if self.hires is None else (first, self._pass(self.size, self.hires_strength))

    def _pass(self, size: tuple[int, int], strength: float | None, *, tiles: int = 1) -> Pass:
        width, height = size
        return Pass(
            width=width, height=height, scheduler=self.scheduler, steps=self.steps, strength=strength, tiles=tiles
        )

    @property
    def parts(self) -> int:
        """What is drawn side by side if there is room: the images, or the tiles of all of them."""
        return self.count if self.tile is None else self.count * self.passes[0].tiles

    @property
    def drawn_steps(self) -> int:
        """Steps that are made for an image, in all passes and tiles."""
        return sum(one.drawn_steps * one.tiles for one in self.passes)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each image, in order."""
        return tuple((self.seed + index) % SEEDS for index in range(self.count))


def fewest_steps(strength: float) -> int:
    """The steps of a schedule of which one at least is made at this strength."""
    return next(steps for steps in range(1, MAX_STEPS + 1) if int(steps * strength) >= 1)


def _check_range(field: str, value: float, least: float, most: float, *, holds_for: str | None = None) -> None:
    if not least <= value <= most:  # NaN is not
        raise InvalidRequest(field, "range", value, least=least, most=most, holds_for=holds_for)
