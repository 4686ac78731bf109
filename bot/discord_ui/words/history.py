"""A page of a member's history: what they asked for, what became of it, and a small picture of each."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from discord import ui

from bot.discord_ui.pages import PageButton
from bot.discord_ui.words import keeping, text
from bot.discord_ui.words.attachments import Attachment
from bot.discord_ui.words.embeds import COLOUR
from bot.records import JobRecord
from bot.services.answers import Picture
from bot.services.history import HistoryPage
from generation.job import JobId, JobStatus

_PROMPT = 100  #: characters; five of them fit Discord's 4000 whatever has to be escaped
_NOTHING = "You have not asked for anything yet. `/imagine` draws what you describe."
HELD_BACK = "held back, until a moderator decides"
_STATUS = {
    JobStatus.ACCEPTED: "waiting",
    JobStatus.STARTED: "being drawn",
    JobStatus.RENDERED: "drawn, not delivered yet",
    JobStatus.POSTED: "done",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
    JobStatus.INTERRUPTED: "interrupted",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryAnswer:
    """A page as a private message."""

    view: ui.LayoutView
    thumbnails: tuple[Attachment, ...]

    @classmethod
    def of(cls, page: HistoryPage, pictures: Mapping[JobId, Picture]) -> "HistoryAnswer":
        """`pictures` are of the jobs that have one. Slow: they are made small here."""
        view, container = ui.LayoutView(timeout=None), ui.Container[Any](accent_colour=COLOUR)
        thumbnails: list[Attachment] = []
        container.add_item(ui.TextDisplay("### Your history"))
        for job in page.jobs:
            said = ui.TextDisplay[Any](entry(job))
            picture = pictures.get(job.id)
            thumbnail = _thumbnail(job, picture)
            if picture is None or thumbnail is None:
                container.add_item(said)
                continue
            thumbnails.append(thumbnail)
            shown = ui.Thumbnail[Any](f"attachment://{thumbnail.filename}", spoiler=picture.is_spoiler)
            container.add_item(ui.Section(said, accessory=shown))
        if not page.jobs:
            container.add_item(ui.TextDisplay(_NOTHING))
        view.add_item(container)
        row = ui.ActionRow[Any]()
        for position in filter(None, (page.newer, page.older)):
            row.add_item(PageButton("history", position))
        if row.children:  # Discord takes no empty row
            view.add_item(row)
        return cls(view=view, thumbnails=tuple(thumbnails))

    def to_edit(self) -> dict[str, Any]:
        """Arguments for an edit of the answer."""
        return {"view": self.view, "attachments": [thumbnail.to_file() for thumbnail in self.thumbnails]}


def _thumbnail(job: JobRecord, picture: Picture | None) -> Attachment | None:
    with suppress(OSError):  # Pillow's for a file that is no picture
        return (
            Attachment.thumbnail(f"{job.id.hex}.jpg", picture.png, job.request.prompt) if picture is not None else None
        )
    return None


def entry(job: JobRecord) -> str:
    """One job in a few short lines."""
    request = job.request
    parts = [
        text.counted(request.count, "picture"),
        status(job),
        text.relative(job.accepted_at),
        f"made by {action(job.action)}" if job.parent else "",
        link(job) or "",
    ]
    # Something before the prompt: at the start of a line some characters would mean a heading or a quote.
    return f"🎨 {text.shown(request.prompt, _PROMPT)}\n-# {' · '.join(filter(None, parts))}\n-# `{job.id}`"


def status(job: JobRecord) -> str:
    """What became of a job."""
    removed = next((image.removed_at for image in job.images if image.removed_at is not None), None)
    if removed is not None:
        return f"its files are no longer kept, removed {text.relative(removed)}"
    if job.is_held:
        return HELD_BACK
    return "kept for you: `/result` shows it" if job.is_kept else _STATUS[job.status]


def action(name: str | None) -> str:
    """What was done to a job's parent; words of later versions too."""
    return text.shown(name.replace("_", " "), 40) if name else "a rerun or a change"


def link(job: JobRecord) -> str | None:
    """A way to the job's message, where it is known; Discord shows it to those only who may see it."""
    if job.place.message is None:
        return None
    return f"[message]({keeping.link(job)})"


def choice(job: JobRecord) -> str:
    """A job in a line of suggestions; the time and the seed tell it from its twins."""
    prompt = " ".join(job.request.prompt.split())
    said = HELD_BACK if job.is_held else _STATUS[job.status]
    return f"{job.accepted_at:%d %b %H:%M:%S} UTC, {said}, seed {job.request.seed}: {prompt}"
