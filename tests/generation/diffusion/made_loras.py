"""LoRA files with random numbers for the tiny models, in the forms that people share, and what they come to by hand."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from generation.diffusion.families.lora_headers import FoundLora, find_loras
from generation.loras import LoraFile, LoraOffer, LoraUse

TEXT_ENCODERS = ("text_encoder", "text_encoder_2")
FORMS = ("kohya", "diffusers", "peft")


@dataclass(frozen=True, kw_only=True)
class MadeLora:
    """A file, and what it adds to each weight, by network and module."""

    path: Path
    changes: dict[str, dict[str, Tensor]]

    @property
    def file(self) -> LoraFile:
        (found,) = (one for one in find_loras([str(self.path.parent)]) if isinstance(one, FoundLora) and self._is(one))
        return found.file

    def _is(self, found: FoundLora) -> bool:
        return found.file.path == str(self.path)

    def use(self, weight: float = 1.0) -> LoraUse:
        return LoraUse(name=self.file.name, weight=weight, sha256=self.file.sha256)


def make_lora(
    path: Path,
    pipeline: Any,
    *,
    form: str = "kohya",
    seed: int = 0,
    rank: int = 4,
    alphas: Sequence[float] = (3.0,),
    convolutions: bool = False,
    text: bool = True,
    size: float = 0.2,
    dtype: torch.dtype = torch.float32,
    metadata: dict[str, str] | None = None,
) -> MadeLora:
    """Write a file; layers take the alphas in turn. Only kohya's form has any, in the others alpha is the rank."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    changes: dict[str, dict[str, Tensor]] = {}
    for network, name, module in modules(pipeline, convolutions=convolutions, text=text):
        weight = module.weight
        down = (torch.randn(rank, *weight.shape[1:], generator=generator) * size).to(dtype)
        up = (torch.randn(len(weight), rank, generator=generator) * size).to(dtype)
        shaped = up[:, :, None, None] if weight.dim() == 4 else up
        alpha = alphas[len(tensors) // 3 % len(alphas)] if form == "kohya" else rank
        key = key_of(pipeline, network, name, form)
        ends = {"kohya": ("lora_down", "lora_up"), "peft": ("lora_A", "lora_B")}.get(form, ("lora.down", "lora.up"))
        if form == "diffusers" and network != "unet":
            ends = ("lora_linear_layer.down", "lora_linear_layer.up")
        tensors |= {f"{key}.{ends[0]}.weight": down, f"{key}.{ends[1]}.weight": shaped.contiguous()}
        if form == "kohya":
            tensors[f"{key}.alpha"] = torch.tensor(alpha)
        change = up.double() @ down.double().flatten(1) * (alpha / rank)
        changes.setdefault(network, {})[name] = change.view(weight.shape)
    save_file(tensors, path, metadata)
    return MadeLora(path=path, changes=changes)


def modules(pipeline: Any, *, convolutions: bool, text: bool) -> list[tuple[str, str, Any]]:
    """The layers that LoRAs are trained for: those of attention, further convolutions, and the text encoders'."""
    found = [
        ("unet", name, module)
        for name, module in pipeline.unet.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and (".attentions." in name or (convolutions and (".resnets." in name or "samplers." in name)))
    ]
    for encoder in TEXT_ENCODERS if text else ():
        if (network := getattr(pipeline, encoder, None)) is not None:
            found += [
                (encoder, name, module)
                for name, module in network.named_modules()
                if isinstance(module, nn.Linear) and ("self_attn" in name or "mlp" in name)
            ]
    return found


def key_of(pipeline: Any, network: str, name: str, form: str) -> str:
    """The name of a module in a file of this form; those of SDXL are kohya's own."""
    full = name if network == "unet" or name.startswith("text_model.") else f"text_model.{name}"
    if form != "kohya":
        return f"{network}.{full}"
    is_xl = getattr(pipeline, "text_encoder_2", None) is not None
    prefix = {"unet": "unet", "text_encoder": "te1" if is_xl else "te", "text_encoder_2": "te2"}[network]
    if network == "unet" and is_xl:
        full = as_sgm_names_it(name, pipeline.unet.config.layers_per_block)
    return f"lora_{prefix}_{full.replace('.', '_')}"


def as_sgm_names_it(name: str, layers: int) -> str:
    """The name of a module of a diffusers' U-Net in the code that SDXL was published with."""
    rest = name
    for ours, theirs in (
        ("conv1", "in_layers.2"),
        ("conv2", "out_layers.3"),
        ("time_emb_proj", "emb_layers.1"),
        ("conv_shortcut", "skip_connection"),
    ):
        rest = rest.replace(ours, theirs)
    if (found := re.match(r"mid_block\.(\w+)\.(\d)\.(.*)", rest)) is not None:
        kind, number, inner = found.groups()
        return f"middle_block.{1 if kind == 'attentions' else 2 * int(number)}.{inner}"
    found = re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.*)", rest)
    assert found is not None, name
    side, block, kind, number, inner = found.groups()
    first = (layers + 1) * int(block)
    if kind == "downsamplers":
        return f"input_blocks.{first + layers + 1}.0.op"
    if kind == "upsamplers":
        return f"output_blocks.{first + layers}.2.{inner}"
    part = 0 if kind == "resnets" else 1
    return f"{'input' if side == 'down' else 'output'}_blocks.{first + int(number) + (side == 'down')}.{part}.{inner}"


def offer_of(*made: MadeLora, columns: int = 256) -> LoraOffer:
    return LoraOffer(files=tuple(one.file for one in made), columns=columns)


@torch.no_grad()
def merge(pipeline: Any, wanted: Sequence[tuple[MadeLora, float]]) -> None:
    """Add the files to the pipeline's own weights, by hand."""
    for made, weight in wanted:
        for network, changes in made.changes.items():
            for name, change in changes.items():
                module: Any = getattr(pipeline, network).get_submodule(name)
                module.weight += (weight * change).to(module.weight.dtype)
