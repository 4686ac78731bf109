"""C11: a busy hour by the order of the virtual world, against the order in which jobs are admitted.

Time is counted in ticks: in each, so many images as there are places go one step. Forty members ask for jobs of one to
four images and 8 to 150 steps, and one of them asks for two in five of all jobs.
"""

import random
import statistics
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from generation.equal_shares import EqualShares
from tests.benchmarks.figures import Figure
from tests.benchmarks.peers import p95

HOUR = 3600  #: ticks
HOURS = 10
LOAD = 0.9  #: of what the places can draw
PLACES = (2, 4, 8)
MEMBERS = 40
GREEDY = 0  #: the member who asks for so much
GREEDY_PART = 0.4
COUNTS, STEPS = (1, 1, 2, 4), (8, 20, 20, 30, 50, 150)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A job, and the tick at which it was asked for."""

    at: float
    member: int
    images: int
    steps: int

    @property
    def work(self) -> int:
        """Image steps."""
        return self.images * self.steps


def busy_hour(seed: int, places: int, *, hour: int = HOUR) -> list[Asked]:
    """Draw the jobs of an hour, in the order in which they are asked for."""
    chance = random.Random(seed)
    mean = statistics.mean(COUNTS) * statistics.mean(STEPS)
    now, jobs = 0.0, list[Asked]()
    while (now := now + chance.expovariate(LOAD * places / mean)) < hour:
        images, steps = chance.choice(COUNTS), chance.choice(STEPS)
        member = GREEDY if chance.random() < GREEDY_PART else chance.randrange(1, MEMBERS)
        jobs.append(Asked(at=now, member=member, images=images, steps=steps))
    return jobs


class Order(Protocol):
    """Decides which jobs come first; jobs are known by their numbers."""

    def arrive(self, number: int, job: Asked) -> None:
        """A job was asked for."""
        ...

    def first(self, left: Mapping[int, int]) -> Sequence[int]:
        """List the jobs that may be drawn, the first one in front; `left`: images that are not done, by job."""
        ...

    def moved(self, steps: int, ended: Sequence[int]) -> None:
        """So many image steps were made, and these jobs are done."""
        ...


class FairOrder:
    """By EqualShares."""

    def __init__(self, places: int) -> None:
        self._shares = EqualShares()
        self._shares.places = places

    def arrive(self, number: int, job: Asked) -> None:
        self._shares.add(uuid.UUID(int=number), str(job.member), work=job.work, images=job.images)

    def first(self, left: Mapping[int, int]) -> Sequence[int]:
        return [job_id.int for job_id in self._shares.order()]

    def moved(self, steps: int, ended: Sequence[int]) -> None:
        self._shares.advance(steps)
        for number in ended:
            self._shares.end(uuid.UUID(int=number))


class AdmissionOrder:
    """By admission: images keep their place to the end, and jobs are admitted by start-time fair queueing.

    A job's tag is the larger of the virtual time and its requester's last finish, which is a tag and an image count
    later; virtual time is the tag of the job that was admitted last.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._images: dict[int, int] = {}
        self._tags: dict[int, float] = {}  #: of those that wait
        self._finish: dict[int, float] = {}
        self._admitted: list[int] = []
        self._virtual_time = 0.0

    def arrive(self, number: int, job: Asked) -> None:
        self._tags[number] = max(self._virtual_time, self._finish.get(job.member, 0.0))
        self._finish[job.member] = self._tags[number] + job.images
        self._images[number] = job.images

    def first(self, left: Mapping[int, int]) -> Sequence[int]:
        free = self._places - sum(left[number] for number in self._admitted)
        while free > 0 and self._tags:
            number = min(self._tags, key=lambda number: (self._tags[number], number))
            self._virtual_time = max(self._virtual_time, self._tags.pop(number))
            self._admitted.append(number)
            free -= self._images[number]
        return self._admitted

    def moved(self, steps: int, ended: Sequence[int]) -> None:
        self._admitted = [number for number in self._admitted if number not in ended]


