"""The DiffusionEngine: the step loop of one device, batching between denoising steps.

Each tick is one U-Net call for every image of a running batch, each at its own timestep with its own scheduler and
generator. An image joins as soon as there is room and leaves when it is done, so a short job never waits for a long one
and a cancelled one is gone at the next step. The engine never chooses between members: what is admitted, is drawn.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import torch
from torch import Tensor

from generation.diffusion.failures import is_out_of_memory, require_finite, told
from generation.diffusion.image_run import BatchKey, ImageRun, JobRun
from generation.diffusion.model import Conditioning, LoadedModel
from generation.diffusion.previews import Previews
from generation.errors import KnownError
from generation.events import ImageReady, JobCancelled, JobDone, JobFailed, StepDone, WorkerEvent
from generation.job import Job
from generation.metadata import png_of
from generation.result import GeneratedImage

log = logging.getLogger(__name__)

PREVIEW_INTERVAL = 1.0  #: seconds between two previews of a job, at least


class DiffusionEngine:
    """Draws admitted jobs step by step. Single-threaded: only the thread that owns the device calls it."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        max_rows: int = 8,
        reproducible: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """At most `max_rows` in a U-Net call; exactly so many with `reproducible`.

        A kernel's last bits depend on how many rows it is given, not on what is in the others: with a fixed number of
        rows a picture is bit-equal alone and in a crowd, for the price of drawing the padding.
        """
        self.model = model
        self._max_rows = max_rows
        self._reproducible = reproducible
        self._clock = clock
        self._jobs: list[JobRun] = []
        self._batches: dict[BatchKey, list[ImageRun]] = {}
        self._finished: list[ImageRun] = []  #: denoised, not decoded
        self._encoding: list[tuple[ImageRun, Future[GeneratedImage]]] = []  #: decoded, being written as PNG
        # A large PNG takes as long as several steps; the device need not wait for it.
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="png encoder")
        self._used: dict[BatchKey, float] = {}  #: seconds, of the batches that run
        self._caps: dict[BatchKey, int] = {}  #: rows that fitted after memory ran out
        self._events: list[WorkerEvent] = []
        self._previews = Previews(model)
        self.unet_rows = 0  #: rows sent through the U-Net so far
        self.unet_calls = 0

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._jobs)

    def row_cap(self, key: BatchKey) -> int:
        """Most rows of a U-Net call of this key."""
        return self._caps.get(key, self._max_rows)

    def admit(self, job: Job, *, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Take a job in; `cancelled` is asked before and after encoding, at each step and before decoding."""
        self._jobs.append(JobRun(job, cancelled=cancelled))

    @torch.inference_mode()
    def step(self) -> list[WorkerEvent]:
        """One tick: leave, join, one U-Net call, decode one image, hand out what is encoded. Says what happened."""
        self._drop_cancelled()
        self._join()
        self._drop_cancelled()
        if (key := self._next_key()) is not None:
            self._denoise(key)
        self._drop_cancelled()
        if self._finished:
            self._decode_one()
        self._hand_over()
        events, self._events = self._events, []
        return events

    def abort(self, error: KnownError) -> list[WorkerEvent]:
        """Give everything up, after a fault of the engine itself."""
        for run in tuple(self._jobs):
            self._fail(run, error)
        events, self._events = self._events, []
        return events

    def idle(self) -> bool:
        """One small piece of upkeep, while nothing is drawn; whether there may be more soon."""
        return self.model.idle()

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
        self._finished = [image for image in self._finished if image.run is not run]
        self._encoding = [pair for pair in self._encoding if pair[0].run is not run]
        for key, images in tuple(self._batches.items()):
            self._keep(key, [image for image in images if image.run is not run])

    def _keep(self, key: BatchKey, images: list[ImageRun]) -> None:
        if images:
            self._batches[key] = images
        else:
            self._batches.pop(key, None)
            self._used.pop(key, None)

    # joining

    def _join(self) -> None:
        """Start images in the order of admission while their batch has room; the image is the unit, not the job."""
        full: set[BatchKey] = set()
        for run in tuple(self._jobs):
            started = self._clock()
            failure = None
            try:
                self._start_images(run, full)
            except Exception as error:
                # With others running, memory may be back when they are done; alone, it never will be.
                if not (is_out_of_memory(error) and self._batches):
                    failure = told(error, run.job)
            run.device_seconds += self._clock() - started
            if failure is not None:
                self._fail(run, failure)

    def _start_images(self, run: JobRun, full: set[BatchKey]) -> None:
        while run.pending and not run.cancelled():
            if run.conditioning is None:
                run.encode(self.model)
                self.model.synchronize()
                continue
            if run.key in full or not self._fits(run):
                full.add(run.key)
                return
            image = ImageRun(run, run.pending[0], self.model, run.conditioning)
            run.pending.popleft()
            self._used.setdefault(run.key, min(self._used.values(), default=0.0))
            self._batches.setdefault(run.key, []).append(image)

    def _fits(self, run: JobRun) -> bool:
        batch = self._batches.get(run.key, [])
        return not batch or sum(image.run.rows for image in batch) + run.rows <= self.row_cap(run.key)

    def _next_key(self) -> BatchKey | None:
        """The batch that has used the device least so far."""
        return min(self._used, key=lambda key: self._used[key], default=None)

    # denoising

    def _denoise(self, key: BatchKey) -> None:
        started = self._clock()
        images = self._batches[key]
        predictions = self._predict(key, images)
        failures: list[tuple[JobRun, KnownError]] = []
        for image in images:
            prediction = predictions[id(image)]
            if isinstance(prediction, KnownError):
                failures.append((image.run, prediction))
                continue
            try:
                self._advance(image, prediction)
            except Exception as error:
                failures.append((image.run, told(error, image.run.job)))
        self.model.synchronize()
        seconds = self._clock() - started
        self._charge(images, seconds)
        self._used[key] += seconds
        for run, failure in failures:
            self._fail(run, failure)
        if key in self._batches:
            self._finished += [image for image in self._batches[key] if image.done]
            self._keep(key, [image for image in self._batches[key] if not image.done])
        self._report(images)

    def _predict(self, key: BatchKey, images: list[ImageRun]) -> dict[int, Tensor | KnownError]:
        """The guided prediction of each image, or why there is none.

        An error of the shared call runs each of its jobs again alone: no state has changed, and the culprit shows.
        """
        jobs = {id(image.run): image.run for image in images}
        try:
            return dict(zip(map(id, images), self._call(key, images), strict=True))
        except Exception as error:
            failure = told(error, images[0].run.job) if len(jobs) == 1 else None
            if failure is None:
                log.warning("a step of %d jobs failed (%s); running each alone", len(jobs), repr(error))
        # Outside the except block: the error holds on to the memory that its frames had.
        self.model.release_memory()
        if failure is not None:
            return dict.fromkeys(map(id, images), failure)
        predictions: dict[int, Tensor | KnownError] = {}
        for run in jobs.values():
            predictions |= self._predict(key, [image for image in images if image.run is run])
        return predictions

    def _call(self, key: BatchKey, images: list[ImageRun]) -> list[Tensor]:
        """Rows are [negative rows of guided images] + [positive rows of all]; guidance puts them together again."""
        inputs = {id(image): image.model_input() for image in images}
        guided = [image for image in images if image.conditioning.negative is not None]
        order = [*guided, *images]
        latents = torch.cat([inputs[id(image)] for image in order])
        timesteps = torch.stack([image.timestep.float() for image in order]).to(self.model.device)
        negatives = [c for image in guided if (c := image.conditioning.negative) is not None]
        conditioning = Conditioning.stack([*negatives, *(image.conditioning.positive for image in images)])
        noise = self._unet(key, latents, timesteps, conditioning)
        negative = {id(image): row for image, row in zip(guided, noise, strict=False)}
        predictions: list[Tensor] = []
        for image, positive in zip(images, noise[len(guided) :], strict=True):
            unconditional = negative.get(id(image))
            prediction = (
                positive if unconditional is None else unconditional + image.guidance_scale * (positive - unconditional)
            )
            predictions.append(prediction[None])
        return predictions

    def _unet(self, key: BatchKey, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The U-Net call; when memory runs out, the same rows in halves, and fewer rows from now on."""
        rows = len(latents)
        if rows <= self.row_cap(key):
            try:
                return self._padded(self.row_cap(key), latents, timesteps, conditioning)
            except Exception as error:
                if not is_out_of_memory(error) or rows == 1:
                    raise
            # Outside the except block, as above.
            self.model.release_memory()
            self._caps[key] = (rows + 1) // 2
            log.warning("out of memory with %d rows of %s; now at most %d", rows, key[0], self._caps[key])
        half = (rows + 1) // 2
        parts = (slice(None, half), slice(half, None))
        return torch.cat([self._unet(key, latents[p], timesteps[p], conditioning.rows(p)) for p in parts])

    def _padded(self, cap: int, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The bare call, filled up to `cap` rows where pictures have to be reproducible."""
        rows = len(latents)
        if self._reproducible and rows < cap:
            filler = [rows - 1] * (cap - rows)
            index = torch.tensor([*range(rows), *filler], device=latents.device)
            latents, timesteps, conditioning = latents[index], timesteps[index], conditioning.rows(index)
        self.unet_calls += 1
        self.unet_rows += len(latents)
        return self.model.predict_noise(latents, timesteps, conditioning)[:rows]

    def _advance(self, image: ImageRun, prediction: Tensor) -> None:
        run = image.run
        now = self._clock()
        if run.last_preview is None:
            run.last_preview = now - PREVIEW_INTERVAL / 2  # the first one soon, but not of bare noise
        if now - run.last_preview >= PREVIEW_INTERVAL:
            run.last_preview = now
            run.preview = self._previews.draw(image, prediction)
        image.advance(prediction)
        run.steps_done += 1

    def _charge(self, images: list[ImageRun], seconds: float) -> None:
        """Device seconds go to jobs by their share of the rows; the shares add up to the busy time."""
        rows = sum(image.run.rows for image in images)
        for image in images:
            image.run.device_seconds += seconds * image.run.rows / rows

    def _report(self, images: list[ImageRun]) -> None:
        for run in {id(image.run): image.run for image in images}.values():
            if run in self._jobs:
                self._say(StepDone(job_id=run.job.id, step=run.steps_done, steps=run.steps, preview=run.preview))
                run.preview = None

    # finishing

    def _decode_one(self) -> None:
        """Decode one image: between two steps, so that the others do not wait long."""
        image = self._finished.pop(0)
        started = self._clock()
        try:
            outcome: Tensor | KnownError = self._pixels(image)
        except Exception as error:
            outcome = told(error, image.run.job)
        image.run.device_seconds += self._clock() - started
        if isinstance(outcome, KnownError):
            self._fail(image.run, outcome)
        else:
            self._encoding.append((image, self._encoder.submit(self._encode, image, outcome)))

    def _pixels(self, image: ImageRun) -> Tensor:
        """Decoded pixels [1, 3, H, W] on the CPU."""
        require_finite(image.latents, "latents")
        pixels = None
        try:
            pixels = self.model.decode(image.latents)
        except Exception as error:
            if not is_out_of_memory(error) or not self.model.save_memory():
                raise
            log.warning("out of memory while decoding; decoding in tiles from now on")
        if pixels is None:
            self.model.release_memory()
            pixels = self.model.decode(image.latents)
        require_finite(pixels, "pixels")
        return pixels.cpu()

    def _encode(self, image: ImageRun, pixels: Tensor) -> GeneratedImage:
        """In the encoder's thread."""
        picture = self.model.to_picture(pixels)
        png = png_of(picture, image.run.job.request, seed=image.seed, model_hash=self.model.model_hash)
        return GeneratedImage(index=image.index, seed=image.seed, width=picture.width, height=picture.height, png=png)

    def _hand_over(self) -> None:
        """Say which images are ready. With nothing left for the device to do, wait for one of them."""
        idle = not self._batches and not self._finished and not any(run.pending for run in self._jobs)
        if idle and self._encoding:
            wait([future for _, future in self._encoding], return_when=FIRST_COMPLETED)
        for image, future in tuple(self._encoding):
            if not future.done():
                continue
            run = image.run
            if (error := future.exception()) is not None:
                self._fail(run, told(error if isinstance(error, Exception) else RuntimeError(repr(error)), run.job))
                continue
            self._encoding.remove((image, future))
            run.unfinished -= 1
            self._say(ImageReady(job_id=run.job.id, image=future.result()))
            if run.unfinished == 0:
                self._jobs.remove(run)
                self._say(JobDone(job_id=run.job.id, device_seconds=run.device_seconds))

    def _say(self, event: WorkerEvent) -> None:
        self._events.append(event)
