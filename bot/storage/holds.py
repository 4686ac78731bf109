"""Pictures that the check has judged: which wait for a decision, what was decided, and what is still to be delivered.

"Held" is a fact of a picture. Of its job only this is known here: one that could show nothing stays rendered, with HELD
as its error, until a picture of it is let through (posted) or all of them are kept back (failed).
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import CursorResult, Select, bindparam, delete, insert, select, text, update

from bot.errors import Held, KeptBack
from bot.records import Account, Decision, ImageRecord, JobRecord, Review, Unwanted
from bot.storage.database import Transaction
from bot.storage.jobs import finish, get, records
from bot.storage.tables import IMAGES, JOBS, KEPT_BACK, REVIEWS, STRIKE_RESETS, TO_GIVE, UNWANTED, WAITING
from bot.storage.unfinished import keep
from generation.job import JobId, JobStatus

OfJob: TypeAlias = tuple[JobRecord, ImageRecord]  #: a picture, behind the job it belongs to as it is now

_I, _J, _U, _RESET, _REVIEW = IMAGES.c, JOBS.c, UNWANTED.c, STRIKE_RESETS.c, REVIEWS.c
_THIS = _I.id == bindparam("id_")
_JOB_OF = select(_I.job_id).where(_THIS)
_JOBS = select(JOBS).where(_J.id.in_(bindparam("ids", expanding=True)))
_JUDGE = update(IMAGES).where(_THIS, _I.held_at.is_(None))
_DECIDE = update(IMAGES).where(_THIS, text(WAITING), _I.removed_at.is_(None))
_GIVE_BACK = update(JOBS).where(_J.id == bindparam("id_")).values(given_back=_J.given_back + 1)
_GIVEN = update(IMAGES).where(_I.id.in_(bindparam("ids", expanding=True)), text(TO_GIVE))

# A join would begin at the jobs: there are many more of those than pictures that wait.
_OF_JOB = select(_J.id).where(_J.id == _I.job_id)
_FOUND = select(_I.id, _I.job_id).where(_I.removed_at.is_(None)).limit(bindparam("most"))
_WAITING = _FOUND.where(text(WAITING)).order_by(_I.held_at)
_ON_SERVER = _WAITING.where(_OF_JOB.where(_J.server == bindparam("server_")).exists())
_IN_DIRECT_MESSAGES = _WAITING.where(_OF_JOB.where(_J.server.is_(None)).exists())
_OVERDUE = _WAITING.where(_I.held_at < bindparam("before"))
_TO_GIVE = (
    _FOUND.where(text(TO_GIVE), _I.decided_at >= bindparam("since"))
    .where(_OF_JOB.where(_J.status == JobStatus.POSTED).exists())
    .order_by(_I.decided_at)
)
_IS_SHOWN = select(_REVIEW.image_id).where(
    _REVIEW.image_id == _I.id, _REVIEW.channel == bindparam("channel_"), _REVIEW.message.is_not(None)
)
_TO_SHOW = _ON_SERVER.where(~_IS_SHOWN.exists())
_THEIRS = _OF_JOB.where(
    _J.requester.in_(bindparam("people", expanding=True)), _J.server.in_(bindparam("servers", expanding=True))
)
_STRIKES = (
    select(_J.requester, _J.server, _I.decided_at, _RESET.at.label("reset_at"))
    .join(JOBS, _J.id == _I.job_id)
    .outerjoin(STRIKE_RESETS, (_RESET.server == _J.server) & (_RESET.member == _J.requester))
    # What a clock that was ahead has written is not of these days.
    .where(text(KEPT_BACK), _I.decided_at >= bindparam("since"), _I.decided_at <= bindparam("now"))
    .where(_THEIRS.correlate(IMAGES).exists())
    .order_by(_I.decided_at)
)
_RESET_OF = (_RESET.server == bindparam("server_"), _RESET.member == bindparam("member_"))
_UNWANTED_ON = select(UNWANTED).where(_U.server == bindparam("server_")).order_by(_U.at.desc())
_LOOK = (_U.server == bindparam("server_"), _U.look == bindparam("look_"))
_REVIEW_OF = _REVIEW.image_id == bindparam("id_")


def judge(transaction: Transaction, images: Iterable[ImageRecord]) -> None:
    """Write down each one's score and look, and since when it is held. One that was held before stays as it is."""
    rows = [{"id_": image.id, "score": image.score, "look": image.look, "held_at": image.held_at} for image in images]
    if rows:
        transaction.execute(_JUDGE, rows)


def image(transaction: Transaction, image_id: UUID) -> OfJob | None:
    """A picture of that id, whatever became of it."""
    job_id = transaction.scalar(_JOB_OF, {"id_": image_id})
    job = get(transaction, job_id) if job_id is not None else None
    return next(((job, one) for one in job.images if one.id == image_id), None) if job is not None else None


def waiting(transaction: Transaction, server: str | None, most: int) -> tuple[OfJob, ...]:
    """The pictures that somebody on this server is to decide about, the first held first; None: of direct messages."""
    if server is None:
        return _found(transaction, _IN_DIRECT_MESSAGES, most=most)
    return _found(transaction, _ON_SERVER, server_=server, most=most)


def to_show(transaction: Transaction, server: str, channel: str, most: int) -> tuple[OfJob, ...]:
    """Those of them that this channel of moderators does not show yet."""
    return _found(transaction, _TO_SHOW, server_=server, channel_=channel, most=most)


def overdue(transaction: Transaction, before: datetime, most: int) -> tuple[OfJob, ...]:
    """The pictures, of all servers, that were held before then and still wait."""
    return _found(transaction, _OVERDUE, before=before, most=most)


