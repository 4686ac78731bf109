"""Posts the copies in servers' galleries, each once, and removes those of deleted jobs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid5

import discord

from bot.clock import Clock
from bot.discord_ui import permissions
from bot.discord_ui.delivery.messages import Messages
from bot.discord_ui.delivery.ways import in_fitting_form
from bot.discord_ui.surroundings import where_is
from bot.discord_ui.unsent import UNSENT, is_passing
from bot.discord_ui.words import keeping as words
from bot.errors import CheckFault, PictureGone, StorageFault, UnknownJob, is_storage_fault
from bot.records import GalleryCopy, JobRecord, Place
from bot.retrying import PATIENT, retried
from bot.services.images import ImageService
from bot.services.stars import Stars
from generation.job import JobId, JobStatus

log = logging.getLogger(__name__)


class GalleryCopies:
    """A copy is noted in its row before it is posted. What a crash leaves in between is looked for, then posted."""

    def __init__(self, client: discord.Client, images: ImageService, stars: Stars, clock: Clock) -> None:
        self._client = client
        self._images = images
        self._stars = stars
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()  # nothing is posted twice, or posted while it is removed

    async def wanted_in(self, job: JobRecord) -> str | None:
        """The channel of its server's gallery, if this result may be shown there. Raises StorageFault."""
        gallery = await self._stars.gallery_of(job)
        return gallery.channel if gallery is not None and await self._may_show(job, gallery.channel) else None

    async def post(self, job_id: JobId, *, of_before: bool = False) -> None:
        """Post the copy that is noted; `of_before`: it may be there already. What fails is tried again by catch_up."""
        await self._look_after(job_id, lambda copy: self._post(copy, of_before=of_before))

    async def remove(self, job_id: JobId) -> None:
        """Remove the copy of a deleted job, if there is one. What fails is tried again by catch_up."""
        await self._look_after(job_id, self._remove)

    async def catch_up(self) -> None:
        """Do what is left to do, one after the other: nobody is in a hurry. Raises StorageFault."""
        if not self._client.is_ready():
            return  # channels are not known yet
        for job_id in await self._stars.copies_to_remove():
            await self.remove(job_id)
        for job_id in await self._stars.copies_to_post():
            await self.post(job_id, of_before=True)

    async def _look_after(self, job_id: JobId, work: Callable[[GalleryCopy], Awaitable[None]]) -> None:
        try:
            async with self._one_at_a_time:
                copy = await self._stars.copy_of(job_id)  # as it is now
                if copy is not None:
                    await work(copy)
        except (*UNSENT, StorageFault, CheckFault, UnknownJob, PictureGone) as error:
            log.info("the gallery's copy of job %s: %r", job_id, error)
        except Exception:
            log.exception("the gallery's copy of job %s", job_id)

    async def _post(self, copy: GalleryCopy, *, of_before: bool) -> None:
        job = await self._images.job(copy.job)
        if copy.message is not None or job.status is not JobStatus.POSTED:
            return
        if not self._can_post(copy.channel) or not await self._may_show(job, copy.channel):
            return
        shown = await self._images.pictures.shown(job, await where_is(self._client, copy.channel, job.server))
        if not shown.pictures:
            return
        content = await asyncio.to_thread(words.gallery_copy, shown)
        messages = Messages(self._client, self._clock, sent_since=(copy.at,) if of_before else ())
        place, nonce_of = Place(channel=copy.channel), uuid5(job.id, "gallery")
        there = await in_fitting_form(content, lambda fitting: messages.send(place, fitting, nonce_of=nonce_of))
        message = there.message or ""
        doing = f"the gallery's copy of job {job.id}"
        await retried(lambda: self._stars.copied(job.id, message), PATIENT, passing=is_storage_fault, doing=doing)

    async def _remove(self, copy: GalleryCopy) -> None:
        channel = self._client.get_partial_messageable(int(copy.channel))
        message = copy.message
        if message is None:  # posted perhaps, and not written down
            messages = Messages(self._client, self._clock, sent_since=(copy.at,))
            message = await messages.sent_before(channel, copy.job)
        if message is not None:
            shown = channel.get_partial_message(int(message))
            with suppress(discord.NotFound):
                doing = f"removing the gallery's copy of job {copy.job}"
                await retried(shown.delete, PATIENT, passing=is_passing, doing=doing)
        await self._stars.uncopied(copy.job)

    def _can_post(self, gallery: str) -> bool:
        """What is lacking now may be there the next time."""
        there = self._client.get_channel(int(gallery))
        if not isinstance(there, discord.abc.GuildChannel):
            return False
        names = permissions.missing(there.permissions_for(there.guild.me), in_thread=False, reply=True)
        if names:
            log.info("in the gallery %s these permissions are missing: %s", gallery, ", ".join(names))
        return not names

    async def _may_show(self, job: JobRecord, gallery: str) -> bool:
        """Whether nobody sees there what the result's own channel keeps from them."""
        if gallery == job.place.channel:
            return False  # there it is already
        there, source = self._client.get_channel(int(gallery)), await self._channel(job)
        if there is None or (isinstance(source, discord.Thread) and source.is_private()):
            return False
        return not _is_restricted(source) or _is_restricted(there)

    async def _channel(self, job: JobRecord) -> object:
        """The result's own channel; None where it is not there any more, or out of sight."""
        channel = int(job.place.channel)
        try:
            return self._client.get_channel(channel) or await self._client.fetch_channel(channel)
        except UNSENT as error:
            log.info("the channel of job %s is not known: %r", job.id, error)
            return None


def _is_restricted(channel: object) -> bool:
    """Whether only adults see it. What is not known counts as restricted."""
    if isinstance(channel, discord.Thread):
        channel = channel.parent
    is_nsfw = getattr(channel, "is_nsfw", None)
    return is_nsfw is None or bool(is_nsfw())
