# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false
"""The four parts of a Stable Diffusion, small: VAE, text encoder, U-Net and scheduler, all diffusers' own classes."""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from generation.training.noise import BETA_END, BETA_START, TIMESTEPS


@dataclass(frozen=True, kw_only=True)
class NetworkSizes:
    """Channels and layers. The defaults are 64 px and 11 MB, and draw in half a second on two cores."""

    pixels: int = 64
    vae_channels: tuple[int, ...] = (16, 32, 64)  #: one halving fewer than entries: 64 px make 16 x 16 latents
    unet_channels: tuple[int, ...] = (32, 64, 128)
    text_width: int = 128
    text_layers: int = 2
    tokens: int = 77  #: as in every Stable Diffusion, so that tools that count tokens are right
    vocabulary: int = 2304

    @property
    def latent_side(self) -> int:
        """The side of a latent picture."""
        return self.pixels // 2 ** (len(self.vae_channels) - 1)


#: "small" is the built-in model; "large" (128 px, a second on two cores, also within 25 MB) wants a GPU to learn
SIZES = {
    "small": NetworkSizes(),
    "large": NetworkSizes(
        pixels=128, vae_channels=(24, 48, 96, 96), unet_channels=(64, 128, 160), text_width=160, vocabulary=3072
    ),
}


def make_vae(sizes: NetworkSizes) -> AutoencoderKL:
    """Make a VAE without attention: its convolutions see pictures this small as a whole."""
    levels = len(sizes.vae_channels)
    per_level: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "block_out_channels": sizes.vae_channels,
    }
    vae: Any = AutoencoderKL(
        **per_level,
        layers_per_block=1,
        latent_channels=4,  # what legacy inpainting of diffusers needs
        norm_num_groups=8,
        sample_size=sizes.pixels,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )
    with torch.no_grad():  # begin nearly deterministic: unit noise would hide the picture from the decoder
        vae.quant_conv.weight[4:] = 0
        vae.quant_conv.bias[4:] = -5.0
    return vae


def make_text_encoder(sizes: NetworkSizes, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Make CLIP's text model, untrained: it learns with the U-Net what the words look like."""
    special: dict[str, Any] = {key: getattr(tokenizer, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=sizes.text_width,
            intermediate_size=sizes.text_width * 3,
            num_hidden_layers=sizes.text_layers,
            num_attention_heads=4,
            max_position_embeddings=sizes.tokens,
            hidden_act="quick_gelu",
            projection_dim=sizes.text_width,
            **special,
        )
    )


def make_unet(sizes: NetworkSizes) -> UNet2DConditionModel:
    """Make a U-Net whose finest level only convolves; words enter by cross-attention and, pooled, with the timestep.

    The second way in ("text" addition embedding with scale-shift norms) reaches every layer at once. Colour and kind of
    thing arrive by it within minutes, while cross-attention alone takes much longer to be of use.
    """
    down = ("DownBlock2D",) + ("CrossAttnDownBlock2D",) * (len(sizes.unet_channels) - 1)
    up = ("CrossAttnUpBlock2D",) * (len(sizes.unet_channels) - 1) + ("UpBlock2D",)
    return UNet2DConditionModel(
        sample_size=sizes.latent_side,
        in_channels=4,
        out_channels=4,
        block_out_channels=sizes.unet_channels,
        layers_per_block=1,
        down_block_types=down,
        up_block_types=up,
        mid_block_type="UNetMidBlock2DCrossAttn",
        cross_attention_dim=sizes.text_width,
        attention_head_dim=4,
        norm_num_groups=8,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )


def make_scheduler() -> DDIMScheduler:
    """Make the scheduler whose config tells all others what the network predicts."""
    return DDIMScheduler(
        num_train_timesteps=TIMESTEPS,
        beta_schedule="scaled_linear",
        beta_start=BETA_START,
        beta_end=BETA_END,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def parameters_of(*networks: nn.Module) -> list[nn.Parameter]:
    """Return all parameters, in a fixed order."""
    return [parameter for network in networks for parameter in network.parameters()]
