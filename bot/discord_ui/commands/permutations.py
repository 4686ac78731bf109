"""A prompt with `{red, blue}` in it: one job for each, after a question where they are many."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

from discord import Interaction
from discord.ext import commands

from bot.discord_ui import permissions, private
from bot.discord_ui.batch_buttons import BatchDeed, batch_row
from bot.discord_ui.command_rights import CommandRights
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.delivery.post import Ticket
from bot.discord_ui.inputs import member_of, requester_of
from bot.discord_ui.unsent import UNSENT
from bot.discord_ui.words import batches as words
from bot.discord_ui.words import text
from bot.errors import QuestionGone
from bot.records import Place
from bot.services.access_settings import ServerAccess
from bot.services.images import ImageService
from generation.catalog import DrawingOptions
from generation.errors import InvalidRequest
from generation.permutations import check_number

ASKED_ABOVE = 5  #: pictures
_MOST_QUESTIONS = 1000  #: that wait for their answers; the oldest is forgotten


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """What somebody is asked about, privately."""

    prompt: str  #: as it was written
    options: tuple[DrawingOptions, ...]
    pictures: int
    asked: Interaction  #: by which it can be changed


class Permutations(commands.Cog):
    """The question, its answer, and Cancel all."""

    def __init__(
        self, images: ImageService, deliveries: Deliveries, access: ServerAccess, rights: CommandRights
    ) -> None:
        """`rights`: who may use /imagine; to say yes needs the same."""
        self._images = images
        self._deliveries = deliveries
        self._access = access
        self._rights = rights
        self._questions: dict[UUID, _Question] = {}

    async def imagine(self, interaction: Interaction, prompt: str, options: Sequence[DrawingOptions]) -> None:
        """Draw these, or ask whether so many are meant. Raises Refusal."""
        if any(one.source for one in options):
            raise InvalidRequest("permutations", "conflict", choices=("image",))
        requests = [self._images.catalog.request(one) for one in options]
        pictures = sum(request.count for request in requests)
        check_number(pictures)
        permissions.check_interaction(interaction)
        if pictures <= ASKED_ABOVE:
            await self._draw(interaction, uuid4(), prompt, tuple(options))
            return
        question = uuid4()
        self._questions[question] = _Question(
            prompt=prompt, options=tuple(options), pictures=pictures, asked=interaction
        )
        while len(self._questions) > _MOST_QUESTIONS:
            del self._questions[next(iter(self._questions))]
        await interaction.response.send_message(
            words.question(pictures, self._images.seconds(requests)),
            view=batch_row("draw", question, f"Draw {text.counted(pictures, 'picture')}"),
            ephemeral=True,
        )

    @commands.Cog.listener()
    async def on_batch_button(self, interaction: Interaction, deed: BatchDeed, batch: UUID) -> None:
        """A press. discord.py has no error hook for listeners, so errors are answered here."""
        try:
            if deed == "cancel":
                await self._cancel(interaction, batch)
            else:
                await self._agreed(interaction, batch)
        except Exception as error:
            await private.answer(interaction, error, doing=f"button {deed} of batch {batch}")

    async def _agreed(self, interaction: Interaction, batch: UUID) -> None:
        question = self._questions.get(batch)
        if question is None or question.asked.user.id != interaction.user.id:
            raise QuestionGone
        del self._questions[batch]  # before anything is waited for: a second press finds nothing
        permissions.check_interaction(interaction)
        member = await requester_of(interaction)
        await self._rights.check(interaction.guild_id, interaction.channel, member, interaction.permissions)
        await self._draw(interaction, batch, question.prompt, question.options)
        with suppress(*UNSENT):
            await question.asked.edit_original_response(content=words.agreed(question.pictures), view=None)

    async def _cancel(self, interaction: Interaction, batch: UUID) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        stopped = await self._images.cancel_batch(batch, member_of(interaction))
        await interaction.edit_original_response(content=words.stopped(stopped))

    async def _draw(
        self, interaction: Interaction, batch: UUID, prompt: str, options: tuple[DrawingOptions, ...]
    ) -> None:
        accept = partial(self._accept, interaction, batch, options)
        await self._deliveries.answer_each(interaction, batch, prompt, accept)

    async def _accept(
        self, interaction: Interaction, batch: UUID, options: tuple[DrawingOptions, ...], at: Place
    ) -> tuple[Ticket, ...]:
        member = await requester_of(interaction)
        filled = [await self._access.filled(one, member) for one in options]
        requests = [self._images.catalog.request(one) for one in filled]
        check_number(sum(request.count for request in requests))
        return await self._images.imagine_each(batch, requests, member, at=at)
