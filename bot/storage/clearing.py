"""Removes the files of pictures that were given up: by retention, by Delete, or by either before a crash."""

import logging
from collections.abc import Iterable
from datetime import datetime

from bot.records import ImageRecord
from bot.storage import pictures
from bot.storage.database import Database
from bot.storage.image_files import ImageFiles
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
