"""How prompts, numbers and times are written in messages. Prompts are somebody else's text: escaped and cut."""

import re
from datetime import datetime

import discord

SHOWN_PROMPT = 300  #: characters of a prompt in a message; the whole of it is under Info


def shown(text: str, most: int = SHOWN_PROMPT) -> str:
    """Somebody's text on one line, cut, with no Markdown, mention or link left in it."""
    line = " ".join(text.split())
    if len(line) > most:
        line = line[: most - 1].rstrip() + "…"
    escaped = discord.utils.escape_markdown(line, ignore_links=False)
    # What is left starts a mention, a timestamp or an emoji, or hides an address behind a word. A bracket behind an
    # even number of backslashes is not escaped yet: they escape each other.
    return discord.utils.escape_mentions(re.sub(r"(?<!\\)((?:\\\\)*)([<\[])", r"\1\\\2", escaped))


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 picture", "4 pictures"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def seconds(amount: float) -> str:
    """A duration for people: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min"."""
    if amount < 10:
        return f"{amount:.1f} s"
    minutes, rest = divmod(round(amount), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{minutes} min {rest} s" if hours == 0 else f"{hours} h {minutes_left} min"


def relative(moment: datetime) -> str:
    """A moment that Discord keeps counting towards in each reader's own language."""
    return f"<t:{int(moment.timestamp())}:R>"


def bar(step: int, steps: int, width: int = 12) -> str:
    """A progress bar."""
    filled = round(width * step / steps) if steps else 0
    return "▰" * filled + "▱" * (width - filled)
