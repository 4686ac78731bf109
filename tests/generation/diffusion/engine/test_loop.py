"""Joining, leaving and failing: what happens to one job leaves the others alone."""

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch

import generation.diffusion.engine.batch
import generation.diffusion.engine.finishing
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.loading.model import LoadedModel
from generation.errors import BrokenImage, DoesNotFit, WorkerFault
from generation.events import ImageReady, JobCancelled, JobDone, JobFailed, StepDone, WorkerEvent
from generation.request import SchedulerName
from tests.generation.diffusion.conftest import drive, make_job


def ends(events: list[WorkerEvent]) -> dict[Any, Any]:
    return {e.job_id: e for e in events if isinstance(e, JobDone | JobFailed | JobCancelled)}


class TestBatching:
    def test_a_step_of_several_jobs_is_one_call(self, tiny_model: LoadedModel) -> None:
        engine = DiffusionEngine(tiny_model)
        drive(engine, make_job(steps=5), make_job(steps=5), make_job(steps=5, guidance_scale=1.0))
        assert engine.calls == 5
        assert engine.rows == 5 * (2 + 2 + 1)

    def test_a_short_job_does_not_wait_for_a_long_one(self, tiny_model: LoadedModel) -> None:
        long, short = make_job(steps=40), make_job(steps=3)
        events = drive(DiffusionEngine(tiny_model), long, short)
        assert [e.job_id for e in events if isinstance(e, JobDone)] == [short.id, long.id]

    def test_a_job_of_four_starts_where_two_fit(self, tiny_model: LoadedModel) -> None:
        engine = DiffusionEngine(tiny_model, max_rows=4)
        events = drive(engine, make_job(steps=5, count=4))
        assert sorted(e.image.index for e in events if isinstance(e, ImageReady)) == [0, 1, 2, 3]
        assert engine.calls == 10
        steps = [e for e in events if isinstance(e, StepDone)]
        assert (steps[-1].step, steps[-1].steps) == (20, 20)

    def test_a_size_is_drawn_as_long_as_the_first_job_is_of_it(self, tiny_model: LoadedModel) -> None:
        wide, square, alike = make_job(width=64, steps=6), make_job(steps=6), make_job(width=64, steps=6)
        events = drive(DiffusionEngine(tiny_model), wide, square, alike)
        order = [e.job_id for e in events if isinstance(e, StepDone)]
        assert order == [wide.id, alike.id] * 6 + [square.id] * 6, "who is of that size too goes along"

    def test_device_seconds_add_up_to_the_busy_time(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Encoding takes 1 s, a U-Net call 10 s, decoding 100 s, and every second is somebody's."""
        now = [0.0]
        monkeypatch.setattr("generation.diffusion.engine.loop.PREVIEW_INTERVAL", 1e9)
        for name, seconds in (("encode", 1.0), ("predict_noise", 10.0), ("decode", 100.0)):
            monkeypatch.setattr(tiny_model, name, taking(seconds, now, getattr(tiny_model, name)))
        two, one, wide = make_job(steps=4, count=2), make_job(steps=4, guidance_scale=1.0), make_job(width=64, steps=3)
        end = ends(drive(DiffusionEngine(tiny_model, clock=lambda: now[0]), two, one, wide))
        assert end[two.id].device_seconds == pytest.approx(1 + 4 * 10 * 4 / 5 + 200)
        assert end[one.id].device_seconds == pytest.approx(1 + 4 * 10 * 1 / 5 + 100)
        assert end[wide.id].device_seconds == pytest.approx(1 + 3 * 10 + 100)
        assert sum(e.device_seconds for e in end.values()) == pytest.approx(now[0])

    def test_a_failed_job_has_used_its_seconds_too(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [0.0]
        poison_first_row(tiny_model, monkeypatch)
        for name, seconds in (("encode", 1.0), ("predict_noise", 10.0)):
            monkeypatch.setattr(tiny_model, name, taking(seconds, now, getattr(tiny_model, name)))
        bad, good = make_job(steps=3, guidance_scale=1.0), make_job(steps=3, guidance_scale=1.0, seed=2)
        end = ends(drive(DiffusionEngine(tiny_model, clock=lambda: now[0]), bad, good))
        assert isinstance(end[bad.id], JobFailed)
        assert sum(e.device_seconds for e in end.values()) == pytest.approx(now[0])


def taking(seconds: float, now: list[float], work: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        now[0] += seconds
        return work(*args, **kwargs)

    return timed


class TestOrder:
    """Rows go to the first jobs in the order that the engine was given; the others stand."""

    def test_rows_go_to_the_first_in_the_order_at_each_step(self, tiny_model: LoadedModel) -> None:
        engine = DiffusionEngine(tiny_model, max_rows=4)
        long, short = make_job(steps=9, count=2), make_job(steps=3, count=2)
        engine.admit(long)
        engine.step()
        engine.admit(short)
        engine.reorder([short.id, long.id])
        events = drive(engine)
        order = [e.job_id for e in events if isinstance(e, StepDone)]
        assert order == [short.id] * 3 + [long.id] * 8
        assert [e.job_id for e in events if isinstance(e, JobDone)] == [short.id, long.id]
        assert engine.rows == 4 * (3 + 9), "no step is made twice"

    def test_rows_that_the_first_job_leaves_go_to_the_next(self, tiny_model: LoadedModel) -> None:
        engine = DiffusionEngine(tiny_model, max_rows=6)
        first, second = make_job(steps=4), make_job(steps=2, count=4)
        engine.admit(second)
        engine.admit(first)
        engine.reorder([first.id, second.id])
        by_tick = [{e.job_id: e.images for e in engine.step() if isinstance(e, StepDone)} for _ in range(4)]
        assert by_tick == [{first.id: 1, second.id: 2}] * 4

    def test_jobs_without_a_rank_follow_in_the_order_of_admission(self, tiny_model: LoadedModel) -> None:
        engine = DiffusionEngine(tiny_model, max_rows=2)
        jobs = [make_job(steps=1) for _ in range(3)]
        engine.reorder([jobs[2].id])
        assert [e.job_id for e in drive(engine, *jobs) if isinstance(e, StepDone)] == [jobs[n].id for n in (2, 0, 1)]

    @pytest.mark.parametrize("scheduler", [SchedulerName.DDIM, SchedulerName.EULER_A, SchedulerName.DPMPP_2M])
    def test_a_picture_that_stood_is_bit_equal_to_one_drawn_alone(
        self, tiny_model: LoadedModel, scheduler: SchedulerName
    ) -> None:
        job = make_job(seed=5, steps=6, scheduler=scheduler)
        alone = pictures(drive(DiffusionEngine(tiny_model, max_rows=4, reproducible=True), job))
        engine = DiffusionEngine(tiny_model, max_rows=4, reproducible=True)
        engine.admit(job)
        events = engine.step() + engine.step()
        hurried = make_job(seed=50, steps=3, count=2)
        engine.admit(hurried)
        engine.reorder([hurried.id, job.id])
        events += drive(engine)
        assert pictures(events)[5] == alone[5]

    def test_it_says_whom_it_works_for_before_it_does(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever encodes, draws or decodes when the process dies is a suspect, and nobody else."""
        said: list[frozenset[Any]] = []
        engine = DiffusionEngine(tiny_model, max_rows=2)
        engine.drawing = said.append
        first, second = make_job("one", steps=2), make_job("two", steps=2)
        at_work: list[tuple[str, frozenset[Any]]] = []
        for name in ("encode", "predict_noise", "decode"):
            work = getattr(tiny_model, name)

            def noted(*inputs: Any, work: Any = work, name: str = name, **options: Any) -> Any:
                at_work.append((name, said[-1]))
                return work(*inputs, **options)

            monkeypatch.setattr(tiny_model, name, noted)
        drive(engine, first, second)
        mine, theirs = frozenset({first.id}), frozenset({second.id})
        assert at_work == [
            *[("encode", mine), ("predict_noise", mine), ("predict_noise", mine), ("decode", mine)],
            *[("encode", theirs), ("predict_noise", theirs), ("predict_noise", theirs), ("decode", theirs)],
        ]
        assert said[-1] == frozenset() or not engine.busy


class TestPromptCache:
    def test_the_same_prompt_is_encoded_once(self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
        encoded: list[str] = []
        encode = tiny_model.family.encode

        def counting(prompt: str, *args: Any, **kwargs: Any) -> Any:
            encoded.append(prompt)
            return encode(prompt, *args, **kwargs)

        monkeypatch.setattr(tiny_model.family, "encode", counting)
        engine = DiffusionEngine(tiny_model)
        drive(engine, make_job(), make_job(seed=2), make_job("a panda"), make_job(negative_prompt="blue"))
        assert encoded == ["a red heart", "a panda", "a red heart"]

    def test_the_least_recently_used_prompt_is_forgotten(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("generation.diffusion.loading.model.REMEMBERED_PROMPTS", 2)
        size: dict[str, Any] = {"guidance_scale": 5.0, "width": 32, "height": 32}
        first = tiny_model.encode("a", "", **size)
        second = tiny_model.encode("b", "", **size)
        assert tiny_model.encode("a", "", **size) is first
        tiny_model.encode("c", "", **size)
        assert tiny_model.encode("a", "", **size) is first
        assert tiny_model.encode("b", "", **size) is not second


class TestCancelling:
    def test_a_job_cancelled_before_its_first_step_makes_no_call(self, tiny_model: LoadedModel) -> None:
        engine = DiffusionEngine(tiny_model)
        job = make_job()
        engine.admit(job, cancelled=lambda: True)
        (event,) = engine.step()
        assert isinstance(event, JobCancelled)
        assert engine.calls == 0
        assert not engine.busy

    @pytest.mark.parametrize("ticks", [1, 2, 4])
    def test_a_cancelled_job_uses_no_rows_at_the_next_step(self, tiny_model: LoadedModel, ticks: int) -> None:
        engine = DiffusionEngine(tiny_model)
        other, job = make_job(steps=20), make_job(steps=20, count=2)
        cancelled: list[bool] = []
        engine.admit(other)
        engine.admit(job, cancelled=lambda: bool(cancelled))
        for _ in range(ticks):
            engine.step()
        cancelled.append(True)
        rows = engine.rows
        events = engine.step()
        assert engine.rows - rows == 2
        assert next(e for e in events if isinstance(e, JobCancelled)).device_seconds > 0

    def test_a_job_cancelled_before_decoding_gives_no_picture(self, tiny_model: LoadedModel) -> None:
        engine = DiffusionEngine(tiny_model)
        job = make_job(steps=2)
        engine.admit(job, cancelled=lambda: engine.calls == 2)
        events = drive(engine)
        assert isinstance(ends(events)[job.id], JobCancelled)
        assert [e.step for e in events if isinstance(e, StepDone)] == [1, 2]
        assert not any(isinstance(e, ImageReady) for e in events)


class TestFailing:
    def test_nan_fails_its_own_job_only(self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
        bad, good = make_job(seed=1, guidance_scale=1.0), make_job(seed=2, guidance_scale=1.0)
        poison_first_row(tiny_model, monkeypatch)
        end = ends(drive(DiffusionEngine(tiny_model), bad, good))
        assert isinstance(end[bad.id].error, BrokenImage)
        assert isinstance(end[good.id], JobDone)

    @pytest.mark.parametrize("scheduler", [SchedulerName.DDIM, SchedulerName.DPMPP_2M])
    def test_an_error_in_one_images_step_fails_its_job_only(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch, scheduler: SchedulerName
    ) -> None:
        bad, good, better = (make_job(seed=seed, scheduler=scheduler) for seed in range(3))
        advance = generation.diffusion.engine.batch.advance

        def stumble(images: Any, predictions: Any) -> None:
            if any(image.seed == 0 and image.step == 2 for image in images):
                raise ValueError("this scheduler tripped")
            advance(images, predictions)

        monkeypatch.setattr("generation.diffusion.engine.loop.advance", stumble)
        end = ends(drive(DiffusionEngine(tiny_model), good, bad, better))
        assert isinstance(end[bad.id].error, WorkerFault)
        assert isinstance(end[good.id], JobDone)
        assert isinstance(end[better.id], JobDone)

    def test_an_error_in_the_shared_call_finds_the_culprit(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        bad, good, better = make_job(guidance_scale=9.0), make_job(seed=2), make_job(seed=3)
        marker = tiny_model.encode("poison", "", guidance_scale=5.0, width=32, height=32).positive.text
        encode = tiny_model.encode

        def encode_marked(prompt: str, negative: str, *, guidance_scale: float, **size: int) -> Any:
            return encode(
                "poison" if guidance_scale == 9.0 else prompt, negative, guidance_scale=guidance_scale, **size
            )

        def refuse_poison(latents: Any, timesteps: Any, conditioning: Any) -> Any:
            if any(torch.equal(row[None], marker) for row in conditioning.text):
                raise RuntimeError("a kernel tripped over these rows")
            return predict(latents, timesteps, conditioning)

        predict = tiny_model.predict_noise
        monkeypatch.setattr(tiny_model, "encode", encode_marked)
        monkeypatch.setattr(tiny_model, "predict_noise", refuse_poison)
        end = ends(drive(DiffusionEngine(tiny_model), good, bad, better))
        assert isinstance(end[bad.id].error, WorkerFault)
        assert end[bad.id].error.reference in caplog.text
        assert isinstance(end[good.id], JobDone)
        assert isinstance(end[better.id], JobDone)

    def test_a_prompt_that_cannot_be_encoded_fails_its_job_only(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = make_job("unspeakable"), make_job()
        encode = tiny_model.encode

        def picky(prompt: str, *args: Any, **kwargs: Any) -> Any:
            if prompt == "unspeakable":
                raise ValueError("no")
            return encode(prompt, *args, **kwargs)

        monkeypatch.setattr(tiny_model, "encode", picky)
        end = ends(drive(DiffusionEngine(tiny_model), bad, good))
        assert isinstance(end[bad.id], JobFailed)
        assert isinstance(end[good.id], JobDone)


class TestMemory:
    """Out of memory: the same step in halves, fewer rows from then on, and kind words for what can never fit."""

    def test_a_step_without_memory_is_made_in_halves(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs = [make_job(seed=seed, steps=4) for seed in range(4)]
        undisturbed = pictures(drive(DiffusionEngine(tiny_model), *jobs))
        calls = limit_rows(tiny_model, monkeypatch, most=3)
        engine = DiffusionEngine(tiny_model)
        events = drive(engine, *jobs)
        assert all(isinstance(end, JobDone) for end in ends(events).values())
        assert len(pictures(events)) == len(undisturbed) == 4
        assert calls[:3] == [8, 4, 2], "the first step is tried in halves"
        assert max(calls[3:]) <= 2, "and the later ones no larger than what fitted"

    def test_later_images_join_below_the_lowered_cap(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = limit_rows(tiny_model, monkeypatch, most=4)
        engine = DiffusionEngine(tiny_model)
        drive(engine, *(make_job(seed=seed, steps=2) for seed in range(4)))
        calls.clear()
        drive(engine, *(make_job(seed=seed, steps=2) for seed in range(4)))
        assert max(calls) == 4

    def test_a_job_that_does_not_fit_alone_fails_kindly(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limit_rows(tiny_model, monkeypatch, most=0)
        job = make_job()
        end = ends(drive(DiffusionEngine(tiny_model), job))[job.id]
        assert isinstance(end.error, DoesNotFit)
        assert (end.error.width, end.error.height) == (32, 32)

    def test_decoding_without_memory_goes_on_in_tiles(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decode = tiny_model.decode

        def tight(latents: Any) -> Any:
            if not tiny_model.family.pipeline.vae.use_tiling:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return decode(latents)

        monkeypatch.setattr(tiny_model, "decode", tight)
        job = make_job()
        assert isinstance(ends(drive(DiffusionEngine(tiny_model), job))[job.id], JobDone)

    def test_a_failed_call_keeps_no_activations(self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
        """A call that ran out of memory must not go on holding it, neither in the engine nor in the job's error."""
        activations: list[weakref.ref[torch.Tensor]] = []

        def greedy(latents: Any, timesteps: Any, conditioning: Any) -> Any:
            activation = torch.zeros(10)
            activations.append(weakref.ref(activation))
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(tiny_model, "predict_noise", greedy)
        gc.disable()
        try:
            events = drive(DiffusionEngine(tiny_model), make_job(), make_job())
            assert [ref() for ref in activations] == [None] * len(activations)
        finally:
            gc.enable()
        assert all(e.error.__traceback__ is None for e in events if isinstance(e, JobFailed))

    def test_a_job_that_does_not_fit_beside_others_waits_for_them(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        encode, running, late = tiny_model.encode, make_job(steps=6), make_job("a blue heart", steps=2)
        engine = DiffusionEngine(tiny_model)

        def tight(prompt: str, *args: Any, **kwargs: Any) -> Any:
            if prompt == "a blue heart" and engine.calls < running.request.steps:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return encode(prompt, *args, **kwargs)

        monkeypatch.setattr(tiny_model, "encode", tight)
        events = drive(engine, running, late)
        assert [e.job_id for e in events if isinstance(e, JobDone)] == [running.id, late.id]


class TestEncoding:
    def test_the_device_does_not_wait_for_a_png(self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
        """While one picture is being written as PNG, the steps of the others go on."""
        slow = threading.Event()
        write = generation.diffusion.engine.finishing.png_of

        def patient(*given: Any, **named: Any) -> bytes:
            assert slow.wait(30)
            return write(*given, **named)

        monkeypatch.setattr("generation.diffusion.engine.finishing.png_of", patient)
        short, long = make_job(steps=2), make_job(steps=12)
        engine = DiffusionEngine(tiny_model)
        engine.admit(short)
        engine.admit(long)
        events = [event for _ in range(10) for event in engine.step()]
        assert [e.step for e in events if isinstance(e, StepDone) and e.job_id == long.id][-1] == 10
        assert not ends(events)
        slow.set()
        assert {type(end) for end in ends(drive(engine)).values()} == {JobDone}

    def test_a_picture_that_cannot_be_written_fails_its_job_only(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = make_job(seed=1), make_job(seed=2)
        write = generation.diffusion.engine.finishing.png_of

        def stumble(picture: Any, request: Any, *, seed: int, **about: Any) -> bytes:
            if seed == 1:
                raise OSError("the encoder tripped")
            return write(picture, request, seed=seed, **about)

        monkeypatch.setattr("generation.diffusion.engine.finishing.png_of", stumble)
        end = ends(drive(DiffusionEngine(tiny_model), bad, good))
        assert isinstance(end[bad.id].error, WorkerFault)
        assert isinstance(end[good.id], JobDone)


class TestPreviews:
    def test_a_model_whose_previews_do_not_work_draws_without(
        self, tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("generation.diffusion.engine.loop.PREVIEW_INTERVAL", 0.0)
        decode = tiny_model.decode
        monkeypatch.setattr(tiny_model, "decode", lambda x: decode(x) * (float("nan") if len(x) > 1 else 1))
        events = drive(DiffusionEngine(tiny_model), make_job())
        assert isinstance(events[-1], JobDone)
        assert not any(e.preview for e in events if isinstance(e, StepDone))

    def test_previews_come_once_a_second_at_most(self, tiny_model: LoadedModel) -> None:
        now = [0.0]

        def clock() -> float:
            now[0] += 0.01
            return now[0]

        events = drive(DiffusionEngine(tiny_model, clock=clock), make_job(steps=100))
        previews = [e for e in events if isinstance(e, StepDone) and e.preview]
        assert 2 <= len(previews) <= 100 * 0.01 * 6
        assert all(e.preview is not None and e.preview[:2] == b"\xff\xd8" for e in previews)


def pictures(events: list[WorkerEvent]) -> dict[int, bytes]:
    return {e.image.seed: e.image.png for e in events if isinstance(e, ImageReady)}


def poison_first_row(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    predict: Callable[..., Any] = model.predict_noise

    def poisoned(latents: Any, timesteps: Any, conditioning: Any) -> Any:
        prediction = predict(latents, timesteps, conditioning)
        if len(prediction) == 2:
            prediction[0] = float("nan")
        return prediction

    monkeypatch.setattr(model, "predict_noise", poisoned)


def limit_rows(model: LoadedModel, monkeypatch: pytest.MonkeyPatch, *, most: int) -> list[int]:
    """Give the model memory for `most` rows; the list tells how many rows each call asked for."""
    calls: list[int] = []
    predict: Callable[..., Any] = model.predict_noise

    def tight(latents: Any, timesteps: Any, conditioning: Any) -> Any:
        calls.append(len(latents))
        if len(latents) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return predict(latents, timesteps, conditioning)

    monkeypatch.setattr(model, "predict_noise", tight)
    return calls
