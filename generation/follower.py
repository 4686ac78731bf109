"""Follower: what a worker says of a job goes to whoever waits for it, and to those who learn from it."""

from collections.abc import Awaitable, Callable
from typing import Any

from generation.errors import Cancelled, KnownError
from generation.estimates import Estimates
from generation.events import ImageReady, JobCancelled, JobDone, JobFailed, ModelLoading, RowsChanged, StepDone
from generation.forecast import Forecast
from generation.job import Job
from generation.queue import FairQueue
from generation.result import GeneratedImage, GenerationResult
from generation.standing import Standing
from generation.ticket import JobTicket, Progress
from generation.workers.base import Worker
from generation.workers.stream import LAST, EventStream


class Follower:
    """One for all jobs of a dispatcher."""

    def __init__(
        self,
        *,
        queue: FairQueue,
        standing: Standing,
        estimates: Estimates,
        forecast: Forecast,
        started: Callable[[Job], Awaitable[None]],
        drawn: Callable[[Worker, Job, JobDone | JobFailed | JobCancelled], None],
        hand_out: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        """`started` writes down that a device works for a job, and `drawn` is told its last event; `hand_out` is called
        when there may be room for more."""
        self._queue = queue
        self._standing = standing
        self._estimates = estimates
        self._forecast = forecast
        self._started = started
        self._drawn = drawn
        self._hand_out = hand_out
        self._clock = clock

    async def follow(
        self, job: Job, worker: Worker, ticket: JobTicket[Any], events: EventStream
    ) -> tuple[GenerationResult | KnownError, float]:
        """Relay progress to the ticket and gather the images, up to the job's last event.

        Returns what came of it, and the seconds that the device took. Raises what `started` raises.
        """
        images: list[GeneratedImage] = []
        loads_since: float | None = None
        async for event in events:
            if isinstance(event, LAST):
                self._drawn(worker, job, event)
            match event:
                case ModelLoading():
                    loads_since = self._clock()
                    ticket.report(Progress(loading=True))
                case RowsChanged():
                    if event.has_rows and loads_since is not None:
                        self._estimates.learn_load(self._clock() - loads_since)
                        loads_since = None
                    if event.has_rows and not ticket.begun:
                        await self._started(job)
                        ticket.begun = True
                    if event.has_rows or ticket.share_done < 1:
                        self._standing.note_rows(job, has_rows=event.has_rows)
                case StepDone():
                    part = event.step / event.steps - ticket.share_done
                    self._queue.advance(job, part)
                    self._forecast.advance(job, part)
                    ticket.report(Progress(step=event.step, steps=event.steps, preview=event.preview))
                case ImageReady():
                    images.append(event.image)
                    self._hand_out()
                case JobDone():
                    self._estimates.learn(job.request, event.device_seconds, event.drawn_with.device)
                    self._queue.costs_changed()
                    images.sort(key=lambda image: image.index)
                    result = GenerationResult(
                        job_id=job.id,
                        images=tuple(images),
                        device_seconds=event.device_seconds,
                        unread=event.unread,
                        unread_negative=event.unread_negative,
                        drawn_with=event.drawn_with,
                    )
                    return result, event.device_seconds
                case JobFailed():
                    return event.error, event.device_seconds
                case JobCancelled():
                    return Cancelled(), event.device_seconds
        raise RuntimeError("the worker's events ended without a last one")
