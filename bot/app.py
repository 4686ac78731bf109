"""The composition root: opens all parts in order, closes them in reverse."""

import asyncio
import gc
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from filelock import FileLock, Timeout

from bot.discord_ui.connection import CannotConnect, point_at, stay_connected
from bot.discord_ui.front_end import open_front_end
from bot.services.admin import AdminService
from bot.services.images import ImageService
from bot.services.limits import Limits
from bot.services.restart import Restart
from bot.services.results import Results
from bot.services.retention import Retention
from bot.settings import Settings
from bot.storage.backup import backup
from bot.storage.database import Database
from bot.storage.errors import StorageFault
from bot.storage.image_files import ImageFiles
from bot.storage.inspection import inspect, remove_leftovers, repair
from bot.storage.journal import StoredJournal
from bot.storage.patience import Pause, patiently
from generation.catalog import ModelCatalog
from generation.diffusion.sources import inspect_model
from generation.dispatcher import Dispatcher
from generation.errors import KnownError, WorkerLost
from generation.workers.local import LocalWorker

log = logging.getLogger(__name__)

IMAGES = "images"  #: the pictures' folder under DATA_DIR

#: Exit codes, beside 0 for a clean stop.
EXIT_CANNOT_RUN = 1  #: a mistake that a restart will not mend: settings, token, model, a second bot on the same data
EXIT_UNEXPECTED = 70  #: a fault of ours, or the database is in trouble; the log says more, a restart may help
EXIT_WORKER_LOST = 75  #: the device hangs or is gone; start the process again, and every job goes on

RETENTION_INTERVAL = 3600.0  #: seconds
TRY_AGAIN_INTERVAL = 300.0  #: seconds; for pictures that could not be posted because Discord or the disk was in trouble


async def run(settings: Settings) -> int:
    """Run the bot until SIGTERM or Ctrl-C; the process' exit code."""
    stop = StopSignals(asyncio.get_running_loop())
    try:
        async with AsyncExitStack() as parts:
            lock_folder(settings.data_dir.expanduser(), parts)
            return await _run(settings, parts, stop)
    except WorkerLost as error:
        log.error("%s Start me again: all jobs go on. %s", error.user_text, error.detail)
        return EXIT_WORKER_LOST
    except StorageFault as error:  # somebody else may have locked it, or filled the disk: that passes
        log.error("The database or the disk does not answer as it should. %s", error.detail)
        return EXIT_UNEXPECTED
    except KnownError as error:
        log.error("%s %s", error.user_text, error.detail)
        return EXIT_CANNOT_RUN
    except Exception:
        log.exception("the bot stopped unexpectedly")
        return EXIT_UNEXPECTED


class StopSignals:
    """SIGTERM and Ctrl-C. The first asks to stop in good order, the second to wait for nobody, a third just ends."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()
        self._loop = loop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.receive)

    def receive(self) -> None:
        """One more signal."""
        if not self.asked.is_set():
            self.asked.set()
            return
        self.hurried.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.remove_signal_handler(number)


class DataInUse(KnownError):
    """Another bot has this DATA_DIR: two would steal each other's jobs."""

    code = "data_in_use"


