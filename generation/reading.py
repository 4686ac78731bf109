"""How a small model reads: a prompt as people write it -> the few words that the model was trained on.

A model that knows few words ships `reading.json` beside its weights. What is said of a thing (its other names, emoji,
plurals, colours, the ground it stands on, a style) is brought into one form, "flat red heart on a blue background",
before the tokenizer sees it; that form is read as itself. A prompt that names no thing the model knows is left alone.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from generation.sentence import Kind, Mark, Sentence, understand, unknown_in
from generation.spelling import fold, forms, is_slip, phrase, words_of

FILE = "reading.json"
NEAREST = 3  #: things that are offered for a word that is not known
_READ = 300  #: words of a prompt; nobody says more of one thing
_REMEMBERED = 1024  #: prompts; a job asks several times, and reruns ask again
_COMPARED = 8  #: unknown words that are compared with all others
_LIKE = 0.76  #: how much of two words is the same where the one may have been meant by the other
_FLAGS = re.compile(r"\s(?:--?|—|–)(?=[a-z]).*|<[^<>]*:[^<>]*>", re.DOTALL | re.IGNORECASE)  #: --ar 16:9, <lora:x:1>
_PRESENTATION = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")  #: of emoji: as text or picture, and skin tones


@dataclass(frozen=True, kw_only=True, slots=True)
class Thing:
    """One thing that the model draws, and what people call it."""

    name: str  #: the word that the model was trained on
    also: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()  #: words that mean it where the prompt names nothing else
    elsewhere: tuple[str, ...] = ()  #: words of other languages
    keywords: tuple[str, ...] = ()  #: what it has to do with
    group: str = ""
    coloured: str = ""  #: its name beside a colour, where that is another one

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Make it of a row of the file. Raises TypeError for a name that there is not."""
        values: dict[str, Any] = {key: value if isinstance(value, str) else tuple(value) for key, value in row.items()}
        return cls(**values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Understood:
    """What a model makes of a prompt."""

    text: str  #: for the tokenizer
    thing: str | None = None  #: what it will draw, as far as it knows
    unknown: tuple[str, ...] = ()  #: words it does not know, as they were written
    left_out: tuple[str, ...] = ()  #: what else was asked for: further things, or a number of them
    nearest: tuple[str, ...] = ()  #: the things it draws that are nearest to the first of the unknown words


class Reading:
    """The words of one model. Never changes; `read` is a pure function."""

    def __init__(
        self,
        things: Sequence[Thing],
        *,
        colours: Mapping[str, Sequence[str]] | None = None,
        grounds: Sequence[str] = (),
        styles: Mapping[str, Sequence[str]] | None = None,
        signs: Mapping[str, str] | None = None,
        words: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`colours` and `styles` map the model's word to others for it, `signs` emoji to words, `words` kinds to words.

        `grounds` are the colours that a background can have; white goes without saying. Raises ValueError for a kind
        that there is not.
        """
        self.things = tuple(things)
        self.styles = tuple(styles or {})
        self._thing = {thing.name: thing for thing in self.things}
        self._grounds = frozenset(grounds)
        self._meanings = _meanings(self.things, colours or {}, styles or {}, words or {})
        self._longest = max(map(len, self._meanings), default=1)
        signs = {_PRESENTATION.sub("", sign): text for sign, text in (signs or {}).items()}
        self._words_of_sign = signs
        self._signs = re.compile("|".join(map(re.escape, sorted(signs, key=len, reverse=True))) or r"(?!)")
        #: By first letter, which nobody gets wrong: thousands of words may be asked about at once.
        self._misspelt: dict[str, list[tuple[str, Mark]]] = {}
        for form, mark in self._meanings.items():
            if len(form) == 1 and mark.kind is Kind.THING:
                self._misspelt.setdefault(form[0][0], []).append((form[0], mark))
        self._names = [(thing, [fold(name) for name in (thing.name, *thing.also)]) for thing in self.things]
        self._about = {
            thing.name: {word for keyword in thing.keywords for word in fold(keyword).split()} for thing in self.things
        }
        self._read = lru_cache(_REMEMBERED)(self._understood)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a `reading.json`. Raises OSError, and ValueError for one that cannot be used."""
        try:
            content: dict[str, Any] = json.loads(file.read_text("utf-8"))
            return cls([Thing.of(row) for row in content.pop("things")], **content)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{file.name}: {error}") from error

    def read(self, prompt: str) -> Understood:
        """Bring the prompt into the model's own words, and say which it does not know."""
        return self._read(prompt)

    def _understood(self, prompt: str) -> Understood:
        marks = self._marks(prompt)
        sentence = understand(marks)
        if sentence is None:
            marks = self._corrected(marks)
            sentence = understand(marks)
        if sentence is None:
            unknown = unknown_in(marks) or (" ".join(prompt.split()),)
            return Understood(text=prompt, unknown=unknown, nearest=self.nearest(unknown[0]))
        return Understood(
            text=self._text(sentence),
            thing=sentence.thing,
            unknown=sentence.unknown,
            left_out=sentence.left_out,
            nearest=self.nearest(sentence.unknown[0]) if sentence.unknown else (),
        )

    def nearest(self, word: str) -> tuple[str, ...]:
        """Return the three things nearest to a word, by spelling and by what they have to do with it; often none."""
        folded = fold(word)
        near: list[tuple[float, int, str]] = []  #: the best so far: likeness, order in the file, name
        matcher = SequenceMatcher(None, b=folded)
        if not self._is_like_any(folded, matcher):
            return ()
        for order, (thing, names) in enumerate(self._names):
            about = float(folded in self._about[thing.name])
            least = near[-1][0] - about if len(near) == NEAREST else -1.0
            named = 0.0
            for name in names:
                matcher.set_seq1(name)
                # The quick ones are upper bounds, and say mostly enough.
                if matcher.real_quick_ratio() > max(least, named) and matcher.quick_ratio() > max(least, named):
                    named = max(named, matcher.ratio())
            near = sorted([*near, (named + about, -order, thing.name)], reverse=True)[:NEAREST]
        return tuple(name for *_, name in near)

    def _is_like_any(self, folded: str, matcher: SequenceMatcher[str]) -> bool:
        """Whether anything is near enough to be offered. Mostly nothing is, and that should cost little."""
        if any(folded in words for words in self._about.values()):
            return True
        for _, names in self._names:
            for name in names:
                if abs(len(name) - len(folded)) * _LIKE > 2 * min(len(name), len(folded)) * (1 - _LIKE):
                    continue  # too different in length: the ratio is at most 2 * the shorter / both
                matcher.set_seq1(name)
                if matcher.quick_ratio() >= _LIKE and matcher.ratio() >= _LIKE:
                    return True
        return False

    def _marks(self, prompt: str) -> list[Mark]:
        """Find the phrases it knows, the longest first, and the words between them."""
        text = _FLAGS.sub(" ", _PRESENTATION.sub("", prompt))
        text = self._signs.sub(lambda found: f" {self._words_of_sign[found[0]]} ", text)
        written = words_of(text)[:_READ]
        folded = [fold(word) for word in written]
        marks: list[Mark] = []
        at = 0
        while at < len(folded):
            for length in range(min(self._longest, len(folded) - at), 0, -1):
                if (mark := self._meanings.get(tuple(folded[at : at + length]))) is not None:
                    break
            else:
                length, mark = 1, Mark(kind=Kind.MINOR if folded[at].isdigit() else Kind.UNKNOWN)
            if mark.kind in (Kind.UNKNOWN, Kind.COUNT):
                mark = Mark(kind=mark.kind, value=written[at], weak=mark.weak, elsewhere=mark.elsewhere)
            marks.append(mark)
            at += length
        return marks

    def _corrected(self, marks: Sequence[Mark]) -> list[Mark]:
        """Take unknown words for the things that they are nearly spelt like, the nearest."""
        left = _COMPARED
        corrected: list[Mark] = []
        for mark in marks:
            meant: Mark | None = None
            if mark.kind is Kind.UNKNOWN and left:
                left -= 1
                word = fold(mark.value)
                likely = [(name, thing) for name, thing in self._misspelt.get(word[:1], ()) if is_slip(word, name)]
                meant = max(likely, key=lambda pair: _likeness(word, pair[0]), default=(None, None))[1]
            corrected.append(meant or mark)
        return corrected

    def _text(self, sentence: Sentence) -> str:
        thing = self._thing[sentence.thing]
        name = (thing.coloured or thing.name) if sentence.colour else thing.name
        said = " ".join(word for word in (sentence.style, sentence.colour, name) if word)
        if sentence.ground not in self._grounds:
            return said
        return f"{said} on {'an' if sentence.ground[0] in 'aeiou' else 'a'} {sentence.ground} background"


def _likeness(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b).ratio()


def _meanings(
    things: Sequence[Thing],
    colours: Mapping[str, Sequence[str]],
    styles: Mapping[str, Sequence[str]],
    words: Mapping[str, Sequence[str]],
) -> dict[tuple[str, ...], Mark]:
    """What each phrase means. The first meaning stays: a thing goes before a colour, and English before the others."""
    found: dict[tuple[str, ...], Mark] = {}
    for thing in things:
        for name in (thing.name, *thing.also):
            for form in forms(phrase(name)):
                found.setdefault(form, Mark(kind=Kind.THING, value=thing.name))
    for kind, table in ((Kind.COLOUR, colours), (Kind.STYLE, styles)):
        for value, others in table.items():
            for word in (value, *others):
                found.setdefault(phrase(word), Mark(kind=kind, value=value))
    for kind, listed in words.items():
        for word in listed:
            found.setdefault(phrase(word), Mark(kind=Kind(kind)))
    for thing in things:
        for form in (form for word in thing.weak for form in forms(phrase(word))):
            mark = found.get(form, Mark(kind=Kind.MINOR))
            found[form] = Mark(kind=mark.kind, value=mark.value, weak=thing.name)
        for word in thing.elsewhere:
            found.setdefault(phrase(word), Mark(kind=Kind.UNKNOWN, elsewhere=thing.name))
    found.pop((), None)
    return found
