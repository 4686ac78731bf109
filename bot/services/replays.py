"""Drawing a job once more with its own seeds, and whether the same pictures came out."""

from dataclasses import dataclass

from bot.errors import StorageFault, UnknownJob
from bot.records import JobRecord, Member, Place
from bot.services.history import Difference, differences, drawn_differently
from bot.services.images import ImageService
from generation.catalog import DrawingOptions
from generation.job import JobId
from generation.result import NOT_KNOWN
from generation.ticket import JobTicket

_REPLAY = "replay"  #: what was done to its parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What came of a replay."""

    equal: tuple[bool, ...] | None  #: for each picture, whether every pixel is as before; None: it cannot be told
    changes: tuple[Difference, ...] = ()  #: in what was asked for and what the two were drawn with, as far as known
    is_known: bool = True  #: whether it was written down what the first one was drawn with


class Replays:
    """Repeats jobs. A replay is a job of whoever asks for it, as a rerun is."""

    def __init__(self, images: ImageService) -> None:
        self._images = images

    async def draw(self, job_id: JobId, member: Member, *, at: Place) -> JobTicket[JobRecord]:
        """The same again with the same seeds, charged to whoever asks now. Raises Refusal."""
        record = await self._images.job(job_id)
        if not member.is_where(record):
            raise UnknownJob
        options = DrawingOptions.of(record.request, seed=record.request.seed)
        request = self._images.catalog.request(options)
        return await self._images.imagine(request, member, at=at, parent=record.id, action=_REPLAY)

    async def verdict(self, job: JobRecord) -> Verdict | None:
        """Compare a drawn replay with what it repeats; None for any other job."""
        if job.action != _REPLAY or job.parent is None:
            return None
        try:
            first = await self._images.job(job.parent)
        except (UnknownJob, StorageFault):
            return Verdict(equal=None)
        asked = differences(first.request, job.request)
        return Verdict(
            equal=await self._images.pictures.equal(first, job),
            changes=(*asked, *drawn_differently(first.drawn_with, job.drawn_with)),
            is_known=first.drawn_with != NOT_KNOWN,
        )
