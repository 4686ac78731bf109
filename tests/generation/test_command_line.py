"""`python -m generation`: all is looked at before anything is drawn, and what is done is kept."""

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from diffusers import UNet2DConditionModel
from PIL import Image

from generation.__main__ import main
from generation.diffusion.loading.sources import BUILTIN_FOLDER, inspect_model
from generation.errors import BrokenImage
from generation.job import Job
from generation.picture_folder import PictureFolder
from generation.reading import FILE as READING
from generation.request import GenerationRequest
from generation.result import GeneratedImage
from generation.workers.fake import FakeWorker
from generation.workers.local import LocalWorker
from tests.generation.diffusion.made_loras import make_lora
from tests.png_parameters import parse_parameters

Draw = Callable[..., tuple[int, str, str]]


class Workers:
    """Draw without a device: nothing is loaded. Each run has a worker of its own."""

    def __init__(self) -> None:
        self.drawn: list[Job] = []
        self.errors: list[Exception] = []  #: what the first jobs of the next run fail with

    def make(self, specs: object, **settings: object) -> FakeWorker:
        worker = FakeWorker()
        worker.drawn = self.drawn
        while self.errors:
            worker.fail_next(self.errors.pop(0))
        return worker


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Workers:
    workers = Workers()
    monkeypatch.setattr(LocalWorker, "for_models", workers.make)
    return workers


