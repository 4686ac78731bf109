"""The DiffusionEngine: the step loop of one device, batching between denoising steps.

Each tick is one call of the model for some images, each at its own timestep with its own scheduler and generator. Which
ones is decided anew at each tick: those of the jobs that are first in the order that the engine was given, as many as
the call has rows for. The others stand: between two steps an image is its latents and a place in its schedule, and
waits for free. So a short job never waits for a long one, and a cancelled one is gone at the next step. The engine
knows no members.
"""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from generation.diffusion.engine.batch import BatchKey, ImageRun, JobRun, advance, stepping_together
from generation.diffusion.engine.caps import UNMEASURED, RowCaps
from generation.diffusion.engine.finishing import Finishing
from generation.diffusion.engine.previews import Previews
from generation.diffusion.engine.shared_call import SharedCall
from generation.diffusion.failures import attempt, is_out_of_memory, told
from generation.diffusion.loading.model import LoadedModel
from generation.errors import KnownError, WorkerLost
from generation.events import ImageReady, JobCancelled, JobDone, JobFailed, StepDone, WorkerEvent
from generation.job import Job, JobId

log = logging.getLogger(__name__)

PREVIEW_INTERVAL = 1.0  #: seconds between two previews of a job, at least


class DiffusionEngine:
    """Draws admitted jobs step by step. Single-threaded: only the thread that owns the device calls it."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        max_rows: int | None = None,
        reproducible: bool = False,
        cache: Path | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """A call has at most `max_rows` rows, by default as many as pay; the folder `cache` remembers how many.

        With `reproducible` a call has exactly so many rows, by default a fixed number. A kernel's last bits depend on
        the number of rows, not on what the other rows hold: so a picture is bit-equal alone and in a crowd, for the
        price of drawing the padding.
        """
        self.model = model
        self._clock = clock
        self.drawing: Callable[[frozenset[JobId]], None] = _told_nobody  #: told at each tick which jobs it is for
        self._jobs: list[JobRun] = []  #: in the order in which they get rows
        self._ranks: dict[JobId, int] = {}
        self._admitted = 0
        self._finishing = Finishing(model)
        fixed = max_rows or (UNMEASURED if reproducible else None)
        self._caps = RowCaps(model, fixed=fixed, cache=cache)
        self._calls = SharedCall(model, self._caps, reproducible=reproducible)
        self._events: list[WorkerEvent] = []
        self._previews = Previews(model)
        #: Whether texts of several lengths share a call: not where a graph, or the last bit, hangs on its shape.
        self._mixes_texts = model.graphs is None and not reproducible

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._jobs)

    @property
    def calls(self) -> int:
        """Calls of the model made so far to draw images."""
        return self._calls.calls

    @property
    def rows(self) -> int:
        """Rows of these calls, padding among them."""
        return self._calls.rows

    @property
    def padded_rows(self) -> int:
        """Rows of these calls that belonged to no image."""
        return self._calls.padded_rows

    @property
    def rank(self) -> float:
        """The place of its first job in the order; infinite without one."""
        return min((self._rank(run)[0] for run in self._jobs), default=math.inf)

    def admit(self, job: Job, *, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Take a job in; `cancelled` is asked before and after encoding, at each step and before decoding."""
        self._admitted += 1
        self._jobs.append(JobRun(job, cancelled=cancelled, arrival=self._admitted))
        self._jobs.sort(key=self._rank)

    def reorder(self, order: Sequence[JobId]) -> None:
        """Give rows to these jobs first, in this order, and then to all others in the order of admission."""
        self._ranks = {job_id: rank for rank, job_id in enumerate(order)}
        self._jobs.sort(key=self._rank)

    def _rank(self, run: JobRun) -> tuple[float, int]:
        return self._ranks.get(run.job.id, math.inf), run.arrival

    @torch.inference_mode()
    def step(self) -> list[WorkerEvent]:
        """Make one tick: leave, one call, decode one image, hand over written ones. Return the events."""
        torch.set_num_threads(self.model.threads)
        self._drop_cancelled()
        images = self._choose()
        self._drop_cancelled()
        images = [image for image in images if image.run in self._jobs]
        self._say_drawing([*images, *self._finishing.waiting])
        if images:
            self._denoise(max((image.key for image in images), key=lambda key: key[1]), images)
        self._drop_cancelled()
        if self._finishing.waiting:
            self._decode_one()
        self._hand_over()
        events, self._events = self._events, []
        return events

    def abort(self, error: KnownError) -> list[WorkerEvent]:
        """Give everything up, after a fault of the engine itself, or when the device is lost."""
        if isinstance(error, WorkerLost):
            self.model.distrust()
        for run in tuple(self._jobs):
            self._fail(run, error)
        events, self._events = self._events, []
        return events

    @torch.inference_mode()
    def idle(self) -> bool:
        """Do one small piece of upkeep while nothing is drawn; return whether there may be more soon."""
        torch.set_num_threads(self.model.threads)
        # Measuring comes first: it is soon done, and compiling goes on for minutes.
        return self._caps.measure() or self.model.idle()

    # leaving

    def _drop_cancelled(self) -> None:
        for run in tuple(self._jobs):
            if run.cancelled():
                self._remove(run)
                self._say(JobCancelled(job_id=run.job.id, device_seconds=run.device_seconds))

    def _fail(self, run: JobRun, error: KnownError) -> None:
        if run in self._jobs:
            self._remove(run)
            self._say(JobFailed(job_id=run.job.id, error=error, device_seconds=run.device_seconds))

    def _remove(self, run: JobRun) -> None:
        self._jobs.remove(run)
        self._finishing.drop(run)

    # joining

    def _choose(self) -> list[ImageRun]:
        """Choose the images of this tick's call, all that can share it with the first one.

        A prompt is encoded and an image begun when there is a row for it; from then on it takes memory.
        """
        chosen: list[ImageRun] = []
        for run in tuple(self._jobs):
            if run.cancelled() or not run.has_steps_left:
                continue
            started = self._clock()
            failure, full = None, False
            try:
                full = self._give_rows(run, chosen)
            except Exception as error:
                # With others under way, memory may be back when they are done; alone, it never will be.
                if not (is_out_of_memory(error) and any(run.images for run in self._jobs)):
                    failure = told(error, run.job)
            run.device_seconds += self._clock() - started
            if failure is not None:
                self._fail(run, failure)
            if full:
                break
        return chosen

    def _give_rows(self, run: JobRun, chosen: list[ImageRun]) -> bool:
        """Add images of this job to the chosen ones; return whether there are no rows for any other job."""
        rows = sum(image.run.rows for image in chosen)
        if chosen and rows >= self._caps.cap(chosen[0].key):
            return True
        if not run.conditionings:
            self._say_drawing([*chosen, *self._finishing.waiting], run)
            run.encode(self.model)
            self.model.synchronize()
        if not self.model.adapters.fit([*(image.run.loras for image in chosen), run.loras]):
            return False  # it waits for columns; those after it may have rows
        for image in (*run.images, *run.pending):
            if run.cancelled():
                break
            if chosen and not self._share(chosen[0], image):
                continue
            if chosen and rows + run.rows > self._caps.cap(image.key):
                return True
            if image in run.pending:
                self._begin(image, chosen)
            chosen.append(image)
            rows += run.rows
        return False

    def _share(self, first: ImageRun, other: ImageRun) -> bool:
        """Whether two images can be in one call."""
        return first.key == other.key or (self._mixes_texts and first.key[0] == other.key[0])

    def _begin(self, image: ImageRun, chosen: list[ImageRun]) -> None:
        self._caps.expect(image.key, image.conditioning.positive)
        if looks := image.looks:
            self._say_drawing([*chosen, *self._finishing.waiting], image.run)
        image.begin(self.model)
        if looks:
            self.model.synchronize()
        image.run.pending.remove(image)
        image.run.images.append(image)

    def _say_drawing(self, images: list[ImageRun], *encoded: JobRun) -> None:
        """Say whom the device works for next: if it takes the process down, these are the suspects."""
        self.drawing(frozenset(run.job.id for run in (*(image.run for image in images), *encoded)))

    # denoising

    def _denoise(self, key: BatchKey, images: list[ImageRun]) -> None:
        started = self._clock()
        predictions, failures = self._predict(key, images)
        moving = [image for image in images if id(image) in predictions]
        for image in moving:
            self._preview(image, predictions[id(image)])
        failures += self._advance_all(moving, predictions)
        self.model.synchronize()
        seconds = self._clock() - started
        self._charge(images, seconds)
        for run, failure in failures:
            self._fail(run, failure)
        for image in images:
            if image.done and image.run in self._jobs:
                image.run.images.remove(image)
                self._finishing.waiting.append(image)
        self._report(images)

    def _predict(
        self, key: BatchKey, images: list[ImageRun]
    ) -> tuple[dict[int, Tensor], list[tuple[JobRun, KnownError]]]:
        """Return the guided prediction of each image by its id, and the jobs for which there is none.

        After an error of the shared call each of its jobs runs again alone: no state has changed, and the culprit
        shows.
        """
        jobs = {id(image.run): image.run for image in images}
        predictions: dict[int, Tensor] = {}
        failures: list[tuple[JobRun, KnownError]] = []

        def caught(error: Exception) -> bool:
            if len(jobs) == 1:
                failures.append((images[0].run, told(error, images[0].run.job)))
            else:
                log.warning("a step of %d jobs failed (%s); running each alone", len(jobs), repr(error))
            return True

        predicted = attempt(lambda: self._calls.predict(key, images), caught=caught)
        if predicted is not None:
            for run in jobs.values():
                run.most_rows = max(run.most_rows, self._calls.last_rows)
            return dict(zip(map(id, images), predicted, strict=True)), []
        self.model.release_memory()
        for run in jobs.values() if not failures else ():
            found, failed = self._predict(key, [image for image in images if image.run is run])
            predictions |= found
            failures += failed
        return predictions, failures

    def _advance_all(self, images: list[ImageRun], predictions: dict[int, Tensor]) -> list[tuple[JobRun, KnownError]]:
        """Make one step of each image, together where that is possible; return the jobs that failed, and why."""
        failures: list[tuple[JobRun, KnownError]] = []
        groups = stepping_together(images)
        for group in groups:
            try:
                self._advance(group, [predictions[id(image)] for image in group])
            except Exception as error:
                if len(group) > 1:
                    groups += [[image] for image in group]  # each alone: the culprit shows
                else:
                    failures.append((group[0].run, told(error, group[0].run.job)))
        return failures

    def _advance(self, images: list[ImageRun], predictions: list[Tensor]) -> None:
        advance(images, predictions)
        for image in images:
            image.run.steps_done += 1

    def _preview(self, image: ImageRun, prediction: Tensor) -> None:
        run = image.run
        now = self._clock()
        if run.last_preview is None:
            run.last_preview = now - PREVIEW_INTERVAL / 2  # the first one soon, but not of bare noise
        if now - run.last_preview >= PREVIEW_INTERVAL:
            run.last_preview = now
            run.preview = self._previews.draw(image, prediction)

    def _charge(self, images: list[ImageRun], seconds: float) -> None:
        """Charge device seconds to jobs by their share of the rows; the shares add up to the busy time."""
        rows = sum(image.run.rows for image in images)
        for image in images:
            image.run.device_seconds += seconds * image.run.rows / rows

    def _report(self, images: list[ImageRun]) -> None:
        rows = Counter(id(image.run) for image in images)
        for run in {id(image.run): image.run for image in images}.values():
            if run in self._jobs:
                self._say(
                    StepDone(
                        job_id=run.job.id,
                        step=run.steps_done,
                        steps=run.steps,
                        images=rows[id(run)],
                        preview=run.preview,
                    )
                )
                run.preview = None

    # finishing

    def _decode_one(self) -> None:
        """Decode one image, or tile: between two steps, so that the others do not wait long."""
        image = self._finishing.waiting.pop(0)
        started = self._clock()
        failure = None
        try:
            self._finishing.decode(image)
        except Exception as error:
            failure = told(error, image.run.job)
        image.run.device_seconds += self._clock() - started
        if failure is not None:
            self._fail(image.run, failure)

    def _hand_over(self) -> None:
        """Say which images are ready. With nothing left for the device to do, wait for one of them."""
        idle = not self._finishing.waiting and not any(run.has_steps_left for run in self._jobs)
        for image, written in self._finishing.collect(waiting=idle):
            run = image.run
            if run not in self._jobs:
                continue  # another of its images has failed just now
            if (error := written.exception()) is not None:
                self._fail(run, told(error if isinstance(error, Exception) else RuntimeError(repr(error)), run.job))
                continue
            run.unfinished -= 1
            self._say(ImageReady(job_id=run.job.id, image=written.result()))
            if run.unfinished == 0:
                self._jobs.remove(run)
                self._say(
                    JobDone(
                        job_id=run.job.id,
                        device_seconds=run.device_seconds,
                        unread=run.conditionings[0][0].unread,
                        unread_negative=run.conditionings[0][0].unread_negative,
                        drawn_with=self.model.drawn_with(rows=run.most_rows, loras=run.job.request.loras),
                    )
                )

    def _say(self, event: WorkerEvent) -> None:
        self._events.append(event)


def _told_nobody(jobs: frozenset[JobId]) -> None:
    """Without a worker there is nobody to tell."""
