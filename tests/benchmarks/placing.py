"""Where jobs are sent: the project's own queue, fleet and placement on four simulated devices, in virtual time.

A call takes 30 ms and 10 ms a row, and has 16 rows at most; pictures take 25 steps with guidance; a model is loaded in
8 s, and a device has a place for one. Three models are asked for in 60, 30 and 10 of 100 jobs, by 40 members.
"""

import heapq
import itertools
import random
import statistics
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from generation.fleet import LEAST_AHEAD, PASSING_LOADS, Fleet
from generation.job import Job, JobId
from generation.queue import PASSING, FairQueue
from generation.request import GenerationRequest, SchedulerName
from generation.workers.base import Worker
from tests.benchmarks.figures import Figure

CALL, ROW, DECODE, LOAD = 0.030, 0.010, 0.05, 8.0  #: seconds
KNEE = 8  #: images a call, of two rows each
STEPS = 25
DEVICES = 4
MODELS, SHARES = ("m1", "m2", "m3"), (0.6, 0.3, 0.1)
CAPACITY = DEVICES * KNEE / (STEPS * (CALL + 2 * ROW * KNEE) + DECODE * KNEE)  #: images a second, in full calls
IMAGES_IN_A_LOAD = LOAD * CAPACITY / DEVICES
MEMBERS = 40
IMAGES_A_JOB = 1.5

NextTurn = Callable[[], tuple[Job, Worker] | None]


@dataclass(slots=True, eq=False)
class _Running:
    job: Job
    left: list[int]  #: steps of each image


class Device:
    """A worker that takes virtual time. Only what a Fleet asks of a worker."""

    def __init__(self, world: "World", model: str) -> None:
        self.in_this_process = False
        self.places = KNEE
        self.loads = 0
        self.jobs: dict[JobId, _Running] = {}
        self._world = world
        self._model = model
        self._busy = False

    @property
    def loaded(self) -> frozenset[str]:
        """It has a place for one."""
        return frozenset({self._model})

    def room(self, request: GenerationRequest) -> int:
        """Another model is loaded only when nothing is drawn."""
        others = any(one.job.request.model != request.model for one in self.jobs.values())
        return 0 if others else request.count

    def draw(self, job: Job) -> None:
        """Take a job."""
        self.jobs[job.id] = _Running(job, [STEPS] * job.request.count)
        if not self._busy:
            self._busy = True
            self._world.after(0.0, self._tick)

    def _tick(self) -> None:
        if not self.jobs:
            self._busy = False
            return
        model = next(iter(self.jobs.values())).job.request.model
        if model != self._model:
            self.loads += 1
            self._world.after(LOAD, lambda: self._loaded(model))
            return
        order = [self.jobs[job.id] for job in self._world.queue.in_order() if job.id in self.jobs]
        drawn = [(one, at) for one in order for at, left in enumerate(one.left) if left][:KNEE]
        took = CALL + 2 * ROW * len(drawn) + DECODE * sum(one.left[at] == 1 for one, at in drawn)
        self._world.after(took, lambda: self._stepped(drawn))

    def _loaded(self, model: str) -> None:
        self._model = model
        self._world.hand_out()
        self._tick()

    def _stepped(self, drawn: Sequence[tuple[_Running, int]]) -> None:
        for one, at in drawn:
            one.left[at] -= 1
            self._world.queue.advance(one.job, 1 / (STEPS * one.job.request.count))
        for one in [one for one in self.jobs.values() if not any(one.left)]:
            del self.jobs[one.job.id]
            self._world.finished(one.job)
        self._world.hand_out()
        self._tick()


@dataclass(slots=True)
class Outcome:
    """What came of one run, or of several."""

    latencies: list[float] = field(default_factory=list)  #: seconds
    rates: list[float] = field(default_factory=list)  #: images a second
    loads: int = 0

    @property
    def p95(self) -> float:
        """Seconds within which 95 of 100 jobs were done."""
        return sorted(self.latencies)[int(0.95 * len(self.latencies))]

    @property
    def rate(self) -> float:
        """Images a second."""
        return statistics.mean(self.rates)


