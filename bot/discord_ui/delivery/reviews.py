"""Shows held pictures to those who decide, and sees each decision to the requester: each once, also after a crash."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import discord

from bot.clock import Clock
from bot.discord_ui import permissions, private
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.delivery.messages import Messages
from bot.discord_ui.delivery.ways import hand_over, in_fitting_form
from bot.discord_ui.surroundings import where_is
from bot.discord_ui.unsent import UNSENT, is_passing
from bot.discord_ui.words import reviews as words
from bot.discord_ui.words.content import Content
from bot.errors import CheckFault, KeptBack, PictureGone, StorageFault, UnknownJob, is_storage_fault
from bot.records import JobRecord, Place, Review
from bot.retrying import PATIENT, retried
from bot.services.images import ImageService
from bot.services.policies import Policy, Where
from bot.services.reviews import HeldPicture, Reviews
from bot.services.safety_settings import ServerSafety
from bot.services.strikes import Strikes
from generation.job import JobId, JobStatus

log = logging.getLogger(__name__)


class HeldPictures:
    """What is to be done is in rows before it is begun. What a crash leaves in between is looked for, then done."""

    def __init__(
        self,
        client: discord.Client,
        images: ImageService,
        reviews: Reviews,
        server_safety: ServerSafety,
        deliveries: Deliveries,
        clock: Clock,
    ) -> None:
        self._client = client
        self._images = images
        self._reviews = reviews
        self._server_safety = server_safety
        self._deliveries = deliveries
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()  # nothing is delivered twice
        self._direct_is_known = False  #: the operator was told that one of direct messages is held
        self._out_of_reach = set[str]()  #: moderators' channels that the operator was told of

    async def show(self, image_id: UUID, *, of_before: bool = False) -> None:
        """Show it in the moderators' channel, where its own channel wants that; `of_before`: it may be there already.
        What fails is tried again by catch_up."""
        await self._look_after(image_id, partial(self._show, of_before=of_before))

    async def settle(self, image_id: UUID, *, strikes: Strikes | None = None, of_before: bool = False) -> None:
        """Do what follows from a decision: deliver it, tell its requester, and the moderators. The same as above."""
        await self._look_after(image_id, partial(self._settle, strikes=strikes, of_before=of_before))

    async def remove(self, job_id: JobId) -> None:
        """Remove whatever else shows pictures of a deleted job: what came later, and what moderators see."""
        job = await self._reviews.deleted(job_id)
        for image in job.images if job is not None else ():
            if image.held_at is not None:
                await self._guarded(image.id, partial(self._remove, job_id, image.id))

    async def catch_up(self) -> None:
        """Do what is left to do, one after the other: nobody is in a hurry. Raises StorageFault."""
        if not self._client.is_ready():
            return  # channels are not known yet
        for held in await self._reviews.expire():
            await self.settle(held.image.id)
        for held in await self._reviews.to_give():
            await self.settle(held.image.id, of_before=True)
        for image_id in await self._reviews.kept_back():
            await self.settle(image_id)
        for held in await self._reviews.to_show():
            await self.show(held.image.id, of_before=True)
        for image_id in await self._reviews.of_deleted():
            await self._guarded(image_id, partial(self._remove_review, image_id))

    async def _look_after(self, image_id: UUID, work: Callable[[HeldPicture], Awaitable[None]]) -> None:
        async def looked_after() -> None:
            await work(await self._reviews.held(image_id))  # as it is now

        await self._guarded(image_id, looked_after)

    async def _guarded(self, image_id: UUID, work: Callable[[], Awaitable[None]]) -> None:
        try:
            async with self._one_at_a_time:
                await work()
        except (*UNSENT, StorageFault, CheckFault, UnknownJob, PictureGone) as error:
            log.info("the held picture %s: %r", image_id, error)
        except Exception:
            log.exception("the held picture %s", image_id)

    # The moderators' channel

    async def _show(self, held: HeldPicture, *, of_before: bool) -> None:
        job, server = held.job, held.job.server
        if not held.image.waits:
            return
        if server is None:
            if not self._direct_is_known:
                self._direct_is_known = True
                log.warning("a picture in direct messages is held back: nobody can decide about those (SAFETY_DM)")
            return
        settings = await self._server_safety.of(server)
        channel = settings.review_channel
        if channel is None or not self._can_post(channel, server):
            return
        if settings.policy_in(await where_is(self._client, job.place.channel, server)) is not Policy.REVIEW:
            return
        noted = await self._reviews.review_of(held.image.id)
        if noted is not None and noted.channel != channel:
            await self._delete(noted)  # another channel was named since
        review = await self._reviews.noted(held.image.id, channel)
        if review.message is not None:
            return
        content = await asyncio.to_thread(
            words.waiting, held, await self._images.pictures.to_review(job, held.image.id)
        )
        messages = Messages(self._client, self._clock, sent_since=(review.at,) if of_before else ())
        place = Place(channel=channel)
        there = await in_fitting_form(content, lambda fitting: messages.send(place, fitting))
        message = there.message or ""
        doing = f"the review of picture {held.image.id}"
        await retried(
            lambda: self._reviews.shown_as(held.image.id, message), PATIENT, passing=is_storage_fault, doing=doing
        )

    def _can_post(self, channel: str, server: str) -> bool:
        """What is lacking now may be there the next time. The operator hears of it once."""
        names = permissions.missing_in(self._client, int(channel))
        if not names:
            self._out_of_reach.discard(channel)
        elif channel not in self._out_of_reach:
            self._out_of_reach.add(channel)
            log.warning(
                "in the moderators' channel %s of server %s I lack %s, or it is gone: held pictures wait in the queue",
                channel,
                server,
                ", ".join(names),
            )
        return not names

    async def _tell_moderators(self, held: HeldPicture) -> None:
        """Their message says what was decided, and by whom."""
        review = await self._reviews.review_of(held.image.id)
        if review is None or review.message is None:
            return
        await self._edit(review.channel, review.message, words.decided(held).to_edit())

    async def _edit(self, channel: str, message: str, changes: dict[str, Any]) -> None:
        """Where that cannot be done, nothing is lost: it says less than it could."""
        shown = self._client.get_partial_messageable(int(channel)).get_partial_message(int(message))
        with suppress(discord.NotFound, discord.Forbidden):
            await retried(lambda: shown.edit(**changes), PATIENT, passing=is_passing, doing=f"message {message}")

    async def _remove_review(self, image_id: UUID) -> None:
        review = await self._reviews.review_of(image_id)
        if review is not None:
            await self._delete(review)
            await self._reviews.forget_review(image_id)

    async def _delete(self, review: Review) -> None:
        channel = self._client.get_partial_messageable(int(review.channel))
        message = review.message
        if message is None:  # posted perhaps, and not written down
            messages = Messages(self._client, self._clock, sent_since=(review.at,))
            message = await messages.sent_before(channel, review.image)
        if message is not None:
            await self._gone(channel.get_partial_message(int(message)))

    # The requester

    async def _settle(self, held: HeldPicture, *, strikes: Strikes | None, of_before: bool) -> None:
        decision = held.image.decision
        if decision is None:
            return
        if decision.is_let_through:
            if held.image.given_at is None:
                await self._give(held, of_before=of_before)
            await self._tell_moderators(held)
        elif held.image.given_at is None:
            await self._keep_back(held, strikes)

    async def _keep_back(self, held: HeldPicture, strikes: Strikes | None) -> None:
        job, image_id = held.job, held.image.id
        await self._tell_moderators(held)  # first: where that fails all is done again, and its requester is told once
        is_over = job.status is JobStatus.FAILED and job.error_code == KeptBack.code
        if is_over:
            await self._deliveries.tell_end(job)
        await self._tell(job, words.told_kept_back(held, self._name(job), strikes))
        if not is_over:
            await self._mend_message(job.id)
        doing = f"that picture {image_id} is kept back"
        await retried(lambda: self._reviews.told(image_id), PATIENT, passing=is_storage_fault, doing=doing)

    async def _give(self, held: HeldPicture, *, of_before: bool) -> None:
        job, image = held.job, held.image
        if image.decided_at is None:
            return
        alone = replace(job, images=(image,))

        async def said(channel: str, is_private: bool) -> Content:
            where = Where(server=None, channel=channel)
            if not is_private:
                where = await where_is(self._client, channel, job.server)
            shown = await self._images.pictures.shown(alone, where)
            return await asyncio.to_thread(words.let_through, shown, image)

        messages = Messages(self._client, self._clock, sent_since=(image.decided_at,) if of_before else ())
        place = Place(channel=job.place.channel, reply_to=job.place.message)
        check_wanted = partial(self._images.job, job.id)
        try:
            there, is_private = await hand_over(messages, place, said, job.requester, check_wanted=check_wanted)
        except (PictureGone, *UNSENT) as error:
            if is_passing(error):
                raise
            # Nobody can be given it: it is under /result as long as it is kept.
            log.info("the picture %s that was let through cannot be delivered: %r", image.id, error)
            await self._given(image.id)
            return
        await self._given(image.id)
        if not is_private:
            await self._tell(job, words.told_let_through(held, self._name(job), there))
            await self._mend_message(job.id)

    async def _mend_message(self, job_id: JobId) -> None:
        """The job's message says what is true by now. One that was not posted yet will."""
        job = await self._images.job(job_id)
        if job.place.message is None or not (job.is_held or job.status is JobStatus.POSTED):
            return
        shown = self._client.get_partial_messageable(int(job.place.channel)).get_partial_message(int(job.place.message))

        async def mended() -> None:
            said = (await shown.fetch()).content
            content = words.decided_later(job, said)
            if content != said:
                await shown.edit(content=content)

        try:
            await retried(mended, PATIENT, passing=is_passing, doing=f"the message of job {job_id}")
        except UNSENT as error:  # it says less than it could
            log.info("the message of job %s still says what was true before a decision: %r", job_id, error)

    async def _given(self, image_id: UUID) -> None:
        doing = f"that picture {image_id} is delivered"
        await retried(lambda: self._reviews.given(image_id), PATIENT, passing=is_storage_fault, doing=doing)

    async def _tell(self, job: JobRecord, said: str) -> None:
        await private.write(self._client, int(job.requester), said)

    def _name(self, job: JobRecord) -> str | None:
        server = self._client.get_guild(int(job.server)) if job.server is not None else None
        return server.name if server is not None else None

    # What was deleted

    async def _remove(self, job_id: JobId, image_id: UUID) -> None:
        job = await self._reviews.deleted(job_id)  # as it is now: it may just have been delivered
        if job is None:
            return
        channel = self._client.get_partial_messageable(int(job.place.channel))
        image = next(one for one in job.images if one.id == image_id)
        if not image.is_held and image.given_at is not None and image.decided_at is not None:
            messages = Messages(self._client, self._clock, sent_since=(image.decided_at, image.given_at))
            late = await messages.sent_before(channel, words.late_id(image_id))
            for message in (late, job.place.message):  # Delete was pressed below one of them
                if message is not None:
                    await self._gone(channel.get_partial_message(int(message)))
        await self._remove_review(image_id)

    async def _gone(self, shown: discord.PartialMessage) -> None:
        with suppress(discord.NotFound):
            await retried(shown.delete, PATIENT, passing=is_passing, doing=f"removing message {shown.id}")
