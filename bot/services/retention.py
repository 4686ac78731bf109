"""How long pictures are kept: the oldest go first, their rows stay, and nobody loses what they are still owed."""

import logging
from datetime import datetime, timedelta

from bot.clock import Clock
from bot.errors import StorageFault
from bot.storage import pictures
from bot.storage.database import Database, Transaction
from bot.storage.image_files import ImageFiles
from bot.storage.pictures import OldPicture

log = logging.getLogger(__name__)

GIGABYTE = 10**9  #: bytes
AT_ONCE = 200  #: pictures in one transaction: who asks for a new one should not have to wait for this


class Retention:
    """Removes the files of pictures that are too old, or too many; without either bound it removes nothing."""

    def __init__(
        self,
        *,
        database: Database,
        files: ImageFiles,
        clock: Clock,
        days: float | None = None,
        gigabytes: float | None = None,
    ) -> None:
        self._database = database
        self._files = files
        self._clock = clock
        self._age = None if days is None else timedelta(days=days)
        self._room = None if gigabytes is None else int(gigabytes * GIGABYTE)

    async def sweep(self) -> int:
        """Remove what need not be kept any longer; says how many pictures that were. Raises StorageFault."""
        removed = 0
        while batch := await self._give_up():
            for picture in batch:
                try:
                    await self._files.delete(picture.file)
                except StorageFault:
                    log.exception("file %s is no longer needed and still there", picture.file)
            removed += len(batch)
        if removed:
            log.info("%d pictures were removed to make room", removed)
        return removed

    async def _give_up(self) -> tuple[OldPicture, ...]:
        """The next few that go, and the rows know it already."""
        if self._age is None and self._room is None:
            return ()
        now = self._clock()
        return await self._database.write(lambda transaction: self._choose(transaction, now), alone=True)

    def _choose(self, transaction: Transaction, now: datetime) -> tuple[OldPicture, ...]:
        excess = 0 if self._room is None else pictures.bytes_on_disk(transaction) - self._room
        chosen: list[OldPicture] = []
        for picture in pictures.oldest(transaction, AT_ONCE):
            too_old = self._age is not None and picture.ended_at < now - self._age
            if not too_old and excess <= 0:
                break
            excess -= picture.size
            chosen.append(picture)
        if chosen:
            pictures.mark_removed(transaction, {picture.id for picture in chosen}, now)
        return tuple(chosen)
