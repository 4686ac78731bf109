"""Tiny random models in diffusers' layout: real architectures, a few thousand weights, made in the test."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from generation.diffusion.loading.sources import BUILTIN_FOLDER

TEXT_WIDTH = 32
TEXT_WIDTH_2 = 64  #: another one: by their widths diffusers tells the two encoders of a single file apart
KINDS = ("epsilon", "v_prediction", "xl")


def make_pipeline(kind: str, *, latent_channels: int = 4, vae: Any = None, unet: Any = None) -> Any:
    """Make a pipeline with random weights, the same at every call: "epsilon", "v_prediction" or "xl".

    `vae` and `unet` are further settings of their configs.
    """
    channels: dict[str, Any] = {"in_channels": latent_channels, "out_channels": latent_channels}
    unet = channels | (unet or {})
    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(BUILTIN_FOLDER / "tokenizer")
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction" if kind == "v_prediction" else "epsilon",
    )
    autoencoder = AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=latent_channels,
        norm_num_groups=8,
        sample_size=32,
        **(vae or {}),
    )
    text_encoder = CLIPTextModel(_text_config(tokenizer)).eval()
    if kind != "xl":
        return StableDiffusionPipeline(
            vae=autoencoder.eval(),
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=_unet(cross_attention_dim=TEXT_WIDTH, **unet),
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    return StableDiffusionXLPipeline(
        vae=autoencoder.eval(),
        text_encoder=text_encoder,
        text_encoder_2=CLIPTextModelWithProjection(_text_config(tokenizer, TEXT_WIDTH_2)).eval(),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=_unet(
            cross_attention_dim=TEXT_WIDTH + TEXT_WIDTH_2,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + TEXT_WIDTH_2,
            **unet,
        ),
        scheduler=scheduler,
        add_watermarker=False,
    )


def save_folder(kind: str, folder: Path, **settings: Any) -> Path:
    """Save the model as a diffusers folder."""
    make_pipeline(kind).save_pretrained(folder, **settings)
    return folder


def _text_config(tokenizer: CLIPTokenizer, width: int = TEXT_WIDTH) -> CLIPTextConfig:
    return CLIPTextConfig(
        hidden_size=width,
        intermediate_size=64,
        num_attention_heads=4,
        num_hidden_layers=3,
        projection_dim=width,
        vocab_size=tokenizer.vocab_size,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _unet(**settings: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=8,
        **settings,
    ).eval()
