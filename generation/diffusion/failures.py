"""What goes wrong on a device: telling errors apart, and turning them into known ones."""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from generation.errors import BrokenImage, DoesNotFit, KnownError, WorkerFault, WorkerLost, new_reference
from generation.job import Job

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Errors of CUDA that are one call's own. After any other "the process must be terminated and relaunched", as the CUDA
#: Runtime API says of illegal addresses, failed launches, device-side asserts and memory faults (cudaError).
_ONE_CALLS_OWN = (
    "invalid argument",
    "invalid configuration argument",
    "invalid device function",
    "no kernel image",
    "captur",  # while a CUDA graph is recorded
)


def attempt(work: Callable[[], T], *, caught: Callable[[Exception], bool]) -> T | None:
    """Do the work; return None after an error that is `caught`, and let any other one through.

    What has to be done about the error is done after this, for the error holds on to the memory that its frames had.
    """
    try:
        return work()
    except Exception as error:
        if not caught(error):
            raise
    return None


def told(error: Exception, job: Job) -> KnownError:
    """Log what ended a job, and return it as a known error without a trace, which would keep its frames' tensors."""
    if isinstance(error, KnownError):
        log.warning("job %s failed: %s", job.id, error)
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    if is_out_of_memory(error):
        log.warning("job %s failed: %s", job.id, repr(error))  # the text: a log that kept the error kept its tensors
        return DoesNotFit(*job.request.size, detail=repr(error))
    if is_device_lost(error):
        log.error("job %s met a device that is lost", job.id, exc_info=error)
        return WorkerLost(detail=repr(error))
    fault = WorkerFault(new_reference(), detail=repr(error))
    log.error("job %s failed, reference %s", job.id, fault.reference, exc_info=error)
    return fault


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; beside its own class torch says so in plain RuntimeErrors."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = ("out of memory", "can't allocate memory", "_STATUS_ALLOC_FAILED")  # MPS, the CPU, cuBLAS and cuDNN
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def gives_no_cause(error: Exception) -> bool:
    """Whether a compiled graph failed without saying why, as in torch 2.11: memory may have run out."""
    return isinstance(error, RuntimeError) and "API call failed" in str(error)


def is_device_lost(error: Exception) -> bool:
    """Whether the device will answer no further call of this process.

    In doubt it is lost: a needless restart costs a minute, while a dead device fails every job it is given.
    """
    if is_out_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    if not isinstance(error, torch.AcceleratorError) and "CUDA error:" not in str(error):
        return False
    return not any(words in str(error) for words in _ONE_CALLS_OWN)


def require_finite(values: Tensor, what: str) -> None:
    """Raise BrokenImage if any value is NaN or infinite."""
    if not bool(torch.isfinite(values).all()):
        raise BrokenImage(where=what)
