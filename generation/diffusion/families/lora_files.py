# pyright: reportPrivateImportUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""From a LoRA file to an Adapter: its names are brought to the model's own, and its numbers to the model's format."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from generation.diffusion.families.lora_headers import DOWN, UP, refuse_what_is_no_lora, settings
from generation.diffusion.families.lora_layers import Adapter, Layers, LoraLayer
from generation.diffusion.safetensors_header import read_header
from generation.errors import LoraRefused, LoraUnavailable, ModelUnavailable
from generation.loras import LoraFile

NETWORKS = ("unet", "text_encoder", "text_encoder_2")  #: as diffusers' pipelines and files name them

_UNET_NAMES = {"to_out": "to_out.0"}
_TEXT_NAMES = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}


def read_lora(file: LoraFile, pipeline: Any, dtype: torch.dtype) -> Adapter:
    """Read a file for the networks of a pipeline. Raises LoraUnavailable.

    Each layer has the alpha that the file gives it; stock diffusers 0.42.1 mixes them up where they differ.
    """
    try:
        return _read(file, pipeline, dtype)
    except LoraRefused as refusal:
        raise LoraUnavailable(file.name, refusal.reason, detail=refusal.detail) from refusal
    except (ModelUnavailable, OSError, ValueError) as error:
        raise LoraUnavailable(file.name, "broken_file", detail=str(error)) from error


def _read(file: LoraFile, pipeline: Any, dtype: torch.dtype) -> Adapter:
    path = Path(file.path)
    _require_same(path, file)
    header = read_header(path, file.name)
    refuse_what_is_no_lora(header, file.name)
    tensors = load_file(path)
    _require_same(path, file)
    said = {} if _scale_by_alphas(tensors, torch.promote_types(dtype, torch.float32)) else settings(header.metadata)
    try:
        # A path would have diffusers fall back to pickles.
        named, _ = type(pipeline).lora_state_dict(tensors, unet_config=pipeline.unet.config)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise LoraUnavailable(file.name, "other_base", detail=str(error)[:200]) from error
    networks = {name: getattr(pipeline, name, None) for name in NETWORKS}
    if strange := [key for key in named if networks.get(key.partition(".")[0]) is None]:
        raise LoraUnavailable(file.name, "other_base", detail=strange[0])
    parts = {
        name: _layers(file.name, name, network, named, said, dtype)
        for name, network in networks.items()
        if network is not None
    }
    return Adapter(
        name=file.name,
        sha256=file.sha256,
        rank=file.rank,
        denoiser=parts.pop("unet"),
        text_encoders=tuple(parts.values()),
    )


def _require_same(path: Path, file: LoraFile) -> None:
    try:
        stat = path.stat()
    except OSError as error:
        raise LoraUnavailable(file.name, "gone", detail=str(path)) from error
    if (stat.st_size, stat.st_mtime_ns) != (file.size, file.modified):
        raise LoraUnavailable(file.name, "replaced", detail=str(path))


def _scale_by_alphas(tensors: dict[str, Tensor], dtype: torch.dtype) -> bool:
    """Scale each second half by the file's own alpha / rank, and take the alphas out; return whether there were any."""
    found = False
    for key in [key for key in tensors if key.endswith(UP)]:
        layer, rank = _bare(key), tensors[key].shape[1]
        for name in (f"{layer}.alpha", f"{layer.removesuffix('.lora')}.alpha"):
            if (alpha := tensors.pop(name, None)) is not None:
                tensors[key] = tensors[key].to(dtype) * (float(alpha) / rank)
                found = True
    return found


def _layers(
    lora: str, prefix: str, network: nn.Module, named: Mapping[str, Tensor], said: Mapping[str, Any], dtype: torch.dtype
) -> Layers:
    """Return the layers of one network. Raises LoraUnavailable."""
    modules: dict[str, Any] = dict(network.named_modules())
    halves: dict[str, dict[bool, Tensor]] = {}
    for key, value in named.items():
        if key.startswith(f"{prefix}."):
            path = _module(key.removeprefix(f"{prefix}."), _UNET_NAMES if prefix == "unet" else _TEXT_NAMES)
            # transformers 5 has taken a level away from one of the two kinds of text encoders.
            known = (path, path.removeprefix("text_model."), f"text_model.{path}")
            path = next((one for one in known if isinstance(modules.get(one), nn.Linear | nn.Conv2d)), None)
            if path is None:
                raise LoraUnavailable(lora, "other_base", detail=key)
            halves.setdefault(path, {})[key.endswith(UP)] = value
    layers: dict[str, LoraLayer] = {}
    for path, pair in halves.items():
        if len(pair) < 2:
            raise LoraUnavailable(lora, "half_missing", detail=f"{prefix}.{path}")
        down, up, weight = pair[False], pair[True], modules[path].weight
        if down[0].numel() != weight[0].numel() or up.numel() != len(weight) * len(down):
            raise LoraUnavailable(lora, "other_base", detail=f"{prefix}.{path}")
        scaled = up.to(torch.promote_types(dtype, torch.float32)) * _peft_scale(said, prefix, path, len(down))
        layer = LoraLayer(
            down=down.to(dtype).view(-1, *weight.shape[1:]).contiguous(),
            up=scaled.to(dtype).view(len(weight), len(down)).t().contiguous(),
        )
        # After the cast: what does not fit the model's format would make NaN of others' rows too.
        if not (bool(layer.down.isfinite().all()) and bool(layer.up.isfinite().all())):
            raise LoraUnavailable(lora, "not_finite", detail=f"{prefix}.{path}")
        layers[path] = layer
    return layers


def _bare(key: str) -> str:
    """A half's name without what says that it is one."""
    return key.removesuffix(next((end for end in (*DOWN, *UP) if key.endswith(end)), ""))


def _module(key: str, names: Mapping[str, str]) -> str:
    """The module that a half belongs to: diffusers writes `attn1.processor.to_q_lora.down.weight` and other forms."""
    path = _bare(key).replace(".processor.", ".")
    for end in (".lora_linear_layer", ".lora", "_lora"):
        path = path.removesuffix(end)
    parent, _, last = path.rpartition(".")
    return f"{parent}.{names.get(last, last)}" if parent else path


def _peft_scale(said: Mapping[str, Any], prefix: str, path: str, rank: int) -> float:
    """alpha / rank by the settings that PEFT has written; 1 where there are none."""
    alpha = said.get(f"{prefix}.lora_alpha", rank)
    for pattern, other in (said.get(f"{prefix}.alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", path):
            alpha = other
    return float(alpha) / (math.sqrt(rank) if said.get(f"{prefix}.use_rslora") else rank)
