"""What the moderators' channels show that they should not show any more."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, select

from bot.storage.database import Transaction
from bot.storage.tables import IMAGES, JOBS, REVIEWS

_C = REVIEWS.c
_FORGET = delete(REVIEWS).where(_C.image_id == bindparam("id_"))
_OF_DELETED = (
    select(_C.image_id)
    .join(IMAGES, IMAGES.c.id == _C.image_id)
    .join(JOBS, JOBS.c.id == IMAGES.c.job_id)
    .where(JOBS.c.deleted_at.is_not(None), JOBS.c.deleted_at >= bindparam("since"))
    .limit(bindparam("most"))
)


def of_deleted(transaction: Transaction, since: datetime, most: int) -> tuple[UUID, ...]:
    """The pictures whose jobs were deleted since then and that may still be shown."""
    return tuple(transaction.scalars(_OF_DELETED, {"since": since, "most": most}))


def forget(transaction: Transaction, image_id: UUID) -> None:
    """It is shown no more, or is to be shown elsewhere."""
    transaction.execute(_FORGET, {"id_": image_id})
