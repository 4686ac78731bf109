"""C9: from the start of a process to the first picture, against P1: import, load and draw one picture."""

import statistics
import subprocess
import sys
import time

from tests.benchmarks.figures import Figure, ratio
from tests.benchmarks.peers import interleaved

OURS = """
import asyncio, uuid
from generation.catalog import DrawingOptions
from generation.diffusion.loading.sources import inspect_model
from generation.dispatcher import Dispatcher
from generation.job import Job
from generation.journal import MemoryJournal
from generation.workers.local import LocalWorker

async def main():
    spec = inspect_model("builtin")
    dispatcher = Dispatcher([LocalWorker.for_models([spec], device="cpu")], MemoryJournal())
    await dispatcher.start()
    job = Job(id=uuid.uuid4(), request=spec.request(DrawingOptions(prompt="a red heart", seed=1)), requester="a")
    await dispatcher.submit(job).result()
    print("drawn", flush=True)
    await dispatcher.close()

asyncio.run(main())
"""

# With one thread, as the engine chooses for this model: the faster for both.
THEIRS = """
import io, torch
torch.set_num_threads(1)
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from generation.diffusion.loading.sources import BUILTIN_FOLDER
pipeline = StableDiffusionPipeline.from_pretrained(BUILTIN_FOLDER, dtype=torch.float32, local_files_only=True)
pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
pipeline.set_progress_bar_config(disable=True)
pipeline("a red heart", num_inference_steps=20, guidance_scale=4.0).images[0].save(io.BytesIO(), "PNG")
print("drawn", flush=True)
"""


def measure_start() -> Figure:
    """Whole processes, in turn, each up to its picture: how long it takes to end is another matter."""
    ours, theirs = interleaved(lambda: _seconds_to_picture(OURS), lambda: _seconds_to_picture(THEIRS))
    meaning = "start to first picture / P1's import, load and one picture"
    return ratio("C9", meaning, ours, theirs, bar=1.05, stretch=0.9, note=f"{statistics.median(ours):.1f} s")


def _seconds_to_picture(code: str) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        taken = time.perf_counter() - started
    if line.strip() != "drawn":
        raise RuntimeError("the process has drawn nothing")
    return taken