def decide(transaction: Transaction, image_id: UUID, decision: Decision, by: str | None, at: datetime) -> bool:
    """What becomes of a held picture, and so of its job; `by` is None where time decided.

    False, and nothing is changed, when that is decided already, the picture is not held, or its job was deleted.
    """
    values = {"id_": image_id, "decision": decision, "decided_by": by, "decided_at": at}
    if not _changed(transaction.execute(_DECIDE, values)) or (found := image(transaction, image_id)) is None:
        return False
    job, _ = found
    if decision.is_let_through:
        # A job that has not shown its others yet shows this one with them.
        if job.error_code == Held.code:
            finish(transaction, job.id, JobStatus.POSTED, at, among={JobStatus.RENDERED})
        return True
    transaction.execute(_GIVE_BACK, {"id_": job.id})
    if all(one.is_held and not one.waits for one in job.images):
        among = {JobStatus.RENDERED}
        finish(transaction, job.id, JobStatus.FAILED, at, error_code=KeptBack.code, among=among)
    return True


def withhold(transaction: Transaction, job_id: JobId, at: datetime) -> None:
    """Nothing of the job could be shown, and its requester knows it.

    What was decided meanwhile counts: a job of which something may be shown now is delivered after all.
    """
    job = get(transaction, job_id)
    if job is None or job.status is not JobStatus.RENDERED or not all(one.is_held for one in job.images):
        return
    if any(one.waits for one in job.images):
        keep(transaction, job_id, Held.code)
    else:
        finish(transaction, job_id, JobStatus.FAILED, at, error_code=KeptBack.code, among={JobStatus.RENDERED})


def to_give(transaction: Transaction, since: datetime, most: int) -> tuple[OfJob, ...]:
    """The pictures that were let through since then and are not delivered yet, the first decided first.

    What cannot be delivered at all is to be noted as given, too: until then, or for so long, retention passes over it.
    """
    return _found(transaction, _TO_GIVE, since=since, most=most)


def given(transaction: Transaction, images: Collection[UUID], at: datetime) -> None:
    """Note that these, as far as they were let through, are delivered."""
    transaction.execute(_GIVEN, {"ids": list(images), "given_at": at})


def strikes(
    transaction: Transaction, members: Collection[Account], since: datetime, now: datetime
) -> dict[Account, tuple[datetime, ...]]:
    """When a person kept a picture of each of these members back, since then and since their strikes count anew."""
    asked = {
        "people": list({member for member, _ in members}),
        "servers": list({server for _, server in members if server is not None}),
        "since": since,
        "now": now,
    }
    found: dict[Account, tuple[datetime, ...]] = dict.fromkeys(members, ())
    for row in transaction.execute(_STRIKES, asked):
        account = (row.requester, row.server)
        if account in found and (row.reset_at is None or row.reset_at < row.decided_at):
            found[account] = (*found[account], row.decided_at)
    return found


def reset_strikes(transaction: Transaction, server: str, member: str, at: datetime) -> None:
    """Count a member's strikes anew. The server has its row."""
    transaction.execute(delete(STRIKE_RESETS).where(*_RESET_OF), {"server_": server, "member_": member})
    transaction.execute(insert(STRIKE_RESETS), {"server": server, "member": member, "at": at})


def unwanted(transaction: Transaction, server: str) -> tuple[Unwanted, ...]:
    """What a server does not want to see again, the newest first."""
    rows = transaction.execute(_UNWANTED_ON, {"server_": server})
    return tuple(Unwanted(look=row.look, job=row.job_id, by=row.by, at=row.at) for row in rows)


def add_unwanted(transaction: Transaction, server: str, unwanted: Unwanted) -> None:
    """Put this on a server's list, where it is not yet. The server has its row."""
    remove_unwanted(transaction, server, unwanted.look)
    values = {"look": unwanted.look, "job_id": unwanted.job, "by": unwanted.by, "at": unwanted.at}
    transaction.execute(insert(UNWANTED), {"server": server, **values})


def remove_unwanted(transaction: Transaction, server: str, look: str) -> bool:
    """Take this off a server's list; False when it is not there."""
    return _changed(transaction.execute(delete(UNWANTED).where(*_LOOK), {"server_": server, "look_": look}))


def note_review(transaction: Transaction, image_id: UUID, channel: str, at: datetime) -> bool:
    """Note that a picture goes to the moderators' channel; False where that was noted before."""
    if review_of(transaction, image_id) is not None:
        return False
    transaction.execute(insert(REVIEWS), {"image_id": image_id, "channel": channel, "at": at})
    return True


def review_of(transaction: Transaction, image_id: UUID) -> Review | None:
    """A picture in the moderators' channel, posted or not."""
    row = transaction.execute(select(REVIEWS).where(_REVIEW_OF), {"id_": image_id}).one_or_none()
    if row is None:
        return None
    return Review(image=row.image_id, channel=row.channel, message=row.message, at=row.at)


def show_review_as(transaction: Transaction, image_id: UUID, message: str) -> None:
    """Note which message shows it there."""
    transaction.execute(update(REVIEWS).where(_REVIEW_OF), {"id_": image_id, "message": message})


def _found(transaction: Transaction, statement: Select[Any, Any], **values: Any) -> tuple[OfJob, ...]:
    rows = transaction.execute(statement, values).all()
    ids: list[JobId] = [row.job_id for row in rows]
    jobs = {job.id: job for job in records(transaction, _JOBS, ids=ids)} if ids else {}
    images = {one.id: one for job in jobs.values() for one in job.images}
    return tuple((jobs[row.job_id], images[row.id]) for row in rows)


def _changed(result: CursorResult[Any]) -> bool:
    return result.rowcount > 0
