"""The composition root: a parts list. Opens all parts in order, closes them in reverse."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any, TypeAlias, TypeVar

from bot.clock import ClockCheck, utc_now
from bot.discord_ui.connection import point_at, stay_connected
from bot.discord_ui.front_end import open_front_end
from bot.errors import CannotConnect, DatabaseInUse, is_storage_fault
from bot.picture_checks.base import SafetyCheck
from bot.picture_checks.demonstration import DemonstrationCheck
from bot.picture_checks.opennsfw import OpenNsfwCheck
from bot.process import StopSignals, drained, every, exit_code, first_of, model_failure
from bot.retrying import retried
from bot.services.access_settings import ServerAccess
from bot.services.admin import AdminService
from bot.services.history import History
from bot.services.images import ImageService
from bot.services.inputs import Inputs
from bot.services.limits import Limits
from bot.services.recovery import Restart
from bot.services.results import Results
from bot.services.retention import Retention
from bot.services.reviews import Reviews
from bot.services.safety import Safety
from bot.services.safety_settings import ServerSafety
from bot.services.stars import Stars
from bot.services.words import Words
from bot.services.workers import Workers
from bot.settings import IMAGES, INPUTS, Settings
from bot.storage.addresses import say_if_former
from bot.storage.clearing import clear_rest
from bot.storage.database import Database
from bot.storage.identity import pair
from bot.storage.image_files import ImageFiles
from bot.storage.input_files import InputFiles
from bot.storage.inspection import remove_leftovers
from bot.storage.journal import StoredJournal
from bot.storage.suspects import SUSPECTS, SuspectsFile
from bot.turn import patience_with, take_turn
from bot.web.metrics import Metrics, Watched
from bot.web.server import answering, listen
from generation.catalog import ModelCatalog, ModelSpec
from generation.diffusion.families.lora_headers import find_loras, with_loras
from generation.diffusion.loading.sources import inspect_model
from generation.dispatcher import Dispatcher
from generation.estimates import Estimates
from generation.job import JobStatus
from generation.supervisor import Supervisor
from generation.workers import child
from generation.workers.base import Worker
from generation.workers.local import LocalWorker
from generation.workers.pipe_link import PipeLink
from generation.workers.ray_link import RayCluster, RayLink
from generation.workers.remote import InUse, RemoteWorker

log = logging.getLogger(__name__)

T = TypeVar("T")
MakeWorker: TypeAlias = Callable[[Settings, Sequence[ModelSpec]], Worker]

RETENTION_INTERVAL = 3600.0  #: seconds
CATCH_UP_INTERVAL = 5.0  #: seconds; for ends that could not be written
TRY_AGAIN_INTERVAL = 300.0  #: seconds; for pictures that could not be posted because Discord or the disk was in trouble


def local_worker(settings: Settings, specs: Sequence[ModelSpec]) -> Worker:
    """The device of this process."""
    folder = settings.folder / "cache"
    return LocalWorker.for_models(specs, device=settings.all_devices[0], cache=folder, **_engine(settings))


def children(settings: Settings, specs: Sequence[ModelSpec], in_use: InUse) -> dict[str, Callable[[], Worker]]:
    """What makes a worker for each of several devices, each in a process of its own, by the device's name.

    `in_use`: as RemoteWorker says.
    """
    devices, cores = settings.all_devices, os.cpu_count() or 1
    threads = {"OMP_NUM_THREADS": str(max(1, cores // devices.count("cpu")))} if "cpu" in devices else {}

    def make(name: str, device: str) -> Worker:
        worker = child.local_worker(specs, device=device, cache=settings.folder / "cache", **_engine(settings))
        return RemoteWorker(PipeLink(name, environment=threads | os.environ), worker, name=name, in_use=in_use)

    names = [f"{number} ({device})" for number, device in enumerate(devices, 1)]
    return {name: partial(make, name, device) for name, device in zip(names, devices, strict=True)}


def clusters(settings: Settings, specs: Sequence[ModelSpec], in_use: InUse) -> list[RayCluster]:
    """The Ray cluster whose devices draw, if there is one."""

    def make(link: RayLink, name: str, gpu: bool) -> Worker:
        device, cache = "cuda" if gpu else "cpu", (settings.folder / "cache").absolute()
        worker = child.local_worker(specs, device=device, cache=cache, **_engine(settings))
        return RemoteWorker(link, worker, name=name, in_use=in_use)

    return [RayCluster(settings.ray_address, make)] if settings.ray_address else []


def _engine(settings: Settings) -> dict[str, Any]:
    return {
        "dtype": settings.dtype,
        "reproducible": settings.reproducible,
        "memory": None if settings.model_memory is None else int(settings.model_memory * 2**30),
        "graphs": settings.has_graphs,
        "rest_after": 60 * settings.rest_after_minutes if settings.rest_after_minutes else None,
    }


def picture_check(settings: Settings) -> SafetyCheck | None:
    """What looks at pictures before anybody else does; None where the operator wants nothing to."""
    match settings.safety:
        case "on":
            return OpenNsfwCheck()
        case "demonstration":
            log.warning("SAFETY=demonstration: nothing looks at pictures; those asked for with a word are held")
            return DemonstrationCheck()
        case "off":
            log.warning("SAFETY=off: nothing looks at pictures before they are shown")
            return None


async def run(settings: Settings, *, make_worker: MakeWorker | None = None) -> int:
    """Run the bot until SIGTERM or Ctrl-C; the process' exit code."""
    return await exit_code(_run(settings, make_worker or local_worker))


