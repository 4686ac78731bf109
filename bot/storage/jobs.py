"""Jobs and their pictures: written down, looked up, moved from one status to the next."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Table, Update, func, select, update
from sqlalchemy import insert as insert_into
from sqlalchemy.orm import selectinload

from bot.records import ImageRecord, JobRecord, Place
from bot.storage.database import Transaction
from bot.storage.tables import ImageRow, JobRow
from generation.job import JobId, JobStatus
from generation.request import GenerationRequest, SchedulerName

# Written as tables, not as objects: a session would look each statement over for rows that it holds, and holds none.
_JOBS = cast("Table", JobRow.__table__)
_IMAGES = cast("Table", ImageRow.__table__)

# The fields that are columns of the same name.
_IMAGE = [field.name for field in fields(ImageRecord)]
_REQUEST = [field.name for field in fields(GenerationRequest)]
_SAME = [field.name for field in fields(JobRecord) if field.name not in {"request", "place", "parent", "images"}]

LIVE = frozenset({JobStatus.ACCEPTED, JobStatus.STARTED})  #: waiting or running
UNFINISHED = LIVE | {JobStatus.RENDERED}  #: somebody is still owed an answer


async def insert(transaction: Transaction, *records: JobRecord) -> None:
    """Write new jobs down, in one statement. Their images come later, with `rendered`."""
    await transaction.execute(insert_into(_JOBS), [_row(record) for record in records])


async def get(transaction: Transaction, job_id: JobId) -> JobRecord | None:
    """The job of that id, a deleted one too."""
    return next(iter(await records(transaction, JobRow.id == job_id)), None)


async def shown_as(transaction: Transaction, channel: str, message: str) -> JobRecord | None:
    """The job that a message shows; None for a deleted one."""
    shown = (JobRow.channel == channel) & (JobRow.message == message) & JobRow.deleted_at.is_(None)
    return next(reversed(await records(transaction, shown)), None)


async def live(transaction: Transaction) -> tuple[JobRecord, ...]:
    """What waits or runs, everywhere: never more than the queue holds and the device draws."""
    return await records(transaction, JobRow.status.in_(LIVE))


async def live_of(transaction: Transaction, requester: str, server: str | None) -> tuple[JobRecord, ...]:
    """What a member has waiting or running anywhere, and what anybody has on this server, if one is given."""
    theirs = JobRow.requester == requester
    return await records(
        transaction, JobRow.status.in_(LIVE) & (theirs if server is None else theirs | (JobRow.server == server))
    )


async def live_servers(transaction: Transaction) -> dict[JobId, str | None]:
    """Where each waiting or running job was asked for; None for a direct message."""
    rows = await transaction.execute(select(JobRow.id, JobRow.server).where(JobRow.status.in_(LIVE)))
    return {job_id: server for job_id, server in rows}  # noqa: C416 - Row is a tuple only at run time


async def show_as(transaction: Transaction, job_id: JobId, message: str, channel: str | None) -> None:
    """Note which message shows the job, and its channel where that is another one than thought."""
    await transaction.execute(update(_JOBS).where(JobRow.id == job_id).values(_shown(message, channel)))


async def start(transaction: Transaction, job_id: JobId, at: datetime) -> bool:
    """A worker has it. A second start, after a crash, keeps the first one's time."""
    return await move(transaction, job_id, LIVE, JobStatus.STARTED, started_at=func.coalesce(JobRow.started_at, at))


async def render(
    transaction: Transaction, job_id: JobId, at: datetime, device_seconds: float, images: Sequence[ImageRecord]
) -> JobRecord | None:
    """The pictures are on disk: the record of it. None, and nothing written, when the job is over already."""
    moved = await transaction.execute(
        _moving(job_id, LIVE, JobStatus.RENDERED, rendered_at=at, device_seconds=device_seconds).returning(_JOBS)
    )
    if (row := moved.one_or_none()) is None:
        return None
    if images:
        rows = [{"job_id": job_id, **{name: getattr(image, name) for name in _IMAGE}} for image in images]
        await transaction.execute(insert_into(_IMAGES), rows)
    return _record(row, images)


async def finish(
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
    return await move(transaction, job_id, among, status, interaction_token=None, token_expires=None, **values)


async def post(transaction: Transaction, job_id: JobId, at: datetime, message: str | None, channel: str | None) -> bool:
    """The good end: somebody has the pictures. False when the job is not, or no longer, waiting for that."""
    shown = {} if message is None else _shown(message, channel)
    if await finish(transaction, job_id, JobStatus.POSTED, at, among={JobStatus.RENDERED}, **shown):
        return True
    if message is not None:
        await show_as(transaction, job_id, message, channel)
    return False


async def delete(transaction: Transaction, job_id: JobId, at: datetime) -> bool:
    """Mark a job as deleted; its row stays as history. False when it was so already."""
    changed = await transaction.execute(
        update(_JOBS).where(JobRow.id == job_id, JobRow.deleted_at.is_(None)).values(deleted_at=at)
    )
    return _changed(changed)


async def move(
    transaction: Transaction, job_id: JobId, among: Collection[JobStatus], to: JobStatus, **values: Any
) -> bool:
    """Change a job's status; False when it is in none of `among`."""
    return _changed(await transaction.execute(_moving(job_id, among, to, **values)))


def _moving(job_id: JobId, among: Collection[JobStatus], to: JobStatus, **values: Any) -> Update:
    """The one place where a status changes: only from one of `among`, so that no two ends can both win."""
    return update(_JOBS).where(JobRow.id == job_id, JobRow.status.in_(among)).values(status=to, **values)


def _changed(result: object) -> bool:
    return cast("CursorResult[Any]", result).rowcount > 0  # what an UPDATE always returns


async def records(transaction: Transaction, where: ColumnElement[bool]) -> tuple[JobRecord, ...]:
    """The jobs that match, oldest first."""
    rows = await transaction.scalars(
        select(JobRow)
        .where(where)
        .order_by(JobRow.accepted_at, JobRow.id)
        .options(selectinload(JobRow.images))
        # Statuses change by UPDATE, behind the session's back.
        .execution_options(populate_existing=True)
    )
    return tuple(_record(row, tuple(map(_image, row.images))) for row in rows)


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
        **{name: getattr(record.request, name) for name in _REQUEST},
        # Nobody reads them; the next migration removes them.
        "starts": 0,
        "cost": 0.0,
    }


def _record(row: Any, images: Iterable[ImageRecord]) -> JobRecord:
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
        request=request_of(row),
        images=tuple(images),
    )


def request_of(row: Any) -> GenerationRequest:
    """The request that a row has written down."""
    values: dict[str, Any] = {name: getattr(row, name) for name in _REQUEST}
    values["scheduler"] = SchedulerName(row.scheduler)
    return GenerationRequest(**values)


def _image(row: ImageRow) -> ImageRecord:
    return ImageRecord(**{name: getattr(row, name) for name in _IMAGE})
