"""Scheduler names -> a fresh diffusers scheduler for each image.

A diffusers scheduler keeps the state of one denoising run (step index, former model outputs), so one object is never
shared between images: then first-order, multistep and ancestral ones all work side by side in one batch.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import diffusers

from generation.request import SchedulerName

#: name -> (diffusers class, settings that differ from the model's own scheduler config)
SCHEDULERS: dict[SchedulerName, tuple[str, dict[str, Any]]] = {
    SchedulerName.DDIM: ("DDIMScheduler", {}),
    SchedulerName.EULER: ("EulerDiscreteScheduler", {}),
    SchedulerName.EULER_A: ("EulerAncestralDiscreteScheduler", {}),
    SchedulerName.DPMPP_2M: ("DPMSolverMultistepScheduler", {"use_karras_sigmas": False}),
    SchedulerName.DPMPP_2M_KARRAS: ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    SchedulerName.UNIPC: ("UniPCMultistepScheduler", {}),
    SchedulerName.LCM: ("LCMScheduler", {}),
}


def make_scheduler(name: SchedulerName, config: Mapping[str, Any]) -> Any:
    """A new scheduler of that name for a model whose own scheduler has this config (betas, prediction type, ...)."""
    class_name, settings = SCHEDULERS[name]
    return getattr(diffusers, class_name).from_config(config, **settings)


def takes_generator(scheduler: Any) -> bool:
    """Whether its `step` draws noise of its own (ancestral ones, LCM) and wants the image's generator for it."""
    return "generator" in inspect.signature(scheduler.step).parameters
