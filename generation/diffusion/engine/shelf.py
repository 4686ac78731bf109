"""The ModelShelf: several models on one device, each loaded when a job asks for it, kept while there is memory."""

import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from generation.catalog import ModelSpec
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.failures import attempt, is_device_lost, is_out_of_memory
from generation.diffusion.families.model_folders import files_of
from generation.diffusion.families.placement import Placement
from generation.diffusion.loading.loading import choose_device, load_model
from generation.diffusion.loading.model import LoadedModel
from generation.diffusion.loading.sources import BUILTIN, BUILTIN_FOLDER
from generation.errors import KnownError, ModelUnavailable, WorkerLost
from generation.events import JobCancelled, JobFailed, ModelLoading, WorkerEvent
from generation.job import Job, JobId
from generation.operator_words import operator_words

log = logging.getLogger(__name__)

DRAWING_NICENESS = 5  #: of 19; on a CPU that draws and answers
SHARE_FOR_WEIGHTS = 0.6  #: of the free memory; the rest is for what is computed with them
SPARE_KEPT = 60.0  #: seconds of doing nothing until memory that is kept for the next step is given back


def open_shelf(
    specs: Sequence[ModelSpec],
    *,
    device: str = "auto",
    dtype: str = "auto",
    reproducible: bool = False,
    memory: int | None = None,
    cache: Path | None = None,
    graphs: bool = False,
    rest_after: float | None = None,
    loaded: set[str] | None = None,
) -> "ModelShelf":
    """Make a shelf with these models, the first one loaded. Raises ModelUnavailable.

    `memory`: bytes that weights may take, by default a share of what is free. `cache`: a folder for what is worth
    keeping for the next run, compiled graphs and measured caps. `reproducible` as DiffusionEngine says, and without
    graphs, whose last bits differ; `graphs` as `load_model` says, `rest_after` and `loaded` as ModelShelf says.
    """

    def build(spec: ModelSpec) -> DiffusionEngine:
        model = load_model(
            spec,
            device=device,
            dtype=dtype,
            cache=cache,
            graphs=graphs and not reproducible,
        )
        return DiffusionEngine(model, reproducible=reproducible, cache=cache)

    if choose_device(device).type == "cuda" and not graphs:
        log.info("compiled graphs are off: no GPU has shown yet that they pay; GRAPHS=on switches them on")
    if memory is None:
        memory = int(SHARE_FOR_WEIGHTS * free_memory(choose_device(device)))
    return ModelShelf(specs, build, memory=memory, rest_after=rest_after, loaded=loaded)


def give_way(device: str) -> None:
    """Lower the priority of this thread, and of those that torch makes for it, below the event loop's.

    An answer is due in three seconds, a picture is not. Only on a CPU, where both compete for cores, and only on Linux,
    where a thread has a priority of its own.
    """
    if sys.platform == "linux" and choose_device(device).type == "cpu":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), DRAWING_NICENESS)


@dataclass(slots=True)
class _Waiting:
    """A job whose model is not loaded."""

    job: Job
    cancelled: Callable[[], bool]
    told: bool = False


