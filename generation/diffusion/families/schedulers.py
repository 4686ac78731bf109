"""Scheduler names -> a fresh diffusers scheduler for each image.

A diffusers scheduler keeps the state of one denoising run (step index, former model outputs), so one object is never
shared between images: then first-order, multistep and ancestral ones all work side by side in one batch.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import diffusers

from generation.request import MAX_LCM_STEPS, SchedulerName

_PLAIN_SIGMAS: dict[str, Any] = {
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
}
_DPMPP_2M: dict[str, Any] = _PLAIN_SIGMAS | {
    "use_lu_lambdas": False,
    "algorithm_type": "dpmsolver++",
    "solver_order": 2,
}

#: name -> (diffusers class, what makes it the scheduler of that name). The rest (betas, prediction type, spacing) is
#: the model's. What a name means must not depend on the scheduler that a model happens to come with.
SCHEDULERS: dict[SchedulerName, tuple[str, dict[str, Any]]] = {
    # Clipping is for models of pixels; latents go far beyond 1.
    SchedulerName.DDIM: ("DDIMScheduler", {"clip_sample": False}),
    SchedulerName.EULER: ("EulerDiscreteScheduler", _PLAIN_SIGMAS),
    SchedulerName.EULER_A: ("EulerAncestralDiscreteScheduler", {}),
    SchedulerName.DPMPP_2M: ("DPMSolverMultistepScheduler", _DPMPP_2M),
    SchedulerName.DPMPP_2M_KARRAS: ("DPMSolverMultistepScheduler", _DPMPP_2M | {"use_karras_sigmas": True}),
    SchedulerName.UNIPC: ("UniPCMultistepScheduler", _PLAIN_SIGMAS | {"solver_order": 2}),
    SchedulerName.LCM: ("LCMScheduler", {"clip_sample": False, "original_inference_steps": MAX_LCM_STEPS}),
}


def make_scheduler(name: SchedulerName, config: Mapping[str, Any]) -> Any:
    """Make a scheduler of that name for a model whose own scheduler has this config (betas, prediction type, ...)."""
    class_name, settings = SCHEDULERS[name]
    return getattr(diffusers, class_name).from_config(config, **settings)


def takes_generator(scheduler: Any) -> bool:
    """Whether the scheduler's `step` draws noise of its own (ancestral ones, LCM) and needs the image's generator."""
    return "generator" in inspect.signature(scheduler.step).parameters
