"""A second pass is what diffusers draws from text, enlarged, and then from that picture, beside any others."""

import io
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image

from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.loading.model import LoadedModel
from generation.errors import DoesNotFit
from generation.events import ImageReady, JobCancelled, JobDone, JobFailed, StepDone
from generation.inputs import fitted
from generation.job import Job
from generation.request import SchedulerName
from tests.generation.diffusion.conftest import SIZE, drive, make_job
from tests.generation.diffusion.engine.test_equals_diffusers import latents_in_a_crowd
from tests.generation.diffusion.engine.test_inputs_equal_diffusers import BOUND, begin_with, load, pipeline_of
from tests.generation.diffusion.tiny_models import KINDS

LARGER = {"hires": 1.5, "hires_strength": 0.6}
DRAWN_ON = SIZE // 2  #: latents of a first pass; the other jobs are of other sizes


def crowd(*, inpaints: bool = False) -> list[Job]:
    """Two passes from noise, from a picture and behind a mask for every scheduler, and jobs of one pass among them."""
    jobs: list[Job] = []
    for scheduler in SchedulerName:
        for strength, masked in ((None, False), (0.7, False), (0.7, True)) if not inpaints else ((0.7, True),):
            number = len(jobs)
            job = make_job(
                f"a {('red', 'blue', 'green')[number % 3]} heart",
                scheduler=scheduler,
                steps=4 + number % 4,
                guidance_scale=(7.5, 3.0, 1.0)[number % 3],
                seed=100 + number,
                negative_prompt="blue" if number % 2 else "",
                **LARGER,
            )
            jobs.append(job if strength is None else begin_with(job, strength, masked=masked))
    plain = [make_job(seed=500 + number, width=40, steps=9) for number in range(0 if inpaints else 3)]
    jobs += plain
    random.Random(1).shuffle(jobs)
    return jobs


def drawn_by_diffusers(model: LoadedModel, job: Job) -> torch.Tensor:
    """Draw both passes with diffusers' own pipelines and one generator; return the latents [1, C, h, w]."""
    request, generator = job.request, torch.Generator("cpu").manual_seed(job.request.seed)
    first = (request.width, request.height)
    source = None if job.inputs().source is None else fitted(job.inputs().source, first, first)
    picture = passed(model, job, first, source, request.strength, generator, "pil")[0]
    larger = picture.resize(request.size, Image.Resampling.LANCZOS)
    return passed(model, job, request.size, larger, request.hires_strength, generator, "latent")


def passed(
    model: LoadedModel,
    job: Job,
    size: tuple[int, int],
    picture: Image.Image | None,
    strength: float | None,
    generator: torch.Generator,
    output: str,
) -> Any:
    request = job.request
    given: dict[str, Any] = {} if picture is None else {"image": picture, "strength": strength}
    if job.inputs().mask is not None:
        given["mask_image"] = fitted(job.inputs().mask, size, size)
    if picture is None or job.inputs().mask is not None:
        given |= {"width": size[0], "height": size[1]}
    return pipeline_of(model, request.scheduler, pictures=picture is not None, masked=job.inputs().mask is not None)(
        request.prompt,
        negative_prompt=request.negative_prompt or None,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        generator=generator,
        output_type=output,
        **given,
    ).images


@pytest.mark.parametrize(("kind", "inpaints"), [*((kind, False) for kind in KINDS), ("epsilon", True), ("xl", True)])
def test_two_passes_equal_the_pipelines_one_after_the_other(kind: str, inpaints: bool) -> None:
    model = load(kind, inpaints=inpaints)
    jobs = crowd(inpaints=inpaints)
    ours = latents_in_a_crowd(model, jobs, drawn_on=DRAWN_ON)
    differences = {
        (job.request.scheduler, job.request.strength, job.request.mask is not None): (
            ours[job.request.seed] - drawn_by_diffusers(model, job)
        )
        .abs()
        .max()
        .item()
        for job in jobs
        if job.request.hires is not None
    }
    assert len(differences) == (1 if inpaints else 3) * len(SchedulerName)
    assert {key: value for key, value in differences.items() if not value <= BOUND} == {}


def test_a_generator_that_begins_anew_would_not_equal_the_pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: the second pass goes on where the first one's generator stopped."""
    model = load("epsilon")
    job = make_job(**LARGER)
    (ours,) = latents_in_a_crowd(model, [job], drawn_on=DRAWN_ON).values()
    theirs = drawn_by_diffusers(model, job)
    assert (ours - theirs).abs().max() <= BOUND
    start = model.family.start

    def fresh(drawn: Any, _: torch.Generator, looked: Any = None) -> Any:
        return start(drawn, torch.Generator("cpu").manual_seed(7), looked)

    monkeypatch.setattr(model.family, "start", fresh)
    (wrong,) = latents_in_a_crowd(model, [job], drawn_on=DRAWN_ON).values()
    assert (wrong - theirs).abs().max() > 1e-2


