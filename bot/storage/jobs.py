"""Jobs and their pictures: written down, looked up, moved from one status to the next."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, or_, select, update
from sqlalchemy import insert as insert_into

from bot.records import Decision, ImageRecord, JobRecord, Place
from bot.storage import inputs, requests
from bot.storage.database import Transaction
from bot.storage.tables import IMAGES, JOBS
from generation.job import JobId, JobStatus
from generation.result import NOT_KNOWN, DrawnWith

# The fields that are columns of the same name.
_IMAGE = [field.name for field in fields(ImageRecord)]
_DRAWN_WITH = [field.name for field in fields(DrawnWith)]
_QUERIED = ("model", "width", "height", "count")  # of the request
_SAME = [
    field.name
    for field in fields(JobRecord)
    if field.name not in {"request", "place", "parent", "drawn_with", "images", "unread"}
]

LIVE = frozenset({JobStatus.ACCEPTED, JobStatus.STARTED})  #: waiting or running
UNFINISHED = LIVE | {JobStatus.RENDERED}  #: somebody is still owed an answer

# Statements are made once: to make one takes longer than SQLite needs to execute it.
_C = JOBS.c
JOBS_IN_ORDER = select(JOBS).order_by(_C.accepted_at, _C.id)
_THIS = _C.id == bindparam("id_")
_ONE = select(JOBS).where(_THIS)
_SHOWN_AS = JOBS_IN_ORDER.where(
    _C.channel == bindparam("channel_"), _C.message == bindparam("message_"), _C.deleted_at.is_(None)
)
_LIVE = JOBS_IN_ORDER.where(_C.status.in_(LIVE))
_THEIRS = _C.requester == bindparam("requester_")
_LIVE_OF = _LIVE.where(_THEIRS)
_LIVE_OF_OR_ON = _LIVE.where(or_(_THEIRS, _C.server == bindparam("server_")))
_LIVE_SERVERS = select(_C.id, _C.server).where(_C.status.in_(LIVE))
_IMAGES_OF = select(IMAGES).where(IMAGES.c.job_id.in_(bindparam("ids", expanding=True))).order_by(IMAGES.c.index)
_CHANGE = update(JOBS).where(_THIS)
_SPEND = _CHANGE.where(_C.status == JobStatus.CANCELLED)
_DELETE = _CHANGE.where(_C.deleted_at.is_(None))
#: The one place where a status changes: only from one of these, so that no two ends can both win.
_MOVE = {among: _CHANGE.where(_C.status.in_(among)) for among in (LIVE, UNFINISHED)} | {
    frozenset({status}): _CHANGE.where(_C.status == status) for status in (JobStatus.STARTED, JobStatus.RENDERED)
}
_GIVE_UP = update(IMAGES).where(IMAGES.c.job_id == bindparam("id_"), IMAGES.c.removed_at.is_(None))
_RENDER = _MOVE[LIVE].returning(JOBS)


def insert(transaction: Transaction, *records: JobRecord) -> None:
    """Write new jobs down, in one statement. Their images come later, with `rendered`."""
    transaction.execute(insert_into(JOBS), [_row(record) for record in records])
    inputs.insert(transaction, records)


def get(transaction: Transaction, job_id: JobId) -> JobRecord | None:
    """The job of that id, a deleted one too."""
    return next(iter(records(transaction, _ONE, id_=job_id)), None)


def shown_as(transaction: Transaction, channel: str, message: str) -> JobRecord | None:
    """The job that a message shows; None for a deleted one."""
    return next(reversed(records(transaction, _SHOWN_AS, channel_=channel, message_=message)), None)


def live(transaction: Transaction) -> tuple[JobRecord, ...]:
    """What waits or runs, everywhere: never more than the queue holds and the device draws."""
    return records(transaction, _LIVE)


def live_of(transaction: Transaction, requester: str, server: str | None) -> tuple[JobRecord, ...]:
    """What a member has waiting or running anywhere, and what anybody has on this server, if one is given."""
    if server is None:
        return records(transaction, _LIVE_OF, requester_=requester)
    return records(transaction, _LIVE_OF_OR_ON, requester_=requester, server_=server)


def live_servers(transaction: Transaction) -> dict[JobId, str | None]:
    """Where each waiting or running job was asked for; None for a direct message."""
    return {row.id: row.server for row in transaction.execute(_LIVE_SERVERS)}


def show_as(transaction: Transaction, job_id: JobId, message: str, channel: str | None) -> None:
    """Note which message shows the job, and its channel where that is another one than thought."""
    transaction.execute(_CHANGE, {"id_": job_id, **_shown(message, channel)})


def start(transaction: Transaction, job_id: JobId) -> bool:
    """A worker has it."""
    return move(transaction, job_id, LIVE, JobStatus.STARTED)


def render(
    transaction: Transaction,
    job_id: JobId,
    at: datetime,
    device_seconds: float,
    images: Sequence[ImageRecord],
    drawn_with: DrawnWith = NOT_KNOWN,
) -> JobRecord | None:
    """The pictures are on disk: the record of it. None, and nothing written, when the job is over already."""
    values = {"status": JobStatus.RENDERED, "rendered_at": at, "device_seconds": device_seconds}
    known = {"id_": job_id, "drawn_with": asdict(drawn_with), **values}
    if (row := transaction.execute(_RENDER, known).one_or_none()) is None:
        return None
    if images:
        rows = [
            {"job_id": job_id, "made_at": at, **{name: getattr(image, name) for name in _IMAGE}} for image in images
        ]
        transaction.execute(insert_into(IMAGES), rows)
    return _record(row, images)


def finish(
    transaction: Transaction,
    job_id: JobId,
    status: JobStatus,
    at: datetime,
    *,
    error_code: str | None = None,
    ended_by: str | None = None,
    device_seconds: float | None = None,
    among: Collection[JobStatus] = UNFINISHED,
    **shown: Any,
) -> bool:
    """The job's one final status; the first wins, False when it came too late. The interaction's token is forgotten."""
    values: dict[str, Any] = {"ended_at": at, "error_code": error_code, "ended_by": ended_by, **shown}
    if device_seconds is not None:
        values["device_seconds"] = device_seconds
    return move(transaction, job_id, among, status, interaction_token=None, token_expires=None, **values)


def spend(transaction: Transaction, job_id: JobId, device_seconds: float) -> None:
    """What was spent on a cancelled job, where the device stopped after its row said that it is over."""
    transaction.execute(_SPEND, {"id_": job_id, "device_seconds": device_seconds})


def post(transaction: Transaction, job_id: JobId, at: datetime, message: str | None, channel: str | None) -> bool:
    """The good end: somebody has the pictures. False when the job is not, or no longer, waiting for that."""
    shown = {} if message is None else _shown(message, channel)
    if finish(transaction, job_id, JobStatus.POSTED, at, among={JobStatus.RENDERED}, **shown):
        return True
    if message is not None:
        show_as(transaction, job_id, message, channel)
    return False


def delete(transaction: Transaction, job_id: JobId, at: datetime) -> bool:
    """Mark a job as deleted and give its pictures up; its row stays as history. False when it was so already."""
    if not transaction.execute(_DELETE, {"id_": job_id, "deleted_at": at, "told_at": None}).rowcount:
        return False
    transaction.execute(_GIVE_UP, {"id_": job_id, "removed_at": at})
    return True


def move(transaction: Transaction, job_id: JobId, among: Collection[JobStatus], to: JobStatus, **values: Any) -> bool:
    """Change a job's status, and these columns; False when it is in none of `among`."""
    return transaction.execute(_MOVE[frozenset(among)], {"id_": job_id, "status": to, **values}).rowcount > 0


