"""How long pictures are kept: the oldest go first, their rows stay, and nobody loses what they are still owed."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate

from bot.clock import Clock
from bot.storage import pictures
from bot.storage.clearing import AT_ONCE, clear, clear_rest
from bot.storage.database import Database
from bot.storage.image_files import ImageFiles
from bot.storage.pictures import PictureFile

log = logging.getLogger(__name__)

GIGABYTE = 10**9  #: bytes


class Retention:
    """Removes the files of pictures that are too old, or too many; without either bound it removes nothing."""

    def __init__(
        self,
        *,
        database: Database,
        files: ImageFiles,
        clock: Clock,
        clock_is_right: Callable[[], Awaitable[bool]],
        days: float | None = None,
        gigabytes: float | None = None,
    ) -> None:
        """`clock_is_right` is asked before each sweep: by a clock a year ahead every picture is too old."""
        self._database = database
        self._files = files
        self._clock = clock
        self._clock_is_right = clock_is_right
        self._age = None if days is None else timedelta(days=days)
        self._room = None if gigabytes is None else int(gigabytes * GIGABYTE)

    async def sweep(self) -> int:
        """Remove what need not be kept any longer; says how many pictures that were. Raises StorageFault.

        What may go is read beside the writer, by an index: only the rows that go take a turn.
        """
        # Asked where nothing is to go, too: daily limits go by the same clock, and the log should say if it is wrong.
        if not await self._clock_is_right() or (self._age is None and self._room is None):
            return 0
        now = self._clock()
        await clear_rest(self._database, self._files, now)
        removed = 0
        if self._age is not None:
            before = now - self._age
            while batch := await self._database.read(lambda tx: pictures.oldest(tx, AT_ONCE, before)):
                removed += await self._remove(batch, now)
        if self._room is not None:
            excess = await self._database.read(pictures.bytes_on_disk) - self._room
            while excess > 0 and (batch := await self._database.read(lambda tx: pictures.oldest(tx, AT_ONCE))):
                sizes = accumulate((picture.size for picture in batch), initial=0)
                chosen = [picture for picture, before_it in zip(batch, sizes, strict=False) if before_it < excess]
                excess -= sum(picture.size for picture in chosen)
                removed += await self._remove(chosen, now)
        if removed:
            log.info("%d pictures were removed to make room", removed)
        return removed

    async def _remove(self, batch: Sequence[PictureFile], now: datetime) -> int:
        ids = [picture.id for picture in batch]
        await self._database.write(lambda transaction: pictures.give_up(transaction, ids, now))
        await clear(self._database, self._files, batch, now)
        return len(batch)
