"""How good the estimates are: an hour of a busy server, played in virtual time in seconds.

The dispatcher, its queue and its estimates are the real ones. Only the device is simulated, as the engine uses one: a
step for all running images takes a fixed part and a part a row, and device seconds are shared by rows.
"""

import asyncio
import random
import selectors
import statistics
import uuid
from collections.abc import Sequence
from typing import Any

from generation.dispatcher import Dispatcher
from generation.errors import WorkerLost
from generation.events import ImageReady, JobCancelled, JobDone, RowsChanged, StepDone
from generation.job import Job, JobId
from generation.journal import MemoryJournal
from generation.request import GenerationRequest, SchedulerName
from generation.result import GeneratedImage
from generation.workers.base import Drawing, told_nobody
from generation.workers.stream import EventStream
from tests.benchmarks.figures import Figure

HOUR = 3600.0  #: seconds
LOAD = 0.9  #: of what the device can draw, on average; it comes in bursts
IMAGES_AT_ONCE = 4
STEP_SECONDS, ROW_SECONDS, DECODE_SECONDS = 0.02, 0.03, 0.1
MEMBERS = 40
LEARNT_AFTER = 20  #: jobs; before that there is little to judge by


class _Image:
    """One image on the device: whose it is, which one, and the steps it still needs."""

    def __init__(self, job: Job, index: int) -> None:
        self.job, self.index = job, index
        self.steps_left = job.request.steps
        self.rows = 2 if job.request.guidance_scale > 1 else 1


class SimulatedWorker:
    """A Worker whose device takes virtual time."""

    def __init__(self, chance: random.Random) -> None:
        self.places = 1
        self.in_this_process = True
        self.loaded = None
        self._chance = chance
        self._streams: dict[JobId, EventStream] = {}
        self._images: list[_Image] = []
        self._rank: dict[JobId, int] = {}
        self._drawn: set[JobId] = set()  #: the jobs that the last step was for
        self._seconds: dict[JobId, float] = {}
        self._done: dict[JobId, int] = {}
        self._loop: asyncio.Task[None] | None = None

    async def start(self, drawing: Drawing = told_nobody) -> None:
        """Nothing to load."""

    def room(self, request: GenerationRequest) -> int:
        return request.count

    def draw(self, job: Job) -> EventStream:
        stream = EventStream(on_close=lambda: self._streams.pop(job.id, None) and None)
        self._streams[job.id], self._seconds[job.id], self._done[job.id] = stream, 0.0, 0
        self._images += [_Image(job, index) for index in range(job.request.count)]
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._work(), name="simulated device")
        return stream

    def reorder(self, order: Sequence[JobId]) -> None:
        self._rank = {job_id: rank for rank, job_id in enumerate(order)}

    async def cancel(self, job_id: JobId) -> None:
        self._streams[job_id].put(JobCancelled(job_id=job_id, device_seconds=0.0))

    async def lost(self) -> WorkerLost:
        await asyncio.Event().wait()
        return WorkerLost()

    async def close(self) -> None:
        for job_id in tuple(self._streams):
            await self.cancel(job_id)
        self._images = []

    async def _work(self) -> None:
        while self._images:
            self._images.sort(key=lambda image: self._rank.get(image.job.id, len(self._rank)))
            chosen = self._images[:IMAGES_AT_ONCE]
            self.places = max(self.places, len(chosen))
            self._say_rows({image.job.id for image in chosen})
            rows = sum(image.rows for image in chosen)
            took = (STEP_SECONDS + ROW_SECONDS * rows) * self._chance.uniform(0.9, 1.1)
            await asyncio.sleep(took)
            for image in chosen:
                await self._step(image, took * image.rows / rows)

    def _say_rows(self, jobs: set[JobId]) -> None:
        for job_id in jobs ^ self._drawn:
            if (stream := self._streams.get(job_id)) is not None:
                stream.put(RowsChanged(job_id=job_id, has_rows=job_id in jobs))
        self._drawn = jobs

    async def _step(self, image: _Image, seconds: float) -> None:
        job, stream = image.job, self._streams.get(image.job.id)
        self._seconds[job.id] += seconds
        self._done[job.id] += 1
        image.steps_left -= 1
        if stream is None:
            return
        stream.put(StepDone(job_id=job.id, step=self._done[job.id], steps=job.request.steps * job.request.count))
        if image.steps_left:
            return
        self._images.remove(image)
        await asyncio.sleep(DECODE_SECONDS)
        self._seconds[job.id] += DECODE_SECONDS
        picture = GeneratedImage(index=image.index, seed=0, width=512, height=512, png=b"")
        stream.put(ImageReady(job_id=job.id, image=picture))
        if not any(other.job is job for other in self._images):
            stream.put(JobDone(job_id=job.id, device_seconds=self._seconds[job.id]))


def estimate_errors(*, seed: int = 1) -> list[float]:
    """|estimated - real| / real seconds from asking to done, for each job of a busy hour."""
    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(_busy_hour(random.Random(seed)))
    finally:
        loop.close()


def measure_estimates() -> Figure:
    """The median error, and how wide it spreads."""
    errors = sorted(estimate_errors())
    return Figure(
        name="ETA",
        meaning="median error of the time a job is promised, busy hour",
        value=statistics.median(errors),
        bar=0.2,
        unit="",
        note=f"{len(errors)} jobs, nine in ten within {errors[int(len(errors) * 0.9)]:.0%}",
    )


async def _busy_hour(chance: random.Random) -> list[float]:
    loop = asyncio.get_running_loop()
    dispatcher = Dispatcher([SimulatedWorker(chance)], MemoryJournal())
    await dispatcher.start()
    await dispatcher.ready()
    errors: list[float] = []
    following: list[asyncio.Task[None]] = []

    async def follow(job: Job, *, counts: bool) -> None:
        ticket, asked = dispatcher.submit(job), loop.time()
        promised = ticket.progress.seconds_left
        await ticket.result()
        if counts and promised is not None:
            errors.append(abs(promised - (loop.time() - asked)) / (loop.time() - asked))

    busy, number = 0.0, 0
    while loop.time() < HOUR:
        job = _random_job(chance)
        step = STEP_SECONDS / IMAGES_AT_ONCE + 2 * ROW_SECONDS
        busy += job.request.count * (job.request.steps * step + DECODE_SECONDS)
        number += 1
        following.append(asyncio.create_task(follow(job, counts=number > LEARNT_AFTER)))
        burst = chance.random() < 0.5
        await asyncio.sleep(0 if burst else chance.expovariate(1.0) + max(0.0, busy / LOAD - loop.time()) * 0.2)
    await asyncio.gather(*following)
    await dispatcher.close()
    return errors


def _random_job(chance: random.Random) -> Job:
    request = GenerationRequest(
        prompt="x",
        model="sd",
        width=512,
        height=512,
        steps=chance.choice((10, 20, 25, 30, 50)),
        guidance_scale=chance.choice((7.5, 7.5, 7.5, 1.0)),
        scheduler=SchedulerName.DDIM,
        seed=0,
        count=chance.choice((1, 1, 2, 4)),
    )
    return Job(id=uuid.UUID(int=chance.getrandbits(128)), request=request, requester=str(chance.randrange(MEMBERS)))


class _JumpingSelector(selectors.SelectSelector):
    """Waits for nothing: what would be waited for has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again")
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now
