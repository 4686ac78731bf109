"""The errors this project raises on purpose, one tree. They carry a code and fields, and no sentences.

    KnownError
    ├── Refusal                     nothing was started; the member can do something about it
    │   ├── InvalidRequest          a field is out of its range
    │   ├── BadPicture              a picture to begin with cannot be taken
    │   ├── LoraRefused             a LoRA is not on offer, or not with this model
    │   ├── QueueFull
    │   └── ShuttingDown
    ├── DrawingFailed               the job was started and could not be finished
    │   ├── DoesNotFit              too large for the device even alone
    │   ├── BrokenImage             the model produced NaN or infinite numbers
    │   ├── InputGone               a picture that the job begins with is no longer kept
    │   ├── LoraUnavailable         a LoRA on offer could not be read after all
    │   ├── ModelUnavailable        the model cannot be loaded
    │   └── WorkerFault             unexpected; the trace is in the log under `reference`
    ├── JobStopped                  somebody or something ended the job on purpose
    │   ├── Cancelled
    │   ├── Interrupted             it cannot go on
    │   └── Postponed               it goes on when the process runs again
    └── WorkerLost                  the device, its thread or its process is lost; only a new one helps

`bot.errors` grows its own branches onto it. Words for members are made in `bot.discord_ui.words.errors`, words for the
operator in `generation.operator_words` and `bot.operator_words`. Errors travel inside events, so fields are plain data.
"""

import re
import secrets
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar, Literal, TypeAlias, cast, dataclass_transform

_SHOWN = 60  #: characters in the log of what was given


@dataclass_transform(eq_default=False)
class KnownError(Exception):
    """Anything this project raises on purpose: `code` says what happened, the fields say what to.

    Each kind is a dataclass. Its code is its name in small letters, unless it is given: rows keep codes.
    """

    code: ClassVar[str] = "known_error"

    def __init_subclass__(cls, *, code: str | None = None) -> None:
        super().__init_subclass__()
        cls.code = code or re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        dataclass(eq=False)(cls)

    @property
    def fields(self) -> dict[str, Any]:
        """All fields by name: strings, numbers, moments, tuples of these, or None."""
        return {one.name: getattr(self, one.name) for one in fields(cast("Any", self))}

    def __str__(self) -> str:
        said = {name: repr(value) for name, value in self.fields.items() if value not in (None, "", ())}
        if len(given := said.get("given", "")) > _SHOWN:  # somebody's text: the log need not hold all of it
            said["given"] = given[: _SHOWN - 3] + "..."
        return " ".join([self.code, *(f"{name}={value}" for name, value in said.items())])


class Refusal(KnownError, code="refused"):
    """Nothing was started, and nothing was charged."""


#: What an InvalidRequest's field had to be: in a range, a multiple in a range, not longer than `most`, one of the
#: choices, a ratio, the ratio of one of the choices, something to see, given at all, given without another one, or
#: given together with another one.
Rule: TypeAlias = Literal[
    "range", "multiple", "length", "choice", "ratio", "ratio_of", "visible", "missing", "conflict", "together"
]


class InvalidRequest(Refusal):
    """A field is out of its range."""

    field: str
    rule: Rule
    given: str | int | float | None = None
    _: KW_ONLY
    least: float | None = None
    most: float | None = None
    multiple_of: int | None = None
    choices: tuple[str, ...] = ()  #: also what it conflicts with
    holds_for: str | None = None  #: the model or scheduler whose rule it is


class BadPicture(Refusal):
    """A picture to begin with is of no known format, too large, or broken."""

    role: str  #: "image" or "mask"
    reason: Literal["unreadable", "format", "bytes", "pixels", "broken"]
    _: KW_ONLY
    most: int | None = None
    choices: tuple[str, ...] = ()  #: formats
    detail: str = ""


#: Why a LoRA cannot be used. "other_kind" is what is trained in other ways than LoRA, "ranks" more of them than a call
#: has columns; the error's detail names the way, the layer or the base.
NotAdapted: TypeAlias = Literal[
    "not_on_offer",
    "same_name",
    "no_folder",
    "broken_file",
    "no_lora",
    "dora",
    "loha",
    "lokr",
    "other_kind",
    "other_base",
    "half_missing",
    "not_finite",
    "ranks",
    "gone",
    "replaced",
]


class LoraRefused(Refusal):
    """A LoRA is not on offer, or not with this model."""

    name: str
    reason: NotAdapted
    _: KW_ONLY
    detail: str = ""
    given: int | None = None  #: ranks
    most: int | None = None
    nearest: tuple[str, ...] = ()  #: names that are on offer


class QueueFull(Refusal):
    """The bounded queue has no place left."""

    capacity: int  #: jobs


class ShuttingDown(Refusal):
    """The process is stopping and takes no new jobs."""


class DrawingFailed(KnownError, code="failed"):
    """The job was started and could not be finished; it is not charged."""


class DoesNotFit(DrawingFailed, code="out_of_memory"):
    """Even one image of this size, alone, needs more memory than the device has."""

    width: int  #: pixels
    height: int  #: pixels
    _: KW_ONLY
    detail: str = ""


class BrokenImage(DrawingFailed):
    """The model produced numbers that are no picture (NaN or infinity)."""

    _: KW_ONLY
    where: str = ""  #: "latents" or "picture"


class InputGone(DrawingFailed):
    """A picture that the job begins with is no longer kept."""

    role: str  #: "image" or "mask"


class LoraUnavailable(DrawingFailed):
    """A LoRA on offer could not be read after all: its header had promised more, or the file has changed since."""

    name: str
    reason: NotAdapted
    _: KW_ONLY
    detail: str = ""


#: Why a model cannot be loaded. The error's detail names the part, the file or the device; with "no_model" it is a code
#: for what the file seems to be, and with "does_not_load" it has the library's own words.
NotLoaded: TypeAlias = Literal[
    "no_such_source",
    "no_safetensors",
    "no_model",
    "no_model_folder",
    "broken_file",
    "cut_short",
    "broken_config",
    "part_missing",
    "part_pickled",
    "parts_differ",
    "edits_pictures",
    "other_family",
    "hub_silent",
    "turbo_without_config",
    "needs_config",
    "same_name",
    "not_on_offer",
    "no_such_device",
    "device_absent",
    "device_not_built",
    "device_taken",
    "other_version",
    "does_not_load",
]


class ModelUnavailable(DrawingFailed):
    """The model cannot be loaded: missing files, a format we do not read, no memory for it."""

    model: str
    reason: NotLoaded = "does_not_load"
    _: KW_ONLY
    detail: str = ""


class WorkerFault(DrawingFailed):
    """Something unexpected broke while drawing; the trace is in the log under `reference`."""

    reference: str
    _: KW_ONLY
    detail: str = ""


class JobStopped(KnownError, code="stopped"):
    """The job ended early on purpose."""


class Cancelled(JobStopped):
    """Cancelled by its requester or a moderator."""

    by: str | None = None  #: who cancelled it; None where nobody in particular did


class Interrupted(JobStopped):
    """The process stopped before the job was done, and the job cannot go on."""


class Postponed(JobStopped):
    """The process stops before the job is done, and the next one goes on with it."""


class WorkerLost(KnownError):
    """A worker will never draw again: it hangs, its thread or process died, or its device answers no call."""

    _: KW_ONLY
    detail: str = ""
    died: bool = True  #: False where nothing is heard of it any more, which no job of it has to answer for


def new_reference() -> str:
    """A short id that a person can read out and an operator can find in the log."""
    return secrets.token_hex(4)
