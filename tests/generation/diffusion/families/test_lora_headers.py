"""What a folder's LoRA files say about themselves, which model they fit, and why some are refused."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.catalog import ModelSpec
from generation.diffusion.families.lora_headers import FoundLora, find_loras, tensors_hash, with_loras
from generation.diffusion.loading.sources import inspect_model
from generation.errors import LoraRefused
from generation.operator_words import operator_words
from tests.generation.diffusion.made_loras import make_lora
from tests.generation.diffusion.tiny_models import TEXT_WIDTH, TEXT_WIDTH_2, make_pipeline

SD = ModelSpec(name="tiny", source="tiny", text_width=TEXT_WIDTH)
XL = replace(SD, name="tiny-xl", text_width=TEXT_WIDTH + TEXT_WIDTH_2)


def test_a_file_is_described_by_its_header(tmp_path: Path) -> None:
    said = {
        "ss_base_model_version": "sd_v1",
        "modelspec.trigger_phrase": "chalk drawing, on slate",
        "sshs_model_hash": "AB" * 32,
    }
    made = make_lora(tmp_path / "chalk, v1:2.safetensors", make_pipeline("epsilon"), rank=6, metadata=said)
    (found,) = find_loras([str(tmp_path)])
    assert isinstance(found, FoundLora)
    file = found.file
    assert (file.name, file.base, file.triggers) == ("chalk_ v1_2", "sd_v1", ("chalk drawing", "on slate"))
    assert (file.rank, file.sha256, file.size) == (6, "ab" * 32, made.path.stat().st_size)
    assert found.text_width == TEXT_WIDTH


def test_without_a_hash_in_its_header_a_file_has_that_of_its_tensors(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    hashes: list[str] = []
    for folder, metadata in ((first, None), (second, {"title": "the same with another header"})):
        folder.mkdir()
        hashes.append(make_lora(folder / "x.safetensors", make_pipeline("epsilon"), metadata=metadata).file.sha256)
    assert hashes[0] == hashes[1]
    data = (first / "x.safetensors").read_bytes()
    assert hashes[0] == hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def test_two_files_that_say_the_same_hash_are_told_apart(tmp_path: Path) -> None:
    for seed in range(2):
        metadata = {"sshs_model_hash": "ab" * 32}
        make_lora(tmp_path / f"{seed}.safetensors", make_pipeline("epsilon"), seed=seed, metadata=metadata)
    hashes = [one.file.sha256 for one in find_loras([str(tmp_path)]) if isinstance(one, FoundLora)]
    assert hashes == ["ab" * 32, tensors_hash(tmp_path / "1.safetensors")]


def test_triggers_are_the_tags_that_most_of_its_pictures_had(tmp_path: Path) -> None:
    tags = {"10_chalk": {" chalk ": 20, "slate": 15, "dog": 2}, "5_more": {"chalk": 5, "x": "broken"}, "z": 3}
    metadata = {"ss_tag_frequency": json.dumps(tags)}
    assert make_lora(tmp_path / "x.safetensors", make_pipeline("epsilon"), metadata=metadata).file.triggers == (
        "chalk",
        "slate",
    )


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100000, '{"a": [1]}'])
def test_tags_that_make_no_sense_are_none(text: str, tmp_path: Path) -> None:
    metadata = {"ss_tag_frequency": text, "lora_adapter_metadata": text}
    assert make_lora(tmp_path / "x.safetensors", make_pipeline("epsilon"), metadata=metadata).file.triggers == ()


KEY = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"


def spoil(path: Path, **changes: Any) -> None:
    """Add tensors to the file, or take them out where they are None."""
    tensors = load_file(path) | changes
    save_file({key: value for key, value in tensors.items() if value is not None}, path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({f"{KEY}.dora_scale": torch.ones(1)}, "dora"),
        ({f"{KEY}.hada_w1_a": torch.ones(4, 4)}, "loha"),
        ({f"{KEY}.lokr_w1": torch.ones(4, 4)}, "lokr"),
        ({f"{KEY}.lora_mid.weight": torch.ones(4, 4)}, "other_kind"),
        ({f"{KEY}.lora_up.weight": None}, "half_missing"),
        ({f"{KEY}.lora_down.weight": None}, "half_missing"),
        ({"transformer.double_blocks.0.lora_A.weight": torch.ones(4, 4)}, "half_missing"),
        (
            {f"transformer.blocks.0.to_k.lora_{half}.weight": torch.ones(4, 4) for half in "AB"},
            "other_base",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_drawn_with_is_refused_by_name_with_the_reason(
    changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    made = make_lora(tmp_path / "bad.safetensors", make_pipeline("epsilon"))
    spoil(made.path, **changes)
    (refusal,) = find_loras([str(tmp_path)])
    assert isinstance(refusal, LoraRefused)
    assert (refusal.name, refusal.reason) == ("bad", reason)
    assert "bad" in operator_words(refusal)
    with pytest.raises(LoraRefused) as again:
        with_loras(SD, [refusal]).loras.get("bad")
    assert again.value.reason == reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "broken_file"), (b"\x80\x02 a pickle", "broken_file"), (b"<html>", "broken_file"), (None, "no_lora")],
    ids=["empty", "pickle", "web page", "tensors"],
)
def test_what_is_no_lora_file_is_refused(content: bytes | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    if content is None:
        save_file({"emb_params": torch.ones(2, 32)}, path)
    else:
        path.write_bytes(content)
    (refusal,) = find_loras([str(tmp_path)])
    assert isinstance(refusal, LoraRefused)
    assert refusal.reason == reason


def test_a_model_offers_what_fits_it_and_refuses_the_others(tmp_path: Path) -> None:
    make_lora(tmp_path / "one.safetensors", make_pipeline("epsilon"), metadata={"ss_base_model_version": "sd_v1"})
    make_lora(tmp_path / "two.safetensors", make_pipeline("xl"))
    make_lora(tmp_path / "wide.safetensors", make_pipeline("epsilon"), rank=20)
    found = find_loras([str(tmp_path)])
    sd, xl = (with_loras(spec, found, columns=16).loras for spec in (SD, XL))
    assert [file.name for file in sd.files] == ["one"]
    assert [file.name for file in xl.files] == ["two"]
    reasons = {refusal.name: (refusal.reason, refusal.given, refusal.most) for refusal in sd.refused}
    assert reasons == {"two": ("other_base", None, None), "wide": ("ranks", 20, 16)}
    with pytest.raises(LoraRefused) as refusal:
        xl.get("one")
    assert (refusal.value.reason, refusal.value.detail) == ("other_base", "sd_v1")


def test_two_files_of_one_name_are_told_apart_by_refusing_the_second(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        make_lora(tmp_path / folder / "Chalk.safetensors", make_pipeline("epsilon"))
    found = find_loras([str(tmp_path / "a"), str(tmp_path / "b")])
    assert [one.file.path for one in found if isinstance(one, FoundLora)] == [str(tmp_path / "a/Chalk.safetensors")]


def test_the_built_in_model_brings_loras_of_its_own_and_a_file_of_that_name_takes_the_place_of_one(
    tmp_path: Path,
) -> None:
    spec = inspect_model("builtin")
    own = {file.name: file for file in spec.loras.files}
    assert {"night", "outlined"} <= own.keys()
    assert all(file.size <= 1_000_000 for file in own.values())
    shutil.copy(own["outlined"].path, tmp_path / "Night.safetensors")
    offered = {file.name: file.path for file in with_loras(spec, find_loras([str(tmp_path)])).loras.files}
    assert offered == {"outlined": own["outlined"].path, "Night": str(tmp_path / "Night.safetensors")}


def test_a_models_text_width_is_known_from_its_configs() -> None:
    assert inspect_model("builtin").text_width == 128
