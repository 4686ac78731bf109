"""A model in one file: whether it is a whole one of a family we draw with, and what it says about itself.

Tensor names are those of CompVis' and Stability AI's own code, in which such files are shared.
"""

from typing import Any

from generation.diffusion.safetensors_header import Header
from generation.errors import ModelUnavailable

UNET, VAE = "model.diffusion_model.", "first_stage_model."
LATENT_CHANNELS = 4
INPAINTING_CHANNELS = 9  #: the latents, a mask, and the latents of a picture
_TEXT, _TEXT_XL, _TEXT_XL_2 = "cond_stage_model.", "conditioner.embedders.0.", "conditioner.embedders.1."
_FIRST_LAYER = "model.diffusion_model.input_blocks.0.0.weight"

#: What marks the tensors of something else, anywhere in a name -> its kind.
_MARKS = (
    ((".lora_up.", ".lora_down.", ".lora_A.", ".lora_B.", ".lora.up.", ".hada_w1", ".lokr_w1", ".oft_"), "lora"),
    (("controlnet_cond_embedding.", "control_model.", "input_hint_block."), "controlnet"),
    (("image_proj.", "ip_adapter."), "ip_adapter"),
    (("emb_params", "string_to_param"), "embedding"),
)
#: How a tensor's name begins -> the family that it belongs to.
_FAMILIES = (
    (("double_blocks.", UNET + "double_blocks.", "single_transformer_blocks."), "Flux"),
    (("joint_blocks.", UNET + "joint_blocks."), "Stable Diffusion 3"),
    (("layers.0.", UNET + "layers.0.", "cap_embedder.", UNET + "cap_embedder."), "Z-Image or Lumina"),
    (("transformer_blocks.", UNET + "transformer_blocks."), "a diffusion transformer"),
    (("blocks.0.", UNET + "blocks.0.", "net.blocks."), "a diffusion transformer"),
)
#: How the names of a part begin that is no whole model -> its kind.
_PARTS = (
    (("encoder.down", "decoder.up", "decoder.conv_in", VAE), "vae"),
    (("down_blocks.", UNET), "unet"),
    (("text_model.", "transformer.text_model.", "transformer.resblocks."), "text_encoder"),
)


def require_whole_model(header: Header, source: str) -> None:
    """Raise ModelUnavailable unless the file holds all parts of a Stable Diffusion model that draws from words."""
    has_much = header.has(UNET) and header.has(VAE, _TEXT, "conditioner.")
    for marks, kind in () if has_much else _MARKS:
        if any(mark in name for name in header.shapes for mark in marks):
            raise ModelUnavailable(source, "no_model", detail=kind)
    for beginnings, family in _FAMILIES:
        if header.has(*beginnings):
            raise ModelUnavailable(source, "other_family", detail=family)
    if not has_much:
        kind = next((kind for beginnings, kind in _PARTS if header.has(*beginnings)), "tensors")
        raise ModelUnavailable(source, "no_model", detail=kind)
    if header.has("conditioner.embedders.0.model.") and not header.has(_TEXT_XL_2):
        raise ModelUnavailable(source, "other_family", detail="SDXL refiner")
    parts = {"vae": (VAE,), "text_encoder": (_TEXT, _TEXT_XL)}
    if is_xl(header):
        parts["text_encoder_2"] = (_TEXT_XL_2,)
    for part, beginnings in parts.items():
        if not header.has(*beginnings):
            raise ModelUnavailable(source, "part_missing", detail=part)
    if (channels := _input_channels(header)) not in (LATENT_CHANNELS, INPAINTING_CHANNELS):
        raise ModelUnavailable(source, "edits_pictures", detail=f"{channels} channels")
    if header.has("edm_vpred.") or "edm_mean" in header.shapes:
        raise ModelUnavailable(source, "other_family", detail="EDM noise levels, as in CosXL and Playground 2.5")


def is_xl(header: Header) -> bool:
    """Whether it is Stable Diffusion XL."""
    return header.has("conditioner.")


def require_fitting_configs(header: Header, configs: dict[str, Any], source: str) -> None:
    """Raise ModelUnavailable if the configs are of a model with other texts than the file's U-Net takes."""
    given = _text_width(header)
    channels = configs["unet"].get("in_channels", LATENT_CHANNELS)
    if channels != _input_channels(header):
        detail = f"MODEL_CONFIG: {channels} channels, the file: {_input_channels(header)}"
        raise ModelUnavailable(source, "parts_differ", detail=detail)
    wanted = configs["unet"].get("cross_attention_dim")
    if isinstance(wanted, int) and given not in (None, wanted):
        raise ModelUnavailable(source, "parts_differ", detail=f"MODEL_CONFIG: text width {wanted}, the file's: {given}")


def guessed_configs(header: Header) -> dict[str, Any]:
    """The configs that matter here, guessed from the file's tensors where it comes without a folder of them."""
    is_v2 = header.has("cond_stage_model.model.")
    unet = {"sample_size": 128 if is_xl(header) else 96 if is_v2 else 64, "in_channels": _input_channels(header)}
    unet |= {} if (width := _text_width(header)) is None else {"cross_attention_dim": width}
    added = {"addition_embed_type": "text_time"} if is_xl(header) else {}
    return {"unet": unet | added, "vae": {}, "scheduler": scheduler_marks(header)}


def scheduler_marks(header: Header) -> dict[str, Any]:
    """What a file says about the noise it was trained with, as a scheduler's config says it; often nothing.

    An empty tensor `v_pred` means that it predicts v (Salimans and Ho, arXiv:2202.00512), `ztsnr` that its noise ends
    without any signal, for which the steps have to begin at the very last timestep (Lin et al., arXiv:2305.08891).
    Without `v_pred` the second makes no sense: noise predicted from noise alone says nothing about the picture.
    """
    said = header.metadata.get("modelspec.prediction_type", "").casefold()
    if "v_pred" not in header.shapes and said not in ("v", "v_prediction"):
        return {}
    marks: dict[str, Any] = {"prediction_type": "v_prediction"}
    if "ztsnr" in header.shapes:
        marks |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return marks


def _input_channels(header: Header) -> int:
    return _second(header.shapes.get(_FIRST_LAYER, ())) or LATENT_CHANNELS


def _text_width(header: Header) -> int | None:
    layers = (name for name in header.shapes if name.startswith(UNET) and name.endswith("attn2.to_k.weight"))
    return next((_second(header.shapes[name]) for name in layers), None)


def _second(shape: tuple[int, ...]) -> int | None:
    return shape[1] if len(shape) > 1 else None
