"""A model's folder: all names that diffusers gives its files are found, and what is missing is named at the start."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.diffusion.engine.shelf import file_bytes
from generation.diffusion.loading.loading import load_model
from generation.diffusion.loading.sources import inspect_model
from generation.errors import ModelUnavailable, NotLoaded
from generation.operator_words import operator_words
from tests.generation.diffusion.conftest import make_job
from tests.generation.diffusion.engine.test_equals_diffusers import latents_in_a_crowd
from tests.generation.diffusion.engine.test_inputs_equal_diffusers import begin_with
from tests.generation.diffusion.tiny_models import make_pipeline, save_folder

Folders = Callable[[str], Path]


@pytest.fixture
def copy(tiny_folder: Folders, tmp_path: Path) -> Callable[[str], Path]:
    return lambda kind="epsilon": shutil.copytree(tiny_folder(kind), tmp_path / f"copy-{kind}")


def refusal(source: Path | str, config: Path | None = None) -> ModelUnavailable:
    with pytest.raises(ModelUnavailable) as error:
        inspect_model(str(source), None if config is None else str(config))
    words = operator_words(error.value)
    assert "\n" not in words
    assert len(words) < 800
    return error.value


def latents(source: Path) -> torch.Tensor:
    return latents_in_a_crowd(load_model(inspect_model(str(source)), device="cpu"), [make_job()])[7]


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# Names of files


@pytest.mark.parametrize("variant", [None, "fp16", "bf16", "non_ema"])
@pytest.mark.parametrize("shard", [None, "60KB"])
def test_files_are_found_under_every_name_that_diffusers_gives_them(
    tiny_folder: Folders, tmp_path: Path, variant: str | None, shard: str | None
) -> None:
    settings = {name: value for name, value in (("variant", variant), ("max_shard_size", shard)) if value}
    folder = save_folder("epsilon", tmp_path / "model", **settings)
    assert torch.equal(latents(folder), latents(tiny_folder("epsilon")))


def test_parts_of_different_variants_are_found_side_by_side(tiny_folder: Folders, tmp_path: Path) -> None:
    folder = save_folder("epsilon", tmp_path / "model", variant="fp16")
    (folder / "unet/diffusion_pytorch_model.fp16.safetensors").rename(
        folder / "unet/diffusion_pytorch_model.safetensors"
    )
    (folder / "vae/diffusion_pytorch_model.fp16.safetensors").rename(
        folder / "vae/diffusion_pytorch_model.bf16.safetensors"
    )
    assert torch.equal(latents(folder), latents(tiny_folder("epsilon")))


def test_upper_case_endings_are_found(copy: Folders, tiny_folder: Folders) -> None:
    folder = copy("xl")
    for file in folder.glob("*/*.safetensors"):
        file.rename(file.with_suffix(".SAFETENSORS"))
    assert torch.equal(latents(folder), latents(tiny_folder("xl")))


def test_weights_that_are_not_loaded_count_for_nothing(copy: Folders) -> None:
    folder = copy("epsilon")
    spec = inspect_model(str(folder))
    size = file_bytes(spec)
    shutil.copy(
        folder / "unet/diffusion_pytorch_model.safetensors", folder / "unet/diffusion_pytorch_model.non_ema.safetensors"
    )
    assert file_bytes(spec) == size > 0


def test_a_model_in_the_present_folder_has_its_name(copy: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copy("epsilon"))
    assert inspect_model(".").name == "copy-epsilon"
    assert inspect_model("../copy-epsilon/unet/..").name == "copy-epsilon"


# Parts


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("tokenizer", "tokenizer"),
        ("tokenizer/tokenizer.json", "tokenizer"),
        ("text_encoder", "text_encoder"),
        ("text_encoder/model.safetensors", "text_encoder"),
        ("vae", "vae"),
        ("vae/diffusion_pytorch_model.safetensors", "vae"),
        ("unet/diffusion_pytorch_model.safetensors", "unet"),
        ("scheduler", "scheduler"),
    ],
)
def test_a_missing_part_is_named(copy: Folders, gone: str, named: str) -> None:
    path = copy("epsilon") / gone
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    error = refusal(path.parents[gone.count("/")])
    assert (error.reason, error.detail.partition("/")[0]) == ("part_missing", named)


@pytest.mark.parametrize("second", ["tokenizer_2", "text_encoder_2"])
def test_a_missing_second_part_is_named(copy: Folders, second: str) -> None:
    folder = copy("xl")
    shutil.rmtree(folder / second)
    assert second in refusal(folder).detail


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model": {"vocab": {}}}', "[" * 100_000])
def test_an_empty_tokenizer_is_refused(copy: Folders, content: str) -> None:
    folder = copy("epsilon")
    (folder / "tokenizer/tokenizer.json").write_text(content)
    assert "tokenizer" in refusal(folder).detail


def test_a_tokenizer_of_plain_word_lists_draws_the_same(copy: Folders, tiny_folder: Folders) -> None:
    folder = copy("epsilon")
    words = json.loads((folder / "tokenizer/tokenizer.json").read_text())["model"]
    (folder / "tokenizer/tokenizer.json").unlink()
    (folder / "tokenizer/vocab.json").write_text(json.dumps(words["vocab"]))
    merges = (merge if isinstance(merge, str) else " ".join(merge) for merge in words["merges"])
    (folder / "tokenizer/merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    assert torch.equal(latents(folder), latents(tiny_folder("epsilon")))


def test_a_tokenizer_without_a_length_takes_the_text_encoders(copy: Folders, tiny_folder: Folders) -> None:
    folder = copy("epsilon")
    settings = folder / "tokenizer/tokenizer_config.json"
    written = json.loads(settings.read_text())
    del written["model_max_length"]
    settings.write_text(json.dumps(written))
    assert torch.equal(latents(folder), latents(tiny_folder("epsilon")))


def test_a_tokenizer_with_more_words_than_the_text_encoder_is_refused(copy: Folders) -> None:
    folder = copy("epsilon")
    edit(folder / "text_encoder/config.json", vocab_size=100)
    assert refusal(folder).reason == "parts_differ"


@pytest.mark.parametrize("width", [64, 16])
def test_another_models_text_encoder_is_refused(copy: Folders, width: int) -> None:
    folder = copy("epsilon")
    edit(folder / "text_encoder/config.json", hidden_size=width)
    error = refusal(folder)
    assert (error.reason, error.detail) == ("parts_differ", f"text_encoder: width {width}, unet: 32")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_another_models_weights_in_a_part_are_refused(copy: Folders, part: str) -> None:
    folder = copy("epsilon")
    other = "vae" if part == "unet" else "unet"
    (weights,) = (folder / part).glob("*.safetensors")
    shutil.copy(folder / other / "diffusion_pytorch_model.safetensors", weights)
    error = refusal(folder)
    assert (error.reason, error.detail.partition(":")[0]) == ("parts_differ", part)


def test_weights_that_end_too_early_are_refused(copy: Folders) -> None:
    folder = copy("epsilon")
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    os.truncate(weights, weights.stat().st_size - 1)
    assert refusal(folder).reason == "cut_short"


def test_a_missing_file_of_several_is_refused(tmp_path: Path) -> None:
    folder = save_folder("epsilon", tmp_path / "model", max_shard_size="60KB")
    max((folder / "unet").glob("*.safetensors")).unlink()
    error = refusal(folder)
    assert (error.reason, error.detail[:10]) == ("part_missing", "unet: file")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "text_encoder_2"])
def test_a_part_that_lacks_some_of_its_weights_is_refused(copy: Folders, part: str) -> None:
    folder = copy("xl")
    (file,) = (folder / part).glob("*.safetensors")
    weights = load_file(file)
    del weights[next(name for name in weights if name.endswith(("mlp.fc1.weight", "mid_block.resnets.0.conv1.weight")))]
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(ModelUnavailable) as error:
        load_model(inspect_model(str(folder)), device="cpu")
    if part.startswith("text_encoder"):
        assert error.value.reason == "part_missing"
        assert error.value.detail.startswith(f"{part}: ")


@pytest.mark.parametrize("component", ["unet", "text_encoder"])
def test_pickled_weights_are_refused(copy: Folders, component: str) -> None:
    folder = copy("epsilon")
    (weights,) = (folder / component).glob("*.safetensors")
    weights.unlink()
    torch.save({}, weights.with_suffix(".bin"))
    error = refusal(folder)
    assert (error.reason, error.detail) == ("part_pickled", component)


# Families


def test_a_model_that_only_edits_pictures_is_refused(tmp_path: Path) -> None:
    make_pipeline("epsilon", unet={"in_channels": 8}).save_pretrained(tmp_path / "pix2pix")
    error = refusal(tmp_path / "pix2pix")
    assert (error.reason, error.detail) == ("edits_pictures", "8 channels")


def test_a_model_for_inpainting_is_known_as_one(tmp_path: Path) -> None:
    make_pipeline("epsilon", unet={"in_channels": 9}).save_pretrained(tmp_path / "inpainting")
    spec = inspect_model(str(tmp_path / "inpainting"))
    assert spec.inpaints
    model = load_model(spec, device="cpu")
    job = begin_with(make_job(model=spec.name), 1.0, masked=True)
    assert latents_in_a_crowd(model, [job])[job.request.seed].shape == (1, 4, 16, 16)
    make_pipeline("epsilon").save_pretrained(tmp_path / "plain")
    assert not inspect_model(str(tmp_path / "plain")).inpaints


@pytest.mark.parametrize("name", ["FluxPipeline", "StableDiffusion3Pipeline", "QwenImagePipeline", 7, None])
def test_another_family_is_refused_by_name(copy: Folders, name: object) -> None:
    folder = copy("epsilon")
    edit(folder / "model_index.json", _class_name=name)
    shutil.rmtree(folder / "unet")
    error = refusal(folder)
    assert (error.reason, error.detail) == ("other_family", str(name))


def test_a_refiner_is_refused_by_name(copy: Folders) -> None:
    folder = copy("xl")
    edit(folder / "model_index.json", text_encoder=[None, None], tokenizer=[None, None])
    assert refusal(folder).detail == "SDXL refiner"


# Configs that make no sense


@pytest.mark.parametrize(
    "content", ["1", "null", "[]", '"x"', "", "\xff\xfe", "{", "[" * 100_000, '{"a": 1' + "0" * 5000]
)
@pytest.mark.parametrize("name", ["model_index.json", "unet/config.json", "text_encoder/config.json"])
def test_a_config_that_is_no_json_object_is_refused(copy: Folders, name: str, content: str) -> None:
    folder = copy("epsilon")
    (folder / name).write_text(content, "latin-1")
    error = refusal(folder)
    assert error.reason == "broken_config"
    assert error.detail.startswith(name)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("unet/config.json", {"sample_size": "large"}),
        ("unet/config.json", {"sample_size": -1}),
        ("unet/config.json", {"sample_size": [1, None]}),
        ("unet/config.json", {"sample_size": 10**30}),
        ("unet/config.json", {"sample_size": 1e400}),
        ("unet/config.json", {"block_out_channels": 5}),
        ("unet/config.json", {"block_out_channels": []}),
        ("unet/config.json", {"block_out_channels": [1] * 10_000}),
        ("vae/config.json", {"block_out_channels": {"a": 1}}),
        ("vae/config.json", {"block_out_channels": [1] * 60}),
        ("scheduler/scheduler_config.json", {"prediction_type": "flow"}),
        ("scheduler/scheduler_config.json", {"prediction_type": {}}),
        ("scheduler/scheduler_config.json", {"rescale_betas_zero_snr": True}),
    ],
)
def test_numbers_that_make_no_sense_are_refused(copy: Folders, name: str, changes: dict[str, Any]) -> None:
    folder = copy("epsilon")
    edit(folder / name, **changes)
    error = refusal(folder)
    assert error.reason == "broken_config"
    assert error.detail.startswith(name.partition("/")[0])


def test_what_only_the_library_finds_wrong_is_one_line(copy: Folders) -> None:
    folder = copy("epsilon")
    edit(folder / "unet/config.json", down_block_types=["NoSuchBlock", "DownBlock2D"])
    with pytest.raises(ModelUnavailable) as error:
        load_model(inspect_model(str(folder)), device="cpu")
    words = operator_words(error.value)
    assert "NoSuchBlock" in words
    assert "\n" not in words
    assert len(words) < 800


# Places


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("models/none", "no_such_source"),
        ("tests/none", "no_such_source"),
        ("somewhere/model.safetensors", "no_such_source"),
        ("x" * 5000, "no_such_source"),
        ("a\0b", "no_such_source"),
        ("~nobody-here/x", "no_such_source"),
        ("https://example.org/a", "no_such_source"),
    ],
)
def test_a_place_that_is_not_there_is_refused_at_once(source: str, reason: NotLoaded) -> None:
    started = time.monotonic()
    assert refusal(source).reason == reason
    assert time.monotonic() - started < 1


def test_a_hub_that_cannot_be_reached_is_not_asked_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", nobody_knows)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    started = time.monotonic()
    assert refusal("somebody/none").reason == "hub_silent"
    assert time.monotonic() - started < 5


def nobody_knows(*_: object) -> None:
    raise OSError("Name or service not known")
