"""What a job's message looks like at each moment of its life, as a value. No I/O."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import discord

from bot.discord_ui.buttons import ButtonAction, button_row
from bot.discord_ui.words import text
from bot.discord_ui.words.attachments import Attachment, LighterForm, shown_larger
from bot.discord_ui.words.embeds import COLOUR
from bot.discord_ui.words.errors import member_words
from bot.records import JobRecord
from bot.services.answers import Shown
from generation.errors import Postponed
from generation.job import Job, JobId
from generation.loras import loras_text
from generation.request import GenerationRequest
from generation.ticket import Progress

_BUTTONS = (ButtonAction.RERUN, ButtonAction.INFO, ButtonAction.DELETE)
_RESULT_BUTTONS = (
    ButtonAction.RERUN,
    ButtonAction.EDIT,
    ButtonAction.VARY,
    ButtonAction.UPSCALE,
    ButtonAction.MORE,
    ButtonAction.INFO,
    ButtonAction.DELETE,
)


class Sayable(Protocol):
    """What a message may hold."""

    @property
    def job_id(self) -> UUID:
        """Of the job, or of the batch, that it is about."""
        ...

    def to_send(self) -> dict[str, Any]:
        """Arguments for a new message."""
        ...

    def to_edit(self) -> dict[str, Any]:
        """Arguments for an edit."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """A job's whole message: what it does not name, it does not have."""

    job_id: JobId
    text: str
    embed: discord.Embed
    buttons: tuple[ButtonAction, ...]
    attachments: tuple[Attachment, ...] = ()

    @classmethod
    def progress(
        cls,
        job: Job | JobRecord,
        requester: str,
        progress: Progress,
        done_at: datetime | None,
        hint: str | None,
        *,
        hides_preview: bool = False,
    ) -> "Content":
        """A job that waits or is being drawn; `hint` is what else its requester should know."""
        request = job.request
        if progress.loading:
            place = "" if progress.place is None else f"; **place {progress.place}** in line"
            state = f"🕓 Loading the model{place}"
        elif progress.step > 0:
            done_so_far = f"{100 * progress.step // max(progress.steps, 1)} %"  # over all pictures
            state = f"🎨 {text.bar(progress.step, progress.steps)} **{done_so_far}**"
            if request.count > 1:
                state += f" of {request.count} pictures"
            if progress.place is not None:  # shorter jobs go first meanwhile
                state += f"; **place {progress.place}** in line"
        elif progress.place is not None:
            state = f"🕓 In line: **place {progress.place}**"
        else:
            state = "🎨 Starting to draw"
        # Discord counts this down by itself, without an edit.
        done = f", done {text.relative(done_at)}" if done_at is not None else ""
        return cls(
            job_id=job.id,
            text=f"{state} for {_by_name(requester)}{done}",
            embed=_embed(request, hint),
            buttons=(ButtonAction.CANCEL,),
            attachments=(
                (Attachment.preview(progress.preview, request.prompt, is_hidden=hides_preview),)
                if progress.preview
                else ()
            ),
        )

    @classmethod
    def result(cls, shown: Shown, requester: str, *, hint: str | None = None, names_model: bool = False) -> "Content":
        """A job whose pictures are done, and what of them may be seen here; its model is named where there are several.

        Slow: tiny ones are enlarged.
        """
        job, pictures = shown.job, shown.pictures
        request = job.request
        if not pictures:
            return cls(
                job_id=job.id,
                text=f"🔒 For {_by_name(requester)}: {text.not_shown(shown)}",
                embed=_embed(request),
                buttons=(ButtonAction.INFO, ButtonAction.DELETE),
            )
        taken = (job.rendered_at - job.accepted_at).total_seconds() if job.rendered_at is not None else 0.0
        width, height = request.size
        factor = shown_larger(width, height)
        larger = f", shown ×{factor}" if factor > 1 else ""
        receipt = (
            ("seed " if request.count == 1 else "seeds ") + ", ".join(f"`{seed}`" for seed in request.seeds),
            f"{width}×{height}{larger}",
            *((text.shown(request.model),) if names_model else ()),
            *((text.shown(loras_text(request.loras), 200),) if request.loras else ()),
            f"taken {text.seconds(max(taken, 0.0))}, of the device {text.seconds(job.device_seconds)}",
        )
        said = f"✅ {text.counted(len(pictures), 'picture')} for {_by_name(requester)}\n-# {' · '.join(receipt)}"
        if shown.held or shown.left_out:
            said = f"{said}\n-# 🔒 {text.not_shown(shown)}"
        return cls(
            job_id=job.id,
            text=said,
            embed=_embed(request, "\n".join(filter(None, (text.unread(job.unread) if job.unread else None, hint)))),
            buttons=_RESULT_BUTTONS,
            attachments=tuple(Attachment.picture(picture, request.texts_of(picture.seed)[0]) for picture in pictures),
        )

    @classmethod
    def ended(cls, job: Job | JobRecord, requester: str, words: str, *, again: bool = True) -> "Content":
        """A job that ended without pictures, and why; `again` is whether another try by anybody makes sense."""
        return cls(
            job_id=job.id,
            text=f"⏹️ For {_by_name(requester)}: {words}",
            embed=_embed(job.request),
            buttons=_BUTTONS if again else (ButtonAction.INFO, ButtonAction.DELETE),
        )

    @classmethod
    def withdrawn(cls, job: JobRecord, requester: str, words: str) -> "Content":
        """A job whose prompt is not to be read any more."""
        return cls(
            job_id=job.id,
            text=f"⏹️ For {_by_name(requester)}: {words}",
            embed=discord.Embed(description=text.NOT_SHOWN, colour=COLOUR),
            buttons=(ButtonAction.DELETE,),
        )

    @classmethod
    def postponed(cls, job: Job | JobRecord, requester: str) -> "Content":
        """A job that waits for the bot to come back."""
        return cls(
            job_id=job.id,
            text=f"⏸️ For {_by_name(requester)}: {member_words(Postponed())}",
            embed=_embed(job.request),
            buttons=(ButtonAction.CANCEL,),
        )

    def lighter(self, form: LighterForm) -> "Content":
        """The same with smaller files, and a word about it. Slow: not for the event loop."""
        return replace(
            self,
            text=f"{self.text} ({form.words}: the originals are too large here)",
            attachments=tuple(attachment.lighter(form) for attachment in self.attachments),
        )

    def without_buttons(self) -> "Content":
        """The same for a place where its buttons make no sense."""
        return replace(self, buttons=())

    def in_direct_message(self, channel: str) -> "Content":
        """The same for a direct message: its buttons belong to the channel, and its footer says which job it is."""
        embed = self.embed.copy().set_footer(text=f"Job {self.job_id}")
        return replace(self, text=f"{self.text}\nI cannot reach you in <#{channel}>.", embed=embed, buttons=())

    def in_parent_of(self, thread: str) -> "Content":
        """The same for the channel above a thread that is closed."""
        return replace(self, text=f"{self.text} (<#{thread}> is closed)")

    def to_send(self) -> dict[str, Any]:
        """Arguments for a new message."""
        return {
            "content": self.text,
            "embed": self.embed,
            "view": button_row(self.job_id, self.buttons),
            "files": [attachment.to_file() for attachment in self.attachments],
        }

    def to_edit(self) -> dict[str, Any]:
        """Arguments for an edit: whatever was there before goes, in the same request."""
        arguments = self.to_send()
        files = arguments.pop("files")
        return {**arguments, "attachments": files}


def _by_name(requester: str) -> str:
    """Who is waiting, by name: nobody is pinged."""
    return f"**{text.shown(requester)}**"


def _embed(request: GenerationRequest, hint: str | None = None) -> discord.Embed:
    embed = discord.Embed(description=text.prompt_of(request), colour=COLOUR)
    return embed.set_footer(text=hint) if hint else embed  # Discord refuses an empty footer