def test_images_of_a_job_are_each_what_a_job_of_its_own_would_be() -> None:
    model = load("epsilon")
    several = make_job(seed=5, count=3, **LARGER)
    together = latents_in_a_crowd(model, [several], drawn_on=DRAWN_ON)
    for seed in (5, 6, 7):
        one = replace(several, request=replace(several.request, seed=seed, count=1))
        assert (together[seed] - drawn_by_diffusers(model, one)).abs().max() <= BOUND


def test_progress_counts_the_steps_of_both_passes_and_the_picture_is_the_larger_one(tiny_model: LoadedModel) -> None:
    events = drive(DiffusionEngine(tiny_model), make_job(steps=10, **LARGER))
    steps = [(event.step, event.steps) for event in events if isinstance(event, StepDone)]
    assert steps == [(step, 16) for step in range(1, 17)]
    (ready,) = (event.image for event in events if isinstance(event, ImageReady))
    assert (ready.width, ready.height) == Image.open(io.BytesIO(ready.png)).size == (48, 48)
    assert isinstance(events[-1], JobDone)


def test_each_pass_is_previewed_at_its_size(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.diffusion.engine.loop.PREVIEW_INTERVAL", 0.0)
    events = drive(DiffusionEngine(tiny_model), make_job(**LARGER))
    previews = [event.preview for event in events if isinstance(event, StepDone) and event.preview]
    assert Counter(Image.open(io.BytesIO(jpeg)).size for jpeg in previews) == {(32, 32): 4, (48, 48): 2}


def test_calls_hold_one_size_and_no_more_rows_than_that_size_may_have(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, int]] = []
    predict = tiny_model.predict_noise

    def tight(latents: torch.Tensor, *given: Any) -> Any:
        if latents.shape[-1] != DRAWN_ON and len(latents) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        shapes.append((len(latents), latents.shape[-1]))
        return predict(latents, *given)

    monkeypatch.setattr(tiny_model, "predict_noise", tight)
    events = drive(DiffusionEngine(tiny_model), make_job(count=4, **LARGER))
    assert isinstance(events[-1], JobDone)
    calls = Counter(shapes)
    assert (8, 16) in calls, "the smaller pass has all of its rows"
    assert {rows for rows, side in calls if side == 24} == {2}


def test_a_job_is_cancelled_between_its_passes(tiny_model: LoadedModel) -> None:
    engine = DiffusionEngine(tiny_model)
    done = 0
    engine.admit(make_job(**LARGER), cancelled=lambda: done == 4)
    events: list[Any] = []
    while engine.busy:
        events += engine.step()
        done = max((event.step for event in events if isinstance(event, StepDone)), default=0)
    assert isinstance(events[-1], JobCancelled)
    assert done == 4


def test_the_enlarged_picture_waits_for_memory_while_others_are_drawn(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun again, it is what it would have been at once."""
    job, other = make_job(scheduler=SchedulerName.EULER_A, **LARGER), make_job(seed=9, steps=12)
    (alone,) = latents_in_a_crowd(tiny_model, [job], drawn_on=DRAWN_ON).values()
    look, refused = tiny_model.family.look, [0]

    def tight(*given: Any) -> Any:
        refused[0] += 1
        if refused[0] <= 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return look(*given)

    monkeypatch.setattr(tiny_model, "look", tight)
    kept: list[torch.Tensor] = []
    decode = tiny_model.decode
    monkeypatch.setattr(tiny_model, "decode", lambda latents: (kept.append(latents), decode(latents))[1])
    events = drive(DiffusionEngine(tiny_model), job, other)
    assert {event.job_id for event in events if isinstance(event, JobDone)} == {job.id, other.id}
    (second,) = (latents for latents in kept if latents.shape[-1] == 24)
    assert (second - alone).abs().max() < 1e-3


def test_a_second_pass_that_does_not_fit_fails_its_job_by_the_larger_size(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(tiny_model.family, "look", full)
    (failed,) = (e for e in drive(DiffusionEngine(tiny_model), make_job(**LARGER)) if isinstance(e, JobFailed))
    assert isinstance(failed.error, DoesNotFit)
    assert (failed.error.width, failed.error.height) == (48, 48)
