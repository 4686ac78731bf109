"""Values -> what admins read about their server's words. No I/O. Members never read any of it."""

from collections.abc import Sequence

import discord

from bot.discord_ui.words import text
from bot.discord_ui.words.embeds import COLOUR
from bot.services.words import MOST_PATTERNS, MOST_WORDS, WordsShown

_A_PAGE = 3000  #: characters
_MOST_NAMED = 20  #: in one sentence


def listed(found: WordsShown, page: int = 1) -> discord.Embed:
    """A page of the words, the patterns and the negative terms of a server."""
    settings = found.settings
    lines = [f"Words, {len(settings.words)} of {MOST_WORDS}"] if settings.words else []
    lines += [text.shown(word) for word in sorted(settings.words, key=str.casefold)]
    if settings.patterns:
        lines.append(f"Patterns, {len(settings.patterns)} of {MOST_PATTERNS}")
        lines += [_pattern(one, is_slow=one in found.slow) for one in settings.patterns]
    if settings.negative:
        lines += ["In every negative prompt", text.shown(", ".join(settings.negative), 500)]
    pages = _pages(lines or ["Nothing is set here: prompts may have anything in them."])
    embed = discord.Embed(title="Words", colour=COLOUR, description=pages[min(page, len(pages)) - 1])
    if len(pages) > 1:
        embed.set_footer(text=f"Page {min(page, len(pages))} of {len(pages)}")
    return embed


def added(new: Sequence[str]) -> str:
    """What an admin reads who has added words or a pattern."""
    return f"From now on refused: {_named(new)}" if new else "All of it is in the list already."


def removed(gone: Sequence[str]) -> str:
    """What an admin reads who has removed some."""
    return f"Allowed again: {_named(gone)}" if gone else "None of it is in the list."


def tested(found: Sequence[str]) -> str:
    """What was found in a text."""
    return f"It would be refused, for {_named(found)}" if found else "It would not be refused."


def negative(terms: Sequence[str]) -> str:
    """What an admin reads who has set the negative terms."""
    if not terms:
        return (
            "Nothing is put into negative prompts any more. What was drawn before keeps what it had, in its reruns too."
        )
    return f"From now on in every negative prompt: {text.shown(', '.join(terms), 500)}"


def _pattern(pattern: str, *, is_slow: bool) -> str:
    return f"{_code(pattern)}{' ⚠️ too slow: counts as not found where it takes too long' if is_slow else ''}"


def _code(pattern: str) -> str:
    """A pattern as it is: nothing in it is Markdown then, but for what ends the fence."""
    return "`` " + pattern.replace("`", "ˋ") + " ``"


def _named(words: Sequence[str]) -> str:
    names = [text.shown(word, 100) for word in words[:_MOST_NAMED]]
    more = f" and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else ""
    return f"{', '.join(names)}{more}"


def _pages(lines: Sequence[str]) -> list[str]:
    pages = [""]
    for line in lines:
        if pages[-1] and len(pages[-1]) + len(line) >= _A_PAGE:
            pages.append("")
        pages[-1] += ("\n" if pages[-1] else "") + line
    return pages
