"""Words as they are compared: folded, split, in the plural, and spelt a little wrong."""

import re
import unicodedata
from collections.abc import Iterable

#: Of scripts that set no spaces each character is a word; elsewhere letters and digits are, with what they elide.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+(?:['’][^\W_]+)*")
_SHORTEST = 5  #: letters of a word that may be misspelt in any way; shorter ones are too near to each other
_SURE = 7  #: letters from which one may stand for another, and two slips are forgiven


def fold(text: str) -> str:
    """Return the text without case, accents and presentation: "Löwe" -> "lowe", "ＣＡＴ" -> "cat"."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe"))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def words_of(text: str) -> list[str]:
    """Split into words as written, without hyphens and possessive endings."""
    return [re.sub(r"['’]s$", "", word) for word in _WORD.findall(text)]


def phrase(text: str) -> tuple[str, ...]:
    """Return the folded words of a phrase."""
    return tuple(words_of(fold(text)))


def forms(words: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """Yield a phrase in the singular and the plural, whichever it is in, and two words as one."""
    yield words
    if not words:
        return
    if len(words) == 2:
        yield from forms(("".join(words),))
    last = words[-1]
    for other in _plurals(last):
        yield (*words[:-1], other)
    if len(words) > 2 and words[1] == "of":  # slices of pizza
        for other in _plurals(words[0]):
            yield (other, *words[1:])


def _plurals(word: str) -> list[str]:
    if word.endswith("ss") or not word.endswith("s"):
        if word.endswith(("s", "sh", "ch", "x", "z", "o")):
            return [word + "es", word + "s"]
        if re.search(r"[^aeiou]y$", word):
            return [word[:-1] + "ies", word + "s"]
        if word.endswith("f"):
            return [word[:-1] + "ves", word + "s"]
        return [word[:-2] + "ves", word + "s"] if word.endswith("fe") else [word + "s"]
    return [word[:-1]] if len(word) > 3 and word[-2] not in "aiu" else [word + "es"]


def is_slip(written: str, meant: str) -> bool:
    """Whether `written` is likely `meant` with a slip: letters swapped, doubled, left out or, in long words, wrong."""
    if min(len(written), len(meant)) < 3 or written[0] != meant[0]:
        return False
    if _undoubled(written) == _undoubled(meant):
        return True
    if sorted(written) == sorted(meant):
        return slips(written, meant) == 1
    if min(len(written), len(meant)) < _SHORTEST:
        return False
    long = min(len(written), len(meant)) >= _SURE
    if not long and len(written) >= len(meant):
        return False  # a letter may be missing, but "hearth" is no "heart" and "brain" no "train"
    return slips(written, meant) <= (2 if long else 1)


def _undoubled(word: str) -> str:
    return re.sub(r"(.)\1+", r"\1", word)


def slips(a: str, b: str) -> int:
    """Count the single letters to add, leave out, exchange or swap with the next, to make one word the other."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        earlier, before, row = before, row, [i] + [0] * len(b)
        for j, y in enumerate(b, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                row[j] = min(row[j], earlier[j - 2] + 1)
    return row[-1]
