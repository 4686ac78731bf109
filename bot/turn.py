"""Whose turn it is: one bot at a time uses a DATA_DIR and a database, and another may stand by."""

import logging
from contextlib import AsyncExitStack
from pathlib import Path

from bot.errors import DatabaseInUse, DataInUse, is_storage_fault
from bot.operator_words import operator_words
from bot.process import lock_folder, make_folder
from bot.retrying import PATIENT, UNTIL_STOPPED, Pause, Policy, retried
from bot.storage.database import Database
from bot.storage.identity import check_pair

log = logging.getLogger(__name__)

TRIED_EVERY = 3.0  #: seconds between two tries of a bot that stands by


async def take_turn(folder: Path, database: Database, parts: AsyncExitStack, *, standby: bool, pause: Pause) -> None:
    """Keep every other bot off both, until `parts` closes them. One that stands by waits until both are free.

    Raises DataInUse, DatabaseInUse, WrongFolder, UnusableDatabase, StorageFault, and what the pause raises.
    """
    make_folder(folder)
    if standby:
        try:
            await check_pair(database, folder)
        finally:
            await database.close()
    said = False
    while True:
        try:
            async with AsyncExitStack() as ours:
                lock_folder(folder, ours)
                ours.push_async_callback(database.close)
                await retried(
                    database.hold,
                    patience_with(database),
                    passing=is_storage_fault,
                    doing="locking the database",
                    pause=pause,
                )
                parts.push_async_exit(ours.pop_all())
            return
        except (DataInUse, DatabaseInUse) as error:
            if not standby or (isinstance(error, DataInUse) and error.detail):
                raise
            if not said:
                log.info("standing by: %s", operator_words(error))
            said = True
        await pause(TRIED_EVERY)


def patience_with(database: Database) -> Policy:
    """A server that is away comes back; a file that stays locked or a disk that stays full wants an operator."""
    return PATIENT if database.file is not None else UNTIL_STOPPED
