"""The words of a small model: which of a prompt's it can draw, and which it does not know."""

import re
from functools import lru_cache

#: Words that say how and not what: nobody asks for them alone, and nobody misses them.
_MINOR = frozenset(
    re.findall(
        r"\w+",
        "a an the of on in at with and or to from by for is are my your some one two three four this that very "
        "picture photo drawing image icon emoji sticker draw please background style "
        "red orange yellow green blue purple pink brown black white gray grey "
        "cute nice beautiful little big funny shiny simple lovely cool small",
    )
)


def unknown_words(vocabulary: tuple[str, ...], prompt: str) -> tuple[str, ...]:
    """The words of the prompt that stand in no entry of the vocabulary, each once, as they were written.

    Where no entry stands in the prompt, parts of entries count as unknown too: "ice" alone is no "ice cream". A prompt
    of signs alone, such as emoji, and one of minor words alone are given back whole.
    """
    entries = _phrases(vocabulary)
    found = _words(prompt)
    runs = (tuple(found[at : at + length]) for length in {len(one) for one in entries} for at in range(len(found)))
    draws_some = any(run in entries for run in runs)
    known = _MINOR.union(*entries) if draws_some else _MINOR
    written = (word.strip("'-") for word in re.findall(r"[\w'-]+", prompt))
    unknown = tuple(dict.fromkeys(word for word in written if word and not set(_words(word)) <= known))
    return unknown if unknown or draws_some else (" ".join(prompt.split()),)


def _words(text: str) -> list[str]:
    """Return lower-case words, plurals roughly as their singular: a vocabulary with "heart" knows "hearts"."""
    found = re.findall(r"[\w'-]+", text.casefold())
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in found]


@lru_cache
def _phrases(vocabulary: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """The words of each entry. Split once a process: hundreds of waiting jobs ask for the same vocabulary."""
    return frozenset(tuple(_words(entry)) for entry in vocabulary)
