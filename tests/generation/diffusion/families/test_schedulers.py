"""Every scheduler on offer, over the whole range of steps."""

import inspect

import diffusers
import pytest
import torch

from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.schedulers import SCHEDULERS, make_scheduler
from generation.events import JobDone
from generation.request import MAX_LCM_STEPS, MAX_STEPS, SchedulerName
from tests.generation.diffusion.conftest import load_tiny, make_job


def test_every_name_has_its_scheduler() -> None:
    assert set(SCHEDULERS) == set(SchedulerName)


@pytest.mark.parametrize("name", SchedulerName)
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_every_scheduler_makes_few_steps_and_many(name: SchedulerName, kind: str) -> None:
    model = load_tiny(kind)
    most = MAX_LCM_STEPS if name is SchedulerName.LCM else MAX_STEPS
    for steps in (1, 2, 3, most):
        scheduler = make_scheduler(name, model.family.scheduler_config)
        scheduler.set_timesteps(steps)
        assert len(scheduler.timesteps) == steps
        assert torch.isfinite(scheduler.timesteps.float()).all()

    engine = DiffusionEngine(model)
    job = make_job(scheduler=name, steps=1)
    engine.admit(job)
    events = [event for _ in range(3) for event in engine.step()]
    assert isinstance(events[-1], JobDone)


def test_karras_sigmas_differ_from_plain_ones() -> None:
    config = load_tiny("epsilon").family.scheduler_config
    plain, karras = (make_scheduler(n, config) for n in (SchedulerName.DPMPP_2M, SchedulerName.DPMPP_2M_KARRAS))
    plain.set_timesteps(10)
    karras.set_timesteps(10)
    assert not torch.equal(plain.sigmas, karras.sigmas)


BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
FOREIGN = {
    "PNDM": diffusers.PNDMScheduler(**BETAS, steps_offset=1, skip_prk_steps=True),
    "Euler, trailing": diffusers.EulerDiscreteScheduler(**BETAS, timestep_spacing="trailing", use_karras_sigmas=True),
    "Euler a": diffusers.EulerAncestralDiscreteScheduler(**BETAS),
    "SDE": diffusers.DPMSolverMultistepScheduler(**BETAS, algorithm_type="sde-dpmsolver++", solver_order=3),
    "exponential": diffusers.DPMSolverMultistepScheduler(**BETAS, use_exponential_sigmas=True),
    "LCM": diffusers.LCMScheduler(**BETAS, original_inference_steps=4),
    "zero SNR": diffusers.DDIMScheduler(**BETAS, rescale_betas_zero_snr=True, prediction_type="v_prediction"),
}


@pytest.mark.parametrize("name", SchedulerName)
@pytest.mark.parametrize("base", FOREIGN)
def test_a_name_means_the_same_whatever_scheduler_the_model_came_with(base: str, name: SchedulerName) -> None:
    scheduler = make_scheduler(name, FOREIGN[base].config)
    scheduler.set_timesteps(20)
    assert len(scheduler.timesteps) == 20
    known = inspect.signature(type(scheduler).__init__).parameters  # a config keeps others too
    config = {key: value for key, value in scheduler.config.items() if key in known}
    assert config.get("use_karras_sigmas", False) is (name is SchedulerName.DPMPP_2M_KARRAS)
    assert not config.get("use_exponential_sigmas")
    assert not config.get("clip_sample")
    if name in (SchedulerName.DPMPP_2M, SchedulerName.DPMPP_2M_KARRAS):
        assert (config["algorithm_type"], config["solver_order"]) == ("dpmsolver++", 2)
    assert config["prediction_type"] == FOREIGN[base].config.get("prediction_type", "epsilon")
