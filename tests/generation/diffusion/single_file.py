"""Writes a tiny pipeline as one .safetensors file in the layout that checkpoints are shared in (CompVis' names)."""

import re
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

LAYERS = 1  #: per block, in the tiny models

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
UNET = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def save_single_file(pipeline: Any, path: Path) -> Path:
    """Write all weights of a Stable Diffusion 1.x pipeline to one file."""
    state: dict[str, Tensor] = {}
    for key, value in pipeline.unet.state_dict().items():
        state["model.diffusion_model." + _unet_key(key)] = value
    for key, value in pipeline.vae.state_dict().items():
        name = _vae_key(key, levels=len(pipeline.vae.config.block_out_channels))
        is_attention = ".attn_1." in name and name.endswith("weight") and ".norm." not in name
        state["first_stage_model." + name] = value[..., None, None] if is_attention else value
    for key, value in pipeline.text_encoder.state_dict().items():
        name = key if key.startswith("text_model.") else "text_model." + key
        state["cond_stage_model.transformer." + name] = value
    save_file({key: value.contiguous().clone() for key, value in state.items()}, path)
    return path


def _unet_key(key: str) -> str:
    if match := re.match(r"down_blocks\.(\d)\.(resnets|attentions)\.(\d)\.(.*)", key):
        block, kind, layer, rest = int(match[1]), match[2], int(match[3]), match[4]
        key = f"input_blocks.{1 + block * (LAYERS + 1) + layer}.{int(kind == 'attentions')}.{rest}"
    elif match := re.match(r"down_blocks\.(\d)\.downsamplers\.0\.conv\.(.*)", key):
        key = f"input_blocks.{(int(match[1]) + 1) * (LAYERS + 1)}.0.op.{match[2]}"
    elif match := re.match(r"up_blocks\.(\d)\.(resnets|attentions)\.(\d)\.(.*)", key):
        block, kind, layer, rest = int(match[1]), match[2], int(match[3]), match[4]
        key = f"output_blocks.{block * (LAYERS + 1) + layer}.{int(kind == 'attentions')}.{rest}"
    elif match := re.match(r"up_blocks\.(\d)\.upsamplers\.0\.(.*)", key):
        key = f"output_blocks.{int(match[1]) * (LAYERS + 1) + LAYERS}.2.{match[2]}"
    else:
        key = _renamed(key, UNET)
    return re.sub(r"(?<=\.)(norm1|conv1|norm2|conv2|time_emb_proj|conv_shortcut)(?=\.\w+$)", _resnet_part, key)


def _resnet_part(match: re.Match[str]) -> str:
    is_transformer = "transformer_blocks" in match.string
    return match[0] if is_transformer else RESNET[match[0]]


def _vae_key(key: str, *, levels: int) -> str:
    key = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{levels - 1 - int(m[1])}.block.{m[2]}", key)
    key = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", key)
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    if "mid_block.attentions.0." in key:
        head, tail = key.split("mid_block.attentions.0.")
        key = f"{head}mid.attn_1.{_renamed(tail, VAE_ATTENTION)}"
    return key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")


def _renamed(key: str, names: dict[str, str]) -> str:
    for ours, theirs in names.items():
        if key.startswith(ours + "."):
            return theirs + key[len(ours) :]
    return key
