"""What was asked for. A constructed GenerationRequest is valid, inner code does not check again."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self
from unicodedata import category

from generation.errors import InvalidRequest

MAX_PROMPT = 6000  #: characters; what one Discord option can hold
MAX_STEPS = 150
MAX_LCM_STEPS = 50  #: LCM picks its timesteps from the 50 it was distilled at
MAX_GUIDANCE = 30.0
MAX_COUNT = 4
SEEDS = 2**32
SIZE_STEP = 8  #: pixels one latent covers in every Stable Diffusion model
MAX_SIZE = 4096  #: pixels a side, whatever the model says


class SchedulerName(StrEnum):
    """The schedulers on offer; a value is the name that AUTOMATIC1111 and its readers use for the sampler."""

    DDIM = "DDIM"
    EULER = "Euler"
    EULER_A = "Euler a"
    DPMPP_2M = "DPM++ 2M"
    DPMPP_2M_KARRAS = "DPM++ 2M Karras"
    UNIPC = "UniPC"
    LCM = "LCM"


#: Characters that turn the direction of the text around them, over the end of a message's line too.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})  #: not Cn: an emoji newer than this Python is there to see


def clean_text(text: str) -> str:
    """Remove control characters and half characters; line ends, tabs and what joins emoji stay."""
    return "".join(c for c in text if c in "\n\t" or (c not in _BIDI_CONTROLS and category(c) not in ("Cc", "Cs")))


def has_something_to_see(text: str) -> bool:
    """Whether there is more than spaces and invisible characters."""
    return any(category(c) not in _INVISIBLE for c in text)


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest:
    """One request for `count` images. Image i is drawn from seed + i mod 2^32.

    Raises InvalidRequest for a value out of range. The model's own size limits are checked by `ModelSpec.request`,
    the maker to use.
    """

    prompt: str
    model: str
    width: int  #: pixels
    height: int  #: pixels
    steps: int
    guidance_scale: float  #: classifier-free guidance; at most 1 means none
    scheduler: SchedulerName
    seed: int  #: 32-bit unsigned
    count: int = 1
    negative_prompt: str = ""

    def __post_init__(self) -> None:
        if not has_something_to_see(self.prompt):
            raise InvalidRequest("prompt", "some text", self.prompt)
        for field, text in (("prompt", self.prompt), ("negative prompt", self.negative_prompt)):
            if len(text) > MAX_PROMPT:
                raise InvalidRequest(field, f"at most {MAX_PROMPT} characters", f"{len(text)} characters")
        for field, side in (("width", self.width), ("height", self.height)):
            if not SIZE_STEP <= side <= MAX_SIZE or side % SIZE_STEP:
                raise InvalidRequest(field, f"a multiple of {SIZE_STEP} from {SIZE_STEP} to {MAX_SIZE} pixels", side)
        if not 1 <= self.steps <= MAX_STEPS:
            raise InvalidRequest("steps", f"from 1 to {MAX_STEPS}", self.steps)
        if self.scheduler is SchedulerName.LCM and self.steps > MAX_LCM_STEPS:
            raise InvalidRequest("steps", f"from 1 to {MAX_LCM_STEPS} with the LCM scheduler", self.steps)
        if not (math.isfinite(self.guidance_scale) and 0 <= self.guidance_scale <= MAX_GUIDANCE):
            raise InvalidRequest("guidance", f"from 0 to {MAX_GUIDANCE:g}", self.guidance_scale)
        if not 0 <= self.seed < SEEDS:
            raise InvalidRequest("seed", f"a whole number from 0 to {SEEDS - 1}", self.seed)
        if not 1 <= self.count <= MAX_COUNT:
            raise InvalidRequest("count", f"from 1 to {MAX_COUNT}", self.count)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each image, in order."""
        return tuple((self.seed + index) % SEEDS for index in range(self.count))

    def with_seed(self, seed: int) -> Self:
        """Return the same request with other seeds: what a rerun asks for."""
        return replace(self, seed=seed)
