"""The workers that draw, for whoever runs the bot: how each is, and which are to draw no more for now."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.clock import Clock
from bot.errors import NotAllowed, UnknownWorker
from bot.records import JobRecord, Member
from generation.device import Device, DeviceState
from generation.dispatcher import Dispatcher
from generation.errors import KnownError
from generation.events import JobCancelled, JobDone, JobFailed
from generation.job import Job
from generation.supervisor import Supervisor
from generation.workers.base import Worker

log = logging.getLogger(__name__)

TOLD_APART_BY = 60  #: characters of a worker's name
_NEWEST = 50  #: jobs that a worker's pace is judged by


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerState:
    """One worker as it is now."""

    name: str
    state: DeviceState
    since: datetime
    losses: int  #: times that it was lost or did not start
    device: str  #: by the name that its maker gave it; empty until it has drawn
    models: tuple[str, ...] | None  #: that are in its memory; None: all on offer
    jobs: int  #: that it has
    images: int  #: of these jobs
    pace: float | None  #: steps that it makes for images in a second of its device; None until it has drawn
    may_leave: bool  #: whether it can be drained


@dataclass(slots=True)
class _Pace:
    """What a worker has drawn of late."""

    device: str = ""
    drawn: deque[tuple[int, float]] = field(default_factory=lambda: deque[tuple[int, float]](maxlen=_NEWEST))

    @property
    def steps_a_second(self) -> float | None:
        seconds = sum(seconds for _, seconds in self.drawn)
        return sum(steps for steps, _ in self.drawn) / seconds if seconds > 0 else None


class Workers:
    """Every method raises NotAllowed for anybody but an operator."""

    def __init__(self, *, dispatcher: Dispatcher[JobRecord], supervisor: Supervisor, clock: Clock) -> None:
        self._dispatcher = dispatcher
        self._supervisor = supervisor
        self._clock = clock
        self._paces: dict[str, _Pace] = {}
        dispatcher.listen(self)

    def all(self, operator: Member) -> tuple[WorkerState, ...]:
        """How each of them is."""
        _check(operator)
        return tuple(self._state(device) for device in self._supervisor.devices)

    def needs_consent(self, operator: Member, name: str) -> WorkerState | None:
        """The worker, if draining it would be felt: it has jobs, or nothing else draws or is about to.

        Raises UnknownWorker.
        """
        device, state = self._known(operator, name), DeviceState
        as_good = {state.READY: (state.READY,), state.STARTING: (state.READY, state.STARTING)}.get(device.state, ())
        others = [one for one in self._supervisor.devices if one.state in as_good and one.name != device.name]
        felt = self._state(device)
        return felt if felt.jobs or (as_good and not others) else None

    def drain(self, operator: Member, name: str) -> None:
        """Let a worker finish what it draws, and give its device back until it is taken back. Raises UnknownWorker."""
        self._change(operator, name, self._supervisor.drain, "drains")

    def take_back(self, operator: Member, name: str) -> None:
        """Let a worker draw again. Raises UnknownWorker."""
        self._change(operator, name, self._supervisor.take_back, "takes back")

    def _change(self, operator: Member, name: str, change: Callable[[str], None], doing: str) -> None:
        change(self._known(operator, name).name)
        log.info("%s %s the device %s", operator.id, doing, name)

    def _known(self, operator: Member, name: str) -> Device:
        _check(operator)
        for device in self._supervisor.devices:
            if device.may_leave and device.name[:TOLD_APART_BY] == name[:TOLD_APART_BY]:
                return device
        raise UnknownWorker

    def _state(self, device: Device) -> WorkerState:
        jobs = self._dispatcher.has(device.worker) if device.worker is not None else ()
        is_ready = device.worker is not None and device.state in (DeviceState.READY, DeviceState.LEAVING)
        loaded = device.worker.loaded if device.worker is not None and is_ready else frozenset[str]()
        pace = self._paces.get(device.name, _Pace())
        return WorkerState(
            name=device.name,
            state=device.state,
            since=self._clock() - timedelta(seconds=self._supervisor.seconds_in_state(device)),
            losses=device.losses,
            device=pace.device,
            models=None if loaded is None else tuple(sorted(loaded)),
            jobs=len(jobs),
            images=sum(job.request.count for job in jobs),
            pace=pace.steps_a_second,
            may_leave=device.may_leave,
        )

    # what the dispatcher tells

    def began(self, job: Job, waited: float) -> None:
        """See `generation.listener.Listener`."""

    def drawn(self, worker: Worker, job: Job, last: JobDone | JobFailed | JobCancelled) -> None:
        """See `generation.listener.Listener`."""
        if isinstance(last, JobDone) and (name := self._supervisor.name_of(worker)):
            there = {device.name for device in self._supervisor.devices}
            self._paces = {known: pace for known, pace in self._paces.items() if known in there}
            pace = self._paces.setdefault(name, _Pace())
            pace.device = last.drawn_with.device
            pace.drawn.append((job.request.drawn_steps * job.request.count, last.device_seconds))

    def over(self, job: Job, outcome: JobRecord | KnownError) -> None:
        """See `generation.listener.Listener`."""


def _check(operator: Member) -> None:
    if not operator.is_operator:
        raise NotAllowed("operator")
