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
class GenerationResult:
    """All images of a job, in order, and the seconds of device time they took."""

    job_id: JobId
    images: tuple[GeneratedImage, ...]
    device_seconds: float
    unread: str = ""  #: the end of the prompt that the model did not read, beyond its limit; mostly nothing
    unread_negative: str = ""  #: the same of the negative prompt
