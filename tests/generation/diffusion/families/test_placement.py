"""Models that do not fit are made to fit, measure by measure, or refused with numbers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.calls import lay_out
from generation.diffusion.families.placement import (
    GIB,
    TILE,
    Placement,
    Sizes,
    choose_placement,
    decode_in_tiles,
    measure_memory,
    place,
    sizes_of,
)
from generation.diffusion.loading.loading import load_model
from generation.diffusion.loading.sources import inspect_model
from generation.errors import ModelUnavailable
from tests.generation.diffusion.conftest import load_tiny, make_job
from tests.generation.diffusion.engine.test_equals_diffusers import latents_in_a_crowd
from tests.generation.diffusion.loading.test_loading import draws
from tests.generation.diffusion.tiny_models import make_pipeline

EVERYTHING = Placement()
TILES = Placement(decode_in_tiles=True)
WAITING = Placement(decode_in_tiles=True, text_encoders_wait=True)
STREAMING = Placement(decode_in_tiles=True, text_encoders_wait=True, denoiser_streams=True)


def gib(value: float) -> int:
    return int(value * GIB)


#: SDXL at 1024 pixels and Stable Diffusion 1.5 at 512 in half precision.
XL = Sizes(text_encoders=gib(1.53), denoiser=gib(4.78), vae=gib(0.16), step=gib(0.8), decode=gib(3.5), tile=gib(0.88))
SD = Sizes(text_encoders=gib(0.23), denoiser=gib(1.6), vae=gib(0.16), step=gib(0.2), decode=gib(0.88), tile=gib(0.88))


@pytest.mark.parametrize(
    ("sizes", "total", "placement"),
    [
        (XL, 80, EVERYTHING),
        (XL, 12, EVERYTHING),
        (XL, 9, TILES),
        (XL, 7.2, WAITING),
        (XL, 4, STREAMING),
        (SD, 4, EVERYTHING),
        (SD, 3, WAITING),
        (SD, 2, STREAMING),
    ],
)
def test_the_fastest_placement_that_fits_is_chosen(sizes: Sizes, total: float, placement: Placement) -> None:
    assert choose_placement(sizes, free=gib(total), total=gib(total)) == placement


def test_memory_that_others_use_does_not_count_as_free() -> None:
    assert choose_placement(XL, free=gib(5), total=gib(24)) == STREAMING


def test_a_model_that_cannot_fit_is_refused_with_numbers() -> None:
    with pytest.raises(MemoryError, match=r"needs 10\.0 GiB, or 1\.7 GiB at the very least; 1\.0 of 2\.0 GiB are free"):
        choose_placement(XL, free=gib(1), total=gib(2))


def test_more_memory_never_asks_for_more_measures() -> None:
    measures = [
        sum((p.decode_in_tiles, p.text_encoders_wait, p.denoiser_streams))
        for p in (choose_placement(XL, free=gib(size / 4), total=gib(size / 4)) for size in range(8, 60))
    ]
    assert measures == sorted(measures, reverse=True)
    assert set(measures) == {0, 1, 2, 3}


def test_sizes_are_those_of_the_weights() -> None:
    model = load_tiny("xl", torch.bfloat16)
    sizes = sizes_of(model.family.parts, model.spec)
    assert sizes.denoiser == 2 * sum(weight.numel() for weight in model.family.pipeline.unet.parameters())
    both = (model.family.pipeline.text_encoder, model.family.pipeline.text_encoder_2)
    assert sizes.text_encoders >= 2 * sum(weight.numel() for encoder in both for weight in encoder.parameters())
    assert 0 < sizes.tile <= sizes.decode
    larger = sizes_of(model.family.parts, replace(model.spec, native_size=1024, max_size=1024))
    assert larger.decode == sizes.decode * 32**2
    assert larger.tile == sizes.decode * 16**2


def test_main_memory_is_not_measured() -> None:
    assert measure_memory(torch.device("cpu")) is None


@pytest.mark.parametrize("placement", [TILES, WAITING, STREAMING], ids=lambda placement: placement.words)
@pytest.mark.parametrize("kind", ["epsilon", "xl"])
def test_a_picture_is_the_same_wherever_the_parts_live(kind: str, placement: Placement) -> None:
    plain, model = load_tiny(kind), load_tiny(kind, placement=placement)
    place(model.family.parts, placement)
    assert model.family.pipeline.vae.use_tiling
    job = make_job()
    assert torch.equal(latents_in_a_crowd(model, [job])[7], latents_in_a_crowd(plain, [job])[7])


def decoded_in(vae: AutoencoderKL, latents: torch.Tensor) -> list[tuple[int, ...]]:
    """Decode; return the sizes of latents [h, w] that the decoder saw in each of its calls."""
    seen: list[tuple[int, ...]] = []
    hook = vae.decoder.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape[2:])))
    with torch.inference_mode():
        vae.decode(latents)
    hook.remove()
    return seen


def vae_of_sdxl() -> AutoencoderKL:
    """Make a tiny VAE that says of itself what SDXL's does: 1024 pixels, 8 of them to a latent."""
    return AutoencoderKL(
        block_out_channels=(4,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=1024,
    ).eval()


def test_a_picture_of_sdxls_native_size_is_decoded_in_tiles() -> None:
    vae = vae_of_sdxl()
    latents = torch.zeros(1, 4, 128, 128)
    assert decoded_in(vae, latents) == [(128, 128)]
    decode_in_tiles(vae)
    tiles = decoded_in(vae, latents)
    assert len(tiles) > 1
    assert max(tiles) == (TILE // 8, TILE // 8)


def test_a_model_that_saves_memory_decodes_the_next_time_in_tiles() -> None:
    pipeline = make_pipeline("epsilon")
    pipeline.vae = vae_of_sdxl()
    model = load_tiny("epsilon", pipeline=pipeline)
    assert model.save_memory()
    assert len(decoded_in(model.family.pipeline.vae, torch.zeros(1, 4, 128, 128))) > 1
    assert not model.save_memory(), "there is no more to save"


def test_text_encoders_that_wait_are_on_the_device_only_to_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, str]] = []
    monkeypatch.setattr(
        "generation.diffusion.loading.model.move",
        lambda networks, device: seen.append((len(networks), device.type)),
    )
    model = load_tiny("xl", placement=WAITING)
    for prompt in ("a", "a", "b"):
        model.encode(prompt, "", guidance_scale=5.0, width=32, height=32)
    assert seen == [(2, "cpu"), (2, "cpu")] * 2


