"""What comes out of a worker."""

from dataclasses import dataclass

from generation.job import JobId


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratedImage:
    """One finished image, encoded as PNG with its generation parameters in a text chunk."""

    index: int  #: position in its job, from 0
    seed: int
    width: int  #: pixels
    height: int  #: pixels
    png: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnWith:
    """What decides beside the request how pictures look, to the last bit. Empty or 0: not known."""

    model_hash: str = ""  #: the first ten hex digits of the weights' sha256
    torch: str = ""  #: its version
    diffusers: str = ""  #: its version
    device: str = ""  #: by the name that its maker gave it
    dtype: str = ""
    rows: int = 0  #: the most rows of a call that drew the job: the last bits of a kernel depend on their number
    lora_hashes: str = ""  #: the first digits of each LoRA's sha256, by its name


NOT_KNOWN = DrawnWith()


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationResult:
    """All images of a job, in order, and the seconds of device time they took."""

    job_id: JobId
    images: tuple[GeneratedImage, ...]
    device_seconds: float
    unread: str = ""  #: the end of the prompt that the model did not read, beyond its limit; mostly nothing
    unread_negative: str = ""  #: the same of the negative prompt
    drawn_with: DrawnWith = NOT_KNOWN
