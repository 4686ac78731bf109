"""Whatever can be asked for is drawn by a worker elsewhere as it would be here, byte for byte."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.catalog import DrawingOptions, ModelSpec
from generation.diffusion.families.lora_headers import find_loras, with_loras
from generation.diffusion.loading.sources import inspect_model
from generation.errors import LoraUnavailable
from generation.events import ImageReady, JobDone, JobFailed
from generation.inputs import InputPicture
from generation.job import Job, JobInputs
from generation.loras import parse_loras
from generation.result import GeneratedImage
from generation.workers.child import local_worker
from generation.workers.local import LocalWorker
from generation.workers.pipe_link import PipeLink
from generation.workers.remote import RemoteWorker
from tests.generation.diffusion.conftest import make_job
from tests.generation.diffusion.made_loras import make_lora
from tests.generation.diffusion.tiny_models import make_pipeline, save_folder
from tests.generation.workers.streams import follow

LORAS = ("chalk", "ink", "gone", "replaced")
COLUMNS = 10  #: of rank 4 two fit

PLAIN = DrawingOptions(prompt="a red heart", seed=7, steps=4)
ASKED_FOR = {
    "plain": PLAIN,
    "weights, chunks and alternatives": replace(
        PLAIN, prompt="(a red:1.3) [heart] BREAK {blue|green} star, " + "very " * 90 + "large", count=3
    ),
    "two LoRAs": replace(PLAIN, loras=parse_loras("chalk:0.8, ink:-0.5"), count=2),
    "beginning with a picture": replace(PLAIN, source="there", strength=0.6),
    "beginning with a picture, a mask and a LoRA": replace(
        PLAIN, source="there", mask="there", strength=0.9, loras=parse_loras("ink")
    ),
}


class Worlds:
    """The same model and LoRAs here and in a child."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.here = LocalWorker.for_models([spec], device="cpu")
        self.there = RemoteWorker(PipeLink("child"), local_worker([spec], cache=None, device="cpu"), name="child")

    def job(self, options: DrawingOptions) -> Job:
        return replace(make_job(), request=self.spec.request(options))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with LoRAs."""
    folder = save_folder("epsilon", tmp_path_factory.mktemp("tiny") / "tiny")
    (folder.parent / "loras").mkdir()
    for seed, name in enumerate(LORAS):
        make_lora(folder.parent / "loras" / f"{name}.safetensors", make_pipeline("epsilon"), seed=seed)
    return folder


@pytest.fixture
async def worlds(folder: Path) -> AsyncIterator[Worlds]:
    found = find_loras([str(folder.parent / "loras")])
    worlds = Worlds(with_loras(inspect_model(str(folder)), found, columns=COLUMNS))
    await worlds.here.start()
    await worlds.there.start()
    yield worlds
    await worlds.here.close()
    await worlds.there.close()


async def drawn(worker: LocalWorker | RemoteWorker, job: Job) -> tuple[list[GeneratedImage], JobDone]:
    events = await follow(worker.draw(job))
    assert isinstance(events[-1], JobDone), events[-1]
    images = [event.image for event in events if isinstance(event, ImageReady)]
    return sorted(images, key=lambda image: image.index), replace(events[-1], device_seconds=0.0)


async def test_everything_that_can_be_asked_for_is_drawn_elsewhere_as_it_is_here(worlds: Worlds) -> None:
    (first,), _ = await drawn(worlds.here, worlds.job(PLAIN))
    picture = InputPicture.decode(first.png, role="image")
    shown = {}
    for what, options in ASKED_FOR.items():
        named = {role: picture.sha256 for role in ("source", "mask") if getattr(options, role) is not None}
        job = worlds.job(replace(options, **named))
        inputs = JobInputs(**dict.fromkeys(named, picture.png))
        job = replace(job, inputs=lambda inputs=inputs: inputs)
        here, there = await drawn(worlds.here, job), await drawn(worlds.there, job)
        assert here == there, what
        shown[what] = [image.png for image in there[0]]
    assert len({pngs[0] for pngs in shown.values()}) == len(shown), "what was asked for made a difference"


async def test_a_lora_file_that_vanishes_or_is_replaced_fails_its_jobs_elsewhere_by_name(
    worlds: Worlds, folder: Path
) -> None:
    """What is on offer was found before the child was started, and is what holds for it."""
    (folder.parent / "loras" / "gone.safetensors").unlink()
    other = folder.parent / "loras" / "replaced.safetensors"
    save_file(load_file(other) | {"more": torch.ones(1)}, other)
    for name in ("gone", "replaced"):
        job = worlds.job(replace(PLAIN, loras=parse_loras(name)))
        last = (await follow(worlds.there.draw(job)))[-1]
        assert isinstance(last, JobFailed)
        assert isinstance(last.error, LoraUnavailable)
        assert (last.error.name, last.error.reason) == (name, name)
    await drawn(worlds.there, worlds.job(replace(PLAIN, loras=parse_loras("chalk"))))