class TestLoading:
    def test_a_model_that_does_not_fit_is_unavailable(
        self, tiny_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("generation.diffusion.loading.loading.measure_memory", lambda device: (gib(0.0001), gib(4)))
        with pytest.raises(ModelUnavailable, match=r"MemoryError: it needs .* GiB are free"):
            load_model(inspect_model(str(tiny_folder("epsilon"))), device="cpu")

    def test_a_model_that_nearly_fits_draws(
        self, tiny_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spec = inspect_model(str(tiny_folder("xl")))
        sizes = sizes_of(load_model(spec, device="cpu").family.parts, spec)
        tight = sizes.vae + max(sizes.step, sizes.tile, sizes.text_encoders)
        monkeypatch.setattr("generation.diffusion.loading.loading.measure_memory", lambda device: (tight, 0))
        model = load_model(spec, device="cpu")
        assert model.placement.denoiser_streams
        assert draws(DiffusionEngine(model))

    def test_the_memory_layout_changes_no_picture(self) -> None:
        plain, turned = load_tiny("epsilon"), load_tiny("epsilon")
        for network in (turned.family.pipeline.unet, turned.family.pipeline.vae):
            lay_out(network, torch.device("cuda"))
        assert turned.family.pipeline.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
        job = make_job()
        ours, theirs = (latents_in_a_crowd(model, [job])[7] for model in (turned, plain))
        assert (ours - theirs).abs().max().item() <= 1e-4
