"""New pictures from a result: Edit, Vary, Upscale and More below it.

With several pictures they ask privately which one.
"""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeAlias

import discord
from discord import Interaction
from discord.ext import commands

from bot.discord_ui import buttons, permissions, private
from bot.discord_ui.buttons import ButtonAction
from bot.discord_ui.command_rights import CommandRights
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.delivery.post import Ticket
from bot.discord_ui.forms import MOST_OPTIONS, EditForm, Forms
from bot.discord_ui.inputs import member_of, requester_of
from bot.discord_ui.uploads import fetched
from bot.errors import StaleButton, TooLarge
from bot.records import JobRecord, Member, Place
from bot.services.images import ImageService
from bot.services.remakes import Edit, Enlargement, Remakes, Variation, Wish
from generation.job import JobId
from generation.request import Reframing

Accept: TypeAlias = Callable[[Place], Coroutine[Any, Any, Ticket]]

_VARIATIONS = {Variation.SUBTLE: "a little different", Variation.STRONG: "quite different"}
#: What each action offers for a picture: the value, and what members read.
_WAYS: dict[ButtonAction, dict[str, str]] = {
    ButtonAction.EDIT: {"": "edit"},
    ButtonAction.VARY: {str(variation): words for variation, words in _VARIATIONS.items()},
    ButtonAction.UPSCALE: {str(one): f"{one.factor} times as large" for one in Enlargement},
    ButtonAction.MORE: {
        Reframing.ZOOM_OUT_1_5: "zoom out 1.5 times",
        Reframing.ZOOM_OUT_2: "zoom out 2 times",
        Reframing.PAN_LEFT: "more on the left",
        Reframing.PAN_RIGHT: "more on the right",
        Reframing.PAN_UP: "more above",
        Reframing.PAN_DOWN: "more below",
        Reframing.SQUARE: "make it square",
        Reframing.COLOURISE: "colour it anew, light and dark stay",
        Reframing.TILEABLE: "make it tileable",
    },
}
_ASKS = {
    ButtonAction.EDIT: "Which picture shall be edited?",
    ButtonAction.VARY: "How much shall it change?",
    ButtonAction.UPSCALE: "How much larger?",
    ButtonAction.MORE: "What shall be made of it?",
}


