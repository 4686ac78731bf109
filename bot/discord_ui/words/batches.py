"""What is said about pictures that one prompt asks for together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import discord

from bot.discord_ui.batch_buttons import batch_row
from bot.discord_ui.words import text
from bot.discord_ui.words.embeds import COLOUR
from bot.records import JobRecord
from bot.services.answers import BatchCount


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchContent:
    """The one message that counts them."""

    job_id: UUID  #: the batch's
    requester: str
    count: BatchCount
    prompt: str | None = None  #: as it was written; None: the message has it already

    @property
    def is_over(self) -> bool:
        """Whether nothing of it waits or is drawn."""
        return self.count.live == 0

    @property
    def text(self) -> str:
        """The words."""
        name = f"**{text.shown(self.requester)}**"
        drawn = self.count.drawn
        cancelled = f"; {self.count.cancelled} cancelled" if self.count.cancelled else ""
        lost = f"; {self.count.lost} came to nothing" if self.count.lost else ""
        missing = f"{cancelled}{lost}"
        if self.is_over:
            return f"{'✅' if drawn else '⏹️'} {text.counted(drawn, 'picture')} for {name}{missing}"
        return f"🎨 **{drawn} of {self.count.total}** pictures for {name} are done{missing}"

    def to_send(self) -> dict[str, Any]:
        """Arguments for a new message."""
        embed = discord.Embed(description=text.shown(self.prompt or ""), colour=COLOUR)
        return {"content": self.text, "embed": embed, "view": batch_row("cancel", self.job_id, "Cancel all")}

    def to_edit(self) -> dict[str, Any]:
        """Arguments for an edit; what was asked for stays as it is said there."""
        view = None if self.is_over else batch_row("cancel", self.job_id, "Cancel all")
        return {"content": self.text, "view": view}


def question(pictures: int, seconds: float) -> str:
    """Whether so many pictures are meant."""
    costs = f", about {text.seconds(seconds)} of the device" if seconds else ""
    return f"That makes **{text.counted(pictures, 'picture')}**{costs}. Shall I draw them?"


def title(prompt: str) -> str:
    """The name of the thread that they are posted in."""
    return " ".join(prompt.split())[:90] or "Pictures"


def agreed(pictures: int) -> str:
    """What is left of the question when somebody has said yes."""
    return f"{text.counted(pictures, 'picture')} asked for."


def stopped(jobs: Sequence[JobRecord]) -> str:
    """What Cancel all has done."""
    pictures = sum(job.request.count for job in jobs)
    return f"{text.counted(pictures, 'picture')} cancelled." if jobs else "Nothing of it waits or is drawn any more."
