"""Models from a folder, a single file, the built-in one; never from a pickle."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from generation.catalog import DrawingOptions, ModelFamily
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.sdxl import StableDiffusionXL
from generation.diffusion.loading.loading import choose_device, choose_dtype, load_model
from generation.diffusion.loading.model import LoadedModel
from generation.diffusion.loading.sources import BUILTIN_FOLDER, inspect_model
from generation.errors import ModelUnavailable
from generation.events import ImageReady
from generation.request import SchedulerName
from tests.generation.diffusion.conftest import make_job
from tests.generation.diffusion.engine.test_equals_diffusers import latents_in_a_crowd
from tests.generation.diffusion.loading.single_file import save_single_file
from tests.generation.diffusion.tiny_models import make_pipeline, save_folder
from tests.png_parameters import parse_parameters

Folders = Callable[[str], Path]


class TestInspecting:
    """A spec is read from small files, before torch is imported."""

    def test_the_builtin_models_size_is_that_of_its_configs(self) -> None:
        spec = inspect_model("builtin")
        assert (spec.name, spec.native_size) == ("builtin", 64)
        unet = json.loads((BUILTIN_FOLDER / "unet/config.json").read_text())
        vae = json.loads((BUILTIN_FOLDER / "vae/config.json").read_text())
        assert spec.native_size == unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1)

    @pytest.mark.parametrize(
        ("kind", "family"),
        [("epsilon", ModelFamily.STABLE_DIFFUSION), ("xl", ModelFamily.STABLE_DIFFUSION_XL)],
    )
    def test_a_folder_tells_its_family_and_sizes(self, tiny_folder: Folders, kind: str, family: ModelFamily) -> None:
        spec = inspect_model(str(tiny_folder(kind)))
        assert spec.name == f"tiny-{kind}"
        assert spec.family is family
        assert spec.native_size == 32
        assert spec.size_multiple == 4

    def test_turbo_models_want_few_steps_and_no_guidance(self, tiny_folder: Folders, tmp_path: Path) -> None:
        turbo = shutil.copytree(tiny_folder("epsilon"), tmp_path / "sd-turbo")
        spec = inspect_model(str(turbo))
        assert (spec.default_steps, spec.default_guidance) == (4, 0.0)
        lcm = inspect_model(str(shutil.copytree(tiny_folder("epsilon"), tmp_path / "LCM_v7")))
        assert lcm.default_scheduler is SchedulerName.LCM
        assert lcm.rows(8.0) == 2, "distilled by a LoRA"
        embedded = make_pipeline("epsilon", unet={"time_cond_proj_dim": 8})
        embedded.save_pretrained(tmp_path / "LCM_embedded")
        spec = inspect_model(str(tmp_path / "LCM_embedded"))
        assert (spec.default_guidance, spec.rows(8.0)) == (8.0, 1)
        other = inspect_model(str(shutil.copytree(tiny_folder("epsilon"), tmp_path / "calcmodel")))
        assert other.default_scheduler is SchedulerName.DPMPP_2M_KARRAS

    @pytest.mark.parametrize("nonsense", ["", "nowhere", "./no/such/folder", "/no/such", "a/b/c"])
    def test_a_source_that_is_no_model_is_refused(self, nonsense: str) -> None:
        with pytest.raises(ModelUnavailable) as error:
            inspect_model(nonsense)
        assert error.value.reason in ("no_such_source", "no_model_folder")

    def test_an_empty_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelUnavailable, match="no_model_folder"):
            inspect_model(str(tmp_path))


class TestLoading:
    @pytest.mark.parametrize("kind", ["epsilon", "xl"])
    def test_a_folder_is_loaded_and_draws(self, tiny_folder: Folders, kind: str) -> None:
        model = load_model(inspect_model(str(tiny_folder(kind))), device="cpu")
        assert isinstance(model.family, StableDiffusionXL) == (kind == "xl")
        assert model.dtype is torch.float32
        assert draws(DiffusionEngine(model))

    def test_a_folder_of_the_fp16_variant_draws(self, tmp_path: Path) -> None:
        folder = save_folder("epsilon", tmp_path / "half", variant="fp16")
        assert not (folder / "unet/diffusion_pytorch_model.safetensors").exists()
        assert draws(DiffusionEngine(load_model(inspect_model(str(folder)), device="cpu")))

    def test_a_model_in_bfloat16_draws(self, tiny_folder: Folders) -> None:
        model = load_model(inspect_model(str(tiny_folder("epsilon"))), device="cpu", dtype="bfloat16")
        assert model.dtype is torch.bfloat16
        assert draws(DiffusionEngine(model))

    def test_a_single_file_is_the_same_model(self, tiny_folder: Folders, tmp_path: Path) -> None:
        path = save_single_file(make_pipeline("epsilon"), tmp_path / "shared.safetensors")
        spec = inspect_model(str(path), config=str(tiny_folder("epsilon")))
        assert (spec.name, spec.native_size) == ("shared", 32)
        job = make_job()
        one = load_model(spec, device="cpu")
        other = load_model(inspect_model(str(tiny_folder("epsilon"))), device="cpu")
        ours, theirs = (latents_in_a_crowd(model, [job])[7] for model in (one, other))
        assert torch.equal(ours, theirs)
        assert hash_of(one) == hashlib.sha256(path.read_bytes()).hexdigest()[:10]

    def test_pickles_of_what_is_not_loaded_do_not_matter(self, tmp_path: Path) -> None:
        folder = save_folder("epsilon", tmp_path / "model")
        for name in ("safety_checker", "checkpoint-500"):
            (folder / name).mkdir()
            torch.save({}, folder / name / "pytorch_model.bin")
        assert draws(DiffusionEngine(load_model(inspect_model(str(folder)), device="cpu")))

    def test_a_single_turbo_file_needs_its_configs(self, tiny_folder: Folders, tmp_path: Path) -> None:
        path = save_single_file(make_pipeline("epsilon"), tmp_path / "sd_turbo.safetensors")
        with pytest.raises(ModelUnavailable, match="turbo_without_config"):
            inspect_model(str(path))
        assert inspect_model(str(path), config=str(tiny_folder("epsilon"))).default_guidance == 0

    def test_a_device_that_is_not_there_makes_the_model_unavailable(self) -> None:
        with pytest.raises(ModelUnavailable, match="device_"):
            load_model(inspect_model("builtin"), device="cuda:99")

    def test_the_automatic_dtype_is_float32_on_the_cpu(self) -> None:
        assert choose_dtype("auto", torch.device("cpu")) is torch.float32
        assert choose_dtype("float16", torch.device("cpu")) is torch.float16
        assert choose_device("cpu") == torch.device("cpu")

    def test_the_builtin_model_draws_a_red_heart_red(self) -> None:
        import io

        from PIL import Image

        spec = inspect_model("builtin")
        engine = DiffusionEngine(load_model(spec, device="cpu"))
        request = spec.request(DrawingOptions(prompt="a red heart", seed=1))
        (image,) = draws(engine, request=request)
        picture = Image.open(io.BytesIO(image.image.png))
        fields = parse_parameters(picture.text["parameters"])  # type: ignore[attr-defined]
        assert fields["Model"] == "builtin"
        assert len(fields["Model hash"]) == 10
        red, green, blue = picture.convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
        assert red > green + 30
        assert red > blue + 30


def hash_of(model: LoadedModel) -> str | None:
    """Wait for the model's hash; None when it takes longer than ten seconds."""
    deadline = time.monotonic() + 10
    while model.model_hash is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return model.model_hash


def draws(engine: DiffusionEngine, request: object = None) -> list[ImageReady]:
    """Draw one job; return its pictures."""
    from dataclasses import replace

    job = make_job() if request is None else replace(make_job(), request=request)
    engine.admit(job)
    events = []
    while engine.busy:
        events += engine.step()
    return [event for event in events if isinstance(event, ImageReady)]