class RemakeActions(commands.Cog):
    """Edit, Vary, Upscale and More. What they make is a job of whoever presses, with the result as its parent."""

    def __init__(
        self, images: ImageService, remakes: Remakes, deliveries: Deliveries, rights: CommandRights, forms: Forms
    ) -> None:
        """`rights`: who may use /imagine; these need the same."""
        self._images = images
        self._remakes = remakes
        self._deliveries = deliveries
        self._rights = rights
        self._forms = forms

    @commands.Cog.listener()
    async def on_job_button(self, interaction: Interaction, action: ButtonAction, job_id: JobId) -> None:
        """A press of a button. discord.py has no error hook for listeners, so errors are answered here."""
        if action not in _WAYS:
            return
        try:
            await self.offer(interaction, action, job_id)
        except Exception as error:
            await private.answer(interaction, error, doing=f"button {action} of job {job_id}")

    @commands.Cog.listener()
    async def on_job_choice(self, interaction: Interaction, action: ButtonAction, job_id: JobId, chosen: str) -> None:
        """A choice from a private list, which may be one that somebody made up."""
        try:
            number, _, way = chosen.partition(":")
            only_picture = action is ButtonAction.MORE and way == ""
            if not (only_picture or way in _WAYS.get(action, ())) or not (number.isascii() and number.isdigit()):
                raise StaleButton
            await self._check(interaction)
            if only_picture:
                record = await self._remakes.job(job_id, member_of(interaction))
                await self._choose(
                    interaction, action, record, range(len(record.images))[int(number) : int(number) + 1]
                )
                return
            if action is ButtonAction.EDIT:
                await self._edit(interaction, await self._remakes.job(job_id, member_of(interaction)), int(number))
                return
            await private.think(interaction)
            wish = await self._made(action, way, job_id, int(number), member_of(interaction))
            await self._deliveries.answer(interaction, await accepts(self._images, wish, interaction))
        except Exception as error:
            await private.answer(interaction, error, doing=f"choice {action} {chosen[:20]} of job {job_id}")

    async def offer(self, interaction: Interaction, action: ButtonAction, job_id: JobId) -> None:
        """Ask privately which picture and in which way; edit the only picture at once. Raises Refusal."""
        await self._check(interaction)
        record = await self._remakes.job(job_id, member_of(interaction))
        if action is ButtonAction.EDIT and len(record.images) == 1:
            await self._edit(interaction, record, 0)
        else:
            await self._choose(interaction, action, record, range(len(record.images)))

    async def _choose(
        self, interaction: Interaction, action: ButtonAction, record: JobRecord, pictures: Sequence[int]
    ) -> None:
        """Offer each of these pictures in each way, or the pictures alone where that would be too long a list."""
        ways = _WAYS[action]
        if action is ButtonAction.MORE:
            ways = {str(way): ways[way] for way in self._remakes.more(record)}
        elif action is ButtonAction.UPSCALE:
            possible = await self._remakes.enlargements(record, member_of(interaction))
            ways = {str(way): ways[way] for way in possible}
        ways = ways if len(ways) * len(pictures) <= MOST_OPTIONS else {"": ""}
        several = len(record.images) > 1
        options = tuple(
            discord.SelectOption(
                label=", ".join(filter(None, (f"Picture {index + 1}" if several else "", words))) or "Picture",
                value=f"{index}:{way}",
            )
            for index in pictures
            for way, words in ways.items()
        )
        if not options:
            # A picture that the job has not; or it is as large as its model, or a limit, allows.
            raise TooLarge if pictures else StaleButton
        said = f"{_ASKS[action]} Pictures are counted from the left, row by row." if several else _ASKS[action]
        await interaction.response.send_message(said, view=buttons.choice(action, record.id, options), ephemeral=True)

    async def _check(self, interaction: Interaction) -> None:
        permissions.check_interaction(interaction)
        member = await requester_of(interaction)
        await self._rights.check(interaction.guild_id, interaction.channel, member, interaction.permissions)

    async def _edit(self, interaction: Interaction, record: JobRecord, index: int) -> None:
        request = record.request
        form = EditForm(
            prompt=request.prompt if request.template is None else request.template,
            negative_prompt=request.negative_template or request.negative_prompt,
            send=partial(self._edited, record.id, index),
            doing=f"edit of job {record.id}",
        )
        await self._forms.open(interaction, form)

    async def _edited(
        self, job_id: JobId, index: int, interaction: Interaction, sent: tuple[Edit, discord.Attachment | None]
    ) -> None:
        edit, mask = sent
        with self._images.inputs.room():
            await private.think(interaction)
            await self._check(interaction)
            data = None if mask is None else await fetched(mask, "mask")
            wish = await self._remakes.edit(job_id, index, edit, data, member_of(interaction))
        await self._deliveries.answer(interaction, await accepts(self._images, wish, interaction))

    async def _made(self, action: ButtonAction, way: str, job_id: JobId, index: int, member: Member) -> Wish:
        if action is ButtonAction.VARY:
            return await self._remakes.vary(job_id, index, Variation(way), member)
        if action is ButtonAction.MORE:
            return await self._remakes.reframe(job_id, index, Reframing(way), member)
        return await self._remakes.upscale(job_id, index, Enlargement(way), member)


async def accepts(images: ImageService, wish: Wish, interaction: Interaction) -> Accept:
    """What has the service accept a wish, for `Deliveries.answer`; what it begins with is checked before that, since it
    may take its time. Raises UnsafeInput, CheckFault."""
    await images.check_source(wish.request, member_of(interaction), wish.pictures)

    async def accept(at: Place) -> Ticket:
        return await images.imagine(
            wish.request,
            await requester_of(interaction),
            at=at,
            parent=wish.parent,
            action=wish.action,
            pictures=wish.pictures,
        )

    return accept