def replay(jobs: Sequence[Asked], places: int, order: Order) -> list[int]:
    """Return the tick at which each job is done."""
    left: dict[int, list[int]] = {}  #: the steps that each image still needs, by job; those of images that are not done
    done = [0] * len(jobs)
    coming, tick = 0, 0
    while coming < len(jobs) or left:
        tick += 1
        while coming < len(jobs) and jobs[coming].at <= tick - 1:
            left[coming] = [jobs[coming].steps] * jobs[coming].images
            order.arrive(coming, jobs[coming])
            coming += 1
        free = places
        ended: list[int] = []
        for number in order.first({number: len(images) for number, images in left.items()}):
            drawn = min(free, len(left[number]))
            free -= drawn
            left[number] = [steps - (at < drawn) for at, steps in enumerate(left[number]) if steps > (at < drawn)]
            if not left[number]:
                ended.append(number)
                done[number] = tick
                del left[number]
            if not free:
                break
        order.moved(places - free, ended)
    return done


def equal_sharing(jobs: Sequence[Asked], places: int) -> list[int]:
    """Return the same if all who have work could really share the places equally, in fractions of a step."""
    left: dict[int, float] = {}
    done = [0] * len(jobs)
    coming, tick = 0, 0
    while coming < len(jobs) or left:
        tick += 1
        while coming < len(jobs) and jobs[coming].at <= tick - 1:
            left[coming] = jobs[coming].work
            coming += 1
        free, served = float(places), dict.fromkeys(left, 0.0)
        while free > 1e-9:
            # Each member's first job that can take more; these share what is free until one of them is full.
            takers: dict[int, int] = {}
            for number in left:
                if min(jobs[number].images, left[number]) - served[number] > 1e-9:
                    takers.setdefault(jobs[number].member, number)
            if not takers:
                break
            rooms = [min(jobs[n].images, left[n]) - served[n] for n in takers.values()]
            part = min(free / len(takers), *rooms)
            for number in takers.values():
                served[number] += part
            free -= part * len(takers)
        for number, steps in served.items():
            left[number] -= steps
            if left[number] <= 1e-6:
                done[number] = tick
                del left[number]
    return done


@dataclass(frozen=True, kw_only=True, slots=True)
class _Compared:
    """What came of one number of places, over all hours."""

    mean: float
    others_p95: float
    latest: float
    latest_before: float
    throughput: float


def _compare(places: int, hours: int, hour: int) -> _Compared:
    ours, before, others, others_before, late, late_before = ([] for _ in range(6))
    ends, ends_before = 0, 0
    for seed in range(1, hours + 1):
        jobs = busy_hour(seed, places, hour=hour)
        fair, admitted = replay(jobs, places, FairOrder(places)), replay(jobs, places, AdmissionOrder(places))
        equal = equal_sharing(jobs, places)
        for job, mine, theirs, shared in zip(jobs, fair, admitted, equal, strict=True):
            ours.append(mine - job.at)
            before.append(theirs - job.at)
            late.append(mine - shared)
            late_before.append(theirs - shared)
            if job.member != GREEDY:
                others.append(mine - job.at)
                others_before.append(theirs - job.at)
        ends, ends_before = ends + max(fair), ends_before + max(admitted)
    return _Compared(
        mean=statistics.mean(ours) / statistics.mean(before),
        others_p95=p95(others) / p95(others_before),
        latest=max(late),
        latest_before=max(late_before),
        throughput=ends_before / ends,
    )


def measure_fairness(*, hours: int = HOURS, hour: int = HOUR) -> list[Figure]:
    """C11: the worst of two, four and eight places; the notes have all three."""
    rooms = [_compare(places, hours, hour) for places in PLACES]
    before = "; by admission " + ", ".join(f"{room.latest_before:.0f}" for room in rooms)
    return [
        _worst("C11_mean", "mean latency / by admission", [room.mean for room in rooms], 0.85, 0.75),
        _worst("C11_others_p95", "p95 latency of the others / same", [room.others_p95 for room in rooms], 1.25, 1.1),
        _worst("C11_latest", "ticks after true sharing, the latest", [room.latest for room in rooms], 150, 100, before),
        _worst("C11_throughput", "throughput / by admission", [room.throughput for room in rooms], 0.98, None),
    ]


def _worst(
    name: str, meaning: str, values: Sequence[float], bar: float, stretch: float | None, note: str = ""
) -> Figure:
    lower = name != "C11_throughput"
    return Figure(
        name=name,
        meaning=f"busy hour: {meaning}",
        value=max(values) if lower else min(values),
        bar=bar,
        stretch=stretch,
        unit="",
        lower_is_better=lower,
        note=f"{', '.join(f'{value:.3g}' for value in values)} with {', '.join(map(str, PLACES))} places{note}",
    )
