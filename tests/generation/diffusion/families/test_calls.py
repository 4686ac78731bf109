"""The U-Net's call: exported whole, and built anew from its geometry."""

import json
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from generation.diffusion.families.calls import UnetCall, build_part, example_inputs, part_of
from generation.diffusion.loading.sources import BUILTIN_FOLDER
from tests.generation.diffusion.compiled.graph_bench import CPU, TWO_ROWS
from tests.generation.diffusion.tiny_models import make_pipeline


def unet_of(kind: str) -> Any:
    if kind == "builtin":
        return UNet2DConditionModel.from_pretrained(BUILTIN_FOLDER / "unet", local_files_only=True).eval()
    if kind != "distilled":
        return make_pipeline(kind).unet
    config = {name: value for name, value in make_pipeline("epsilon").unet.config.items() if not name.startswith("_")}
    return UNet2DConditionModel(**config | {"time_cond_proj_dim": 8}).eval()


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("epsilon", TWO_ROWS.shapes),
        ("xl", ((2, 4, 16, 16), (2,), (2, 77, 96), (2, 64), (2, 6), None)),
        ("distilled", ((2, 4, 16, 16), (2,), (2, 77, 32), None, None, (2, 8))),
        ("builtin", ((2, 4, 16, 16), (2,), (2, 77, 128), None, None, None)),
    ],
)
def test_each_kind_of_unet_can_be_exported_whole(kind: str, shapes: Any) -> None:
    """The exported U-Net answers as the U-Net does, depends on no constant but its weights, and is built from JSON."""
    network = unet_of(kind)
    config = json.loads(json.dumps(part_of("denoiser", network).config))
    twin = build_part("denoiser", config, device=CPU, dtype=torch.float32)
    inputs = example_inputs(shapes, device=CPU, dtype=torch.float32)
    with torch.no_grad():
        program = torch.export.export(twin.call, inputs)
        twin.network.load_state_dict(network.state_dict())  # the program shares its weights
        assert torch.allclose(program.module()(*inputs), UnetCall(network)(*inputs), atol=1e-5)
        assert set(program.state_dict) == set(part_of("denoiser", network).weights)
        assert not program.constants


def test_a_part_made_in_half_precision_was_never_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch keeps all memory that was ever reserved on a device, even for a moment."""
    made: list[torch.dtype] = []
    from_config = UNet2DConditionModel.from_config

    def noted(config: Any) -> Any:
        network: Any = from_config(config)
        made.append(network.dtype)
        return network

    monkeypatch.setattr(UNet2DConditionModel, "from_config", noted)
    config = part_of("denoiser", unet_of("epsilon")).config
    assert build_part("denoiser", config, device=CPU, dtype=torch.bfloat16).network.dtype is torch.bfloat16
    assert made == [torch.bfloat16]
    assert torch.get_default_dtype() is torch.float32
