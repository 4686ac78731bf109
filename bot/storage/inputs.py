"""Which jobs begin with which pictures, and which of these are still needed.

A picture is needed while a job that names it is not over, or has a result that is kept, or may be drawn once more.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, or_, select
from sqlalchemy import insert as insert_into

from bot.errors import Quarantined
from bot.records import JobRecord
from bot.storage.database import Transaction
from bot.storage.tables import IMAGES, JOB_INPUTS, JOBS
from generation.job import JobId, JobStatus

_C = JOB_INPUTS.c
_THESE = _C.sha256.in_(bindparam("digests", expanding=True))
_FINAL = tuple(status for status in JobStatus if status.is_final)
_HAS_RESULT = select(IMAGES.c.id).where(IMAGES.c.job_id == _C.job_id, IMAGES.c.removed_at.is_(None)).exists()
_GOES_ON = (
    select(JOBS.c.id)
    .where(
        JOBS.c.id == _C.job_id,
        or_(
            JOBS.c.status.not_in(_FINAL),
            and_(JOBS.c.error_code == Quarantined.code, JOBS.c.deleted_at.is_(None)),
        ),
    )
    .exists()
)
NEEDED = or_(_HAS_RESULT, _GOES_ON)
_NEEDED_OF = select(_C.sha256).where(_THESE, NEEDED).distinct()
_NAMED_OF = select(_C.sha256).where(_THESE).distinct()
_ALL_NEEDED = select(_C.job_id, _C.sha256).where(NEEDED)
_OF_IMAGES = (
    select(IMAGES.c.id, _C.sha256)
    .join(IMAGES, IMAGES.c.job_id == _C.job_id)
    .where(IMAGES.c.id.in_(bindparam("images", expanding=True)))
)
_FORGET = delete(JOB_INPUTS).where(_THESE)


def insert(transaction: Transaction, records: Iterable[JobRecord]) -> None:
    """Note what these jobs begin with."""
    rows = [
        {"job_id": record.id, "role": role, "sha256": digest}
        for record in records
        for role, digest in (("source", record.request.source), ("mask", record.request.mask))
        if digest is not None
    ]
    if rows:
        transaction.execute(insert_into(JOB_INPUTS), rows)


def needed(transaction: Transaction, digests: Collection[str]) -> frozenset[str]:
    """Those of these pictures that must be kept."""
    return frozenset(transaction.scalars(_NEEDED_OF, {"digests": list(digests)}))


def named(transaction: Transaction, digests: Collection[str]) -> frozenset[str]:
    """Those of these pictures that any job has begun with."""
    return frozenset(transaction.scalars(_NAMED_OF, {"digests": list(digests)}))


def all_needed(transaction: Transaction) -> dict[str, JobId]:
    """Every picture that must be kept, and a job that needs it."""
    return {digest: job_id for job_id, digest in transaction.execute(_ALL_NEEDED)}


def of_images(transaction: Transaction, images: Collection[UUID]) -> dict[UUID, set[str]]:
    """What the job of each of these results has begun with."""
    found: dict[UUID, set[str]] = {image: set() for image in images}
    for image, digest in transaction.execute(_OF_IMAGES, {"images": list(images)}):
        found[image].add(digest)
    return found


def forget(transaction: Transaction, digests: Collection[str]) -> None:
    """Note that these are lost: nobody need look for them any more."""
    transaction.execute(_FORGET, {"digests": list(digests)})
