"""Schedules as tables: they are diffusers' own steps, and many images take one operation."""

from typing import Any

import diffusers
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from generation.diffusion.engine.batch import ImageRun, JobRun, advance, stepping_together
from generation.diffusion.families.schedulers import make_scheduler
from generation.diffusion.families.schedules import LinearSchedule, OwnSchedule, Schedules
from generation.diffusion.loading.model import LoadedModel
from generation.request import SchedulerName
from tests.generation.diffusion.conftest import load_tiny, make_job
from tests.generation.diffusion.engine.test_equals_diffusers import BOUND, latents_alone, latents_in_a_crowd

LINEAR = (SchedulerName.DDIM, SchedulerName.EULER)
BETAS: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def config_of(prediction: str, spacing: str, *, zero_snr: bool = False) -> Any:
    return diffusers.DDIMScheduler(
        **BETAS, prediction_type=prediction, timestep_spacing=spacing, rescale_betas_zero_snr=zero_snr
    ).config


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("name", LINEAR)
def test_a_table_steps_as_its_scheduler_does(
    name: SchedulerName, prediction: str, spacing: str, zero_snr: bool
) -> None:
    config = config_of(prediction, spacing, zero_snr=zero_snr)
    schedule = Schedules(config, torch.float32).make(name, 12, torch.Generator())
    if name is SchedulerName.DDIM and prediction == "epsilon" and zero_snr and spacing != "leading":
        assert isinstance(schedule, OwnSchedule), "pure noise says nothing of the picture: there is no such number"
        return
    assert isinstance(schedule, LinearSchedule)
    scheduler = make_scheduler(name, config)
    scheduler.set_timesteps(12)
    assert schedule.timesteps == scheduler.timesteps.tolist()
    generator = torch.Generator().manual_seed(0)
    for step, timestep in enumerate(scheduler.timesteps):
        # What a model would give: latents as large as the noise is, a prediction of unit size.
        latents = torch.randn(1, 4, 8, 8, generator=generator, dtype=torch.float64)
        guess = torch.randn(1, 4, 8, 8, generator=generator, dtype=torch.float64)
        scale = scheduler.scale_model_input(latents, timestep)
        assert torch.allclose(schedule.model_input(latents, step), scale, rtol=1e-6, atol=0)
        theirs = scheduler.step(guess, timestep, latents, return_dict=False)[0]
        ours = latents * schedule.keep[step] + guess * schedule.add[step]
        bound = 1e-12 if name is SchedulerName.DDIM else 2e-5  # Euler computes in float32, with cancellation
        assert (ours - theirs).abs().max() <= bound * max(1.0, theirs.abs().max().item())


def test_a_scheduler_that_is_not_linear_has_an_object_for_each_image() -> None:
    config = config_of("epsilon", "leading")
    for name in SchedulerName:
        schedules = Schedules(config, torch.float32)
        one, other = (schedules.make(name, 8, torch.Generator()) for _ in range(2))
        assert (one is other) is (name in LINEAR)
    thresholding = diffusers.DDIMScheduler(**BETAS, thresholding=True).config
    schedules = Schedules(thresholding, torch.float32)
    assert isinstance(schedules.make(SchedulerName.DDIM, 8, torch.Generator()), OwnSchedule)
    rounding = Schedules(config, torch.float64).make(SchedulerName.EULER, 8, torch.Generator())
    assert isinstance(rounding, OwnSchedule), "diffusers' Euler rounds float64 latents to float32"


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("dtype", BOUND, ids=str)
def test_latents_by_tables_equal_the_pipelines(kind: str, dtype: torch.dtype) -> None:
    model = load_tiny(kind, dtype)
    jobs = linear_crowd()
    ours = latents_in_a_crowd(model, jobs)
    for job in jobs:
        theirs = latents_alone(model, job)
        assert (ours[job.request.seed] - theirs).abs().max().item() <= BOUND[dtype], job.request


def test_latents_by_tables_are_bit_equal_alone_and_in_a_crowd() -> None:
    model, jobs = load_tiny("epsilon"), linear_crowd()
    together = latents_in_a_crowd(model, jobs, reproducible=True)
    for job in jobs:
        alone = latents_in_a_crowd(model, [job], reproducible=True)
        assert torch.equal(alone[job.request.seed], together[job.request.seed]), job.request


def linear_crowd() -> list[Any]:
    return [
        make_job(
            scheduler=LINEAR[number % 2], steps=3 + number, seed=number, guidance_scale=(3.3, 1.0)[number % 3 == 2]
        )
        for number in range(7)
    ]


class Operations(TorchDispatchMode):
    """Counts what is sent to the device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_images_are_stepped_together_and_each_as_if_alone(tiny_model: LoadedModel, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)

    def stepped(numbers: range, predictions: list[torch.Tensor]) -> tuple[list[torch.Tensor], int]:
        images = [image_of(tiny_model, number, dtype) for number in numbers]
        assert stepping_together(images) == [images]
        with Operations() as operations:
            advance(images, [predictions[number] for number in numbers])
        assert all(image.step == 1 for image in images)
        return [image.latents for image in images], operations.count

    predictions = [torch.randn(1, 4, 16, 16, generator=generator).to(dtype) for _ in range(12)]
    few, few_operations = stepped(range(3), predictions)
    many, many_operations = stepped(range(12), predictions)
    assert many_operations == few_operations
    for number in range(12):
        (alone,), _ = stepped(range(number, number + 1), predictions)
        assert torch.equal(alone, many[number])
    assert all(torch.equal(one, other) for one, other in zip(few, many, strict=False))


def image_of(model: LoadedModel, number: int, dtype: torch.dtype) -> ImageRun:
    run = JobRun(make_job(seed=number, scheduler=LINEAR[number % 2], steps=5 + number), cancelled=lambda: False)
    run.encode(model)
    image = ImageRun(run, 0)
    image.begin(model)
    image.latents = image.latents.to(dtype)
    return image
