"""Favourites, gallery copies and results sent by direct message, as people see them. No I/O."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import discord

from bot.discord_ui.words import text
from bot.discord_ui.words.attachments import Attachment
from bot.discord_ui.words.content import Content
from bot.discord_ui.words.embeds import COLOUR
from bot.records import Gallery, JobRecord, Star
from bot.services.answers import Shown

_SHOWN_PROMPT = 150  #: characters of each favourite's

NO_FAVOURITES = "There is nothing here that you have starred. A ⭐ below a result keeps it."
_FAVOURITES = "Your favourites: what you starred on this server, and of your own results; the latest ⭐ first."
_OWN_FAVOURITES = (
    "Your favourites among your own results, the latest ⭐ first. On a server you see those from there too."
)


def link(job: JobRecord) -> str:
    """The address of the job's message."""
    place = job.place
    return f"https://discord.com/channels/{job.server or '@me'}/{place.channel}/{place.message or ''}"


def favourites(stars: Sequence[Star], thumbnails: Sequence[Attachment | None], *, in_server: bool) -> dict[str, Any]:
    """Arguments for an edit that shows a page of them, each with its thumbnail where there is one."""
    if not stars:
        return {"content": NO_FAVOURITES, "embeds": [], "attachments": []}
    embeds, files = list[discord.Embed](), list[discord.File]()
    for star, thumbnail in zip(stars, thumbnails, strict=True):
        job = star.job
        embed = discord.Embed(colour=COLOUR)
        embed.description = (
            f"{text.shown(job.request.prompt, _SHOWN_PROMPT)}\n"
            f"{text.counted(job.request.count, 'picture')} by **{text.shown(job.requester_name)}**, "
            f"⭐ {text.relative(star.at)}: {link(job)}"
        )
        if thumbnail is not None:
            embed.set_thumbnail(url=f"attachment://{thumbnail.filename}")
            files.append(thumbnail.to_file())
        embeds.append(embed)
    return {"content": _FAVOURITES if in_server else _OWN_FAVOURITES, "embeds": embeds, "attachments": files}


def sent(shown: Shown) -> Content:
    """A result for somebody who asked by reaction to have it sent. Slow."""
    return _elsewhere("✉️", shown)


def gallery_copy(shown: Shown) -> Content:
    """A result in its server's gallery; the footer says which job it is, so that its message is found again. Slow."""
    content = _elsewhere("⭐", shown)
    return replace(content, embed=content.embed.copy().set_footer(text=f"Job {shown.job.id}"))


def gallery_set(gallery: Gallery | None, *, is_restricted: bool) -> str:
    """What an admin reads who has set the gallery."""
    if gallery is None:
        return "Nothing is copied to a gallery any more. What is there stays."
    members = text.counted(gallery.stars, "member")
    words = f"A result that {members} beside its requester starred with ⭐ is copied to <#{gallery.channel}>."
    return words if is_restricted else f"{words} Those from age-restricted channels and private threads are not."


def gallery_refused(channel: int, missing: Sequence[str]) -> str:
    """What an admin reads who chose a channel where the bot cannot post."""
    names = ", ".join(f"**{text.permission(name)}**" for name in missing)
    return f"In <#{channel}> I need {names}. Nothing was changed."


def _elsewhere(emoji: str, shown: Shown) -> Content:
    job = shown.job
    by = f"**{text.shown(job.requester_name)}**"
    words = f"{emoji} {text.counted(len(shown.pictures), 'picture')} by {by}: {link(job)}"
    if shown.held or shown.left_out:
        words = f"{words}\n-# 🔒 {text.not_shown(shown)}"
    return replace(Content.result(shown, job.requester_name), text=words, buttons=())
