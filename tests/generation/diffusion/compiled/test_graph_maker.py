"""A real compiling process, and the graph it makes: on the CPU, of a tiny U-Net."""

import io
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.multiprocessing.reductions import StorageWeakRef

from generation.diffusion.compiled.maker_process import MakerProcess
from generation.diffusion.compiled.offer import graphs_for
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.base import Conditioning
from generation.diffusion.families.calls import example_inputs
from generation.diffusion.loading.model import LoadedModel
from generation.events import ImageReady
from tests.generation.diffusion.compiled.graph_bench import CPU, TWO_ROWS, parts
from tests.generation.diffusion.conftest import load_tiny, make_job

HAS_COMPILER = any(shutil.which(name) for name in ("c++", "g++", "clang++"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the graph of the tiny U-Net's two rows, compiled by a process of its own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        # These make the compiler quick and its code slow.
        patch.setenv("AOT_INDUCTOR_COMPILE_WRAPPER_OPT_LEVEL", "O0")
        patch.setenv("TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS", "0")
        graphs = graphs_for(parts(), folder)
        assert graphs is not None
        graphs.want("denoiser", TWO_ROWS.shapes)
        with torch.inference_mode():
            while graphs.idle():
                time.sleep(0.1)
        assert (graphs.ready, graphs.ordered) == ((TWO_ROWS,), 1), "the log says why it was not made"
        graphs.close()
    return folder


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Every process that is started from now on."""
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            started.append(self)

    monkeypatch.setattr("subprocess.Popen", Noted)
    return started


@pytest.mark.skipif(not HAS_COMPILER, reason="there is no C++ compiler here")
@pytest.mark.timeout(900)
class TestRealProcess:
    """The tiny U-Net for real, once for all of these tests."""

    def test_compiling_leaves_nothing_but_the_graph(self, cache: Path) -> None:
        assert [path.name for path in cache.rglob("*") if path.is_file()] == [f"{TWO_ROWS.name}.pt2"]

    def test_pictures_by_a_graph_equal_those_of_the_eager_call(self, cache: Path) -> None:
        eager = picture(load_tiny("epsilon"))
        model = with_graphs(cache)
        assert model.row_buckets(((4, 16, 16), 77)) == ()
        model.idle()
        assert model.row_buckets(((4, 16, 16), 77)) == (2,)
        assert model.graphs is not None
        compiled = picture(model)
        assert (model.graphs.called, model.graphs.ordered) == (4, 0)
        error = float(np.mean((compiled.astype(float) - eager.astype(float)) ** 2))
        assert error <= 255**2 / 10**4, "40 dB"

    @torch.inference_mode()
    def test_a_graph_shares_the_networks_weights(self, cache: Path) -> None:
        model = with_graphs(cache)
        model.idle()
        latents, timesteps, text, *_ = example_inputs(TWO_ROWS.shapes, device=CPU, dtype=torch.float32)
        assert latents is not None
        assert timesteps is not None
        assert text is not None
        before = model.predict_noise(latents, timesteps, Conditioning(text=text))
        with torch.no_grad():
            model.family.pipeline.unet.conv_out.bias += 1
        after = model.predict_noise(latents, timesteps, Conditioning(text=text))
        assert torch.allclose(after, before + 1, atol=1e-5)
        assert model.graphs is not None
        assert model.graphs.called == 2
        # Other strides make no difference.
        turned = model.predict_noise(latents.to(memory_format=torch.channels_last), timesteps, Conditioning(text=text))
        assert torch.equal(turned, after)

    def test_a_graph_that_is_let_go_of_keeps_no_weights(self, cache: Path) -> None:
        model = with_graphs(cache)
        model.idle()
        picture(model)
        assert model.graphs is not None
        assert model.graphs.called
        weight = model.family.pipeline.unet.conv_in.weight
        memory = StorageWeakRef(weight.untyped_storage())
        model.close()
        weight.data = weight.detach().clone()
        assert memory.expired()

    def test_a_corrupt_graph_file_is_deleted(self, cache: Path, tmp_path: Path) -> None:
        shutil.copytree(cache, tmp_path, dirs_exist_ok=True)
        (file,) = tmp_path.rglob("*.pt2")
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        model = with_graphs(tmp_path)
        model.idle()
        assert not file.exists()
        assert model.row_buckets(((4, 16, 16), 77)) == ()
        model.close()

    def test_the_compiling_process_ends_with_the_bot(
        self, tmp_path: Path, processes: list[subprocess.Popen[bytes]]
    ) -> None:
        """Closing ends it at once; so does the end of its standard input, which a killed bot leaves behind."""
        for end in ("close", "let go"):
            graphs = graphs_for(parts(), tmp_path / end)
            assert graphs is not None
            graphs.want("denoiser", TWO_ROWS.shapes)
            process = processes.pop()
            assert process.stdin is not None
            assert process.poll() is None
            if end == "close":
                graphs.close()
                graphs.close()
                assert not list((tmp_path / end).rglob("making-*"))
            else:
                process.stdin.close()
            assert process.wait(120) != 0
            graphs.close()

    def test_a_compiler_that_fails_is_logged_once(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        maker = MakerProcess(tmp_path)
        graph = {"part": "denoiser", "inputs": [[1]], "path": str(tmp_path / "denoiser_1.pt2")}
        maker.make({"device": "cpu", "parts": {}, "graphs": [graph]})
        while maker.busy:
            time.sleep(0.1)
        assert not maker.busy
        (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
        assert "status 1" in warning
        assert "KeyError" in warning
        assert not list(tmp_path.iterdir())


def test_the_compiler_sees_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    monkeypatch.setenv("CUDA_HOME", "/opt/cuda")
    env = environment_of_the_compiler(tmp_path, monkeypatch)
    assert "secret" not in env.values()
    assert env["CUDA_HOME"] == "/opt/cuda"
    assert "PATH" in env


def test_the_compiler_is_told_where_cuda_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvcc = tmp_path / "cuda-13" / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True)
    nvcc.touch(mode=0o755)
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(nvcc.parent), prepend=os.pathsep)
    assert environment_of_the_compiler(tmp_path, monkeypatch)["CUDA_HOME"] == str(tmp_path / "cuda-13")


def environment_of_the_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    given: list[dict[str, str]] = []

    def refuse(*_: object, env: dict[str, str], **__: object) -> None:
        given.append(env)
        raise OSError("not today")

    monkeypatch.setattr("subprocess.Popen", refuse)
    with pytest.raises(OSError, match="not today"):
        MakerProcess(folder).make({})
    (env,) = given
    return env


def with_graphs(cache: Path) -> LoadedModel:
    model = load_tiny("epsilon")
    model.graphs = graphs_for(model.family.parts, cache)
    return model


def picture(model: LoadedModel) -> np.ndarray:
    engine = DiffusionEngine(model)
    engine.admit(make_job())
    events = []
    while engine.busy:
        events += engine.step()
    (ready,) = (event for event in events if isinstance(event, ImageReady))
    return np.asarray(Image.open(io.BytesIO(ready.image.png)))
