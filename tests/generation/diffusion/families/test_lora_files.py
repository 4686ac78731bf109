"""Reading LoRA files: each layer's own scale, and what spoilt files come to."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.diffusion.families.lora_layers import Adapter
from generation.errors import LoraUnavailable
from generation.loras import LoraOffer, LoraUse
from tests.generation.diffusion.conftest import load_tiny
from tests.generation.diffusion.made_loras import MadeLora, make_lora, offer_of
from tests.generation.diffusion.tiny_models import make_pipeline


def read(made: MadeLora) -> Adapter:
    model = load_tiny("epsilon", torch.float64, loras=offer_of(made))
    ((adapter, _),) = model.adapters.read([made.use()])
    return adapter


@pytest.mark.parametrize(
    ("said", "scale", "scale_of_keys"),
    [
        ({}, 1.0, 1.0),
        ({"unet.lora_alpha": 2}, 0.5, 0.5),
        ({"unet.lora_alpha": 2, "unet.alpha_pattern": {"attn2.to_k": 8}}, 0.5, 2.0),
        ({"unet.lora_alpha": 2, "unet.use_rslora": True}, 1.0, 1.0),
    ],
)
def test_a_layers_scale_is_what_peft_has_written(
    said: dict[str, Any], scale: float, scale_of_keys: float, tmp_path: Path
) -> None:
    metadata = {"lora_adapter_metadata": json.dumps(said)}
    made = make_lora(tmp_path / "x.safetensors", make_pipeline("epsilon"), form="peft", metadata=metadata)
    tensors = load_file(made.path)
    for path, layer in read(made).denoiser.items():
        wanted = scale_of_keys if path.endswith("attn2.to_k") else scale
        up = tensors[f"unet.{path}.lora_B.weight"].double().flatten(1).t()
        assert torch.equal(layer.up, up * wanted), path


@pytest.mark.parametrize(
    "said", [{"unet.lora_alpha": "much"}, {"unet.lora_alpha": []}, {"unet.alpha_pattern": [1]}, {"unet.use_dora": True}]
)
def test_settings_that_make_no_sense_are_told_by_name(said: dict[str, Any], tmp_path: Path) -> None:
    metadata = {"lora_adapter_metadata": json.dumps(said)}
    path = tmp_path / "x.safetensors"
    made = make_lora(path, make_pipeline("epsilon"), form="peft")
    file = made.file
    save_file(load_file(path), path, metadata)
    stat = path.stat()
    offer = LoraOffer(files=(replace(file, size=stat.st_size, modified=stat.st_mtime_ns),))
    with pytest.raises(LoraUnavailable) as failure:
        load_tiny("epsilon", loras=offer).adapters.read([LoraUse(name=file.name, sha256=file.sha256)])
    assert failure.value.reason in ("broken_file", "dora")
    assert failure.value.name == "x"
