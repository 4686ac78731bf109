"""Text as it is compared with a server's words: without the disguises that keep a reader's eye and mislead a program.

Nothing that is made here is ever shown. Marks, format characters and what no font draws go, after Unicode's NFKD.
Letters that look like Latin ones become them (confusable-homoglyphs, then anyascii), and so do digits and signs that
stand for letters.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast
from unicodedata import category, combining, normalize

from anyascii import anyascii
from confusable_homoglyphs import confusables  # pyright: ignore[reportMissingTypeStubs]

#: Drawn as nothing, whatever Unicode calls them; other marks and formats need no list.
_EMPTY = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2065\u2800") | {
    chr(code)
    for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xFFF0, 0xFFF8), (0xE0100, 0xE01EF))
    for code in range(first, last + 1)
}
_VOWELS_FROM = "\u0900"  #: the scripts from here on write vowels as marks
_AMBIGUOUS = "lI1|"  #: any of these looks like any other
_SIGNS = str.maketrans("013457@$!|", "oieastasii")
_MARKED = re.compile(r"[013457@$!|]|(?<=[a-z])I|I(?=[a-z])")
_LETTER = r"[\w@$]"
_GAP = r"[^\w@$]{1,3}"
#: "n u d e", "n.u.d.e": at least three single letters.
_SPELT = re.compile(rf"(?<!{_LETTER}){_LETTER}(?:{_GAP}{_LETTER}){{2,}}(?!{_LETTER})")
#: "nu-de", "nu(de)": parts without a space between them, or what ends a part of a sentence.
_LINKED = re.compile(rf"(?<!{_LETTER}){_LETTER}++(?:[^\w@$\s,;:?!|]{{1,3}}{_LETTER}++)+")
_PART = re.compile(rf"{_LETTER}+")
_RUN = re.compile(r"[\w@$!|]+")
_EDGE = re.compile(r"(?<![\w@$!|])[!|]+|[!|]+(?![\w@$!|])")  #: of a run, where these are punctuation
_WITH_DIGITS = re.compile(r"\w+")
_WORD = re.compile(r"[^\W\d]+")
_find = cast("Any", confusables).is_confusable
_JOINED = 8  #: parts of a chain that may make one word
#: Scripts that are written without spaces, or with endings that are part of the word: from, to.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1100, 0x11FF),  # Hangul's parts
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x3400, 0x9FFF),  # Han
    (0xAC00, 0xD7FF),  # Hangul
    (0x20000, 0x3FFFF),  # Han
)


def bared(text: str) -> str:
    """Return the text in NFKD without format characters, what is not drawn, and marks other than vowels of scripts that
    write them so; case and look-alikes stay."""
    if text.isascii():
        return text
    kept: list[str] = []
    for character in normalize("NFKD", text):
        kind = category(character)
        is_mark = kind[0] == "M"
        if character in _EMPTY or kind == "Cf":
            continue
        if not is_mark or (kind != "Me" and not combining(character) and kept and kept[-1] >= _VOWELS_FROM):
            kept.append(character)
    return "".join(kept)


def is_unspaced(text: str) -> bool:
    """Whether there is a character of a script in which words are not set apart."""
    return not text.isascii() and any(first <= ord(c) <= last for c in text for first, last in _UNSPACED)


def squashed(text: str) -> str:
    """Return its letters and digits alone, in small letters."""
    return "".join(filter(str.isalnum, text.casefold()))


def folded(token: str) -> str:
    """Return it with l and i as one letter: a 1 may stand for either."""
    return token.replace("l", "i")


def latin(text: str) -> tuple[str, ...]:
    """Return a bared text in ASCII: by what its letters look like, and, if that differs, by how they sound.

    A letter that looks like both l and I becomes a 1.
    """
    text = text.replace("_", "-")
    if text.isascii():
        return (text,)
    return tuple(dict.fromkeys(("".join(map(_looks_like, text)), "".join(map(_sounds_like, text)))))


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One way to read a text: its words in order, and what else may be words. All in small letters."""

    text: str  #: as `latin` returns it
    words: tuple[str, ...]  #: runs of letters
    unsigned: tuple[str, ...]  #: runs with l as i and signs as letters; none where nothing is to be read so
    joined: tuple[tuple[str, bool], ...]  #: parts without a space between them as one word; whether it has such signs
    spelt: tuple[tuple[str, bool], ...]  #: single letters with gaps between them, joined; the same

    @classmethod
    def of(cls, text: str) -> "Reading":
        """Read one of the texts that `latin` returns."""
        has_signs = _MARKED.search(text) is not None
        return cls(
            text=text,
            words=tuple(_WORD.findall(text.lower())),
            unsigned=tuple(_WITH_DIGITS.findall(folded(_unsigned(_EDGE.sub(" ", text))))) if has_signs else (),
            joined=tuple(_either(chain) for found in _LINKED.findall(text) for chain in _chains(found)),
            spelt=tuple(_either("".join(_PART.findall(found))) for found in _SPELT.findall(text)),
        )

    def with_digits(self) -> tuple[str, ...]:
        """Return the runs of letters and digits."""
        return tuple(_WITH_DIGITS.findall(self.text.lower()))

    def signed(self) -> tuple[bool, ...]:
        """Return for each of `unsigned` whether there was a sign to read so."""
        return tuple(_MARKED.search(run) is not None for run in _RUN.findall(_EDGE.sub(" ", self.text)))


def for_patterns(text: str) -> tuple[str, ...]:
    """Return the forms of a text that patterns are compared with: as it is, bared, in ASCII, with signs as letters."""
    bare = " ".join(bared(text).split())
    forms = [text, bare]
    for one in latin(bare):
        forms += [one, _SPELT.sub(lambda found: "".join(_PART.findall(found[0])), one)]
        if _MARKED.search(one):
            forms += [_unsigned(one), one.lower().translate(_SIGNS_AS_L)]
    return tuple(dict.fromkeys(forms))


_SIGNS_AS_L = _SIGNS | str.maketrans("1!|", "lll")


def _either(token: str) -> tuple[str, bool]:
    """Return the token in small letters, or with its signs read as letters, and whether it has any."""
    return (folded(_unsigned(token)), True) if _MARKED.search(token) else (token.lower(), False)


def _unsigned(text: str) -> str:
    return text.lower().translate(_SIGNS)


def _chains(text: str) -> list[str]:
    parts = _PART.findall(text)
    starts = range(len(parts) - 1)
    return ["".join(parts[at:to]) for at in starts for to in range(at + 2, min(at + _JOINED, len(parts)) + 1)]


@lru_cache(16384)
def _looks_like(character: str) -> str:
    if character.isascii():
        return character
    found = _find(character, preferred_aliases=["latin"], greedy=True)
    glyphs = [one["c"] for each in found or () for one in each["homoglyphs"] if one["n"].startswith("LATIN")]
    for glyph in glyphs:
        like = anyascii(glyph)  # it may be a Latin letter beyond ASCII
        if len(like) == 1 and like.isalnum():
            return "1" if like in _AMBIGUOUS else like
    return _sounds_like(character)


@lru_cache(16384)
def _sounds_like(character: str) -> str:
    return anyascii(character)