class World:
    """Members who ask for pictures at random, and devices that draw them."""

    def __init__(self, load: float, seed: int, seconds: float, policy: Callable[["World"], NextTurn]) -> None:
        """`load`: of what the devices can draw in full calls."""
        self.queue = FairQueue(capacity=10**9)
        self.fleet = Fleet(lambda jobs: None)
        self.devices = [Device(self, MODELS[max(0, number - 1)]) for number in range(DEVICES)]
        self.fleet.ready.extend(self.devices)  # pyright: ignore[reportArgumentType] - what a Fleet asks of a worker
        self.queue.draw_at_once(self.fleet.places)
        self._turn = policy(self)
        self._now, self._number = 0.0, itertools.count()
        self._coming: list[tuple[float, int, Callable[[], None]]] = []
        self._chance = random.Random(seed)
        self._arrived: dict[JobId, float] = {}
        self._latencies: list[float] = []
        self._images = 0
        self._seconds = seconds
        self._gap = IMAGES_A_JOB / (load * CAPACITY)
        self._ask_later()

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._coming, (self._now + seconds, next(self._number), what))

    def run(self) -> Outcome:
        """Let all jobs be drawn."""
        while self._coming:
            self._now, _, what = heapq.heappop(self._coming)
            what()
        return Outcome(self._latencies, [self._images / self._now], sum(device.loads for device in self.devices))

    def hand_out(self) -> None:
        """Give jobs to the devices, for as long as the policy finds any."""
        while (turn := self._turn()) is not None:
            job, device = turn
            self.queue.take(job)
            self.fleet.running[job.id] = turn
            device.draw(job)

    def finished(self, job: Job) -> None:
        """Note that a job is done."""
        del self.fleet.running[job.id]
        self.queue.leave(job, done=1.0)
        self._latencies.append(self._now - self._arrived.pop(job.id))
        self._images += job.request.count

    def _ask_later(self) -> None:
        gap = self._chance.expovariate(1 / self._gap)
        if self._now + gap <= self._seconds:
            self.after(gap, self._ask)

    def _ask(self) -> None:
        chance = self._chance
        request = GenerationRequest(
            prompt="x",
            model=chance.choices(MODELS, SHARES)[0],
            width=512,
            height=512,
            steps=STEPS,
            guidance_scale=7.0,
            scheduler=SchedulerName.DDIM,
            seed=1,
            count=chance.choices((1, 2, 4), (6, 1, 1))[0],
        )
        job = Job(id=uuid.UUID(int=chance.getrandbits(128)), request=request, requester=str(chance.randrange(MEMBERS)))
        self._arrived[job.id] = self._now
        self.queue.push(job)
        self.hand_out()
        self._ask_later()


def placed(world: World) -> NextTurn:
    """As the bot does it."""
    return lambda: world.fleet.next_turn(world.queue, IMAGES_IN_A_LOAD)


def first_with_room(passing: float) -> Callable[[World], NextTurn]:
    """The first job in the queue's order that any worker has room for, and the first such worker."""

    def policy(world: World) -> NextTurn:
        world.queue.passing = passing

        def turn() -> tuple[Job, Worker] | None:
            for job in world.queue.may_go():
                for worker in world.fleet.ready:
                    owed = sum(one.request.count for one in world.fleet.jobs_of(worker))
                    near = not owed or owed + job.request.count <= max(LEAST_AHEAD, 2 * KNEE)
                    if near and worker.room(job.request) > 0:
                        return job, worker
            return None

        return turn

    return policy


def outcome(policy: Callable[[World], NextTurn], load: float, *, seconds: float, seeds: int) -> Outcome:
    """Run a policy over some seeds."""
    total = Outcome()
    for seed in range(1, seeds + 1):
        one = World(load, seed, seconds, policy).run()
        total.latencies += one.latencies
        total.rates += one.rates
        total.loads += one.loads
    return total


def measure_placement(*, seconds: float = 500.0, seeds: int = 5) -> list[Figure]:
    """Against the first worker with room, with the passing bound of one worker and with that of the fleet."""
    alike = max(PASSING, PASSING_LOADS * IMAGES_IN_A_LOAD * DEVICES)
    ours, one, fleet = (
        {load: outcome(policy, load, seconds=seconds, seeds=seeds) for load in (0.5, 0.9)}
        for policy in (placed, first_with_room(PASSING), first_with_room(alike))
    )

    low, high = ours[0.5], ours[0.9]
    loads = f"{low.loads} loads to {one[0.5].loads}"
    return [
        _ratio("PL_p95_low", "p95 at 0.5 load / first with room", low.p95, one[0.5].p95, 0.5, loads),
        _ratio("PL_rate", "images a second at 0.9 load / same", high.rate, one[0.9].rate, 1.2),
        _ratio("PL_p95_same", "p95 at 0.9 load / same, passing as ours", high.p95, fleet[0.9].p95, 0.7),
        _ratio("PL_rate_same", "images a second / same, passing as ours", high.rate, fleet[0.9].rate, 0.97),
    ]


def _ratio(name: str, meaning: str, mine: float, theirs: float, bar: float, note: str = "") -> Figure:
    return Figure(
        name=name,
        meaning=f"four devices: {meaning}",
        value=mine / theirs,
        bar=bar,
        unit="",
        lower_is_better="p95" in name,
        note=", ".join(part for part in (f"{mine:.2f} to {theirs:.2f}", note) if part),
    )
