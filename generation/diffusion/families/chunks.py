"""A prompt as a text encoder takes it: chunks of tokens with weights, and what is beyond the last one.

CLIP has 77 places, of which the first and the last are for the tokens that begin and end every text. A longer prompt
is encoded in several such pieces, each by itself, whose embeddings stand one behind the other, as AUTOMATIC1111 does.
"""

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from generation.prompt_grammar import Span, sections
from generation.request import WORD_FOR_WORD

MOST_CHUNKS = 4


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tokens between the one that begins a text and the one that ends it, each with its weight."""

    tokens: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()

    def ids(self, tokenizer: Any) -> Tensor:
        """Return what the text encoder takes, [1, T]: begun, ended and padded."""
        padding = [tokenizer.pad_token_id] * (tokenizer.model_max_length - 2 - len(self.tokens))
        return torch.tensor([[tokenizer.bos_token_id, *self.tokens, tokenizer.eos_token_id, *padding]])

    def attention_mask(self, tokenizer: Any) -> Tensor:
        """Return 1 for each place that is no padding, [1, T]."""
        places = torch.arange(tokenizer.model_max_length)
        return (places < len(self.tokens) + 2).long()[None]

    def weighted(self, embedding: Tensor) -> Tensor:
        """Multiply each token's embedding by its weight, [1, T, D]; the mean is not put back, which SDXL suffers from.

        AUTOMATIC1111 calls this emphasis "No norm".
        """
        if all(weight == 1 for weight in self.weights):
            return embedding
        weights = [1.0, *self.weights, *[1.0] * (embedding.shape[1] - 1 - len(self.weights))]
        return embedding * torch.tensor(weights, dtype=embedding.dtype, device=embedding.device)[None, :, None]


def chunks_of(tokenizer: Any, prompt: str, *, syntax: int) -> tuple[list[Chunk], str]:
    """Return the chunks of a prompt, one at least, and the end of it that is not read: whole words, mostly none."""
    room = tokenizer.model_max_length - 2
    if syntax == WORD_FOR_WORD:
        read, most = ((Span(prompt),),), 1
    else:
        read, most = sections(prompt), MOST_CHUNKS
    chunks: list[Chunk] = []
    for number, section in enumerate(read):
        pieces = [_tokens(tokenizer, span) for span in section]
        tokens = [token for ids, _ in pieces for token in ids]
        weights = [span.weight for span, (ids, _) in zip(section, pieces, strict=True) for _ in ids]
        left = (most - len(chunks)) * room
        for start in range(0, min(len(tokens), left), room):
            end = min(start + room, left)
            chunks.append(Chunk(tuple(tokens[start:end]), tuple(weights[start:end])))
        if len(tokens) > left:
            later = ["".join(span.text for span in one) for one in read[number + 1 :]]
            return chunks or [Chunk()], " ".join(" ".join([_end(section, pieces, left), *later]).split())
    return chunks or [Chunk()], ""


def alike(*prompts: Sequence[list[Chunk]]) -> None:
    """Add empty chunks until all of them, of each tokenizer, have as many as the longest."""
    longest = max(len(chunks) for prompt in prompts for chunks in prompt)
    for prompt in prompts:
        for chunks in prompt:
            chunks += [Chunk()] * (longest - len(chunks))


def _tokens(tokenizer: Any, span: Span) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the span's tokens, and where each of them stands in its text."""
    encoded = tokenizer(
        span.text, add_special_tokens=False, truncation=False, return_offsets_mapping=True, verbose=False
    )
    return encoded["input_ids"], encoded["offset_mapping"]


def _end(section: Sequence[Span], pieces: list[tuple[list[int], list[tuple[int, int]]]], read: int) -> str:
    """Return the words of a section behind so many tokens."""

    def unread() -> Iterator[str]:
        before = 0
        for span, (ids, places) in zip(section, pieces, strict=True):
            first = max(read - before, 0)
            before += len(ids)
            if first and first >= len(ids):
                continue
            start = places[first][0] if first else 0
            text = span.text
            while start > 0 and text[start - 1] in string.ascii_letters and text[start : start + 1].isalpha():
                start -= 1  # a word of which the model reads a part only
            yield text[start:]

    return "".join(unread()).strip()
