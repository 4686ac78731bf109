"""The errors this project raises on purpose, one tree.

    KnownError                      has a code, a sentence for people and a detail for operators
    ├── Refusal                     nothing was started; the requester can do something about it
    │   ├── InvalidRequest          a field is out of its range
    │   ├── QueueFull
    │   └── ShuttingDown
    ├── DrawingFailed               the job was started and could not be finished
    │   ├── DoesNotFit              too large for the device even alone
    │   ├── BrokenImage             the model produced NaN or infinite numbers
    │   ├── ModelUnavailable        the model cannot be loaded
    │   └── WorkerFault             unexpected; the trace is in the log under `reference`
    ├── JobStopped                  somebody or something ended the job on purpose
    │   ├── Cancelled
    │   ├── Interrupted             it cannot go on
    │   └── Postponed               it goes on when the process runs again
    └── WorkerLost                  the device or its thread is lost; only a new process helps

`bot.services.errors` grows the `Refusal` branch with what members may not do. Errors cross from worker to dispatcher
inside events, so each one survives pickling.
"""

import secrets
from typing import Any, ClassVar


class KnownError(Exception):
    """Anything this project raises on purpose: `code` for machines, `user_text` for people, `detail` for the log."""

    code: ClassVar[str] = "error"

    def __init__(self, user_text: str, *, detail: str = "") -> None:
        super().__init__(user_text, detail)
        self.user_text = user_text
        self.detail = detail

    def __str__(self) -> str:
        return f"[{self.code}] {self.user_text}" + (f" ({self.detail})" if self.detail else "")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[KnownError], args: tuple[Any, ...], state: dict[str, Any]) -> KnownError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class Refusal(KnownError):
    """Nothing was started, and nothing was charged."""

    code = "refused"


class InvalidRequest(Refusal):
    """A field is out of its range; the sentence names the field, its limits and what was given."""

    code = "invalid_request"

    def __init__(self, field: str, limits: str, given: object) -> None:
        shown = repr(given) if len(repr(given)) <= 60 else repr(given)[:57] + "..."
        super().__init__(f"**{field}** must be {limits}; you gave {shown}.")
        self.field = field
        self.limits = limits


class QueueFull(Refusal):
    """The bounded queue has no place left."""

    code = "queue_full"

    def __init__(self, capacity: int) -> None:
        super().__init__(f"The queue is full: {capacity} jobs are waiting. Please try again in a few minutes.")


class ShuttingDown(Refusal):
    """The process is stopping and takes no new jobs."""

    code = "shutting_down"

    def __init__(self) -> None:
        super().__init__("I am about to restart and take no new jobs. Please try again in a minute.")


class DrawingFailed(KnownError):
    """The job was started and could not be finished; it is not charged."""

    code = "failed"


class DoesNotFit(DrawingFailed):
    """Even one image of this size, alone, needs more memory than the device has."""

    code = "out_of_memory"

    def __init__(self, width: int, height: int, *, detail: str = "") -> None:
        super().__init__(
            f"A picture of {width}x{height} does not fit into this device's memory. A smaller size will work.",
            detail=detail,
        )


class BrokenImage(DrawingFailed):
    """The model produced numbers that are no picture (NaN or infinity)."""

    code = "broken_image"

    def __init__(self, *, detail: str = "") -> None:
        super().__init__(
            "The model lost its way on this one and produced no picture. Another seed or a lower guidance helps.",
            detail=detail,
        )


class ModelUnavailable(DrawingFailed):
    """The model cannot be loaded: missing files, a format we do not read, no memory for it."""

    code = "model_unavailable"

    def __init__(self, model: str, *, detail: str = "") -> None:
        super().__init__(f"The model {model!r} cannot be loaded at the moment.", detail=detail)


class WorkerFault(DrawingFailed):
    """Something unexpected broke while drawing; the trace is in the log under `reference`."""

    code = "worker_fault"

    def __init__(self, reference: str, *, detail: str = "") -> None:
        super().__init__("Something went wrong while drawing.", detail=detail)
        self.reference = reference


class JobStopped(KnownError):
    """The job ended early on purpose; it is not charged."""

    code = "stopped"


class Cancelled(JobStopped):
    """Cancelled by its requester or a moderator."""

    code = "cancelled"

    def __init__(self) -> None:
        super().__init__("Cancelled.")


class Interrupted(JobStopped):
    """The process stopped before the job was done."""

    code = "interrupted"

    def __init__(self) -> None:
        super().__init__("I was restarted before this was done. It was not counted; please ask again.")


class Postponed(JobStopped):
    """The process stops before the job is done, and the next one goes on with it."""

    code = "postponed"

    def __init__(self) -> None:
        super().__init__("I am restarting. This keeps its place and goes on by itself.")


class WorkerLost(KnownError):
    """A worker will never draw again in this process: it hangs, its thread died, or its device answers no call."""

    code = "worker_lost"

    def __init__(self, *, detail: str = "") -> None:
        super().__init__("The device stopped answering.", detail=detail)


def new_reference() -> str:
    """A short id that a person can read out and an operator can find in the log."""
    return secrets.token_hex(4)
