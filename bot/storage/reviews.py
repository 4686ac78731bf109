"""What the moderators' channels show that they should not show any more."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, select, text, update

from bot.records import Decision
from bot.storage.database import Transaction
from bot.storage.tables import IMAGES, JOBS, KEPT_BACK, REVIEWS

_C = REVIEWS.c
_FORGET = delete(REVIEWS).where(_C.image_id == bindparam("id_"))
_OF_DELETED = (
    select(_C.image_id)
    .join(IMAGES, IMAGES.c.id == _C.image_id)
    .join(JOBS, JOBS.c.id == IMAGES.c.job_id)
    .where(JOBS.c.deleted_at.is_not(None), JOBS.c.deleted_at >= bindparam("since"))
    .limit(bindparam("most"))
)
_KEPT_BACK = (
    select(_C.image_id)
    .join(IMAGES, IMAGES.c.id == _C.image_id)
    .join(JOBS, JOBS.c.id == IMAGES.c.job_id)
    .where(text(KEPT_BACK), IMAGES.c.given_at.is_(None), IMAGES.c.decided_at >= bindparam("since"))
    .where(JOBS.c.deleted_at.is_(None))
    .order_by(IMAGES.c.decided_at)
    .limit(bindparam("most"))
)
_STAYS_HIDDEN = IMAGES.c.decision.in_((Decision.KEPT_BACK, Decision.EXPIRED))
_TOLD = update(IMAGES).where(IMAGES.c.id == bindparam("id_"), _STAYS_HIDDEN)


def of_deleted(transaction: Transaction, since: datetime, most: int) -> tuple[UUID, ...]:
    """The pictures whose jobs were deleted since then and that may still be shown."""
    return tuple(transaction.scalars(_OF_DELETED, {"since": since, "most": most}))


def kept_back(transaction: Transaction, since: datetime, most: int) -> tuple[UUID, ...]:
    """The pictures that a person kept back since then, and that moderators may still see with buttons."""
    return tuple(transaction.scalars(_KEPT_BACK, {"since": since, "most": most}))


def told(transaction: Transaction, image_id: UUID, at: datetime) -> None:
    """Note that everybody knows that it is kept back: nothing more is to be given to anybody."""
    transaction.execute(_TOLD, {"id_": image_id, "given_at": at})


def forget(transaction: Transaction, image_id: UUID) -> None:
    """It is shown no more, or is to be shown elsewhere."""
    transaction.execute(_FORGET, {"id_": image_id})
