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


def recognises(vocabulary: tuple[str, ...], prompt: str) -> bool:
    """Whether any entry of the vocabulary stands in the prompt."""
    words, known = _words(prompt), _phrases(vocabulary)
    runs = (tuple(words[at : at + length]) for length in {len(one) for one in known} for at in range(len(words)))
    return any(run in known for run in runs)


def unknown_words(vocabulary: tuple[str, ...], prompt: str) -> tuple[str, ...]:
    """The words of the prompt that stand in no entry of the vocabulary, each once, as they were written.

    A prompt of signs alone, such as emoji, is given back whole: nothing in it is known.
    """
    known = {word for phrase in _phrases(vocabulary) for word in phrase}
    written = [word.strip("'-") for word in re.findall(r"[\w'-]+", prompt)]
    if not any(written):
        return (" ".join(prompt.split()),)
    unknown = (word for word in written if word and not set(_words(word)) <= known | _MINOR)
    return tuple(dict.fromkeys(unknown))


def _words(text: str) -> list[str]:
    """Return lower-case words, plurals roughly as their singular: a vocabulary with "heart" knows "hearts"."""
    found = re.findall(r"[\w'-]+", text.casefold())
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in found]


@lru_cache
def _phrases(vocabulary: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """The words of each entry. Split once a process: hundreds of waiting jobs ask for the same vocabulary."""
    return frozenset(tuple(_words(entry)) for entry in vocabulary)
