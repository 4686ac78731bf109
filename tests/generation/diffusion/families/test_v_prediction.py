"""What a single file says about its noise is obeyed: SDXL finetunes that predict v, from noise without any signal."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from generation.diffusion.loading.loading import load_model
from generation.diffusion.loading.model import LoadedModel
from generation.diffusion.loading.sources import inspect_model
from generation.errors import ModelUnavailable
from generation.request import SchedulerName
from tests.generation.diffusion.conftest import make_job
from tests.generation.diffusion.engine.test_equals_diffusers import latents_in_a_crowd
from tests.generation.diffusion.loading.single_file import save_single_file
from tests.generation.diffusion.tiny_models import make_pipeline

Folders = Callable[[str], Path]

V = {"prediction_type": "v_prediction"}
ZERO_SNR = V | {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
JOBS = [
    make_job("a red heart", scheduler=SchedulerName.DDIM, steps=6, seed=1),
    make_job("a blue star", scheduler=SchedulerName.EULER, steps=9, seed=2),
    make_job("a green hat", scheduler=SchedulerName.EULER_A, steps=5, seed=3),
    make_job("a pink cat", scheduler=SchedulerName.DPMPP_2M, steps=7, seed=4),
    make_job("a dog", scheduler=SchedulerName.UNIPC, steps=8, seed=5),
]
CLASSES = {
    SchedulerName.DDIM: diffusers.DDIMScheduler,
    SchedulerName.EULER: diffusers.EulerDiscreteScheduler,
    SchedulerName.EULER_A: diffusers.EulerAncestralDiscreteScheduler,
    SchedulerName.DPMPP_2M: diffusers.DPMSolverMultistepScheduler,
    SchedulerName.UNIPC: diffusers.UniPCMultistepScheduler,
}


@pytest.fixture
def configs(tiny_folder: Folders, tmp_path: Path) -> Callable[..., Path]:
    """A folder of configs for a tiny SDXL file, without weights; what is None is left open in the scheduler's."""

    def folder(**scheduler: Any) -> Path:
        weights = shutil.ignore_patterns("*.safetensors")
        copy = shutil.copytree(tiny_folder("xl"), tmp_path / "configs", ignore=weights)
        path = copy / "scheduler/scheduler_config.json"
        said = json.loads(path.read_text()) | scheduler
        path.write_text(json.dumps({name: value for name, value in said.items() if value is not None}))
        return copy

    return folder


def load(file: Path, config: Path) -> LoadedModel:
    return load_model(inspect_model(str(file), str(config)), device="cpu", dtype="float64")


def stock_latents(job: Any, **settings: Any) -> torch.Tensor:
    """Draw with diffusers' own pipeline, whose scheduler is told these settings by hand."""
    pipeline = make_pipeline("xl").to(dtype=torch.float64)
    request = job.request
    # As a folder has it: what is written there is meant, and no scheduler's own default goes before it.
    said = json.loads(pipeline.scheduler.to_json_string()) | settings
    said.pop("_use_default_values", None)
    pipeline.scheduler = CLASSES[request.scheduler].from_config(said, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        request.prompt,
        width=request.width,
        height=request.height,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type="latent",
    ).images


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize(
    ("marks", "metadata", "settings"),
    [
        ((), None, {}),
        (("v_pred",), None, V),
        (("v_pred", "ztsnr"), None, ZERO_SNR),
        ((), {"modelspec.prediction_type": "v"}, V),
        (("ztsnr",), None, {}),
    ],
    ids=["plain", "v_pred", "v_pred and ztsnr", "modelspec", "ztsnr alone"],
)
def test_a_marked_file_equals_the_stock_pipeline_with_that_setting(
    tmp_path: Path,
    configs: Callable[..., Path],
    marks: tuple[str, ...],
    metadata: dict[str, str] | None,
    settings: dict[str, Any],
) -> None:
    file = save_single_file(make_pipeline("xl"), tmp_path / "finetune.safetensors", marks=marks, metadata=metadata)
    ours = latents_in_a_crowd(load(file, configs(**dict.fromkeys({"prediction_type", *settings}))), JOBS)
    for job in JOBS:
        assert difference(ours[job.request.seed], stock_latents(job, **settings)) < 1e-9, job.request.scheduler
        if settings:
            unmarked = stock_latents(job)
            assert difference(ours[job.request.seed], unmarked) > 1e-2, "the setting makes a difference"


def test_model_config_goes_before_the_marks_and_says_so(
    tmp_path: Path, configs: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    file = save_single_file(make_pipeline("xl"), tmp_path / "finetune.safetensors", marks=("v_pred", "ztsnr"))
    folder = configs(prediction_type="epsilon", rescale_betas_zero_snr=False, timestep_spacing="leading")
    with caplog.at_level(logging.WARNING):
        ours = latents_in_a_crowd(load(file, folder), JOBS[:1])
    assert difference(ours[1], stock_latents(JOBS[0])) < 1e-9
    assert "prediction_type=v_prediction, and MODEL_CONFIG epsilon" in caplog.text


def test_a_setting_can_mark_a_file_that_has_no_marks(tmp_path: Path, configs: Callable[..., Path]) -> None:
    file = save_single_file(make_pipeline("xl"), tmp_path / "finetune.safetensors")
    ours = latents_in_a_crowd(load(file, configs(**ZERO_SNR)), JOBS[:2])
    for job in JOBS[:2]:
        assert difference(ours[job.request.seed], stock_latents(job, **ZERO_SNR)) < 1e-9


def test_the_defaults_of_a_marked_file_suit_its_noise(tmp_path: Path) -> None:
    file = save_single_file(make_pipeline("xl"), tmp_path / "finetune.safetensors", marks=("v_pred", "ztsnr"))
    spec = inspect_model(str(file))
    assert spec.default_scheduler is SchedulerName.EULER
    assert spec.default_guidance == 5


def test_noise_levels_that_no_scheduler_here_has_are_refused(tmp_path: Path) -> None:
    file = save_single_file(make_pipeline("xl"), tmp_path / "cosxl.safetensors", marks=("edm_vpred.sigma_max",))
    with pytest.raises(ModelUnavailable, match=r"other_family.*EDM"):
        inspect_model(str(file))
