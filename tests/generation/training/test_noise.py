import pytest
import torch
from diffusers import DDIMScheduler

from generation.training.networks import make_scheduler
from generation.training.noise import TIMESTEPS, NoiseSchedule, spread_timesteps
from generation.training.pace import Budget, learning_rate


@pytest.fixture
def drawn() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 16, 4, 8, 8, generator=generator)
    return clean, noise, spread_timesteps(16, generator)


def test_the_schedule_is_the_one_diffusers_draws_with(drawn):
    clean, noise, t = drawn
    scheduler: DDIMScheduler = make_scheduler()
    ours = NoiseSchedule()
    assert torch.allclose(ours.alphas_cumprod, scheduler.alphas_cumprod, atol=1e-6)
    assert torch.allclose(ours.add_noise(clean, noise, t), scheduler.add_noise(clean, noise, t), atol=1e-5)
    assert torch.allclose(
        ours.velocity_towards(clean, ours.add_noise(clean, noise, t), t),
        scheduler.get_velocity(clean, noise, t),
        atol=1e-5,
    )


def test_the_true_velocity_gives_picture_and_noise_back(drawn):
    clean, noise, t = drawn
    ours = NoiseSchedule()
    noisy = ours.add_noise(clean, noise, t)
    velocity = ours.velocity_towards(clean, noisy, t)
    assert torch.allclose(ours.clean_from(noisy, velocity, t), clean, atol=1e-4)
    assert torch.allclose(ours.noise_from(noisy, velocity, t), noise, atol=1e-4)


def test_the_velocity_towards_another_picture_leads_there(drawn):
    clean, noise, t = drawn
    ours, other = NoiseSchedule(), clean.flip(0)
    noisy = ours.add_noise(clean, noise, t)
    assert torch.allclose(ours.clean_from(noisy, ours.velocity_towards(other, noisy, t), t), other, atol=1e-4)


def test_velocity_has_unit_variance_at_every_timestep():
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 4, 4, 64, 64, generator=generator)
    ours, t = NoiseSchedule(), torch.tensor([0, 300, 700, 999])
    variances = ours.velocity_towards(clean, ours.add_noise(clean, noise, t), t).var((1, 2, 3))
    assert torch.allclose(variances, torch.ones(4), atol=0.05)


def test_timesteps_are_spread_over_the_whole_schedule():
    t = spread_timesteps(10, torch.Generator().manual_seed(3))
    assert [int(step) // (TIMESTEPS // 10) for step in t] == list(range(10))


def test_a_budget_ends_by_what_comes_first():
    both = Budget(steps=100, minutes=1)
    assert both.progress(50, 0) == 0.5
    assert both.progress(50, 45) == 0.75
    assert both.progress(500, 0) == 1
    with pytest.raises(ValueError, match="end"):
        Budget()


def test_the_learning_rate_climbs_and_falls():
    assert learning_rate(1.0, 0, 0.0) < 0.02
    assert learning_rate(1.0, 100, 0.1) > 0.9
    assert learning_rate(1.0, 1000, 1.0) == pytest.approx(0.01)
