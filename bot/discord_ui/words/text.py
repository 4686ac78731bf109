"""How prompts, names, numbers and times are written. Prompts and names are somebody else's text: escaped and cut."""

import re
from datetime import datetime

import discord

from bot.records import JobRecord
from bot.services.answers import Shown
from bot.services.limits import LimitKind
from bot.services.reviews import EXPIRES_AFTER
from generation.catalog import ModelSpec
from generation.prompt_hints import prompt_hint
from generation.request import GenerationRequest

CANNOT_READ = "The pictures are there, but I cannot read them at the moment. They follow as soon as I can."
NOT_DRAWN = "This was not drawn."
NOT_SHOWN = "*What was asked for is not shown any more.*"
CANNOT_CHECK = "The pictures are there, and I cannot check them at the moment. They follow as soon as I can."
YOU = "you"  #: the requester, in their own private answer
TOO_LARGE_HERE = "The pictures are too large to be posted here. `/result` shows them to you elsewhere."
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ADDRESS = re.compile(r"(?i)(\w:|discord(?:app)?\.\w+)(/)")
_SHOWN_DRAWN = 150  #: characters of a prompt of which a message has several
_MOST_HINT = 1000  #: characters, of the 2,048 of a footer
SHOWN_PROMPT = 300  #: characters of a prompt in a message; the whole of it is under Info


def shown(text: str, most: int = SHOWN_PROMPT) -> str:
    """Somebody's text on one line, cut, with no Markdown, mention or link left in it."""
    line = " ".join(_CONTROLS.sub(" ", text).split())
    if len(line) > most:
        line = line[: most - 1].rstrip() + "…"
    escaped = discord.utils.escape_markdown(line, ignore_links=False)
    # Discord makes an address clickable wherever it stands, in names too: a character of no width takes it apart.
    escaped = _ADDRESS.sub("\\1\u200b\\2", escaped)
    # What is left starts a mention, a timestamp or an emoji, or hides an address behind a word. A bracket behind an
    # even number of backslashes is not escaped yet: they escape each other.
    return discord.utils.escape_mentions(re.sub(r"(?<!\\)((?:\\\\)*)([<\[])", r"\1\\\2", escaped))


def prompt_of(request: GenerationRequest) -> str:
    """What was asked for, and below it what was drawn of the alternatives in it."""
    if request.template is None:
        return shown(request.prompt)
    drawn = dict.fromkeys(prompt for prompt, _ in request.texts)
    return "\n→ ".join([shown(request.template), *(shown(prompt, _SHOWN_DRAWN) for prompt in drawn)])


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


def amount(kind: LimitKind, value: float) -> str:
    """A limit's value with its unit: "50", "12.5 s", "512 pixels"."""
    number = f"{value:.1f}" if kind.is_whole and value % 1 else f"{value:.10g}"
    return f"{number} {kind.unit}".rstrip()


def permission(flag: str) -> str:
    """A permission as Discord's settings show it: "Send Messages in Threads"."""
    return flag.replace("_", " ").title().replace(" In ", " in ")


def hint(model: ModelSpec, request: GenerationRequest) -> str | None:
    """A gentle word to somebody about what they typed, for a footer, where Discord renders nothing; mostly none."""
    told = prompt_hint(model, request, shown=lambda words: _cut(words, 100))
    return told and _cut(told, _MOST_HINT)


def unread(words: str) -> str:
    """What a member reads whose prompt was longer than the model reads."""
    shown_words = words if len(words) <= 200 else "…" + words[-199:]
    return f"The model did not read the end of this prompt: {' '.join(shown_words.split())}"


def not_shown(result: Shown) -> str:
    """How many of a job's pictures are not seen here, and why."""
    left_out = [_are(result.left_out, "not for this channel.")] if result.left_out else []
    return " ".join([*filter(None, [held_of(result.job)]), *left_out]) or "There is no picture."


def held_of(job: JobRecord) -> str:
    """What is to be said of a job's pictures that are held back as things stand, or were kept back; mostly nothing."""
    waiting = sum(image.waits for image in job.images)
    kept = sum(image.is_held for image in job.images) - waiting
    words = [_are(waiting, "held back.")] if waiting else []
    return " ".join([*words, _are(kept, "not shown.")] if kept else words)


def _are(number: int, words: str) -> str:
    return f"{counted(number, 'picture')} {'is' if number == 1 else 'are'} {words}"


def held_back(job: JobRecord, server: str | None) -> str:
    """What the requester of pictures that wait for a decision is told, and nobody else; `server` is its name."""
    waiting, count = [image for image in job.images if image.waits], len(job.images)
    what = f"{len(waiting)} of the {count} pictures" if count > 1 else "the picture"
    they, them = ("it", "it") if len(waiting) == 1 else ("they", "them")
    where = f" on **{shown(server)}**" if server else ""
    told = f"I have held back {what} that you asked for{where}: {shown(job.request.template or job.request.prompt)}\n"
    if job.server is not None:
        return f"{told}A moderator is to decide whether {they} may be shown, and you will be told."
    until = min(image.held_at for image in waiting if image.held_at is not None) + EXPIRES_AFTER
    return (
        f"{told}Direct messages have no moderator who could let {them} through. So nobody "
        f"will see {them}, and {relative(until)} {they} will count for none of your limits."
    )


def _cut(words: str, most: int) -> str:
    line = " ".join(words.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def ready(count: int) -> str:
    """What a member who waited long is called with."""
    return "your picture is ready." if count == 1 else "your pictures are ready."


def cancelled(job: JobRecord) -> str:
    """What a member reads who has cancelled a job."""
    return f"Cancelled: {shown(job.request.prompt, 80)}. Its {counted(job.request.count, 'picture')} do not count."


def about(job: JobRecord, words: str) -> str:
    """What a requester reads in a direct message about a job of a channel."""
    return f"About your “{shown(job.request.prompt, 100)}” in <#{job.place.channel}>: {words}"


def deleted_by_moderator(job: JobRecord, server: str | None) -> str:
    """What the requester of deleted pictures is told."""
    where = f" on **{shown(server)}**" if server else ""
    return f"A moderator{where} deleted your pictures of: {shown(job.request.prompt)}"


def bar(step: int, steps: int, width: int = 12) -> str:
    """A progress bar."""
    filled = round(width * step / steps) if steps else 0
    return "▰" * filled + "▱" * (width - filled)
