"""H14 and H15: the figures C10 and C11 on a real device."""

import statistics
import time
import uuid

from generation.catalog import DrawingOptions
from generation.diffusion.engine.loop import DiffusionEngine
from generation.events import ImageReady, JobDone, StepDone
from generation.job import Job, JobId
from tests.benchmarks.beside import LONG, ROWS, SHORT, latencies_beside
from tests.benchmarks.fair_hour import GREEDY, AdmissionOrder, Asked, FairOrder, Order, busy_hour
from tests.benchmarks.figures import Figure, ratio
from tests.benchmarks.gpu_bench import SD, Bench
from tests.benchmarks.peers import p95

PLACES = ROWS // 2  #: images of a call, with guidance


def beside(bench: Bench) -> list[Figure]:
    """H14: two pictures beside another member's four long ones, which fill the call, over alone."""
    model = bench.model(SD)
    together, alone = latencies_beside(
        lambda: DiffusionEngine(model, max_rows=ROWS),
        model.spec,
        repetitions=1 if bench.smoke else 3,
        short=(SHORT[0], bench.steps(SHORT[1])),
        long=LONG,
    )
    note = f"{statistics.median(together):.2f} s to {statistics.median(alone):.2f} s"
    return [ratio("H14", "latency beside somebody's 4 x 150 / alone", together, alone, 1.5, 1.2, note=note)]


def busy(bench: Bench) -> list[Figure]:
    """H15: two hundred jobs by the fair order against the order of admission. Jobs arrive by the engine's ticks."""
    jobs = busy_hour(1, PLACES, hour=10**5)[: bench.jobs(200)]
    fair, took = _drive(bench, jobs, FairOrder(PLACES))
    admitted, took_before = _drive(bench, jobs, AdmissionOrder(PLACES))
    others = [number for number, job in enumerate(jobs) if job.member != GREEDY] or [0]
    mean, mean_before = statistics.mean(fair), statistics.mean(admitted)
    late, late_before = (p95([seconds[number] for number in others]) for seconds in (fair, admitted))
    note = f"{len(jobs)} jobs, {mean:.1f} s to {mean_before:.1f} s"
    return [
        ratio("H15", "busy: mean latency / by admission", [mean], [mean_before], 0.85, 0.75, note=note),
        ratio("H15_others_p95", "busy: p95 latency of the others / same", [late], [late_before], 1.25, 1.1),
        ratio("H15_throughput", "busy: throughput / by admission", [took_before], [took], 0.98, None, False),
    ]


def _drive(bench: Bench, jobs: list[Asked], order: Order) -> tuple[list[float], float]:
    """Return the seconds from asking to done of each job, and of them all."""
    model = bench.model(SD)
    engine = DiffusionEngine(model, max_rows=ROWS)
    numbers: dict[JobId, int] = {}
    ids: list[JobId] = []
    left: dict[int, int] = {}
    done: dict[JobId, int] = {}
    asked, latencies = [0.0] * len(jobs), [0.0] * len(jobs)
    tick, began = 0, time.perf_counter()
    while len(ids) < len(jobs) or engine.busy:
        if not engine.busy and jobs[len(ids)].at > tick:
            tick = int(jobs[len(ids)].at) + 1
        while len(ids) < len(jobs) and jobs[len(ids)].at <= tick:
            number, one = len(ids), jobs[len(ids)]
            options = DrawingOptions(prompt="x", count=one.images, steps=bench.steps(one.steps), seed=number)
            job = Job(id=uuid.uuid4(), request=model.spec.request(options), requester=str(one.member))
            ids.append(job.id)
            numbers[job.id], left[number], asked[number] = number, one.images, time.perf_counter()
            order.arrive(number, one)
            engine.admit(job)
        engine.reorder([ids[number] for number in order.first(left)])
        events = engine.step()
        tick += 1
        now, steps, ended = time.perf_counter(), 0, list[int]()
        for event in events:
            match event:
                case StepDone():
                    steps += event.step - done.get(event.job_id, 0)
                    done[event.job_id] = event.step
                case ImageReady():
                    left[numbers[event.job_id]] -= 1
                case JobDone():
                    number = numbers[event.job_id]
                    ended.append(number)
                    latencies[number] = now - asked[number]
                    del left[number]
                case _:
                    raise RuntimeError(f"{event}: the figure would mean nothing")
        order.moved(steps, ended)
    return latencies, time.perf_counter() - began
