"""Writes a tiny pipeline as one .safetensors file in the layout that checkpoints are shared in (CompVis' names)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
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
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
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


#: Names of a text encoder of transformers -> OpenCLIP's, as SDXL's second one is shared.
OPEN_CLIP = {
    "embeddings.position_embedding.weight": "positional_embedding",
    "embeddings.token_embedding": "token_embedding",
    "final_layer_norm": "ln_final",
    "encoder.layers.": "transformer.resblocks.",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.": "attn.",
}


def save_single_file(
    pipeline: Any, path: Path, *, marks: Sequence[str] = (), metadata: dict[str, str] | None = None
) -> Path:
    """Write all weights of a Stable Diffusion 1.x or XL pipeline to one file; `marks` are empty tensors beside them."""
    is_xl = hasattr(pipeline, "text_encoder_2")
    state = {mark: torch.tensor([]) for mark in marks}
    for key, value in pipeline.unet.state_dict().items():
        state["model.diffusion_model." + _unet_key(key)] = value
    for key, value in pipeline.vae.state_dict().items():
        name = _vae_key(key, levels=len(pipeline.vae.config.block_out_channels))
        is_attention = ".attn_1." in name and name.endswith("weight") and ".norm." not in name
        state["first_stage_model." + name] = value[..., None, None] if is_attention else value
    for key, value in pipeline.text_encoder.state_dict().items():
        name = key if key.startswith("text_model.") else "text_model." + key
        state[("conditioner.embedders.0" if is_xl else "cond_stage_model") + ".transformer." + name] = value
    if is_xl:
        for key, value in _open_clip(pipeline.text_encoder_2.state_dict()).items():
            state["conditioner.embedders.1.model." + key] = value
    save_file({key: value.contiguous().clone() for key, value in state.items()}, path, metadata)
    return path


def _open_clip(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename, and put each layer's queries, keys and values into one matrix."""
    state: dict[str, Tensor] = {}
    for key, value in weights.items():
        name = key.removeprefix("text_model.")
        for ours, theirs in OPEN_CLIP.items():
            name = name.replace(ours, theirs)
        if name == "text_projection.weight":
            state["text_projection"] = value.T
        elif (match := re.fullmatch(r"(.*attn)\.q_proj\.(weight|bias)", name)) is not None:
            parts = [weights[key.replace(".q_proj.", f".{which}_proj.")] for which in "qkv"]
            state[f"{match[1]}.in_proj_{match[2]}"] = torch.cat(parts)
        elif not re.search(r"\.[kv]_proj\.", name):
            state[name] = value
    return state


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
