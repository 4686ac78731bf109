"""A server's words: what its prompts may not have in them, and what goes into every negative prompt."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, TypeVar

from bot.clock import Clock
from bot.errors import BadPattern, ListFull, WordRefused
from bot.records import Change, JobRecord, Member
from bot.services.audit import note_by, server_of
from bot.services.matching import WordList, compiled
from bot.services.unmasking import bared, squashed
from bot.storage import servers
from bot.storage.database import Database, Transaction
from generation.errors import InvalidRequest
from generation.prompt_grammar import plain
from generation.request import GenerationRequest, clean_text

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_WORDS = 500
MOST_PATTERNS = 50
MAX_WORD = 60  #: characters
MAX_NEGATIVE = 500  #: characters that are forced into each negative prompt
_TOPIC = "words"
_MOST_BEFORE = 200  #: terms that were forced once, and may stand in stored requests
_MOST_KEPT = 1000  #: servers whose words are kept ready


@dataclass(frozen=True, kw_only=True, slots=True)
class WordSettings:
    """What a server has set. One that has set nothing allows everything."""

    words: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()  #: terms in every negative prompt
    negative_before: tuple[str, ...] = ()  #: terms that were there once: members did not write them

    @classmethod
    def of(cls, by_name: Mapping[str, Any]) -> Self:
        """From what is stored; what this version does not know is left out."""
        return cls(**{one.name: tuple(by_name[one.name]) for one in fields(cls) if one.name in by_name})

    def to_data(self) -> dict[str, list[str]]:
        """What is stored: only what is set."""
        return {one.name: list(value) for one in fields(self) if (value := getattr(self, one.name))}


@dataclass(frozen=True, kw_only=True, slots=True)
class WordsShown:
    """A server's words as its admins see them."""

    settings: WordSettings
    slow: Collection[str]  #: patterns that were not done in time


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ready:
    """A server's words, compiled."""

    settings: WordSettings = WordSettings()
    found: WordList = field(default_factory=WordList)

    @classmethod
    def of(cls, settings: WordSettings, slow: Collection[str]) -> Self:
        patterns = [pattern for pattern in settings.patterns if _is_sound(pattern)]
        return cls(settings=settings, found=WordList(settings.words, patterns, slow=slow))

    def forced(self, request: GenerationRequest) -> GenerationRequest:
        """The request with all terms in its negative prompt, none of them twice."""
        (_, negative), *others = [(prompt, self._with_terms(negative)) for prompt, negative in request.texts]
        if negative == request.negative_prompt:
            return request
        return replace(request, negative_prompt=negative, others=tuple(others) if request.others else ())

    def _with_terms(self, negative_prompt: str) -> str:
        there = set(map(str.casefold, _terms(negative_prompt)))
        missing = [term for term in self.settings.negative if term.casefold() not in there]
        return ", ".join([*filter(None, [negative_prompt]), *missing]) if missing else negative_prompt

    def check(self, request: GenerationRequest) -> None:
        """Raise WordRefused. Not for the event loop."""
        if not self.found:
            return
        for prompt, negative in dict.fromkeys(request.texts):
            if any(map(self.found.found_in, _readings(prompt))):
                raise WordRefused("prompt")
            if any(map(self.found.found_in, _readings(self._own(negative)))):
                raise WordRefused("negative_prompt")
        if any(map(self.found.found_in, (*(use.name for use in request.loras), *request.ignored))):
            raise WordRefused("prompt")
        for text in dict.fromkeys((*request.said, self._own(request.said_negative))):
            if any(map(self.found.found_in, _readings(text))):
                raise WordRefused("image")

    def _own(self, text: str) -> str:
        """The text without the terms that this bot has put there itself."""
        ours = set(map(str.casefold, (*self.settings.negative, *self.settings.negative_before)))
        own = [term for term in _terms(text) if term.casefold() not in ours] if ours else ()
        return ", ".join(own) if ours else text


