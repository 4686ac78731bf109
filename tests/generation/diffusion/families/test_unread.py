"""A prompt beyond the model's limit is cut, and its result says which words were not read."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.base import PromptConditioning
from generation.diffusion.loading.sources import inspect_model
from generation.dispatcher import Dispatcher
from generation.events import JobDone
from generation.job import Job
from generation.journal import MemoryJournal
from generation.workers.local import LocalWorker
from tests.generation.diffusion.conftest import load_tiny, make_job

LONG = "heart " * 75


@pytest.mark.parametrize("kind", ["epsilon", "xl"])
@pytest.mark.parametrize(
    ("prompt", "unread"),
    [
        ("a red heart", ""),
        (LONG, ""),
        (LONG + "a red star", "a red star"),
        ("heart " * 74 + "heart, star", ", star"),
        (LONG + "\n" + "star " * 3, "star star star"),
        ("", ""),
    ],
)
def test_the_words_beyond_the_limit_are_named(kind: str, prompt: str, unread: str) -> None:
    encoded = encode(kind, prompt)
    assert encoded.unread == unread
    if unread:
        assert torch.equal(encoded.positive.text, encode(kind, prompt[: prompt.rindex(unread)]).positive.text)


def test_a_word_that_is_read_in_part_counts_as_unread() -> None:
    encoded = encode("epsilon", "heart " * 74 + "supercalifragilistic star")
    assert encoded.unread == "supercalifragilistic star"


def encode(kind: str, prompt: str) -> PromptConditioning:
    return load_tiny(kind).encode(prompt, "", guidance_scale=1.0, width=32, height=32)


def test_a_done_job_says_what_was_not_read() -> None:
    job = make_job(LONG + "a star", negative_prompt=LONG + "blue", count=2)
    unguided = make_job(LONG + "a star", negative_prompt=LONG + "blue", guidance_scale=1.0)
    engine = DiffusionEngine(load_tiny("epsilon"))
    engine.admit(job)
    engine.admit(unguided)
    done: dict[uuid.UUID, tuple[str, str]] = {}
    while engine.busy:
        done |= {e.job_id: (e.unread, e.unread_negative) for e in engine.step() if isinstance(e, JobDone)}
    assert done == {job.id: ("a star", "blue"), unguided.id: ("a star", "")}


async def test_a_result_says_what_was_not_read(tiny_folder: Callable[[str], Path]) -> None:
    spec = inspect_model(str(tiny_folder("epsilon")))
    dispatcher = Dispatcher([LocalWorker.for_models([spec], device="cpu")], MemoryJournal(), capacity=1)
    await dispatcher.start()
    try:
        await dispatcher.ready()
        job: Job = make_job(LONG + "a star", model=spec.name)
        result = await dispatcher.submit(job).result()
    finally:
        await dispatcher.close()
    assert (result.unread, result.unread_negative) == ("a star", "")