async def _run(settings: Settings, make_worker: MakeWorker) -> int:
    stop = StopSignals(asyncio.get_running_loop())
    async with AsyncExitStack() as parts:
        if (token := settings.token) is None:
            raise CannotConnect("no_token")
        limits = Limits(settings.ceiling)
        specs = [await asyncio.to_thread(inspect_model, settings.model, settings.config)]
        specs += [await asyncio.to_thread(inspect_model, source) for source in settings.further_models]
        loras = await asyncio.to_thread(find_loras, settings.lora_folders)
        specs = [with_loras(spec, loras, columns=settings.lora_columns) for spec in specs]
        catalog = ModelCatalog(specs, wildcards=settings.lists)
        if (check := picture_check(settings)) is not None:
            parts.push_async_callback(check.close)
            await check.start()
            log.info("pictures are checked; a server that has set nothing withholds unsafe ones: /admin safety")

        say_if_former(settings.database_url or "")
        database = Database(settings.database)
        await take_turn(settings.folder, database, parts, standby=settings.standby, pause=stop.pause)
        listening: socket.socket | None = None
        if settings.metrics_port is not None:
            listening = parts.enter_context(listen(settings.metrics_host, settings.metrics_port))

        async def patiently(work: Callable[[], Awaitable[T]], doing: str) -> T:
            policy = patience_with(database)
            return await retried(work, policy, passing=is_storage_fault, doing=doing, pause=stop.pause)

        await patiently(database.open, "opening the database")
        await patiently(lambda: pair(database, settings.folder), "looking whose folder this is")
        folder = settings.folder / IMAGES
        await patiently(lambda: remove_leftovers(database, folder), "removing what a crash left")
        files = ImageFiles(folder)
        await patiently(lambda: clear_rest(database, files, utc_now()), "finishing what a crash interrupted")
        input_files = InputFiles(settings.folder / INPUTS)
        await asyncio.to_thread(input_files.remove_half_written)

        suspects = SuspectsFile(settings.folder / SUSPECTS)
        journal = StoredJournal(database=database, files=files, suspects=suspects, clock=utc_now)
        # One device works in this process. Several are children of it, and none of them takes it down.
        devices = settings.all_devices
        inside = {devices[0]: make_worker(settings, specs)} if settings.has_one_device else {}
        dispatcher = Dispatcher(tuple(inside.values()), journal, estimates=Estimates(specs))
        in_use: InUse = {}
        elsewhere = clusters(settings, specs, in_use)
        outside = {} if inside else children(settings, specs, in_use)
        supervisor = Supervisor(dispatcher, outside, elsewhere, inside=inside)
        watched = Watched(
            dispatcher=dispatcher,
            supervisor=supervisor,
            own=(*inside, *outside),
            seconds_in_line=lambda: database.seconds_in_line,
        )
        metrics = Metrics(watched) if listening is not None else None
        if metrics is not None:
            dispatcher.listen(metrics)
        inputs = Inputs(database=database, files=input_files)
        words = Words(database=database, clock=utc_now)
        safety = Safety(
            database=database,
            check=check,
            catalog=catalog,
            clock=utc_now,
            direct_policy=settings.direct_policy,
            exempts_builtin=settings.safety != "demonstration",
        )
        ended: Callable[[JobStatus], None] = metrics.ended if metrics is not None else lambda status: None
        images = ImageService(
            database=database,
            files=files,
            dispatcher=dispatcher,
            catalog=catalog,
            inputs=inputs,
            words=words,
            limits=limits,
            safety=safety,
            clock=utc_now,
            direct_messages=settings.direct_messages,
            ended=ended,
        )
        parts.push_async_callback(images.close)
        admin = AdminService(
            database=database,
            dispatcher=dispatcher,
            input_files=input_files,
            catalog=catalog,
            words=words,
            limits=limits,
            clock=utc_now,
        )
        restart = Restart(
            database=database,
            suspects=suspects,
            input_files=input_files,
            dispatcher=dispatcher,
            catalog=catalog,
            words=words,
            clock=utc_now,
        )
        await patiently(restart.learn_costs, "learning what jobs cost")
        recovery = await patiently(restart.recover, "looking for unfinished jobs")
        clock_check = ClockCheck()

        async def clock_is_right() -> bool:
            return await clock_check.is_right(front.bot.ask_the_time)

        point_at(settings.api_base, settings.gateway_url)
        front = await open_front_end(
            images=images,
            results=Results(database=database, clock=utc_now, ended=ended),
            history=History(database=database),
            stars=Stars(database=database, clock=utc_now),
            admin=admin,
            words=words,
            access=ServerAccess(database=database, catalog=catalog, clock=utc_now),
            server_safety=ServerSafety(database=database, clock=utc_now),
            reviews=Reviews(database=database, clock=utc_now, clock_is_right=clock_is_right, ended=ended),
            workers=Workers(dispatcher=dispatcher, supervisor=supervisor, clock=utc_now),
            clock=utc_now,
            is_checked=settings.safety != "off",
            command_hash_file=settings.folder / "commands.hash",
            recovery=recovery,
            hear_date=clock_check.hear,
            ping_after=timedelta(seconds=settings.ping_after_seconds) if settings.ping_after_seconds else None,
        )
        retention = Retention(
            database=database,
            files=files,
            input_files=input_files,
            clock=utc_now,
            clock_is_right=clock_is_right,
            days=settings.retention_days,
            gigabytes=settings.retention_gb,
        )
        parts.push_async_callback(front.bot.close)
        parts.push_async_callback(lambda: front.deliveries.close(silently=stop.hurried.is_set()))
        for cluster in elsewhere:
            parts.push_async_callback(cluster.close)
        # Closed first: what is not done goes back into its row, and the deliveries then have words to say.
        parts.push_async_callback(dispatcher.close)
        if listening is not None and metrics is not None:
            front.bot.on_refusal(metrics.told)
            pages = answering(
                listening,
                is_alive=lambda: not dispatcher.is_lost,
                is_ready=lambda: dispatcher.can_draw and front.bot.is_connected,
                metrics=metrics,
            )
            await parts.enter_async_context(pages)
            log.info("http://%s:%d tells how I am", *listening.getsockname()[:2])
        await dispatcher.start()

        try:
            await first_of(
                drained(dispatcher, stop, settings.drain_seconds),
                model_failure(dispatcher),
                supervisor.run(),
                database.stay(),
                stay_connected(front.bot, token),
                every(RETENTION_INTERVAL, retention.sweep),
                every(TRY_AGAIN_INTERVAL, front.deliveries.try_again),
                every(TRY_AGAIN_INTERVAL, front.gallery.catch_up),
                every(TRY_AGAIN_INTERVAL, front.held.catch_up),
                every(CATCH_UP_INTERVAL, journal.catch_up),
                every(TRY_AGAIN_INTERVAL, lambda: restart.settle(journal.owed)),
            )
        except DatabaseInUse:
            # Another bot goes on with every job: whatever this one said or wrote now would be against it.
            parts.pop_all()
            raise
        log.info("stopping")
        return 0
