# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""Words to numbers: a byte-pair encoding like CLIP's, learnt from the captions, so that common words are one token.

The splitting rules are CLIP's own and the special tokens come last, as in CLIP, because the Stable Diffusion
pipelines and people's prompt tools expect exactly that. Whatever the captions lack is spelt in bytes: no prompt is
impossible.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

_SPLIT = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
_SPECIAL = ("<|startoftext|>", "<|endoftext|>")
_WORD_END = "</w>"


def train_tokenizer(captions: Iterable[str], *, vocabulary: int, length: int) -> CLIPTokenizer:
    """Train a tokenizer of at most so many tokens; it cuts and pads prompts to `length`."""
    bpe = Tokenizer(models.BPE(end_of_word_suffix=_WORD_END, continuing_subword_prefix=""))
    bpe.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(alphabet) - len(_SPECIAL),
        initial_alphabet=alphabet,
        end_of_word_suffix=_WORD_END,
        min_frequency=2,
        show_progress=False,
    )
    bpe.train_from_iterator(captions, trainer)
    found = json.loads(bpe.to_str())["model"]["merges"]
    merges = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in found]
    tokens = [*alphabet, *(letter + _WORD_END for letter in alphabet), *("".join(merge) for merge in merges), *_SPECIAL]
    numbers = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=numbers, merges=cast(Any, merges), model_max_length=length)


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write it, with vocab.json and merges.txt too, which transformers 5 no longer writes and older readers need."""
    tokenizer.save_pretrained(str(folder))
    model = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False), "utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", "utf-8")
