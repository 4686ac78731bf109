"""What the engine's tests share: tiny models, jobs, and driving the engine to its end."""

import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from generation.catalog import ModelFamily, ModelSpec
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.placement import Placement
from generation.diffusion.families.sdxl import StableDiffusionXL
from generation.diffusion.families.stable_diffusion import StableDiffusion
from generation.diffusion.loading.model import LoadedModel
from generation.events import WorkerEvent
from generation.job import Job
from generation.loras import NO_LORAS, LoraOffer
from generation.request import GenerationRequest, SchedulerName
from tests.generation.diffusion.tiny_models import make_pipeline, save_folder

SIZE = 32  #: pixels; the tiny models' native size


def load_tiny(
    kind: str,
    dtype: torch.dtype = torch.float32,
    *,
    pipeline: Any = None,
    placement: Placement | None = None,
    loras: LoraOffer = NO_LORAS,
) -> LoadedModel:
    """Load a tiny model as the engine wants it, or that of a given pipeline."""
    family = ModelFamily.STABLE_DIFFUSION_XL if kind == "xl" else ModelFamily.STABLE_DIFFUSION
    spec = ModelSpec(
        name="tiny",
        source="tiny",
        family=family,
        native_size=SIZE,
        size_multiple=4,
        min_size=16,
        max_size=128,
        loras=loras,
    )
    model_hash: Future[str] = Future()
    model_hash.set_result("0123456789")
    pipeline = pipeline or make_pipeline(kind)
    family_class = StableDiffusionXL if kind == "xl" else StableDiffusion
    spec = replace(spec, guidance_embedded=pipeline.unet.config.time_cond_proj_dim is not None)
    family = family_class(pipeline, spec, device=torch.device("cpu"), dtype=dtype)
    return LoadedModel(family, model_hash=model_hash, placement=placement or Placement())


def drive(engine: DiffusionEngine, *jobs: Job) -> list[WorkerEvent]:
    """Draw jobs to their end; return all that happened."""
    for job in jobs:
        engine.admit(job)
    events: list[WorkerEvent] = []
    while engine.busy:
        events += engine.step()
    return events


def make_job(prompt: str = "a red heart", **wishes: Any) -> Job:
    """Make a job for a tiny model; what is not wished is small and plain."""
    settings: dict[str, Any] = {
        "model": "tiny",
        "width": SIZE,
        "height": SIZE,
        "steps": 4,
        "guidance_scale": 5.0,
        "scheduler": SchedulerName.DDIM,
        "seed": 7,
    }
    return Job(id=uuid.uuid4(), request=GenerationRequest(prompt=prompt, **settings | wishes), requester="ada")


@pytest.fixture
def tiny_model() -> LoadedModel:
    """A fresh tiny epsilon model in float32."""
    return load_tiny("epsilon")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Tiny models as diffusers folders, each made once."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = save_folder(kind, tmp_path_factory.mktemp(kind) / f"tiny-{kind}")
        return made[kind]

    return folder