class ModelShelf:
    """One DiffusionEngine for each loaded model; the one that has the first job in the order is next.

    Models that do not fit any more are put away, the least recently used first, but never one that draws; so are those
    that nobody has used for long, where that is wanted. A model is loaded between two jobs, not beside one, and a model
    that cannot be loaded fails its own jobs only. Single-threaded, like the engines.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        build: Callable[[ModelSpec], DiffusionEngine],
        *,
        memory: int,
        rest_after: float | None = None,
        loaded: set[str] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Load the first model with `build`; raises what that raises. Weights may take `memory` bytes.

        After `rest_after` seconds without a job a model is put away, if a number is given. `loaded` is kept up to date
        with the names of the loaded models; other threads may look into it.
        """
        self.loaded: set[str] = set() if loaded is None else loaded
        self._specs = {spec.name: spec for spec in specs}
        self._build = build
        self._memory = memory
        self._rest_after = rest_after
        self._clock = clock
        self._last_used: dict[str, float] = {}  #: when each of the engines was loaded or had a job
        self._holds_spare = False
        self.drawing: Callable[[frozenset[JobId]], None] = lambda jobs: None  #: as DiffusionEngine has it
        self._order: Sequence[JobId] = ()
        self._engines: dict[str, DiffusionEngine] = {}  #: the least recently used first
        self._bytes: dict[str, int] = {}  #: what the weights of each model took, of those away too
        self._tight: set[str] = set()  #: models that are not whole on the device even alone
        self._waiting: list[_Waiting] = []
        self._events: list[WorkerEvent] = []
        self._load(specs[0].name)

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._waiting) or any(engine.busy for engine in self._engines.values())

    def admit(self, job: Job, *, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Take a job in; `cancelled` as DiffusionEngine says."""
        if (engine := self._engines.get(job.request.model)) is not None:
            engine.admit(job, cancelled=cancelled)
        else:
            self._waiting.append(_Waiting(job, cancelled))

    def reorder(self, order: Sequence[JobId]) -> None:
        """Draw these jobs first, in this order, and then all others; models take turns where it says nothing."""
        self._order = order
        for engine in self._engines.values():
            engine.reorder(order)

    def step(self) -> list[WorkerEvent]:
        """Make one tick of one engine; with nothing to draw, say which jobs wait for a model, and then load it."""
        self._drop_cancelled()
        working = [name for name, engine in self._engines.items() if engine.busy]
        if working:
            self._events += self._step_one(working)
        elif self._waiting:
            self._events += self._fetch(self._waiting[0].job.request.model)
        events, self._events = self._events, []
        return events

    def abort(self, error: KnownError) -> list[WorkerEvent]:
        """Give everything up, after a fault of the engines themselves."""
        waiting, self._waiting = self._waiting, []
        # The tick that failed had no time to say these.
        events, self._events = self._events, []
        events += [_failed(entry.job.id, error) for entry in waiting]
        for engine in self._engines.values():
            events += engine.abort(error)
        return events

    def idle(self) -> bool:
        """Do one small piece of upkeep for each model; return whether there may be more soon."""
        more = [_keep_up(name, engine) for name, engine in self._engines.items()]
        now = self._clock()
        unused = {name: now - self._last_used[name] for name in self._idle_models()}
        if self._rest_after is not None:
            self._put_away([name for name, seconds in unused.items() if seconds >= self._rest_after])
        if self._holds_spare and not self.busy and all(seconds >= SPARE_KEPT for seconds in unused.values()):
            _return_memory()
            self._holds_spare = False
        return any(more)

    def _drop_cancelled(self) -> None:
        gone = [entry for entry in self._waiting if entry.cancelled()]
        self._waiting = [entry for entry in self._waiting if entry not in gone]
        self._events += [JobCancelled(job_id=entry.job.id, device_seconds=0.0) for entry in gone]

    def _step_one(self, working: list[str]) -> list[WorkerEvent]:
        name = min(working, key=lambda name: self._engines[name].rank)
        self._engines[name] = engine = self._engines.pop(name)  # now the most recently used
        events = engine.step()
        self._last_used[name] = self._clock()
        self._holds_spare = True
        return events

    # loading

    def _fetch(self, name: str) -> list[WorkerEvent]:
        """Say which jobs wait for this model; when that is said, load it and hand them over."""
        mine = [entry for entry in self._waiting if entry.job.request.model == name]
        untold = [entry for entry in mine if not entry.told]
        if untold:
            for entry in untold:
                entry.told = True
            return [ModelLoading(job_id=entry.job.id) for entry in untold]
        self.drawing(frozenset(entry.job.id for entry in mine))
        try:
            self._load(name)
        except ModelUnavailable as error:
            log.error("%s", operator_words(error))
            if _is_caused_by(error, is_device_lost):
                raise WorkerLost(detail=error.detail) from error
            known = ModelUnavailable(
                name, error.reason, detail=error.detail
            )  # without a trace, which would keep tensors
            self._waiting = [entry for entry in self._waiting if entry not in mine]
            return [_failed(entry.job.id, known) for entry in mine]
        self._waiting = [entry for entry in self._waiting if entry not in mine]
        for entry in mine:
            self._engines[name].admit(entry.job, cancelled=entry.cancelled)
        return []

    def _load(self, name: str) -> None:
        if name not in self._specs:
            raise ModelUnavailable(name, "not_on_offer")
        # What was never loaded is judged by its files, and without any taken to be as large as the largest known.
        on_disk = file_bytes(self._specs[name]) or max(self._bytes.values(), default=0)
        self._make_room(self._memory if name in self._tight else self._bytes.get(name, on_disk))
        if self._engines:  # the first model finds nothing to collect, and the start waits for it
            _return_memory()
        engine = attempt(
            lambda: self._build(self._specs[name]),
            caught=lambda error: _is_caused_by(error, is_out_of_memory) and bool(self._idle_models()),
        )
        if engine is not None and engine.model.placement != Placement() and self._idle_models():
            engine.model.close()
            engine = None
        if engine is None:
            log.info("%s does not fit well beside the others; they make room", name)
            self._make_room(self._memory)
            _return_memory()
            engine = self._build(self._specs[name])
        if engine.model.placement != Placement():
            self._tight.add(name)
        engine.drawing = lambda jobs: self.drawing(jobs)
        engine.reorder(self._order)
        self._engines[name] = engine
        self._last_used[name] = self._clock()
        self._bytes[name] = weight_bytes(engine.model)
        self.loaded.add(name)
        self._make_room(0, keep=name)

    def _make_room(self, needed: int, *, keep: str | None = None) -> None:
        """Put models away, the least recently used first, until so many bytes fit beside the others."""
        gone: list[str] = []
        for name in self._idle_models():
            if sum(self._bytes[name] for name in self._engines if name not in gone) + needed <= self._memory:
                break
            if name != keep:
                gone.append(name)
        self._put_away(gone)

    def _put_away(self, names: Sequence[str]) -> None:
        for name in names:
            self.loaded.discard(name)
            self._engines.pop(name).model.close()
        if names:
            _return_memory()
            log.info("put away %s", ", ".join(names))

    def _idle_models(self) -> list[str]:
        return [name for name, engine in self._engines.items() if not engine.busy]


def _keep_up(name: str, engine: DiffusionEngine) -> bool:
    """Do one model's upkeep; log its failure, so that the others get theirs."""
    try:
        return engine.idle()
    except Exception as error:
        if is_device_lost(error):
            raise
        log.exception("upkeep of %s failed", name)
        return False


def weight_bytes(model: LoadedModel) -> int:
    """Count the bytes that a model's weights take on the device."""
    tensors = [tensor for part in model.family.parts.all for tensor in (*part.parameters(), *part.buffers())]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def file_bytes(spec: ModelSpec) -> int:
    """Count the bytes of a model's weights on disk; 0 for a hub id."""
    path = BUILTIN_FOLDER if spec.source == BUILTIN else Path(spec.source).expanduser()
    files = (path,) if path.is_file() else files_of(path)
    return sum(file.stat().st_size for file in files)


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on a GPU, or all main memory where models live in it."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _is_caused_by(error: Exception, kind: Callable[[Exception], bool]) -> bool:
    return isinstance(error.__cause__, Exception) and kind(error.__cause__)


def _return_memory() -> None:
    """Give unused memory, cached blocks too, back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _failed(job_id: JobId, error: KnownError) -> JobFailed:
    return JobFailed(job_id=job_id, error=error, device_seconds=0.0)
