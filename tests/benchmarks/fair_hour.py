"""C11: a busy hour by the order of the virtual world, against the order in which jobs are admitted.

Time is counted in ticks: in each, so many images as there are places go one step. Forty members ask for jobs of one to
four images and 8 to 150 steps, and one of them asks for two in five of all jobs.
"""

import random
import statistics
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


def fair_order(jobs: Sequence[Asked], places: int) -> list[int]:
    """Return the tick at which each job is done, when images get places by the order of EqualShares."""
    ids = [uuid.UUID(int=number) for number in range(len(jobs))]
    shares = EqualShares()
    shares.places = places

    def arrive(number: int) -> None:
        job = jobs[number]
        shares.add(ids[number], str(job.member), work=job.work, images=job.images)

    def order(left: dict[int, list[int]]) -> list[tuple[int, int]]:
        return [(job_id.int, image) for job_id in shares.order() for image in range(len(left[job_id.int]))]

    def moved(steps: int, ended: Sequence[int]) -> None:
        shares.advance(steps)
        for number in ended:
            shares.end(ids[number])

    return _replay(jobs, places, arrive, order, moved)


def admission_order(jobs: Sequence[Asked], places: int) -> list[int]:
    """The same when images keep their place to the end, and jobs are admitted by start-time fair queueing.

    A job's tag is the larger of the virtual time and its requester's last finish, which is a tag and an image count
    later; virtual time is the tag of the job that was admitted last.
    """
    tags: dict[int, float] = {}
    finish: dict[int, float] = {}
    admitted: list[int] = []
    virtual_time = 0.0

    def arrive(number: int) -> None:
        job = jobs[number]
        tags[number] = max(virtual_time, finish.get(job.member, 0.0))
        finish[job.member] = tags[number] + job.images

    def order(left: dict[int, list[int]]) -> list[tuple[int, int]]:
        nonlocal virtual_time
        begun = [(n, i) for n in admitted if n in left for i, steps in enumerate(left[n]) if steps < jobs[n].steps]
        line = [(n, i) for n in admitted if n in left for i, steps in enumerate(left[n]) if steps == jobs[n].steps]
        free = places - sum(left[n][i] > 0 for n, i in begun) - len(line)
        for number in sorted(left.keys() - set(admitted), key=lambda number: (tags[number], number)):
            if free <= 0:
                break
            admitted.append(number)
            virtual_time = max(virtual_time, tags[number])
            line += [(number, image) for image in range(jobs[number].images)]
            free -= jobs[number].images
        return begun + line

    return _replay(jobs, places, arrive, order, lambda steps, ended: None)


def equal_sharing(jobs: Sequence[Asked], places: int) -> list[int]:
    """The same if all who have work could really share the places equally, in fractions of a step."""
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


def _replay(
    jobs: Sequence[Asked],
    places: int,
    arrive: Callable[[int], None],
    order: Callable[[dict[int, list[int]]], list[tuple[int, int]]],
    moved: Callable[[int, Sequence[int]], None],
) -> list[int]:
    left: dict[int, list[int]] = {}  #: job -> the steps that each of its images needs
    done = [0] * len(jobs)
    coming, tick = 0, 0
    while coming < len(jobs) or left:
        tick += 1
        while coming < len(jobs) and jobs[coming].at <= tick - 1:
            left[coming] = [jobs[coming].steps] * jobs[coming].images
            arrive(coming)
            coming += 1
        drawn = [(number, image) for number, image in order(left) if left[number][image] > 0][:places]
        for number, image in drawn:
            left[number][image] -= 1
        ended = [number for number in dict(drawn) if not any(left[number])]
        for number in ended:
            done[number] = tick
            del left[number]
        moved(len(drawn), ended)
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
        fair, admitted, equal = fair_order(jobs, places), admission_order(jobs, places), equal_sharing(jobs, places)
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
