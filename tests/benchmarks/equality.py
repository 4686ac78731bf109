"""C5: how far the engine's latents are from diffusers' pipelines running each request alone, on tiny random models."""

import torch

from tests.benchmarks.figures import Figure
from tests.generation.diffusion.conftest import load_tiny
from tests.generation.diffusion.test_equals_diffusers import BOUND, crowd, latents_alone, latents_in_a_crowd
from tests.generation.diffusion.tiny_models import KINDS

NAMES = {torch.float32: "C5", torch.float64: "C5_float64"}


def measure_equality() -> list[Figure]:
    """The largest difference over all schedulers and model kinds, for each number format."""
    return [
        Figure(
            name=NAMES[dtype],
            meaning=f"largest latent difference to diffusers, {str(dtype).removeprefix('torch.')}",
            value=max(_largest(kind, dtype) for kind in KINDS),
            bar=bound,
            unit="",
            note=f"{len(crowd())} schedulers, {len(KINDS)} kinds of model, joining and leaving",
        )
        for dtype, bound in BOUND.items()
    ]


def _largest(kind: str, dtype: torch.dtype) -> float:
    model = load_tiny(kind, dtype)
    jobs = crowd()
    ours = latents_in_a_crowd(model, jobs)
    return max((ours[job.request.seed] - latents_alone(model, job)).abs().max().item() for job in jobs)
