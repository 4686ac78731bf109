"""`check` and `backup`: the records' upkeep from the command line."""

import logging
from contextlib import AsyncExitStack
from pathlib import Path

from bot.clock import utc_now
from bot.process import EXIT_CANNOT_RUN, lock_folder, make_folder
from bot.settings import IMAGES, INPUTS, Settings
from bot.storage.backup import backup, beside
from bot.storage.database import Database
from bot.storage.inspection import inspect, inspect_inputs, repair, repair_inputs

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
        results = await inspect(database, folder / IMAGES)
        if mend and not results.agree:
            await repair(database, folder / IMAGES, results, utc_now)
        began_with = await inspect_inputs(database, folder / INPUTS)
        if mend and not began_with.agree:
            await repair_inputs(database, folder / INPUTS, began_with)
    for place, findings in ((IMAGES, results), (INPUTS, began_with)):
        for what, names in (
            ("missing", [f"{place}/{file} of job {job_id}" for job_id, file in findings.missing]),
            ("damaged", [f"{place}/{file} of job {job_id}" for job_id, file in findings.damaged]),
            ("belongs to no job", [f"{place}/{file}" for file in findings.orphans]),
        ):
            for name in names:
                log.warning("%s: %s", what, name)
    agree = results.agree and began_with.agree
    done = "agree" if agree else "did not agree; mended" if mend else "do not agree; check --repair mends it"
    log.info("%d pictures; rows and files %s", results.pictures + began_with.pictures, done)
    return 0 if agree or mend else EXIT_CANNOT_RUN


async def back_up(settings: Settings, target: Path, *, pictures: bool = False) -> int:
    """Copy the database while the bot runs, and its pictures too where asked to; the process' exit code."""
    images, inputs = settings.folder / IMAGES, settings.folder / INPUTS
    if not pictures:
        await backup(settings.database, target)
        log.info("the database is in %s; the pictures are files under %s and %s", target, images, inputs)
        return 0
    copied = await backup(settings.database, target, images=images, inputs=inputs)
    there = beside(target, images), beside(target, inputs)
    log.info("the database is in %s, and its %d pictures are in %s and %s", target, copied, *there)
    return 0
