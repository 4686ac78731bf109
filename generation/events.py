"""What a worker may say about a job. Plain data, so that a worker may live in another process."""

from dataclasses import dataclass
from typing import TypeAlias

from generation.errors import KnownError
from generation.job import JobId
from generation.result import NOT_KNOWN, DrawnWith, GeneratedImage


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelLoading:
    """The job has to wait until its model is loaded; over with its first step."""

    job_id: JobId


@dataclass(frozen=True, kw_only=True, slots=True)
class RowsChanged:
    """From now on the device works for the job, or no more: then it stands until those before it are done."""

    job_id: JobId
    has_rows: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDone:
    """Progress, newest wins: `step` of `steps` over all images of the job; the preview is a small JPEG."""

    job_id: JobId
    step: int
    steps: int
    images: int = 1  #: that made a step at the same time
    preview: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageReady:
    """One image of the job is finished. Never dropped."""

    job_id: JobId
    image: GeneratedImage


@dataclass(frozen=True, kw_only=True, slots=True)
class JobDone:
    """The last event of a job whose images have all been said."""

    job_id: JobId
    device_seconds: float
    unread: str = ""  #: the end of the prompt, beyond the model's limit
    unread_negative: str = ""  #: and of the negative prompt
    drawn_with: DrawnWith = NOT_KNOWN


@dataclass(frozen=True, kw_only=True, slots=True)
class JobFailed:
    """The last event of a job that could not be finished."""

    job_id: JobId
    error: KnownError
    device_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class JobCancelled:
    """The last event of a job that was cancelled."""

    job_id: JobId
    device_seconds: float


WorkerEvent: TypeAlias = ModelLoading | RowsChanged | StepDone | ImageReady | JobDone | JobFailed | JobCancelled
