"""What every family and every schedule has to do, whatever it is: the engine relies on it."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import generation.diffusion
from generation.diffusion.families.base import Conditioning, Family, Schedule
from generation.diffusion.families.calls import part_of
from generation.diffusion.families.schedulers import make_scheduler
from generation.diffusion.families.schedules import Schedules
from generation.request import SchedulerName
from tests.generation.diffusion.conftest import SIZE, load_tiny, make_job
from tests.generation.diffusion.engine.test_equals_diffusers import latents_alone, latents_in_a_crowd
from tests.generation.diffusion.tiny_models import make_pipeline

FAMILIES = ("epsilon", "xl")
MOST_MEMBERS = 8
UNGUIDED: dict[str, Any] = {"guidance_scale": 1.0, "width": SIZE, "height": SIZE}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("protocol", [Family, Schedule])
def test_a_seam_is_narrow(protocol: Any) -> None:
    named = {name for name in vars(protocol) if not name.startswith("_")} | set(protocol.__annotations__)
    assert 0 < len(named) <= MOST_MEMBERS


def test_what_only_some_families_have_is_named_in_their_room_alone() -> None:
    rooms = Path(generation.diffusion.__file__).parent
    others = [path for path in rooms.rglob("*.py") if rooms / "families" not in path.parents]
    assert len(others) > 20
    for path in others:
        assert not re.search(r"u-?net", path.read_text("utf-8"), re.IGNORECASE), path


@pytest.mark.parametrize("kind", FAMILIES)
class TestFamily:
    def test_the_spec_decides_how_many_rows_an_image_takes(self, kind: str) -> None:
        for distilled in (False, True):
            size = {"time_cond_proj_dim": 8} if distilled else {}
            model = load_tiny(kind, pipeline=make_pipeline(kind, unet=size))
            for scale in (0.0, 1.0, 1.5, 7.5):
                encoded = model.encode("a", "b", **UNGUIDED | {"guidance_scale": scale})
                assert encoded.rows == model.spec.rows(scale) == (2 if scale > 1 and not distilled else 1)
                assert (encoded.positive.guidance is not None) == distilled

    def test_an_image_begins_by_its_own_generator(self, kind: str) -> None:
        model, (drawn,) = load_tiny(kind, torch.float64), make_job().request.passes
        one, same, other = (model.family.start(drawn, generator(seed)).latents for seed in (1, 1, 2))
        assert torch.equal(one, same)
        assert (one - other).abs().max() > 0.1
        assert one.shape == (1, *model.latent_shape(SIZE, SIZE))
        assert one.dtype is torch.float64

    def test_the_first_latents_are_as_noisy_as_the_schedule_wants(self, kind: str) -> None:
        model = load_tiny(kind)
        for scheduler in SchedulerName:
            (drawn,) = make_job(scheduler=scheduler, width=128, height=128).request.passes
            start = model.family.start(drawn, generator())
            assert start.latents.std().item() == pytest.approx(start.schedule.init_noise_sigma, rel=0.05)

    def test_a_row_of_a_call_knows_nothing_of_the_others(self, kind: str) -> None:
        model = load_tiny(kind, torch.float64)
        rows = [model.encode(prompt, "", **UNGUIDED).positive for prompt in ("a", "b", "c")]
        latents, timesteps = normal(3, *model.latent_shape(SIZE, SIZE)), torch.tensor([999.0, 500.0, 1.0])
        call = part_of("denoiser", model.family.parts.denoiser).call
        with torch.inference_mode():
            together = call(*model.family.denoiser_inputs(latents, timesteps, Conditioning.stack(rows)))
            for at, row in enumerate(rows):
                alone = call(*model.family.denoiser_inputs(latents[at : at + 1], timesteps[at : at + 1], row))
                assert (alone - together[at : at + 1]).abs().max() <= 1e-12

    def test_guidance_goes_from_the_negative_over_the_positive_prediction_on(self, kind: str) -> None:
        family = load_tiny(kind).family
        negative, positive = normal(2, 4, 2, 2, seed=1), normal(2, 4, 2, 2, seed=2)
        scale = torch.tensor([0.0, 1.0], dtype=torch.float64)[:, None, None, None]
        guided = family.guide(negative, positive, scale)
        assert torch.equal(guided[0], negative[0])
        assert torch.allclose(guided[1], positive[1], rtol=0, atol=1e-12)
        assert torch.allclose(family.guide(negative, positive, 3 + 0 * scale), 3 * positive - 2 * negative)

    def test_scale_shift_and_statistics_of_latents_are_undone_before_the_decoder(self, kind: str) -> None:
        latents = normal(1, 4, 16, 16)
        shifted = load_tiny(kind, torch.float64, pipeline=make_pipeline(kind, vae={"shift_factor": 0.25}))
        factor = shifted.family.parts.vae.config.scaling_factor
        assert torch.allclose(shifted.family.decoder_inputs(latents)[0], latents / factor + 0.25)
        statistics = {"latents_mean": [1.0, 2.0, 3.0, 4.0], "latents_std": [2.0] * 4}
        measured = load_tiny(kind, torch.float64, pipeline=make_pipeline(kind, vae=statistics))
        (decoded,) = measured.family.decoder_inputs(latents)
        assert torch.allclose(decoded[0, 2], latents[0, 2] * 2 / factor + 3)

    def test_what_is_looked_at_is_what_the_decoder_is_given(self, kind: str) -> None:
        """Encoding scales and shifts as decoding undoes it: without noise the VAE gets its own latents back."""
        statistics = {"latents_mean": [1.0, 2.0, 3.0, 4.0], "latents_std": [2.0, 3.0, 4.0, 5.0], "force_upcast": False}
        for settings in ({"shift_factor": 0.25, "force_upcast": False}, statistics):
            model = load_tiny(kind, torch.float64, pipeline=make_pipeline(kind, vae=settings))
            picture = Image.new("RGB", (SIZE, SIZE), "red")
            (drawn,) = make_job(source="0" * 64, mask="1" * 64, strength=1.0).request.passes
            looked = model.look(picture, Image.new("RGB", (SIZE, SIZE), "black"))
            known = model.family.start(drawn, generator(), looked).known
            assert known is not None
            sampled = looked.source.sample(generator())
            assert torch.allclose(model.family.decoder_inputs(known.original)[0], sampled)

    @pytest.mark.parametrize("channels", [4, 8])
    def test_latents_have_as_many_channels_as_the_vae(self, kind: str, channels: int) -> None:
        model = load_tiny(kind, torch.float64, pipeline=make_pipeline(kind, latent_channels=channels))
        job = make_job(seed=3)
        ours = latents_in_a_crowd(model, [make_job(seed=1), job])[3]
        assert ours.shape == (1, channels, 16, 16)
        assert (ours - latents_alone(model, job)).abs().max().item() <= 1e-10


@pytest.mark.parametrize("name", SchedulerName)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
class TestSchedule:
    STEPS = 6

    def make(self, name: SchedulerName, prediction: str) -> tuple[Schedule, Any]:
        config = make_pipeline(prediction).scheduler.config
        scheduler = make_scheduler(name, config)
        scheduler.set_timesteps(self.STEPS)
        return Schedules(config, torch.float64).make(name, self.STEPS, generator()), scheduler

    def test_it_goes_the_way_of_diffusers_own_scheduler(self, name: SchedulerName, prediction: str) -> None:
        schedule, scheduler = self.make(name, prediction)
        assert schedule.timesteps == scheduler.timesteps.tolist()
        assert schedule.init_noise_sigma == pytest.approx(float(scheduler.init_noise_sigma))
        ours = theirs = normal(1, 4, 4, 4) * schedule.init_noise_sigma
        own = generator()
        settings = {"generator": own} if name in (SchedulerName.EULER_A, SchedulerName.LCM) else {}
        for step, timestep in enumerate(scheduler.timesteps):
            guess = normal(1, 4, 4, 4, seed=step + 1)
            scaled = scheduler.scale_model_input(theirs, timestep)
            assert torch.allclose(schedule.model_input(ours, step), scaled, rtol=1e-9)
            ours = schedule.advance(ours, guess, step)
            theirs = scheduler.step(guess, timestep, theirs, return_dict=False, **settings)[0]
            assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-9)

    def test_a_picture_is_made_as_noisy_as_diffusers_makes_it_before_any_step(
        self, name: SchedulerName, prediction: str
    ) -> None:
        original, noise = normal(1, 4, 4, 4, seed=1), normal(1, 4, 4, 4, seed=2)
        for first in range(self.STEPS):
            _, scheduler = self.make(name, prediction)
            config = make_pipeline(prediction).scheduler.config
            schedule = Schedules(config, torch.float64).make(name, self.STEPS, generator(), first=first)
            if hasattr(scheduler, "set_begin_index"):
                scheduler.set_begin_index(first)
            theirs = scheduler.add_noise(original, noise, scheduler.timesteps[first : first + 1])
            assert torch.allclose(schedule.add_noise(original, noise, first), theirs, rtol=0, atol=1e-9)

    def test_a_true_prediction_gives_the_original_away(self, name: SchedulerName, prediction: str) -> None:
        schedule, scheduler = self.make(name, prediction)
        original, noise = normal(1, 4, 4, 4, seed=1), normal(1, 4, 4, 4, seed=2)
        for step, timestep in enumerate(schedule.timesteps):
            alpha = scheduler.alphas_cumprod[round(timestep)].double()
            noisy = alpha.sqrt() * original + (1 - alpha).sqrt() * noise
            truth = noise if prediction == "epsilon" else alpha.sqrt() * noise - (1 - alpha).sqrt() * original
            assert torch.allclose(schedule.predicted_original(noisy, truth, step), original, atol=1e-5)
