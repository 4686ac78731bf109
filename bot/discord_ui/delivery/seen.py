"""One job's result as each place may see it: in its channel, in the one above a thread, in direct messages."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import discord

from bot.discord_ui import private
from bot.discord_ui.surroundings import where_is
from bot.discord_ui.unsent import UNSENT
from bot.discord_ui.words import text
from bot.discord_ui.words.content import Content
from bot.errors import PictureGone, is_storage_fault
from bot.records import JobRecord
from bot.retrying import PATIENT, retried
from bot.services.answers import Shown
from bot.services.images import ImageService
from bot.services.policies import Where

log = logging.getLogger(__name__)

Remark: TypeAlias = Callable[[JobRecord], Awaitable[str | None]]  #: what else is to be said of a result


class SeenResult:
    """What the place that was asked for last may see. Its pictures are judged for each place anew."""

    def __init__(self, client: discord.Client, images: ImageService, shown: Shown, channel: str) -> None:
        self.shown = shown
        self._client = client
        self._images = images
        self._channel = channel

    @classmethod
    async def judged(cls, client: discord.Client, images: ImageService, job: JobRecord, channel: str) -> "SeenResult":
        """The result as the channel where it was asked for may see it. Raises CheckFault, StorageFault, PictureGone,
        and one of UNSENT where Discord cannot say what channel that is."""
        seen = cls(client, images, Shown(job=job, pictures=()), channel)
        await seen._judge(await where_is(client, channel, job.server))
        return seen

    async def content(
        self, channel: str, is_private: bool, *, requester: str, hint: str | None, remark: Remark
    ) -> Content:
        """The result in words, as this channel may see it; `is_private`: it is its requester's direct messages.

        `requester` is a name. Raises what `judged` does.
        """
        if channel != self._channel:
            place = Where(server=None, channel=channel)
            await self._judge(place if is_private else await where_is(self._client, channel, self.shown.job.server))
            self._channel = channel
        several = self._images.catalog.has_several
        words = partial(Content.result, self.shown, requester, hint=hint, names_model=several)
        try:
            content = await asyncio.to_thread(words)
        except OSError as error:  # Pillow's for a file that is no picture: not to be taken for a dropped connection
            raise PictureGone from error
        said = await remark(self.shown.job) if self.shown.pictures else None
        return content if said is None else replace(content, text=f"{content.text}\n{said}")

    async def tell_requester(self, interaction: discord.Interaction | None) -> None:
        """Tell the requester alone what waits for a decision, if anything does; `interaction` is what they asked by."""
        job = self.shown.job
        if not any(image.waits for image in job.images):
            return
        guild = self._client.get_guild(int(job.server)) if job.server is not None else None
        words = text.held_back(job, guild.name if guild is not None else None)
        if interaction is not None and not interaction.is_expired():
            try:
                await interaction.followup.send(words, ephemeral=True)
                return
            except UNSENT as error:
                log.info("job %s: its requester is told by direct message: %r", job.id, error)
        await private.write(self._client, int(job.requester), words)

    async def _judge(self, where: Where) -> None:
        job = self.shown.job
        show, doing = partial(self._images.pictures.shown, job, where), f"the pictures of job {job.id}"
        self.shown = await retried(show, PATIENT, passing=is_storage_fault, doing=doing)
