"""Models with random weights at real geometry: they cost what trained ones cost, and need no download.

The U-Net and the VAE are made from their configs on the device, prompts are random embeddings.
"""

from collections.abc import Callable
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)

from generation.catalog import ModelFamily, ModelSpec
from generation.diffusion.compiled.graphs import Graphs
from generation.diffusion.families.base import Conditioning, Parts, PromptConditioning
from generation.diffusion.families.calls import lay_out, made_in
from generation.diffusion.families.sdxl import StableDiffusionXL
from generation.diffusion.families.stable_diffusion import StableDiffusion
from generation.diffusion.loading.model import LoadedModel
from generation.request import SYNTAX, SchedulerName

TOKENS = 77

_SD15: dict[str, Any] = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
_XL: dict[str, Any] = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
_VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
#: the same shapes in toy sizes, to check the benchmark itself on a CPU
_TOY: dict[str, Any] = {"sample_size": 8, "norm_num_groups": 8}
_TOY_SD15 = _SD15 | _TOY | {"block_out_channels": (16, 32, 32, 32), "cross_attention_dim": 32, "attention_head_dim": 4}
_TOY_XL = (
    _XL
    | _TOY
    | {
        "block_out_channels": (16, 32, 32),
        "cross_attention_dim": 32,
        "attention_head_dim": 4,
        "transformer_layers_per_block": 1,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 32,
    }
)
_TOY_VAE = _VAE | {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4, "layers_per_block": 1}


class _RandomPrompts(StableDiffusion):
    """Stands in for tokenizer and text encoder: every prompt is the same random embedding."""

    def encode(
        self, prompt: str, negative_prompt: str, *, syntax: int, guidance_scale: float, width: int, height: int
    ) -> PromptConditioning:
        guided = self.spec.rows(guidance_scale) == 2
        generator = torch.Generator("cpu").manual_seed(0)
        config = self.parts.denoiser.config

        def row() -> Conditioning:
            def embedding(*shape: int) -> torch.Tensor:
                return torch.randn(1, *shape, generator=generator).to(self.parts.device, self.parts.dtype)

            if config.addition_embed_type != "text_time":
                return Conditioning(text=embedding(TOKENS, config.cross_attention_dim))
            time_ids = torch.tensor([[height, width, 0, 0, height, width]]).to(self.parts.device, self.parts.dtype)
            pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
            text = embedding(TOKENS, config.cross_attention_dim)
            return Conditioning(text=text, pooled=embedding(pooled), time_ids=time_ids)

        return PromptConditioning(positive=row(), negative=row() if guided else None)


class RandomStableDiffusion(_RandomPrompts):
    """Stable Diffusion 1.5's geometry."""


class RandomStableDiffusionXL(_RandomPrompts, StableDiffusionXL):
    """SDXL's geometry."""


def random_model(
    family: ModelFamily,
    *,
    device: str,
    dtype: torch.dtype,
    toy: bool = False,
    graphs: Callable[[Parts], Graphs] | None = None,
) -> LoadedModel:
    """A model of that family with random weights on the device, the same ones at every call.

    As a plain pipeline has it; with `graphs` laid out as the bot lays it out, and with these graphs.
    """
    is_xl = family is ModelFamily.STABLE_DIFFUSION_XL
    torch.manual_seed(0)
    with torch.device(device), made_in(dtype):
        unet = UNet2DConditionModel(**((_TOY_XL if toy else _XL) if is_xl else (_TOY_SD15 if toy else _SD15)))
        vae = AutoencoderKL(**(_TOY_VAE if toy else _VAE))
    unet.to(dtype).eval().requires_grad_(requires_grad=False)
    vae.to(dtype).eval().requires_grad_(requires_grad=False)
    scheduler = DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    parts: dict[str, Any] = {"unet": unet, "vae": vae, "scheduler": scheduler, "text_encoder": None, "tokenizer": None}
    if is_xl:
        pipeline = StableDiffusionXLPipeline(
            **parts, text_encoder_2=None, tokenizer_2=None, add_watermarker=False, force_zeros_for_empty_prompt=False
        )
    else:
        pipeline = StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    side = unet.config.sample_size * 8
    spec = ModelSpec(
        name=family.value,
        source="random",
        family=family,
        native_size=side,
        size_multiple=8,
        min_size=side,
        max_size=side,
        default_steps=30,
        default_guidance=7.5,
        default_scheduler=SchedulerName.DPMPP_2M,
    )
    if graphs is not None:
        lay_out(unet, unet.device)
        lay_out(vae, vae.device)
    family = (RandomStableDiffusionXL if is_xl else RandomStableDiffusion)(pipeline, spec)
    return LoadedModel(family, graphs=None if graphs is None else graphs(family.parts))


def embeddings_of(model: LoadedModel, guidance_scale: float, side: int) -> dict[str, torch.Tensor]:
    """The same prompt as the pipeline's own arguments."""
    both = model.encode("", "", syntax=SYNTAX, guidance_scale=guidance_scale, width=side, height=side)
    arguments = {"prompt_embeds": both.positive.text}
    if both.positive.pooled is not None:
        arguments["pooled_prompt_embeds"] = both.positive.pooled
    if both.negative is not None:
        arguments["negative_prompt_embeds"] = both.negative.text
        if both.negative.pooled is not None:
            arguments["negative_pooled_prompt_embeds"] = both.negative.pooled
    return arguments
