"""A model in one file: what is none is named, and what it says about itself is obeyed."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.diffusion.loading.sources import inspect_model
from generation.errors import ModelUnavailable
from generation.operator_words import operator_words
from tests.generation.diffusion.loading.single_file import save_single_file
from tests.generation.diffusion.tiny_models import make_pipeline

Folders = Callable[[str], Path]


def refusal(path: Path, config: Path | None = None) -> ModelUnavailable:
    with pytest.raises(ModelUnavailable) as error:
        inspect_model(str(path), None if config is None else str(config))
    assert "\n" not in operator_words(error.value)
    return error.value


def tensors(path: Path, *names: str, shape: tuple[int, ...] = (4, 4, 3, 3)) -> Path:
    save_file({name: torch.zeros(shape) for name in names}, path)
    return path


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return load_file(save_single_file(make_pipeline("epsilon"), tmp_path_factory.mktemp("one") / "whole.safetensors"))


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("lora_unet_down_blocks_0.lora_up.weight", "lora_unet_down_blocks_0.lora_down.weight"), "a LoRA"),
        (("unet.down_blocks.0.to_q.lora_A.weight",), "a LoRA"),
        (("encoder.down.0.block.0.conv1.weight", "decoder.conv_in.weight"), "a VAE alone"),
        (("first_stage_model.decoder.conv_in.weight",), "a VAE alone"),
        (("down_blocks.0.resnets.0.conv1.weight",), "a U-Net alone"),
        (("model.diffusion_model.input_blocks.0.0.weight",), "a U-Net alone"),
        (("text_model.embeddings.token_embedding.weight",), "a text encoder alone"),
        (("control_model.input_blocks.0.0.weight",), "a ControlNet"),
        (("image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"), "an IP-Adapter"),
        (("emb_params",), "a textual inversion"),
        (("something.else",), "a file of tensors"),
    ],
)
def test_a_file_that_is_no_model_is_told_what_it_seems_to_be(tmp_path: Path, names: tuple[str, ...], kind: str) -> None:
    words = operator_words(refusal(tensors(tmp_path / "file.safetensors", *names)))
    assert f"seems to be {kind}" in words
    assert "MODEL_CONFIG" in words


def test_further_tensors_do_not_hide_a_whole_model(tmp_path: Path, whole: dict[str, torch.Tensor]) -> None:
    save_file(whole | {"model_ema.decay": torch.zeros(1), "emb_params": torch.zeros(1)}, tmp_path / "a.safetensors")
    assert inspect_model(str(tmp_path / "a.safetensors")).name == "a"


@pytest.mark.parametrize("name", ["model.safetensors", "model.ckpt", "model"])
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "a web page"),
        (b"\n  <html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "a Git LFS pointer"),
        (b"PK\x03\x04archive/data.pkl", "a pickled checkpoint"),
        (b"\x80\x04\x95", "a pickled checkpoint"),
        (b"GGUF\x03\0\0\0", "a GGUF file"),
    ],
)
def test_a_file_of_another_kind_is_told_what_it_seems_to_be(
    tmp_path: Path, name: str, content: bytes, kind: str
) -> None:
    (tmp_path / name).write_bytes(content)
    words = operator_words(refusal(tmp_path / name))
    assert f"seems to be {kind}" in words
    assert "MODEL_CONFIG" in words


def written(path: Path, header: Any, *, length: int | None = None, rest: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + rest)
    return path


@pytest.mark.parametrize(
    "header",
    [
        b"1",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a": 1' + b"0" * 5000 + b"}",
        {"a": 1},
        {"a": None},
        {"a": {}},
        {"a": {"shape": "x", "data_offsets": [0, 0]}},
        {"a": {"shape": [1, None], "data_offsets": [0, 4]}},
        {"a": {"shape": [-1], "data_offsets": [0, 4]}},
        {"a": {"shape": [1], "data_offsets": [0]}},
        {"a": {"shape": [1], "data_offsets": [0, 10**30]}},
        {"a": {"shape": [1], "data_offsets": {}}},
    ],
    ids=lambda header: repr(header)[:40],
)
def test_a_header_that_breaks_the_format_is_refused(tmp_path: Path, header: Any) -> None:
    assert refusal(written(tmp_path / "file.safetensors", header)).reason == "broken_file"


def test_a_header_without_end_is_refused(tmp_path: Path) -> None:
    assert refusal(written(tmp_path / "a.safetensors", b"{}", length=2**63)).reason == "broken_file"
    assert refusal(written(tmp_path / "b.safetensors", b"{}", length=1000)).reason == "cut_short"
    (tmp_path / "c.safetensors").write_bytes(b"\1\2\3")
    assert refusal(tmp_path / "c.safetensors").reason == "broken_file"


def test_metadata_that_is_no_text_is_passed_over(tmp_path: Path) -> None:
    for number, metadata in enumerate((1, None, [], {"modelspec.prediction_type": 7})):
        path = written(tmp_path / f"{number}.safetensors", {"__metadata__": metadata})
        assert refusal(path).reason == "no_model"


def test_a_download_that_was_cut_short_is_named(tmp_path: Path, whole: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "model.safetensors"
    save_file(whole, path)
    os.truncate(path, path.stat().st_size // 2)
    assert refusal(path).reason == "cut_short"


@pytest.mark.parametrize(("prefix", "part"), [("first_stage_model.", "vae"), ("cond_stage_model.", "text_encoder")])
def test_a_part_that_is_missing_in_the_file_is_named(
    tmp_path: Path, whole: dict[str, torch.Tensor], prefix: str, part: str
) -> None:
    path = tmp_path / "model.safetensors"
    save_file({name: value for name, value in whole.items() if not name.startswith(prefix)}, path)
    error = refusal(path)
    assert (error.reason, error.detail) == ("part_missing", part)


@pytest.mark.parametrize(("channels", "inpaints"), [(4, False), (9, True), (8, None)])
def test_a_file_says_by_its_channels_whether_it_inpaints(
    tmp_path: Path, whole: dict[str, torch.Tensor], channels: int, inpaints: bool | None
) -> None:
    first = "model.diffusion_model.input_blocks.0.0.weight"
    path = tmp_path / "model.safetensors"
    save_file(whole | {first: torch.zeros(32, channels, 3, 3)}, path)
    if inpaints is not None:
        assert inspect_model(str(path)).inpaints is inpaints
        return
    error = refusal(path)
    assert (error.reason, error.detail) == ("edits_pictures", "8 channels")


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("double_blocks.0.img_attn.qkv.weight", "Flux"),
        ("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "Flux"),
        ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "Stable Diffusion 3"),
        ("model.diffusion_model.layers.0.adaLN_modulation.0.weight", "Z-Image or Lumina"),
        ("transformer_blocks.0.img_mod.1.weight", "a diffusion transformer"),
    ],
)
def test_a_file_of_another_family_is_refused_by_name(tmp_path: Path, name: str, family: str) -> None:
    error = refusal(tensors(tmp_path / "file.safetensors", name))
    assert (error.reason, error.detail) == ("other_family", family)


def test_a_refiner_in_one_file_is_refused_by_name(tmp_path: Path) -> None:
    names = ("model.diffusion_model.a", "first_stage_model.a", "conditioner.embedders.0.model.text_projection")
    assert refusal(tensors(tmp_path / "refiner.safetensors", *names)).detail == "SDXL refiner"


def test_configs_of_another_model_are_refused(
    tmp_path: Path, whole: dict[str, torch.Tensor], tiny_folder: Folders
) -> None:
    save_file(whole, tmp_path / "model.safetensors")
    assert refusal(tmp_path / "model.safetensors", tiny_folder("xl")).reason == "parts_differ"


def test_a_file_with_an_upper_case_ending_is_loaded_and_never_unpickled(
    tmp_path: Path, whole: dict[str, torch.Tensor], tiny_folder: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    from generation.diffusion.loading.loading import load_model

    monkeypatch.setattr(torch, "load", None)
    save_file(whole, tmp_path / "MODEL.SAFETENSORS")
    spec = inspect_model(str(tmp_path / "MODEL.SAFETENSORS"), str(tiny_folder("epsilon")))
    assert spec.name == "MODEL"
    assert load_model(spec, device="cpu").spec is spec


def test_a_file_whose_configs_the_hub_does_not_give_asks_for_them(
    tmp_path: Path, whole: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    from generation.diffusion.loading.loading import load_model

    def nobody_knows(*_: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", nobody_knows)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    save_file(whole, tmp_path / "model.safetensors")
    with pytest.raises(ModelUnavailable) as error:
        load_model(inspect_model(str(tmp_path / "model.safetensors")), device="cpu")
    assert error.value.reason == "needs_config"
    assert "MODEL_CONFIG" in operator_words(error.value)