def records(transaction: Transaction, statement: Select[Any], **values: Any) -> tuple[JobRecord, ...]:
    """The jobs that a statement finds, with their pictures."""
    rows = transaction.execute(statement, values).all()
    ids = [row.id for row in rows if row.rendered_at is not None]
    images: dict[JobId, list[ImageRecord]] = {}
    for image in transaction.execute(_IMAGES_OF, {"ids": ids}) if ids else ():
        images.setdefault(image.job_id, []).append(_image(image))
    return tuple(_record(row, images.get(row.id, ())) for row in rows)


def _shown(message: str, channel: str | None) -> dict[str, Any]:
    return {"message": message} if channel is None else {"message": message, "channel": channel}


def _row(record: JobRecord) -> dict[str, Any]:
    place, row = record.place, {name: getattr(record, name) for name in _SAME}
    return row | {
        "parent_id": record.parent,
        "channel": place.channel,
        "message": place.message,
        "reply_to": place.reply_to,
        "interaction_token": place.token,
        "token_expires": place.token_expires,
        "request": requests.to_data(record.request),
        **{name: getattr(record.request, name) for name in _QUERIED},
    }


def _record(row: Row[Any], images: Iterable[ImageRecord]) -> JobRecord:
    return JobRecord(
        **{name: getattr(row, name) for name in _SAME},
        parent=row.parent_id,
        place=Place(
            channel=row.channel,
            message=row.message,
            reply_to=row.reply_to,
            token=row.interaction_token,
            token_expires=row.token_expires,
        ),
        request=requests.from_data(row.request),
        drawn_with=_drawn_with(row.drawn_with or {}),
        images=tuple(images),
    )


def _image(row: Row[Any]) -> ImageRecord:
    values: dict[str, Any] = {name: getattr(row, name) for name in _IMAGE}
    values["decision"] = values["decision"] and Decision(values["decision"])
    return ImageRecord(**values)


def _drawn_with(data: Mapping[str, Any]) -> DrawnWith:
    """What a row knows of it: nothing in those of earlier versions."""
    return DrawnWith(**{name: data[name] for name in _DRAWN_WITH if name in data})