class Words:
    """Judges requests by the words of the server that they come from, and keeps those words."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._ready: dict[str, _Ready] = {}
        self._changes = 0  #: of all servers: what was read before one is not kept
        self._slow: dict[str, set[str]] = {}  #: by server, the patterns that were logged as too slow

    async def accepted(self, request: GenerationRequest, server: str | None) -> GenerationRequest:
        """The request as it may be drawn: with the server's terms in its negative prompt.

        Raises WordRefused, InvalidRequest for a negative prompt that gets too long by them, StorageFault.
        """
        if server is None:
            return request
        ready = await self._of(server)
        if ready.found:
            await asyncio.to_thread(ready.check, request)
            self._log_slow(server, ready.found)
        return ready.forced(request)

    def still_accepts(self, transaction: Transaction, record: JobRecord) -> bool:
        """Whether a job of an earlier run would be accepted today."""
        if record.server is None:
            return True
        ready = self._ready.get(record.server)
        if ready is None:
            ready = self._made(record.server, servers.settings_of(transaction, record.server, _TOPIC))
            self._keep(record.server, ready)
        try:
            ready.check(record.request)
        except WordRefused:
            return False
        finally:
            self._log_slow(record.server, ready.found)
        return True

    async def shown(self, admin: Member) -> WordsShown:
        """What is set. Raises NotAllowed, StorageFault."""
        ready = await self._of(server_of(admin))
        return WordsShown(settings=ready.settings, slow=ready.found.slow.intersection(ready.settings.patterns))

    async def test(self, admin: Member, text: str) -> tuple[str, ...]:
        """The words and patterns that are in a text. Raises NotAllowed, StorageFault."""
        ready = await self._of(server := server_of(admin))
        found = await asyncio.to_thread(ready.found.found_in, text)
        self._log_slow(server, ready.found)
        return found

    async def add(self, admin: Member, words: Sequence[str] = (), pattern: str | None = None) -> tuple[str, ...]:
        """Refuse what has these in it; returns those that are new. Raises NotAllowed, InvalidRequest, BadPattern,
        ListFull."""
        cleaned = _cleaned(words)
        if pattern is not None:
            await asyncio.to_thread(compiled, pattern)
        given = (*cleaned, *filter(None, [pattern]))
        _check_given(given)

        def change(before: WordSettings) -> WordSettings:
            known = set(map(_key, before.words))
            new: dict[str, str] = {}
            for word in cleaned:
                if _key(word) not in known:
                    new.setdefault(_key(word), word)
            after = replace(before, words=(*before.words, *new.values()))
            if pattern is not None and pattern not in before.patterns:
                after = replace(after, patterns=(*before.patterns, pattern))
            if len(after.words) > max(MOST_WORDS, len(before.words)):
                raise ListFull("words", MOST_WORDS)
            if len(after.patterns) > max(MOST_PATTERNS, len(before.patterns)):
                raise ListFull("patterns", MOST_PATTERNS)
            return after

        before, after = await self._change(admin, "words.add", change)
        known = {*before.words, *before.patterns}
        return tuple(one for one in (*after.words, *after.patterns) if one not in known)

    async def remove(self, admin: Member, words: Sequence[str] = (), pattern: str | None = None) -> tuple[str, ...]:
        """Allow these again; returns those that were there. Raises NotAllowed, InvalidRequest."""
        keys = {_key(one) for word in words for one in _terms(clean_text(word))}
        _check_given((*keys, *filter(None, [pattern])))

        def change(before: WordSettings) -> WordSettings:
            return replace(
                before,
                words=tuple(word for word in before.words if _key(word) not in keys),
                patterns=tuple(one for one in before.patterns if one != pattern),
            )

        before, after = await self._change(admin, "words.remove", change)
        left = {*after.words, *after.patterns}
        return tuple(one for one in (*before.words, *before.patterns) if one not in left)

    async def set_negative(self, admin: Member, text: str | None) -> tuple[str, ...]:
        """Have these terms, apart by commas, in each negative prompt, and no others; returns them. Raises NotAllowed,
        InvalidRequest."""
        text = clean_text(text or "")
        if len(text) > MAX_NEGATIVE:
            raise InvalidRequest("negative", "length", len(text), most=MAX_NEGATIVE)
        by_key: dict[str, str] = {}
        for term in _terms(text):
            by_key.setdefault(term.casefold(), term)
        terms = tuple(by_key.values())

        def change(before: WordSettings) -> WordSettings:
            earlier = tuple(dict.fromkeys((*before.negative, *before.negative_before)))
            gone = tuple(term for term in earlier if term not in terms)
            return replace(before, negative=terms, negative_before=gone[:_MOST_BEFORE])

        await self._change(admin, "words.negative", change)
        return terms

    async def _change(
        self, admin: Member, action: str, change: Callable[[WordSettings], WordSettings]
    ) -> tuple[WordSettings, WordSettings]:
        """Write down what a server says now, with a note of it; what it said before, and what it says now."""
        server = server_of(admin)
        note = replace(note_by(admin, server, self._clock()), action=action)

        def write(transaction: Transaction) -> tuple[WordSettings, WordSettings]:
            before = WordSettings.of(servers.settings_of(transaction, server, _TOPIC))
            after = change(before)
            if before != after:
                servers.ensure(transaction, server)
                servers.put_settings(transaction, server, _TOPIC, after.to_data())
                servers.note(transaction, replace(note, changes=_changes(before, after)))
            return before, after

        try:
            return await self._database.write(write)
        finally:  # whatever became of it: an answer may be lost after the write
            self._changes += 1
            self._ready.pop(server, None)

    async def _of(self, server: str) -> _Ready:
        if (ready := self._ready.get(server)) is not None:
            return ready
        changes = self._changes
        stored = await self._database.read(lambda transaction: servers.settings_of(transaction, server, _TOPIC))
        ready = await asyncio.to_thread(self._made, server, stored)
        if changes == self._changes:
            self._keep(server, ready)
        return ready

    def _made(self, server: str, stored: Mapping[str, Any]) -> _Ready:
        """Slow: everything is compiled."""
        return _Ready.of(WordSettings.of(stored), self._slow.get(server, ())) if stored else _NOTHING

    def _keep(self, server: str, ready: _Ready) -> None:
        while len(self._ready) >= _MOST_KEPT:
            del self._ready[next(iter(self._ready))]
        self._ready[server] = ready

    def _log_slow(self, server: str, found: WordList) -> None:
        known = self._slow.setdefault(server, set()) if found.slow else found.slow
        for pattern in sorted(found.slow - known):
            known.add(pattern)
            log.warning("a pattern of server %s is too slow and counts as not found: %r", server, pattern)


_NOTHING = _Ready()


def _readings(text: str) -> tuple[str, ...]:
    """A text as it is written, and its bare words: brackets may take a word apart, and so may the end of a chunk."""
    closed_up = "".join(plain(part).strip() for part in text.split("BREAK"))
    return tuple(dict.fromkeys((text, plain(text), *([closed_up] if "BREAK" in text else []))))


def _terms(text: str) -> list[str]:
    """What stands between the commas of a text."""
    return [term for term in (" ".join(part.split()) for part in text.split(",")) if term]


def _key(word: str) -> str:
    """Two words of one key are the same one."""
    return " ".join(bared(word).casefold().split())


def _cleaned(words: Sequence[str]) -> list[str]:
    found = [term for word in words for term in _terms(clean_text(word))]
    for word in found:
        if len(word) > MAX_WORD:
            raise InvalidRequest("word", "length", len(word), most=MAX_WORD)
        if not squashed(bared(word)):
            raise InvalidRequest("word", "visible", word)
    return found


def _check_given(given: Sequence[str]) -> None:
    if not given:
        raise InvalidRequest("words", "missing", choices=("words", "pattern"))


def _changes(before: WordSettings, after: WordSettings) -> tuple[Change, ...]:
    """What was added and what was removed, one by one."""
    found: list[Change] = []
    for name in ("words", "patterns", "negative"):
        was: tuple[str, ...] = getattr(before, name)
        is_: tuple[str, ...] = getattr(after, name)
        found += [Change(field=name, before=one, after=None) for one in was if one not in is_]
        found += [Change(field=name, before=None, after=one) for one in is_ if one not in was]
    return tuple(found)


def _is_sound(pattern: str) -> bool:
    """Whether a stored pattern can be used; another version may have been more generous."""
    try:
        compiled(pattern)
    except BadPattern as error:
        log.warning("a stored pattern is left out: %r: %s", pattern, error)
        return False
    return True