def lock_folder(folder: Path, parts: AsyncExitStack) -> None:
    """Make the data folder and keep others out of it. Raises DataInUse."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        parts.enter_context(FileLock(folder / "bot.lock", timeout=0))
    except Timeout:
        raise DataInUse(f"Another bot is running with DATA_DIR={folder}.") from None
    except OSError as error:
        raise DataInUse(f"DATA_DIR={folder} cannot be used.", detail=str(error)) from error


async def _run(settings: Settings, parts: AsyncExitStack, stop: StopSignals) -> int:
    token = settings.discord_token.get_secret_value().strip() if settings.discord_token else ""
    if not token:
        raise CannotConnect("DISCORD_TOKEN is not set. `python -m bot playground` needs none.")
    data = settings.data_dir.expanduser()
    config = str(settings.model_config_dir) if settings.model_config_dir else None
    specs = [await asyncio.to_thread(inspect_model, settings.model, config)]
    specs += [await asyncio.to_thread(inspect_model, source) for source in settings.further_models]
    catalog = ModelCatalog(specs)

    database = Database(settings.database)
    parts.push_async_callback(database.close)
    await patiently(database.open, doing="opening the database")
    await patiently(lambda: tidy(database, data / IMAGES), doing="removing what a crash left")
    files = ImageFiles(data / IMAGES)

    worker = LocalWorker.for_models(
        specs,
        device=settings.device,
        dtype=settings.dtype,
        reproducible=settings.reproducible,
        cache=data / "cache",
        memory=None if settings.model_memory is None else int(settings.model_memory * 2**30),
        graphs=settings.graphs,
        rest_after=60 * settings.rest_after_minutes if settings.rest_after_minutes else None,
    )
    dispatcher = Dispatcher([worker], StoredJournal(database=database, files=files, clock=utc_now))
    images = ImageService(
        database=database, files=files, dispatcher=dispatcher, catalog=catalog, limits=Limits(), clock=utc_now
    )
    parts.push_async_callback(images.close)
    restart = Restart(database=database, dispatcher=dispatcher, catalog=catalog, clock=utc_now)
    await patiently(restart.learn_costs, doing="learning what jobs cost")
    recovery = await patiently(restart.recover, doing="looking for unfinished jobs")
    retention = Retention(
        database=database,
        files=files,
        clock=utc_now,
        days=settings.retention_days,
        gigabytes=settings.retention_gb,
    )

    point_at(_text(settings.discord_api_base), _text(settings.discord_gateway_url))
    front = await open_front_end(
        images=images,
        results=Results(database=database, clock=utc_now),
        admin=AdminService(database=database, dispatcher=dispatcher, catalog=catalog, clock=utc_now),
        clock=utc_now,
        command_hash_file=data / "commands.hash",
        recovery=recovery,
        ping_after=timedelta(seconds=settings.ping_after_seconds) if settings.ping_after_seconds else None,
    )
    parts.push_async_callback(front.bot.close)
    parts.push_async_callback(lambda: front.deliveries.close(silently=stop.hurried.is_set()))
    # Closed first: what is not done goes back into its row, and the deliveries then have words to say.
    parts.push_async_callback(dispatcher.close)
    await dispatcher.start()

    await first_of(
        drained(dispatcher, stop, settings.drain_seconds),
        model_failure(dispatcher),
        dispatcher.lost(),
        stay_connected(front.bot, token),
        every(RETENTION_INTERVAL, retention.sweep),
        every(TRY_AGAIN_INTERVAL, front.deliveries.try_again),
    )
    log.info("stopping")
    return 0


async def tidy(database: Database, folder: Path) -> None:
    """Remove what a crash left between a picture's file and its row. The folder's lock says that nobody draws now."""
    if leftovers := await remove_leftovers(database, folder):
        log.info("%d files that a crash had left were removed", leftovers)


async def drained(dispatcher: Dispatcher, stop: StopSignals, grace: float) -> None:
    """Wait to be told to stop; then still connected, refuse what is new and let what runs be finished."""
    await stop.asked.wait()
    log.info("told to stop; what is being drawn has %g seconds", grace)
    await first_of(dispatcher.drain(grace), stop.hurried.wait())


async def every(seconds: float, work: Callable[[], Awaitable[object]], *, wait: Pause = asyncio.sleep) -> NoReturn:
    """Do this now and again and again. Upkeep that goes wrong is no reason to stop: next time it may go well."""
    while True:
        try:
            await work()
        except StorageFault as error:
            log.warning("%s", error)
        except Exception:
            log.exception("upkeep went wrong")
        await wait(seconds)


async def check(settings: Settings, *, mend: bool) -> int:
    """Compare rows and files, say what does not agree, and mend it where asked to; the process' exit code."""
    folder = settings.data_dir.expanduser()
    try:
        async with AsyncExitStack() as parts:
            if mend:
                lock_folder(folder, parts)
            database = Database(settings.database)
            parts.push_async_callback(database.close)
            await database.open()
            findings = await inspect(database, folder / IMAGES)
            if mend and not findings.agree:
                await repair(database, folder / IMAGES, findings, utc_now)
    except KnownError as error:
        log.error("%s %s", error.user_text, error.detail)
        return EXIT_CANNOT_RUN
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


async def back_up(settings: Settings, target: Path) -> int:
    """Copy the database while the bot runs; the process' exit code."""
    try:
        await backup(settings.database, target)
    except KnownError as error:
        log.error("%s %s", error.user_text, error.detail)
        return EXIT_CANNOT_RUN
    log.info("the database is in %s; the pictures are files under %s", target, settings.data_dir / IMAGES)
    return 0


async def model_failure(dispatcher: Dispatcher) -> None:
    """Ends only with the error of a model that cannot be loaded: a bot that cannot draw should not look alive."""
    await dispatcher.ready()
    # What is here now stays: the collector need not look through all of torch again while somebody waits for an answer.
    gc.collect()
    gc.freeze()
    log.info("ready to draw")
    await asyncio.Event().wait()


async def first_of(*work: Coroutine[Any, Any, Any]) -> None:
    """Wait until the first of these ends, end the others, and raise what it raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def utc_now() -> datetime:
    """The clock of the whole application."""
    return datetime.now(UTC)


def _text(url: object | None) -> str | None:
    return None if url is None else str(url)
