"""A Job is a request that was accepted: it has an id and somebody who waits for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from generation.errors import InputGone
from generation.request import GenerationRequest

JobId: TypeAlias = UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class JobInputs:
    """The PNGs that a request names by their hashes: what `InputPicture.decode` makes of a picture."""

    source: bytes | None = field(default=None, repr=False)
    mask: bytes | None = field(default=None, repr=False)

    def require(self, request: GenerationRequest) -> None:
        """Raise InputGone if one is missing that the request names."""
        for role, digest, data in (("image", request.source, self.source), ("mask", request.mask, self.mask)):
            if digest is not None and data is None:
                raise InputGone(role)


class JobStatus(StrEnum):
    """Where a job is. The last four are final, and each job ends in exactly one of them."""

    ACCEPTED = "accepted"
    STARTED = "started"
    RENDERED = "rendered"
    POSTED = "posted"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to such a job."""
        return self in _FINAL


_FINAL = frozenset({JobStatus.POSTED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.INTERRUPTED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """An accepted request. `requester` is whom the queue is fair to, a plain string."""

    id: JobId
    request: GenerationRequest
    requester: str
    weight: float = 1.0  #: share of the device the requester has a right to, relative to others of their group
    inputs: Callable[[], JobInputs] = JobInputs  #: called where they are needed, in a worker's thread; raises InputGone
    group: str | None = None  #: whose weights are balanced against each other, such as a server; None: a group of one
