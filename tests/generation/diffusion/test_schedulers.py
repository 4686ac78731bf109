"""Every scheduler on offer, over the whole range of steps."""

import pytest
import torch

from generation.diffusion.engine import DiffusionEngine
from generation.diffusion.schedulers import SCHEDULERS, make_scheduler
from generation.events import JobDone
from generation.request import MAX_LCM_STEPS, MAX_STEPS, SchedulerName
from tests.generation.diffusion.conftest import load_tiny, make_job


def test_every_name_has_its_scheduler() -> None:
    assert set(SCHEDULERS) == set(SchedulerName)


@pytest.mark.parametrize("name", SchedulerName)
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_few_steps_and_many(name: SchedulerName, kind: str) -> None:
    model = load_tiny(kind)
    most = MAX_LCM_STEPS if name is SchedulerName.LCM else MAX_STEPS
    for steps in (1, 2, 3, most):
        scheduler = make_scheduler(name, model.scheduler_config)
        scheduler.set_timesteps(steps)
        assert len(scheduler.timesteps) == steps
        assert torch.isfinite(scheduler.timesteps.float()).all()

    engine = DiffusionEngine(model)
    job = make_job(scheduler=name, steps=1)
    engine.admit(job)
    events = [event for _ in range(3) for event in engine.step()]
    assert isinstance(events[-1], JobDone)


def test_karras_differs_from_plain() -> None:
    config = load_tiny("epsilon").scheduler_config
    plain, karras = (make_scheduler(n, config) for n in (SchedulerName.DPMPP_2M, SchedulerName.DPMPP_2M_KARRAS))
    plain.set_timesteps(10)
    karras.set_timesteps(10)
    assert not torch.equal(plain.sigmas, karras.sigmas)
