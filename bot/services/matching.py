"""Whether a text has one of a server's words in it, or something that one of its patterns describes.

Pure, but for time. A word is found as a whole word, disguised or not, and never inside another one; where a script sets
no spaces between words it is found anywhere.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from math import prod
from typing import Any

import regex

from bot.errors import BadPattern
from bot.services.unmasking import Reading, bared, folded, for_patterns, is_unspaced, latin, squashed

MAX_PATTERN = 100  #: characters; what a choice of Discord's can hold
MOST_GROUPS = 10  #: of a pattern
MOST_DEPTH = 4  #: groups in groups
MOST_REPEATS = 50  #: that a pattern may count to
MOST_MULTIPLIED = MOST_REPEATS**2  #: all counts: counts in counts are written out when a pattern is compiled
PATTERN_SECONDS = 0.05  #: of the process' processors, for one pattern and one text; most need a thousandth
ALL_PATTERNS_SECONDS = 0.25  #: of the thread, for all patterns and one text
_LEAST_SPELT = 3  #: letters

#: What a group may begin with beside its content. Recursion, conditions, calls and named lists are left out.
_GROUP = regex.compile(r"\((?:\?(?::|=|!|<=|<!|>))?(?![?*])")
_BRACES = regex.compile(r"\{(\d{1,4})?(?:,(\d{1,4})?)?\}")


class WordList:
    """Words and patterns, made ready once. Nothing changes later but what is known of patterns that are too slow."""

    def __init__(self, words: Sequence[str] = (), patterns: Sequence[str] = (), *, slow: Collection[str] = ()) -> None:
        """`slow` are patterns of which that is known already. Raises BadPattern."""
        self.slow = set(slow)  #: patterns that did not come to an end in time
        self._plain = _Index()
        self._folded = _Index()
        self._with_digits = _Index()
        self._spelt: list[tuple[str, str, str]] = []  #: squashed, the same folded, and the word
        self._anywhere: list[tuple[str, str]] = []
        for word in words:
            self._add(word)
        self._patterns = {pattern: compiled(pattern) for pattern in patterns}

    def __bool__(self) -> bool:
        return bool(self._plain or self._with_digits or self._anywhere or self._patterns)

    def found_in(self, text: str) -> tuple[str, ...]:
        """Return the words and patterns that are in it, as they were written. Not for the event loop: patterns may take
        ALL_PATTERNS_SECONDS.

        A pattern that takes longer than it may counts as not found, and is in `slow` from then on.
        """
        return tuple(dict.fromkeys((*self._words_in(text), *self._patterns_in(text))))

    def _add(self, word: str) -> None:
        bare = bared(word)
        if is_unspaced(bare):
            self._anywhere.append((squashed(bare), word))
            return
        for one in latin(bare):
            reading = Reading.of(one)
            tokens = reading.words
            if any(map(str.isdigit, one)):
                self._with_digits.add(reading.with_digits(), word)
                continue
            whole = "".join(tokens)
            for index, change in ((self._plain, str), (self._folded, folded)):
                index.add(tuple(map(change, tokens)), word)
                index.add((change(whole),), word)
            if len(whole) >= _LEAST_SPELT:
                self._spelt.append((whole, folded(whole), word))

    def _words_in(self, text: str) -> Iterator[str]:
        bare = bared(text)
        if self._anywhere:
            letters = squashed(bare)
            yield from (word for key, word in self._anywhere if key in letters)
        for one in latin(bare):
            reading = Reading.of(one)
            yield from self._plain.found_in(reading.words)
            if self._with_digits:
                yield from self._with_digits.found_in(reading.with_digits())
            yield from self._folded.found_in(reading.unsigned, where=reading.signed)
            for token, is_marked in reading.joined:
                yield from (self._folded if is_marked else self._plain).found_in((token,))
            for run, is_marked in reading.spelt:
                yield from (word for plain, other, word in self._spelt if (other if is_marked else plain) in run)

    def _patterns_in(self, text: str) -> Iterator[str]:
        if not self._patterns:
            return
        forms, end = for_patterns(text), time.thread_time() + ALL_PATTERNS_SECONDS
        # Those that were slow before come last, so that they take no time from the others.
        for pattern in sorted(self._patterns, key=self.slow.__contains__):
            left = min(PATTERN_SECONDS, end - time.thread_time())
            if left <= 0:
                return
            if self._matches(pattern, forms, left):
                yield pattern

    def _matches(self, pattern: str, forms: Iterable[str], seconds: float) -> bool:
        try:
            # One that was slow before lets other threads work meanwhile; all others are done before that would pay.
            search, is_slow = self._patterns[pattern].search, pattern in self.slow
            return any(search(form, timeout=seconds, concurrent=is_slow) for form in forms)
        except TimeoutError:
            self.slow.add(pattern)
            return False


class _Index:
    """Sequences of tokens by their first one."""

    def __init__(self) -> None:
        self._rest: dict[str, list[tuple[tuple[str, ...], str]]] = {}

    def __bool__(self) -> bool:
        return bool(self._rest)

    def add(self, tokens: tuple[str, ...], word: str) -> None:
        if tokens:
            self._rest.setdefault(tokens[0], []).append((tokens[1:], word))

    def found_in(self, tokens: tuple[str, ...], *, where: Callable[[], Sequence[bool]] | None = None) -> Iterator[str]:
        """Yield what is there; with `where`, only what has one of the tokens that are so."""
        if self._rest.keys().isdisjoint(tokens):  # mostly, and much faster than looking at each
            return
        counts = where() if where is not None else (True,) * len(tokens)
        for at, token in enumerate(tokens):
            for rest, word in self._rest.get(token, ()):
                to = at + 1 + len(rest)
                if tokens[at + 1 : to] == rest and any(counts[at:to]):
                    yield word


def compiled(pattern: str) -> Any:
    """Return a pattern ready to search with, capitals or not. Raises BadPattern for one that is bound to be slow, large
    or everywhere.

    Compiling and large repeats are outside of any timeout, so both are bounded by what may be written.
    """
    if len(pattern) > MAX_PATTERN:
        raise BadPattern("length", most=MAX_PATTERN)
    _check_size(pattern)
    try:
        made: Any = regex.compile(pattern, regex.IGNORECASE | regex.VERSION0)
        matches_nothing = made.search("", timeout=PATTERN_SECONDS) or made.search(" ", timeout=PATTERN_SECONDS)
    except TimeoutError:
        raise BadPattern("slow") from None
    except Exception as error:  # also RecursionError and OverflowError, for what it cannot hold
        raise BadPattern("syntax", detail=str(error)[:100]) from None
    if matches_nothing:
        raise BadPattern("everything")
    return made


def _check_size(pattern: str) -> None:
    """Raise BadPattern for what is too nested or counts too far, or is none of the plain forms. Sets are not looked
    into, so a bracket in one counts too."""
    plain = regex.sub(r"\\(?:[pP]\{\^?[\w\s=:-]{1,40}\}|[^pPgLNKGX])", "", pattern)
    if "\\" in plain:
        raise BadPattern("form")
    depth = deepest = 0
    for character in plain:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if deepest > MOST_DEPTH or plain.count("(") > MOST_GROUPS:
        raise BadPattern("nesting", most=MOST_DEPTH)
    if plain.count("(") != len(_GROUP.findall(plain)):
        raise BadPattern("form")
    counts = _BRACES.findall(plain)
    if plain.count("{") != len(counts):
        raise BadPattern("form")
    most = [max(int(number or 0) for number in pair) for pair in counts]
    if max(most, default=0) > MOST_REPEATS or prod(filter(None, most)) > MOST_MULTIPLIED:
        raise BadPattern("repeats", most=MOST_REPEATS)
