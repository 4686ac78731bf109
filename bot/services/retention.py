"""How long pictures are kept: the oldest go first, their rows stay, and nobody loses what they are still owed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from uuid import UUID

from bot.clock import Clock
from bot.services.reviews import LOOKED_AFTER
from bot.storage import inputs, pictures
from bot.storage.clearing import AT_ONCE, clear, clear_rest, discard
from bot.storage.database import Database
from bot.storage.image_files import ImageFiles
from bot.storage.input_files import InputFiles
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
        input_files: InputFiles,
        clock: Clock,
        clock_is_right: Callable[[], Awaitable[bool]],
        days: float | None = None,
        gigabytes: float | None = None,
    ) -> None:
        """`clock_is_right` is asked before each sweep: by a clock a year ahead every picture is too old."""
        self._database = database
        self._files = files
        self._inputs = input_files
        self._clock = clock
        self._clock_is_right = clock_is_right
        self._age = None if days is None else timedelta(days=days)
        self._room = None if gigabytes is None else int(gigabytes * GIGABYTE)

    async def sweep(self) -> int:
        """Remove what need not be kept any longer; says how many results that were. Raises StorageFault.

        What may go is read beside the writer, by an index: only the rows that go take a turn.
        """
        sizes = await asyncio.to_thread(self._inputs.sizes)
        freed = await discard(self._database, self._inputs, sizes)
        # Asked where nothing is to go, too: daily limits go by the same clock, and the log should say if it is wrong.
        if not await self._clock_is_right() or (self._age is None and self._room is None):
            return 0
        now = self._clock()
        await clear_rest(self._database, self._files, now)
        owed_since = now - LOOKED_AFTER
        removed = 0
        if self._age is not None:
            before = now - self._age
            while batch := await self._database.read(lambda tx: pictures.oldest(tx, AT_ONCE, owed_since, before)):
                removed += len(batch)
                freed += await self._remove(batch, now)
        if self._room is not None:
            excess = await self._database.read(pictures.bytes_on_disk) + sum(sizes.values()) - freed - self._room
            while excess > 0 and (
                batch := await self._database.read(lambda tx: pictures.oldest(tx, AT_ONCE, owed_since))
            ):
                began_with = await self._began_with(batch)
                takes = (
                    picture.size + sum(sizes.get(digest, 0) for digest in began_with[picture.id]) for picture in batch
                )
                together = accumulate(takes, initial=0)
                chosen = [picture for picture, before_it in zip(batch, together, strict=False) if before_it < excess]
                removed += len(chosen)
                excess -= sum(picture.size for picture in chosen) + await self._remove(chosen, now)
        if removed:
            log.info("%d pictures were removed to make room", removed)
        return removed

    async def _remove(self, batch: Sequence[PictureFile], now: datetime) -> int:
        """Remove results, and what their jobs began with if nothing else needs it; the bytes of the latter."""
        ids = [picture.id for picture in batch]
        began_with = await self._began_with(batch)
        await self._database.write(lambda transaction: pictures.give_up(transaction, ids, now))
        await clear(self._database, self._files, batch, now)
        return await discard(self._database, self._inputs, set[str]().union(*began_with.values()))

    async def _began_with(self, batch: Sequence[PictureFile]) -> dict[UUID, set[str]]:
        ids = [picture.id for picture in batch]
        return await self._database.read(lambda transaction: inputs.of_images(transaction, ids))
