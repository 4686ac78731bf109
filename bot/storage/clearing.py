"""Removes the files of pictures that nobody needs: given up by retention or by Delete, or by either before a crash."""

import logging
from collections.abc import Iterable
from datetime import datetime

from bot.records import ImageRecord
from bot.storage import inputs, pictures
from bot.storage.database import Database, Transaction
from bot.storage.image_files import ImageFiles
from bot.storage.input_files import InputFiles
from bot.storage.pictures import PictureFile

log = logging.getLogger(__name__)

AT_ONCE = 50  #: pictures in one transaction: who asks for a new one should not have to wait for this


async def clear(
    database: Database, files: ImageFiles, given_up: Iterable[PictureFile | ImageRecord], at: datetime
) -> int:
    """Remove their files, and note it; says how many. One that stays is tried again. Raises StorageFault."""
    ids = {picture.file: picture.id for picture in given_up}
    stay = await files.delete(ids)
    gone = [id_ for file, id_ in ids.items() if file not in stay]
    if gone:
        await database.write(lambda transaction: pictures.note_cleared(transaction, gone, at))
    return len(gone)


async def clear_rest(database: Database, files: ImageFiles, at: datetime) -> int:
    """Finish what a crash interrupted, or what could not be removed before. Raises StorageFault."""
    cleared = 0
    while rest := await database.read(lambda transaction: pictures.to_clear(transaction, AT_ONCE)):
        done = await clear(database, files, rest, at)
        cleared += done
        if done < len(rest):  # they will not go now either
            break
    if cleared:
        log.info("%d files of pictures that had been given up were removed", cleared)
    return cleared


async def discard(database: Database, files: InputFiles, digests: Iterable[str]) -> int:
    """Remove those pictures to begin with that no job needs; the bytes that are free now. Raises StorageFault.

    In a writer's turn, so that no job can be accepted meanwhile that would need them.
    """
    freed, names = 0, list(digests)
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        freed += await database.write(lambda transaction, some=some: _discard(transaction, files, some))
    return freed


def _discard(transaction: Transaction, files: InputFiles, digests: list[str]) -> int:
    return files.remove(set(digests) - inputs.needed(transaction, digests))
