"""Weights and long prompts reach the denoiser as computed by hand, and what is beyond the last chunk is named."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.base import PromptConditioning
from generation.diffusion.families.chunks import MOST_CHUNKS
from generation.diffusion.loading.model import LoadedModel
from generation.diffusion.loading.sources import inspect_model
from generation.dispatcher import Dispatcher
from generation.events import JobDone
from generation.job import Job
from generation.journal import MemoryJournal
from generation.prompt_grammar import STRONGER
from generation.request import WORD_FOR_WORD
from generation.workers.local import LocalWorker
from tests.generation.diffusion.conftest import load_tiny, make_job

CHUNK = "heart " * 75
LONG = CHUNK * MOST_CHUNKS
FAMILIES = pytest.mark.parametrize("kind", ["epsilon", "xl"])
TOLERANCE = 1e-10


def encoded_by_diffusers(model: LoadedModel, prompt: str, **asked: Any) -> Any:
    family: Any = model.family
    plain = {"device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": True}
    with torch.no_grad():
        return family.pipeline.encode_prompt(prompt, **plain, **asked)


@FAMILIES
@pytest.mark.parametrize("prompt", ["a red heart", "", "❤️ Two red hearts!", "heart " * 75, "a, b: c; 1.5 -x- <3"])
def test_a_plain_short_prompt_is_encoded_as_diffusers_does_to_the_last_bit(kind: str, prompt: str) -> None:
    model = load_tiny(kind)
    encoded = model.encode(prompt, "blue", guidance_scale=5.0, width=32, height=32)
    positive, negative, *pooled = encoded_by_diffusers(model, prompt, negative_prompt="blue")
    assert encoded.negative is not None
    assert torch.equal(encoded.positive.text, positive)
    assert torch.equal(encoded.negative.text, negative)
    if pooled:
        assert torch.equal(encoded.positive.pooled, pooled[0])
        assert torch.equal(encoded.negative.pooled, pooled[1])


@FAMILIES
def test_without_a_negative_prompt_the_negative_row_is_what_diffusers_makes_of_none(kind: str) -> None:
    model = load_tiny(kind)
    encoded = model.encode("a red heart", "", guidance_scale=5.0, width=32, height=32)
    _, negative, *_ = encoded_by_diffusers(model, "a red heart")
    assert encoded.negative is not None
    assert torch.equal(encoded.negative.text, negative)
    assert (negative == 0).all() == (kind == "xl")


@FAMILIES
@pytest.mark.parametrize(
    ("prompt", "weighted"),
    [
        ("a (red:1.5) heart", [("a", 1), ("red", 1.5), ("heart", 1)]),
        ("((a)) [red] (heart)", [("a", STRONGER**2), ("red", 1 / STRONGER), ("heart", STRONGER)]),
        (r"(a \(red\) heart:0.4)", [("a", 0.4), ("(", 0.4), ("red", 0.4), (")", 0.4), ("heart", 0.4)]),
        (CHUNK + "(star:1.3) " + CHUNK, [("heart", 1)] * 75 + [("star", 1.3)] + [("heart", 1)] * 75),
        ("(heart:1.2) " * 75 * MOST_CHUNKS, [("heart", 1.2)] * 75 * MOST_CHUNKS),
    ],
)
def test_weights_multiply_the_embeddings_of_their_tokens(
    kind: str, prompt: str, weighted: list[tuple[str, float]]
) -> None:
    model = load_tiny(kind, torch.float64)
    encoded = model.encode(prompt, "blue", guidance_scale=5.0, width=32, height=32)
    text, pooled = by_hand(model.family.pipeline, kind, weighted)
    assert (encoded.positive.text - text).abs().max() < TOLERANCE
    assert encoded.negative is not None
    assert encoded.negative.text.shape == encoded.positive.text.shape
    negative, negative_pooled = by_hand(model.family.pipeline, kind, [("blue", 1)], chunks=text.shape[1] // 77)
    assert (encoded.negative.text - negative).abs().max() < TOLERANCE
    if kind == "xl":
        assert (encoded.positive.pooled - pooled).abs().max() < TOLERANCE
        assert (encoded.negative.pooled - negative_pooled).abs().max() < TOLERANCE


@torch.no_grad()
def by_hand(
    pipeline: Any, kind: str, weighted: list[tuple[str, float]], *, chunks: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Encode single tokens with their weights: [1, 77 n, D] and the pooled embedding of the first chunk."""
    encoders = [pipeline.text_encoder, *([pipeline.text_encoder_2] if kind == "xl" else [])]
    texts: list[torch.Tensor] = []
    pooled: list[torch.Tensor] = []
    for encoder in encoders:
        tokenizer = pipeline.tokenizer
        tokens = [(tokenizer(word, add_special_tokens=False).input_ids, weight) for word, weight in weighted]
        assert all(len(ids) == 1 for ids, _ in tokens)
        parts: list[torch.Tensor] = []
        for start in range(0, max(len(tokens), 75 * chunks), 75):
            ids = [token for ids, _ in tokens[start : start + 75] for token in ids]
            weights = [weight for _, weight in tokens[start : start + 75]]
            rest = 76 - len(ids)
            out = encoder(
                torch.tensor([[tokenizer.bos_token_id, *ids, *[tokenizer.eos_token_id] * rest]]),
                output_hidden_states=True,
            )
            hidden = out.hidden_states[-2] if kind == "xl" else out.last_hidden_state
            parts.append(hidden * torch.tensor([1.0, *weights, *[1.0] * rest], dtype=hidden.dtype)[None, :, None])
            if kind == "xl":
                pooled.append(out[0])
        texts.append(torch.cat(parts, dim=1))
    first = pooled[-max(-(-len(weighted) // 75), chunks)] if pooled else torch.zeros(1)
    return torch.cat(texts, dim=-1), first


@FAMILIES
def test_break_begins_a_chunk_of_its_own(kind: str) -> None:
    model = load_tiny(kind, torch.float64)
    encoded = model.encode("a BREAK (red:1.5) BREAK", "", guidance_scale=1.0, width=32, height=32).positive
    parts = [by_hand(model.family.pipeline, kind, [one])[0] for one in (("a", 1), ("red", 1.5))]
    assert (encoded.text - torch.cat(parts, dim=1)).abs().max() < TOLERANCE


@FAMILIES
@pytest.mark.parametrize("prompt", ["a (red:1.5) heart", CHUNK + "a red star", "{a|b} BREAK c"])
def test_a_prompt_of_earlier_days_is_taken_word_for_word_and_cut(kind: str, prompt: str) -> None:
    model = load_tiny(kind)
    encoded = model.encode(prompt, "(x:2)", syntax=WORD_FOR_WORD, guidance_scale=5.0, width=32, height=32)
    positive, negative, *_ = encoded_by_diffusers(model, prompt, negative_prompt="(x:2)")
    assert encoded.negative is not None
    assert torch.equal(encoded.positive.text, positive)
    assert torch.equal(encoded.negative.text, negative)
    assert encoded.unread == ("a red star" if prompt.startswith(CHUNK) else "")


@FAMILIES
@pytest.mark.parametrize(
    ("prompt", "unread"),
    [
        ("a red heart", ""),
        (LONG, ""),
        (LONG + "a red star", "a red star"),
        ("heart " * 299 + "heart, star", ", star"),
        (LONG + "\n" + "star " * 3, "star star star"),
        ("a BREAK " * MOST_CHUNKS + "b (c:1.2) BREAK d", "b c d"),
        (CHUNK * 3 + "a BREAK (b:1.2)", "b"),
        (LONG + "(red:1.2) [star]", "red star"),
        ("", ""),
    ],
)
def test_the_words_beyond_the_limit_are_named(kind: str, prompt: str, unread: str) -> None:
    encoded = encode(kind, prompt)
    assert " ".join(encoded.unread.split()) == unread
    assert encoded.positive.tokens <= 77 * MOST_CHUNKS
    if unread and unread in prompt:
        assert torch.equal(encoded.positive.text, encode(kind, prompt[: prompt.rindex(unread)]).positive.text)


def test_a_word_that_is_read_in_part_counts_as_unread() -> None:
    encoded = encode("epsilon", "heart " * 299 + "supercalifragilistic star")
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
