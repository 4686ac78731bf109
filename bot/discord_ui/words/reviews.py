"""Held pictures, as those who decide about them and those who asked for them see them. No I/O."""

import re
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid5

import discord

from bot.discord_ui.buttons import button_row
from bot.discord_ui.review_buttons import review_row
from bot.discord_ui.words import text
from bot.discord_ui.words.attachments import Attachment
from bot.discord_ui.words.content import Content
from bot.discord_ui.words.embeds import COLOUR
from bot.discord_ui.words.keeping import link
from bot.records import Decision, ImageRecord, JobRecord, Place
from bot.services.answers import Picture, Shown
from bot.services.reviews import MOST_WAITING, HeldPicture, QueuePage
from bot.services.strikes import Strikes
from generation.job import JobId

NOTHING_WAITS = "No held picture waits for a decision."
DELETE_WHY = (
    "Why does it go? **Only this** deletes this result. **For its content** also holds back whatever looks like it "
    "from now on; `/admin safety unwanted` takes that back."
)
DELETED = "It is deleted."
DELETED_FOR_CONTENT = "It is deleted, and what looks like it will be held back here."
#: What a message with pictures says of those that it lacks; where its files had to be smaller, that follows.
_HELD_LINE = re.compile(r"(?m)^(-# )[🔒🔓] .*?(?=$| \()")
_NO_FILE = "The picture cannot be shown: its file is gone."


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewContent(Content):
    """A held picture as the moderators' channel shows it. It is found again by the picture's id."""

    image: UUID | None  #: None: it is decided

    def to_send(self) -> dict[str, Any]:
        """Arguments for a new message."""
        return {**Content.to_send(self), "view": review_row(self.image)}


@dataclass(frozen=True, kw_only=True, slots=True)
class LateContent(Content):
    """A picture that was let through: a message of its own, found again by an id of its own, with its job's buttons."""

    of: JobId

    def to_send(self) -> dict[str, Any]:
        """Arguments for a new message."""
        return {**Content.to_send(self), "view": button_row(self.of, self.buttons)}


def late_id(image: UUID) -> UUID:
    """What the message is found by that delivers a picture after all: nothing else says this id."""
    return uuid5(image, "let through")


def waiting(held: HeldPicture, picture: Picture) -> ReviewContent:
    """What moderators decide by: the picture as a spoiler, what was asked for, by whom, and the score. Slow."""
    return ReviewContent(
        job_id=held.image.id,
        text=f"🔒 Held back, asked for by <@{held.job.requester}>: {link(held.job)}",
        embed=_facts(held),
        buttons=(),
        attachments=(Attachment.picture(picture, _prompt(held)),),
        image=held.image.id,
    )


def decided(held: HeldPicture) -> ReviewContent:
    """The same when there is nothing to decide any more. The picture is not shown on."""
    return ReviewContent(
        job_id=held.image.id,
        text=f"{_decision(held.image)}. Asked for by <@{held.job.requester}>: {link(held.job)}",
        embed=_facts(held),
        buttons=(),
        image=None,
    )


def queue(page: QueuePage, picture: Picture | None) -> dict[str, Any]:
    """Arguments for an edit that shows a page of the queue, its buttons aside. Slow."""
    held = page.shown
    if held is None:
        return {"content": NOTHING_WAITS, "embeds": [], "attachments": []}
    number = f"{page.waiting} or more" if page.waiting == MOST_WAITING else str(page.waiting)
    words = f"🔒 {number} waiting. This one was asked for by <@{held.job.requester}>: {link(held.job)}"
    files = [] if picture is None else [Attachment.picture(picture, _prompt(held)).to_file()]
    return {
        "content": words if picture is not None else f"{words}\n{_NO_FILE}",
        "embeds": [_facts(held)],
        "attachments": files,
    }


def let_through(shown: Shown, image: ImageRecord) -> LateContent:
    """A picture that its requester gets after all, wherever it may be shown now. Slow."""
    job = shown.job
    result = Content.result(shown, job.requester_name)
    key = late_id(image.id)
    embed = discord.Embed(description=text.shown(job.request.texts_of(image.seed)[0]), colour=COLOUR)
    return LateContent(
        job_id=key,
        text=f"✅ Let through by a moderator, for **{text.shown(job.requester_name)}**\n-# seed `{image.seed}`",
        embed=embed.set_footer(text=f"Picture {key}"),
        buttons=result.buttons,
        attachments=result.attachments,
        of=job.id,
    )


def decided_later(job: JobRecord, said: str) -> str:
    """What a job's message is to say instead of what it has `said`, as decisions came when it was there already."""
    late = sum(map(job.came_late, job.images))
    below = f"{text.counted(late, 'picture')} let through by a moderator, see below." if late else ""
    held = text.held_of(job)
    words, mark = " ".join(filter(None, [below, held])), "🔒" if held else "🔓"
    if all(image.held_at is not None and (image.is_held or job.came_late(image)) for image in job.images):
        return f"{mark} For **{text.shown(job.requester_name)}**: {words}"  # it never had a picture
    return _HELD_LINE.sub(lambda line: f"{line[1]}{mark} {words}", said)


def told_let_through(held: HeldPicture, server: str | None, there: Place) -> str:
    """What the requester of a picture is told, privately, that was delivered there after all."""
    shown = replace(held.job, place=there)
    return f"A moderator{_on(server)} let your picture through: {text.shown(_prompt(held))}\n{link(shown)}"


def told_kept_back(held: HeldPicture, server: str | None, strikes: Strikes | None) -> str:
    """The same of one that stays hidden; `strikes`: how they stand now, where a person kept it back."""
    about = f"{text.shown(_prompt(held))}\nIt does not count."
    if held.image.decision is Decision.EXPIRED:
        return f"Nobody{_on(server)} decided about your picture in time, so it is kept back: {about}"
    words = f"A moderator{_on(server)} kept your picture back: {about}"
    if strikes is None or not strikes.blocks_at:
        return words
    if strikes.blocked_until is not None:
        return f"{words} You can ask for new ones there again {text.relative(strikes.blocked_until)}."
    return f"{words} After {strikes.blocks_at} of them you can ask for no more for a while; this is {strikes.counted}."


def _decision(image: ImageRecord) -> str:
    by = f"<@{image.decided_by}>"
    match image.decision:
        case Decision.APPROVED:
            return f"✅ Approved by {by}"
        case Decision.FALSE_POSITIVE:
            return f"🙈 A false positive, says {by}; delivered"
        case Decision.KEPT_BACK:
            return f"⛔ Kept back by {by}"
        case _:
            return "⌛ Nobody decided in time: kept back"


def _prompt(held: HeldPicture) -> str:
    """What this picture was drawn from."""
    return held.job.request.texts_of(held.image.seed)[0]


def _facts(held: HeldPicture) -> discord.Embed:
    job, score = held.job, held.image.score
    embed = discord.Embed(description=text.shown(_prompt(held)), colour=COLOUR)
    embed.add_field(name="Score", value="none" if score is None else f"{score:.2f}")
    embed.add_field(name="Model", value=text.shown(job.request.model, 100))
    if held.image.held_at is not None:
        embed.add_field(name="Held", value=text.relative(held.image.held_at))
    return embed


def _on(server: str | None) -> str:
    return f" on **{text.shown(server)}**" if server else ""
