"""What members keep, and what servers show in their galleries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.clock import Clock
from bot.errors import UnknownJob
from bot.records import Gallery, GalleryCopy, JobRecord, Member, Star
from bot.storage import jobs, stars
from bot.storage.database import Database, Transaction
from generation.job import JobId

A_PAGE = 5  #: favourites
MOST_AT_ONCE = 100  #: copies of one server that are looked after in one go
LOOKED_AFTER = timedelta(days=7)  #: how long a copy is tried that cannot be posted or removed


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where a page of favourites begins or ends: at this star, which need not be there any more."""

    at: datetime
    job: JobId
    goes_older: bool = True  #: the page that follows it, or the one before it


@dataclass(frozen=True, kw_only=True, slots=True)
class FavouritesPage:
    """Some of a member's favourites, the latest star first, and where there are more."""

    stars: Sequence[Star]
    newer: Position | None = None
    older: Position | None = None


class Stars:
    """Keeps stars and notes which results go to a gallery. Whoever can see a result may star it."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def star(self, job_id: JobId, member: str, *, copy_to: str | None = None) -> bool:
        """Keep a job for a member. Raises UnknownJob, StorageFault.

        `copy_to`: the channel that it may be copied to. True when enough others have starred it now, that channel is
        its server's gallery, and no copy was noted before: one is noted now, and to be posted.
        """
        now = self._clock()

        def put(transaction: Transaction) -> bool:
            job = jobs.get(transaction, job_id)
            if job is None or job.deleted_at is not None:
                raise UnknownJob
            stars.put(transaction, job_id, member, now)
            gallery = stars.gallery_of(transaction, job.server) if job.server is not None else None
            if gallery is None or gallery.channel != copy_to or gallery.channel == job.place.channel:
                return False
            if stars.count(transaction, job_id, but=job.requester) < gallery.stars:
                return False
            return stars.note_copy(transaction, job_id, gallery.channel, now)

        return await self._database.write(put)

    async def unstar(self, job_id: JobId, member: str) -> None:
        """Keep it no longer. A copy in a gallery stays. Raises StorageFault."""
        await self._database.write(lambda transaction: stars.remove(transaction, job_id, member))

    async def favourites(self, member: Member, at: Position | None = None) -> FavouritesPage:
        """A page of what a member has starred: on the server they ask from, and of their own jobs. The first page,
        where there is none of that position any more. Raises StorageFault."""

        def page(transaction: Transaction) -> FavouritesPage:
            whose = (transaction, member.id, member.server, A_PAGE + 1)
            if at is None:
                found = stars.newest(*whose)
            elif at.goes_older:
                found = stars.older(*whose, than=(at.at, at.job))
            else:
                found = stars.newer(*whose, than=(at.at, at.job))
            has_more = len(found) > A_PAGE
            if at is not None and (not found or (not at.goes_older and not has_more)):
                return self._first(stars.newest(*whose))
            if at is None:
                return self._first(found)
            shown = found[:A_PAGE] if at.goes_older else found[-A_PAGE:]
            return FavouritesPage(
                stars=shown,
                newer=_before(shown[0]),
                older=_after(shown[-1]) if has_more or not at.goes_older else None,
            )

        return await self._database.read(page)

    async def gallery_of(self, job: JobRecord) -> Gallery | None:
        """The gallery of a job's server, if it has one. Raises StorageFault."""
        server = job.server
        if server is None:
            return None
        return await self._database.read(lambda transaction: stars.gallery_of(transaction, server))

    async def copy_of(self, job_id: JobId) -> GalleryCopy | None:
        """A job's copy, posted or not. Raises StorageFault."""
        return await self._database.read(lambda transaction: stars.copy_of(transaction, job_id))

    async def copied(self, job_id: JobId, message: str) -> None:
        """The copy is posted: as this message. Raises StorageFault."""
        await self._database.write(lambda transaction: stars.show_copy_as(transaction, job_id, message))

    async def uncopied(self, job_id: JobId) -> None:
        """The copy of a deleted job is gone. Raises StorageFault."""
        await self._database.write(lambda transaction: stars.forget_copy(transaction, job_id))

    async def copies_to_post(self) -> tuple[JobId, ...]:
        """The jobs whose copies were noted in the last days and have no message yet. Raises StorageFault."""
        since = self._clock() - LOOKED_AFTER
        return await self._database.read(lambda transaction: stars.to_post(transaction, since, MOST_AT_ONCE))

    async def copies_to_remove(self) -> tuple[JobId, ...]:
        """The jobs that were deleted in the last days and whose copies may be there. Raises StorageFault."""
        since = self._clock() - LOOKED_AFTER
        return await self._database.read(lambda transaction: stars.to_remove(transaction, since, MOST_AT_ONCE))

    def _first(self, found: Sequence[Star]) -> FavouritesPage:
        shown = found[:A_PAGE]
        return FavouritesPage(stars=shown, older=_after(shown[-1]) if len(found) > A_PAGE else None)


def _after(star: Star) -> Position:
    return Position(at=star.at, job=star.job.id)


def _before(star: Star) -> Position:
    return Position(at=star.at, job=star.job.id, goes_older=False)