@pytest.fixture
def draw(worker: Workers, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Draw:
    """Run the command line; return its exit status and what it said on both outputs."""

    def run(*arguments: str, out: Path = tmp_path / "out") -> tuple[int, str, str]:
        status = main([*arguments, "--out", str(out)])
        said = capfd.readouterr()
        return status, said.out, said.err

    return run


def test_pictures_are_written_with_the_seeds_in_their_names(draw: Draw, tmp_path: Path) -> None:
    status, out, _ = draw("a red heart", "a star", "--seed", "4294967295", "--count", "2")
    assert status == 0
    names = ["a-red-heart-0.png", "a-red-heart-4294967295.png", "a-star-0.png", "a-star-4294967295.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert all(str(tmp_path / "out" / name) in out for name in names)
    picture = Image.open(tmp_path / "out/a-star-0.png")
    assert parse_parameters(picture.text["parameters"])["Seed"] == "0"  # type: ignore[attr-defined]


def test_a_prompt_that_asks_for_several_draws_each(draw: Draw, tmp_path: Path) -> None:
    assert draw("a {red, blue} {heart, star}", "--seed", "5")[0] == 0
    drawn = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert drawn == ["a-blue-heart-5.png", "a-blue-star-5.png", "a-red-heart-5.png", "a-red-star-5.png"]
    status, _, err = draw("{1,2,3,4,5,6,7} {1,2,3,4,5,6}")
    assert status == 1
    assert "from 1 to 40" in err


def test_loras_of_a_folder_are_named_with_their_weights(draw: Draw, worker: Workers, tmp_path: Path) -> None:
    pipeline = SimpleNamespace(unet=UNet2DConditionModel.from_pretrained(BUILTIN_FOLDER / "unet"))
    made = make_lora(tmp_path / "chalk.safetensors", pipeline, rank=2)
    assert draw("a star", "--loras", str(tmp_path), "--lora", "chalk:0.8")[0] == 0
    assert [job.request.loras for job in worker.drawn] == [(made.use(0.8),)]
    status, _, said = draw("a star", "--loras", str(tmp_path), "--lora", "chlk")
    assert (status, said) == (1, "The LoRA chlk is not on offer. Nearest: chalk\n")
    status, _, said = draw("a star", "--loras", str(tmp_path / "nowhere"))
    assert (status, said) == (1, f"The LoRA folder {tmp_path / 'nowhere'} is no folder\n")


def test_nothing_is_written_over(draw: Draw, tmp_path: Path) -> None:
    for _ in range(3):
        draw("a star", "--seed", "1")
    names = ["a-star-1-2.png", "a-star-1-3.png", "a-star-1.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


@pytest.mark.parametrize("prompt", ["😀" * 60, "𠜎" * 60, "語" * 500, "ß" * 300, "../../etc", "a/b\\c", "...", "\t"])
def test_a_prompt_of_any_letters_gives_a_name(draw: Draw, tmp_path: Path, prompt: str) -> None:
    if not prompt.strip():
        assert draw(prompt)[0] == 1, "nothing to see"
        return
    for _ in range(2):
        assert draw(prompt, "--seed", "4294967295")[0] == 0
    names = os.listdir(tmp_path / "out")
    assert len(names) == 2
    assert max(len(name.encode()) for name in names) < 143


@pytest.mark.parametrize("place", ["file", "file/below", "/dev/null/below", "/proc/nowhere", "x" * 300])
def test_a_place_that_cannot_be_written_to_is_named_before_anything_is_drawn(
    draw: Draw, worker: Workers, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    status, out, err = draw("a red heart", out=tmp_path / place)
    assert (status, out) == (1, "")
    assert err.startswith(f"Pictures cannot be written to {tmp_path / place} (--out): ")
    assert err.count("\n") == 1
    assert not worker.drawn


def test_too_little_space_is_named_before_anything_is_drawn(
    draw: Draw, worker: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage())
    status, _, err = draw("a red heart")
    assert status == 1
    assert "MiB are free" in err
    assert not worker.drawn


class Usage:
    free = 1000  #: bytes


def test_a_disk_that_fills_up_ends_it_with_one_sentence_and_keeps_what_is_done(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = PictureFolder.write

    def fill_up(self: PictureFolder, image: GeneratedImage, request: GenerationRequest) -> Path:
        if any(self.path.iterdir()):
            raise OSError(28, "No space left on device")
        return write(self, image, request)

    monkeypatch.setattr(PictureFolder, "write", fill_up)
    status, _, err = draw("a red heart", "--count", "4")
    assert status == 1
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert err.splitlines()[-1].endswith("(--out): No space left on device")
    assert "Traceback" not in err


def test_a_picture_that_cannot_be_written_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    request = inspect_model("builtin").request(options("a star"))
    folder = PictureFolder(tmp_path)
    folder.prepare([request])
    image = GeneratedImage(index=0, seed=1, width=64, height=64, png="not bytes")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        folder.write(image, request)
    assert list(tmp_path.iterdir()) == []


def test_one_picture_that_fails_costs_no_other(draw: Draw, worker: Workers, tmp_path: Path) -> None:
    worker.errors.append(BrokenImage(where="latents"))
    status, _, err = draw("a red heart", "--count", "3")
    assert status == 1
    assert "'a red heart': The model produced no picture" in err
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_the_hint_names_the_words_that_the_model_does_not_know(draw: Draw) -> None:
    assert "does not know" not in draw("a red heart", "two cats")[2]
    err = draw("the Mona Lisa", "a red heart", "🫠")[2]
    assert "The model builtin does not know: Mona, Lisa. It draws, for example: a red heart, " in err
    assert "The model builtin does not know: 🫠." in err
    assert err.count("does not know") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x", "--model", "models/none"), "no such folder"),
        (("x", "--steps", "0"), "steps must be from 1 to 150, not 0"),
        (("x", "--guidance", "nan"), "guidance must be from 0 to 30"),
        (("x", "--aspect", "9:1"), "aspect must be a ratio"),
        (("x", "--scheduler", "magic"), "scheduler must be one of"),
        (("\u3164",), "prompt must be something to see"),
        (("x", "--device", "gpu"), "write auto, cpu, cuda, cuda:1 or mps"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_nothing_is_made(
    draw: Draw, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    status, out, err = draw(*arguments)
    assert (status, out) == (1, "")
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def options(prompt: str) -> Any:
    from generation.catalog import DrawingOptions

    return DrawingOptions(prompt=prompt)


def test_ctrl_c_keeps_the_pictures_that_are_done(tmp_path: Path) -> None:
    """In a process of its own, with the real engine: four are drawn at a time, and one of twenty is there."""
    out = tmp_path / "out"
    prompts = ("a red heart", "a star", "a cat", "a dog", "a fox")
    options = ("--steps", "60", "--count", "4", "--out", str(out))
    command = [sys.executable, "-m", "generation", *prompts, *options]
    # A shell has what it starts in the background ignore Ctrl-C, and the tests may run there.
    here = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        drawing = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, here)
    deadline = time.monotonic() + 120
    while not (out.is_dir() and list(out.glob("*.png"))) and time.monotonic() < deadline and drawing.poll() is None:
        time.sleep(0.01)
    drawing.send_signal(signal.SIGINT)
    _, err = drawing.communicate(timeout=60)
    kept = list(out.glob("*.png"))
    assert drawing.returncode == 130
    assert 1 <= len(kept) < 20
    assert f"Stopped. {len(kept)} of 20 pictures are in {out}." in err
    assert "Traceback" not in err
    for picture in kept:
        Image.open(picture).verify()


def test_a_prompt_beyond_the_limit_is_said_to_be_read_in_part(tmp_path: Path) -> None:
    prompt = "heart " * 300 + "a red star"
    model = tmp_path / "model"  # one that reads prompts as they are
    shutil.copytree(BUILTIN_FOLDER, model, ignore=shutil.ignore_patterns(READING))
    options = ["--model", str(model), "--steps", "1", "--count", "2", "--out", str(tmp_path / "pictures")]
    done = subprocess.run(
        [sys.executable, "-m", "generation", prompt, *options], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0
    assert done.stderr.count("is too long for the model, which did not read") == 1
    assert "did not read 'a red star'." in done.stderr


class TestPictures:
    @pytest.fixture
    def heart(self, tmp_path: Path) -> Path:
        Image.new("RGB", (90, 60), "red").save(tmp_path / "heart.jpg")
        return tmp_path / "heart.jpg"

    def test_a_picture_goes_along_by_its_bytes_and_in_its_own_shape(
        self, draw: Draw, worker: Workers, heart: Path
    ) -> None:
        status, _, err = draw("a blue heart", "a star", "--image", str(heart), "--strength", "0.5")
        assert status == 0
        for job in worker.drawn:
            assert (job.request.width, job.request.height, job.request.strength) == (96, 64, 0.5)
            assert job.request.source == hashlib.sha256(job.inputs().source or b"").hexdigest()
            assert Image.open(io.BytesIO(job.inputs().source or b"")).size == (90, 60)
            assert (job.request.mask, job.inputs().mask) == (None, None)
        assert len(worker.drawn) == 2
        assert "least" not in err

    def test_an_upscale_draws_the_picture_larger_in_tiles_where_it_has_to_be(
        self, draw: Draw, worker: Workers, heart: Path
    ) -> None:
        assert draw("a red heart", "--image", str(heart), "--upscale", "2")[0] == 0
        assert draw("a red heart", "--image", str(heart), "--upscale", "4", "--strength", "0.1")[0] == 0
        twice, four_times = (job.request for job in worker.drawn)
        assert (twice.size, twice.strength, twice.tile) == ((176, 120), 0.35, None)
        assert (four_times.size, four_times.strength, four_times.tile) == ((360, 240), 0.1, 64)

    def test_an_upscale_without_a_picture_is_refused(self, draw: Draw, worker: Workers) -> None:
        status, _, err = draw("a red heart", "--upscale", "2")
        assert status == 1
        assert "upscale goes only together with image" in err
        assert not worker.drawn

    def test_a_second_pass_is_drawn_and_more_steps_for_it_are_said(self, draw: Draw, worker: Workers) -> None:
        status, _, err = draw("a red heart", "--hires", "2", "--steps", "2")
        (request,) = (job.request for job in worker.drawn)
        assert (status, request.size, request.hires_strength, request.steps) == (0, (128, 128), 0.35, 3)
        assert "At strength 0.35 it takes 3 steps to make one, so there are 3." in err

    def test_an_aspect_goes_before_the_pictures_own(self, draw: Draw, worker: Workers, heart: Path) -> None:
        assert draw("a blue heart", "--image", str(heart), "--aspect", "1:1")[0] == 0
        assert (worker.drawn[0].request.width, worker.drawn[0].request.height) == (64, 64)

    def test_a_mask_changes_all_that_it_covers(self, draw: Draw, worker: Workers, heart: Path, tmp_path: Path) -> None:
        Image.new("L", (45, 30), 255).save(tmp_path / "mask.png")
        assert draw("a blue heart", "--image", str(heart), "--mask", str(tmp_path / "mask.png"))[0] == 0
        (job,) = worker.drawn
        assert job.request.strength == 1.0
        assert job.request.mask == hashlib.sha256(job.inputs().mask or b"").hexdigest()

    def test_more_steps_than_were_asked_for_are_said(self, draw: Draw, worker: Workers, heart: Path) -> None:
        status, _, err = draw("a blue heart", "--image", str(heart), "--steps", "1")
        assert (status, worker.drawn[0].request.steps) == (0, 2)
        assert "At strength 0.6 it takes 2 steps to make one, so there are 2." in err

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--strength", "0.5"], "strength goes only together with image"),
            (["--mask", "heart.jpg"], "mask goes only together with image"),
            (["--image", "nowhere.png"], "The image cannot be read (nowhere.png: No such file or directory)"),
            (["--image", "text"], "The image must be a picture of one of these kinds: PNG, JPEG"),
            (["--image", "heart.jpg", "--mask", "text"], "The mask must be a picture of one of these kinds: PNG, JPEG"),
            (["--image", "heart.jpg", "--mask", "tall.png"], "mask must be of the same shape as 90x60, not '60x90'"),
            (["--image", "heart.jpg", "--strength", "0"], "strength must be from 0.02 to 1"),
        ],
    )
    def test_what_cannot_be_taken_is_one_sentence(
        self, draw: Draw, heart: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
    ) -> None:
        monkeypatch.chdir(heart.parent)
        Path("text").write_text("no picture")
        Image.new("L", (60, 90)).save("tall.png")
        status, out, err = draw("a blue heart", *arguments)
        assert (status, out) == (1, "")
        assert err.startswith(said)
        assert not Path("out").exists()
