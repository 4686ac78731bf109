"""What members keep and show: ⭐ stars a result, ✉️ has it sent by direct message, and /favourites shows the stars."""

import asyncio
import logging
from datetime import datetime, timedelta
from uuid import uuid4
from weakref import WeakValueDictionary

import discord
from discord import Interaction, app_commands
from discord.ext import commands

from bot.clock import Clock
from bot.discord_ui import private, reactions
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.delivery.gallery import GalleryCopies
from bot.discord_ui.delivery.messages import Messages
from bot.discord_ui.delivery.ways import in_fitting_form
from bot.discord_ui.inputs import member_of, member_of_reaction
from bot.discord_ui.pages import page_row
from bot.discord_ui.reactions import Refusals
from bot.discord_ui.unsent import UNSENT
from bot.discord_ui.words import keeping as words
from bot.discord_ui.words.attachments import Attachment
from bot.errors import Held
from bot.records import JobRecord, Place
from bot.services.images import ImageService
from bot.services.policies import Where
from bot.services.stars import Position, Stars
from generation.job import JobId, JobStatus

log = logging.getLogger(__name__)

_STAR, _SEND = "⭐", "✉"
_RESULTS = frozenset({JobStatus.RENDERED, JobStatus.POSTED})
_SENT_EVERY = timedelta(minutes=1)  #: the same result to the same member


class Keeping(commands.Cog):
    """Stars, favourites and the gallery. Whoever can see a result may star it and have it sent."""

    def __init__(
        self,
        client: discord.Client,
        images: ImageService,
        stars: Stars,
        gallery: GalleryCopies,
        deliveries: Deliveries,
        refusals: Refusals,
        clock: Clock,
    ) -> None:
        self._client = client
        self._images = images
        self._stars = stars
        self._gallery = gallery
        self._deliveries = deliveries
        self._refusals = refusals
        self._clock = clock
        self._in_order = WeakValueDictionary[tuple[int, int], asyncio.Lock]()  #: a member's stars on a message
        self._sent: dict[tuple[int, JobId], datetime] = {}  #: to whom which result was sent, and when

    @app_commands.command()
    async def favourites(self, interaction: Interaction) -> None:
        """Show the results that you starred with ⭐"""
        await interaction.response.defer(ephemeral=True)
        await self._show(interaction, None)

    @commands.Cog.listener()
    async def on_favourites_page(self, interaction: Interaction, position: Position) -> None:
        """A press below a page. discord.py has no error hook for listeners, so errors are answered here."""
        try:
            await interaction.response.defer()
            await self._show(interaction, position)
        except Exception as error:
            await private.answer(interaction, error, doing="a page of favourites")

    @commands.Cog.listener()
    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        """A star, or the wish to have a result sent."""
        emoji = reactions.emoji_of(payload)
        if emoji not in (_STAR, _SEND) or reactions.is_by_bot(self._client, payload):
            return
        try:
            async with self._turn(payload):
                job = await self._result_at(payload)
                if job is None:
                    return
                await member_of_reaction(self._client, payload, job)
                if reactions.is_by_bot(self._client, payload):  # now that it is known who it is
                    return
                is_copied = emoji == _STAR and await self._star(job, str(payload.user_id))
            if emoji == _SEND:
                await self._send(payload.user_id, job)
            elif is_copied:
                await self._gallery.post(job.id)
        except Exception as error:
            await self._refusals.tell(payload, error)

    @commands.Cog.listener()
    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        """A star is taken off."""
        if reactions.emoji_of(payload) != _STAR or reactions.is_by_bot(self._client, payload):
            return
        try:
            async with self._turn(payload):
                job = await self._result_at(payload)
                if job is not None:
                    await self._stars.unstar(job.id, str(payload.user_id))
        except Exception as error:
            await self._refusals.tell(payload, error)

    @commands.Cog.listener()
    async def on_job_deleted(self, job_id: JobId) -> None:
        """Its copy goes with it."""
        await self._gallery.remove(job_id)

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """What was left undone in the gallery before the start is done now."""
        self._deliveries.errand(self._gallery.catch_up(), name="look after the gallery")

    def _turn(self, payload: discord.RawReactionActionEvent) -> asyncio.Lock:
        """A star and its end come in this order, however long the first takes."""
        return self._in_order.setdefault((payload.user_id, payload.message_id), asyncio.Lock())

    async def _star(self, job: JobRecord, member: str) -> bool:
        return await self._stars.star(job.id, member, copy_to=await self._gallery.wanted_in(job))

    async def _result_at(self, payload: discord.RawReactionActionEvent) -> JobRecord | None:
        job = await self._images.job_posted_as(str(payload.channel_id), str(payload.message_id))
        return job if job is not None and job.status in _RESULTS else None

    async def _show(self, interaction: Interaction, position: Position | None) -> None:
        member = member_of(interaction)
        page = await self._stars.favourites(member, position)
        thumbnails = [await self._thumbnail(star.job, Where.of(member)) for star in page.stars]
        shown = words.favourites(page.stars, thumbnails, in_server=interaction.guild_id is not None)
        await interaction.edit_original_response(**shown, view=page_row(page))

    async def _thumbnail(self, job: JobRecord, where: Where) -> Attachment | None:
        picture = await self._images.pictures.first(job, where)
        if picture is None or picture.is_spoiler:  # an embed's picture cannot be a spoiler
            return None
        try:
            name, prompt = f"{job.id.hex}.jpg", job.request.prompt
            return await asyncio.to_thread(Attachment.thumbnail, name, picture.png, prompt)
        except OSError as error:  # Pillow's for a file that is no picture
            log.info("no thumbnail of job %s: %r", job.id, error)
            return None

    async def _send(self, user_id: int, job: JobRecord) -> None:
        now, key = self._clock(), (user_id, job.id)
        self._sent = {sent: at for sent, at in self._sent.items() if abs(now - at) < _SENT_EVERY}
        if key in self._sent:
            return
        self._sent[key] = now
        try:
            user = self._client.get_user(user_id) or await self._client.fetch_user(user_id)
            channel = user.dm_channel or await user.create_dm()
            try:
                shown = await self._images.pictures.shown(job, Where(server=None, channel=str(channel.id)))
            except Exception:
                self._sent.pop(key, None)  # they are told, and may try again at once
                raise
            if not shown.pictures:
                raise Held
            content = await asyncio.to_thread(words.sent, shown)
            messages, place, nonce_of = Messages(self._client, self._clock), Place(channel=str(channel.id)), uuid4()
            await in_fitting_form(content, lambda fitting: messages.send(place, fitting, nonce_of=nonce_of))
        except UNSENT as error:  # closed, mostly; nothing is said where others see it
            log.info("job %s could not be sent to user %s: %r", job.id, user_id, error)
