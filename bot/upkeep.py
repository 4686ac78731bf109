"""`check` and `backup`: the records' upkeep from the command line."""

import logging
from contextlib import AsyncExitStack
from pathlib import Path

from bot.clock import utc_now
from bot.process import EXIT_CANNOT_RUN, lock_folder, make_folder
from bot.settings import IMAGES, Settings
from bot.storage.backup import backup, pictures_beside
from bot.storage.database import Database
from bot.storage.inspection import inspect, repair

log = logging.getLogger(__name__)


async def check(settings: Settings, *, mend: bool) -> int:
    """Compare rows and files, say what does not agree, and mend it where asked to; the process' exit code."""
    folder = settings.folder
    database = Database(settings.database)
    async with AsyncExitStack() as parts:
        parts.push_async_callback(database.close)
        if mend:
            make_folder(folder)
            lock_folder(folder, parts)
            await database.hold()
        await database.look_over()
        await database.open(make=False)
        findings = await inspect(database, folder / IMAGES)
        if mend and not findings.agree:
            await repair(database, folder / IMAGES, findings, utc_now)
    for what, names in (
        ("missing", [f"{file} of job {job_id}" for job_id, file in findings.missing]),
        ("damaged", [f"{file} of job {job_id}" for job_id, file in findings.damaged]),
        ("belongs to no job", findings.orphans),
    ):
        for name in names:
            log.warning("%s: %s", what, name)
    done = "agree" if findings.agree else "did not agree; mended" if mend else "do not agree; check --repair mends it"
    log.info("%d pictures; rows and files %s", findings.pictures, done)
    return 0 if findings.agree or mend else EXIT_CANNOT_RUN


async def back_up(settings: Settings, target: Path, *, pictures: bool = False) -> int:
    """Copy the database while the bot runs, and its pictures too where asked to; the process' exit code."""
    folder = settings.folder / IMAGES
    copied = await backup(settings.database, target, folder if pictures else None)
    if pictures:
        log.info("the database is in %s, and its %d pictures are in %s", target, copied, pictures_beside(target))
    else:
        log.info("the database is in %s; the pictures are files under %s", target, folder)
    return 0
