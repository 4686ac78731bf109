"""What the configs of a model's parts say about it: a ModelSpec before torch is even imported."""

import re
from typing import Any, cast

from generation.catalog import ModelFamily, ModelSpec
from generation.diffusion.families import single_files
from generation.errors import ModelUnavailable
from generation.request import MAX_SIZE, SchedulerName

_PREDICTIONS = ("epsilon", "v_prediction", "sample")
_MOST_LEVELS = 8  #: of a U-Net or VAE


def spec_of(name: str, source: str, place: str, configs: dict[str, Any], *, config: str | None) -> ModelSpec:
    """Work out a model's spec from the configs of its parts; `source` is what the operator wrote, `place` where it is.

    Raises ModelUnavailable for configs that make no sense, and for a model that sees more than it is shown.
    """
    unet, vae = configs["unet"], configs["vae"]
    try:
        factor = 2 ** (_levels(vae, "vae") - 1)
        sample = _whole(unet.get("sample_size") or 64, "unet: sample_size")
        # U-Nets halve the latents once a level but the last; multiples of that keep every skip connection aligned.
        native, multiple = sample * factor, factor * 2 ** (_levels(unet, "unet") - 1)
        if not multiple <= native <= MAX_SIZE:
            raise ValueError(f"unet: sample_size is {sample}")
        steps, guidance, scheduler = _habits(
            name, configs["scheduler"], is_distilled=bool(unet.get("time_cond_proj_dim"))
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelUnavailable(source, "broken_config", detail=str(error)) from error
    latents = unet.get("out_channels", single_files.LATENT_CHANNELS)
    _require_drawing(unet, latents, source)
    is_xl = unet.get("addition_embed_type") == "text_time"
    return ModelSpec(
        name=name,
        source=place,
        config=config,
        family=ModelFamily.STABLE_DIFFUSION_XL if is_xl else ModelFamily.STABLE_DIFFUSION,
        description=f"{'Stable Diffusion XL' if is_xl else 'Stable Diffusion'}, {native} px",
        native_size=native,
        size_multiple=multiple,
        min_size=max(multiple, native // 4),
        max_size=min(native * 2, MAX_SIZE),
        text_width=width if isinstance(width := unet.get("cross_attention_dim"), int) else None,
        default_steps=steps,
        default_guidance=guidance,
        default_scheduler=scheduler,
        guidance_embedded=bool(unet.get("time_cond_proj_dim")),
        inpaints=unet.get("in_channels", single_files.LATENT_CHANNELS) != latents,
    )


def _levels(config: dict[str, Any], part: str) -> int:
    """Count the levels of a network; four, as in every Stable Diffusion's VAE and U-Net, where it does not say."""
    widths = config.get("block_out_channels", [1] * 4)
    if not isinstance(widths, list) or not 1 <= len(cast("list[object]", widths)) <= _MOST_LEVELS:
        raise ValueError(f"{part}: block_out_channels")
    for width in cast("list[object]", widths):
        _whole(width, f"{part}: block_out_channels")
    return len(cast("list[object]", widths))


def _whole(value: object, what: str) -> int:
    """Return a positive whole number, or the larger of several. Raises ValueError for anything else."""
    numbers = cast("list[object]", value) if isinstance(value, list) else [value]
    whole = [number for number in numbers if isinstance(number, int) and 0 < number < 2**16]
    if not whole or len(whole) < len(numbers):
        raise ValueError(f"{what} is {value!r:.60}")
    return max(whole)


def _require_drawing(unet: dict[str, Any], latents: object, source: str) -> None:
    """Raise ModelUnavailable unless a U-Net sees latents alone, or a mask and a picture besides, as to inpaint.

    What sees anything else edits or enlarges pictures, or takes a depth.
    """
    channels = unet.get("in_channels", single_files.LATENT_CHANNELS)
    if not isinstance(latents, int) or channels not in (latents, 2 * latents + 1):
        raise ModelUnavailable(source, "edits_pictures", detail=f"{channels} channels")


def _habits(name: str, scheduler: dict[str, Any], *, is_distilled: bool) -> tuple[int, float, SchedulerName]:
    """Return the steps, guidance and scheduler that this kind of model was made for. Raises ValueError."""
    kind = scheduler.get("prediction_type", "epsilon")
    if kind not in _PREDICTIONS:
        raise ValueError(f"scheduler: prediction_type is {kind!r:.60}")
    if scheduler.get("rescale_betas_zero_snr") and kind == "epsilon":
        raise ValueError("scheduler: rescale_betas_zero_snr without v_prediction")  # divides by zero
    if is_turbo(name):
        return 4, 0.0, SchedulerName.EULER_A
    if scheduler.get("_class_name") == "LCMScheduler" or re.search(r"(^|[^a-z])lcm([^a-z]|$)", name.casefold()):
        # Distilled with guidance as an input of the U-Net, or by a LoRA that only bears a little of it.
        return 6, 8.0 if is_distilled else 1.5, SchedulerName.LCM
    if scheduler.get("rescale_betas_zero_snr"):
        return 28, 5.0, SchedulerName.EULER  # their noise has no end for Karras' curve to run to
    return 25, 7.0, SchedulerName.DPMPP_2M_KARRAS


def is_turbo(name: str) -> bool:
    """Whether a model of this name was distilled to few steps without guidance."""
    return "turbo" in name.casefold()
