"""Rows with LoRAs of their own share a call, and each is what its LoRAs make of the model alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.loading.model import LoadedModel
from generation.job import Job
from generation.request import SchedulerName
from tests.generation.diffusion.conftest import load_tiny, make_job
from tests.generation.diffusion.engine.test_equals_diffusers import latents_in_a_crowd
from tests.generation.diffusion.engine.test_inputs_equal_diffusers import alone, begin_with
from tests.generation.diffusion.made_loras import FORMS, MadeLora, make_lora, merge, offer_of
from tests.generation.diffusion.tiny_models import make_pipeline

BOUND = 1e-10
#: The LoRAs of each job by number, with their weights: none, one, several, with weights of either sign.
WISHES: list[dict[int, float]] = [
    {},
    {0: 1.0},
    {1: 0.7},
    {0: 0.5, 1: -0.4, 2: 0.6},
    {2: -1.5},
    {0: 0.3},
    {1: 0.2, 2: 2.0},
]


def made(folder: Path, kind: str, **settings: Any) -> list[MadeLora]:
    """Three files: for attention alone, with convolutions, and without text encoders; of ranks that differ."""
    further: list[dict[str, Any]] = [{}, {"convolutions": True, "rank": 2}, {"text": False, "rank": 6}]
    return [
        make_lora(folder / f"lora{number}.safetensors", make_pipeline(kind), seed=number, **settings | one)
        for number, one in enumerate(further)
    ]


def crowd(files: list[MadeLora], **settings: Any) -> list[Job]:
    """A job for every wish and scheduler, with guidance and without, from noise and with a mask."""
    jobs: list[Job] = []
    for number, (scheduler, wish) in enumerate(zip(SchedulerName, WISHES, strict=True)):
        wishes = {
            "scheduler": scheduler,
            "steps": 4 + number % 3,
            "guidance_scale": (5.0, 3.0, 1.0)[number % 3],
            "negative_prompt": "blue" if number % 2 else "",
            "seed": 100 + number,
            "loras": tuple(files[which].use(weight) for which, weight in wish.items()),
        }
        job = make_job(f"a {('red', 'blue')[number % 2]} heart", **wishes | settings)
        jobs.append(begin_with(job, 1.0 if settings else 0.75, masked=True) if number in (2, 3) else job)
    return jobs


def plain(job: Job) -> Job:
    return replace(job, request=replace(job.request, loras=()))


def by_hand(kind: str, files: list[MadeLora], job: Job, dtype: torch.dtype = torch.float64) -> LoadedModel:
    """The model with the job's LoRAs merged into its weights."""
    model = load_tiny(kind, dtype)
    by_name = {one.file.name: one for one in files}
    merge(model.family.pipeline, [(by_name[use.name], use.weight) for use in job.request.loras])
    return model


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["epsilon", "xl"])
def test_rows_equal_pipelines_with_merged_weights(kind: str, form: str, tmp_path: Path) -> None:
    files = made(tmp_path, kind, form=form, alphas=(4.0, 1.0, 2.5))
    jobs = crowd(files)
    ours = latents_in_a_crowd(load_tiny(kind, torch.float64, loras=offer_of(*files)), jobs)
    for job, wish in zip(jobs, WISHES, strict=True):
        difference = (ours[job.request.seed] - alone(by_hand(kind, files, job), plain(job))).abs().max().item()
        assert difference <= BOUND, (wish, difference)
    (least,) = {(ours[jobs[1].request.seed] - alone(by_hand(kind, files, jobs[0]), plain(jobs[1]))).abs().max().item()}
    assert least > 1e-2, "the negative control: without its LoRA the picture is another one"


@pytest.mark.parametrize(
    ("kind", "form"), [("epsilon", "kohya"), ("epsilon", "peft"), ("xl", "kohya"), ("xl", "diffusers")]
)
@pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning")
def test_rows_equal_stock_diffusers_on_files_with_one_alpha(kind: str, form: str, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    files = made(tmp_path, kind, form=form)
    jobs = crowd(files)
    ours = latents_in_a_crowd(load_tiny(kind, torch.float64, loras=offer_of(*files)), jobs)
    for job, wish in zip(jobs, WISHES, strict=True):
        stock = load_tiny(kind, torch.float64)
        for number in wish:
            stock.family.pipeline.load_lora_weights(str(files[number].path), adapter_name=str(number))
        if wish:
            stock.family.pipeline.set_adapters([str(number) for number in wish], list(wish.values()))
        difference = (ours[job.request.seed] - alone(stock, plain(job))).abs().max().item()
        assert difference <= BOUND, (wish, difference)


def test_rows_with_and_without_loras_and_masks_share_each_call(tmp_path: Path) -> None:
    files = made(tmp_path, "epsilon")
    model = load_tiny("epsilon", torch.float64, loras=offer_of(*files))
    jobs = crowd(files, steps=5, guidance_scale=5.0)
    engine = DiffusionEngine(model, max_rows=32)
    for job in jobs:
        engine.admit(job)
    while engine.busy:
        engine.step()
    assert (engine.calls, engine.rows) == (5, 5 * 2 * len(jobs))


@pytest.mark.parametrize("kind", ["epsilon", "xl"])
def test_with_a_fixed_number_of_rows_pictures_with_loras_are_bit_equal_in_a_crowd(kind: str, tmp_path: Path) -> None:
    files = made(tmp_path, kind)
    jobs = crowd(files)
    model = load_tiny(kind, loras=offer_of(*files, columns=32))
    together = latents_in_a_crowd(model, jobs, reproducible=True)
    for job in jobs:
        alone_here = latents_in_a_crowd(model, [job], reproducible=True)
        fresh = load_tiny(kind, loras=offer_of(*files, columns=32))
        anew = latents_in_a_crowd(fresh, [job], reproducible=True)
        assert torch.equal(alone_here[job.request.seed], together[job.request.seed])
        assert torch.equal(anew[job.request.seed], together[job.request.seed])


def test_rows_without_loras_stay_bit_equal_when_no_row_of_the_call_has_any(tmp_path: Path) -> None:
    files = made(tmp_path, "epsilon")
    jobs = [plain(job) for job in crowd(files)]
    before = latents_in_a_crowd(load_tiny("epsilon"), jobs)
    model = load_tiny("epsilon", loras=offer_of(*files))
    latents_in_a_crowd(model, crowd(files))
    after = latents_in_a_crowd(model, jobs)
    assert all(torch.equal(before[seed], after[seed]) for seed in before)
