"""What the menu of any message offers where there is a picture: Use as image, Vary, Upscale and Parameters."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import discord
from discord import Interaction, app_commands
from discord.ext import commands

from bot.discord_ui import permissions, private
from bot.discord_ui.buttons import ButtonAction
from bot.discord_ui.command_rights import CommandRights
from bot.discord_ui.commands.remakes import RemakeActions, accepts
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.forms import Forms, PictureForm
from bot.discord_ui.inputs import member_of, requester_of
from bot.discord_ui.uploads import NOT_FETCHED, check, fetched
from bot.discord_ui.words import embeds, parameters
from bot.errors import NoPicture
from bot.records import JobRecord
from bot.services.access_settings import ServerAccess
from bot.services.images import ImageService
from bot.services.policies import Where
from bot.services.remakes import Remakes, Variation, Wish
from generation.catalog import DEFAULT_STRENGTH, LARGER_STRENGTH, DrawingOptions
from generation.inline_parameters import applied

MOST_READ = 4  #: files of a message whose parameters are looked for
NOTHING_SAID = "The file does not say how its picture was made. Many sites remove that."

_Sent: TypeAlias = tuple[str, float | None, int]  #: prompt, strength, which picture
_Make: TypeAlias = Callable[[DrawingOptions, bytes], Awaitable[Wish]]


@dataclass(frozen=True, slots=True)
class _Pictures:
    """The pictures of a message, which may be a result of ours."""

    files: tuple[discord.Attachment, ...]
    job: JobRecord | None


class MessageMenus(commands.Cog):
    """Discord gives the bot what a message holds only when somebody opens its menu, so a form keeps the picture."""

    def __init__(
        self,
        client: commands.AutoShardedBot,
        images: ImageService,
        remakes: Remakes,
        deliveries: Deliveries,
        rights: CommandRights,
        forms: Forms,
        actions: RemakeActions,
        access: ServerAccess,
    ) -> None:
        """`actions` do what the buttons below a result do."""
        self._client = client
        self._images = images
        self._remakes = remakes
        self._deliveries = deliveries
        self._rights = rights
        self._forms = forms
        self._actions = actions
        self._access = access
        self._menus = [
            app_commands.ContextMenu(name="Use as image", callback=self._use),
            app_commands.ContextMenu(name="Vary", callback=self._vary),
            app_commands.ContextMenu(name="Upscale", callback=self._upscale),
            app_commands.ContextMenu(name="Parameters", callback=self._parameters),
        ]

    async def cog_load(self) -> None:
        """Put the menus beside the commands."""
        for menu in self._menus:
            self._client.tree.add_command(menu)

    async def _use(self, interaction: Interaction, message: discord.Message) -> None:
        pictures = await self._pictures(interaction, message)
        make = partial(self._remakes.begun_with, action="use_as_image", parent=pictures.job and pictures.job.id)
        await self._ask(interaction, "Use as image", pictures, DEFAULT_STRENGTH, make)

    async def _vary(self, interaction: Interaction, message: discord.Message) -> None:
        pictures = await self._pictures(interaction, message)
        if pictures.job is not None:
            await self._actions.offer(interaction, ButtonAction.VARY, pictures.job.id)
            return
        make = partial(self._remakes.begun_with, action="vary_subtle")
        await self._ask(interaction, "Vary", pictures, Variation.SUBTLE.strength, make)

    async def _upscale(self, interaction: Interaction, message: discord.Message) -> None:
        pictures = await self._pictures(interaction, message)
        if pictures.job is not None:
            await self._actions.offer(interaction, ButtonAction.UPSCALE, pictures.job.id)
            return
        await self._ask(interaction, "Upscale", pictures, LARGER_STRENGTH, self._remakes.enlarged)

    async def _parameters(self, interaction: Interaction, message: discord.Message) -> None:
        """Tell privately what the first picture that says anything says, of a result of ours all that is known."""
        pictures = await self._found(interaction, message)
        await interaction.response.defer(ephemeral=True, thinking=True)
        if pictures.job is not None:
            await interaction.edit_original_response(**embeds.info(pictures.job).to_edit())
            return
        with self._images.inputs.room():
            for file in pictures.files[:MOST_READ]:
                if (found := await self._images.inputs.parameters(await fetched(file))) is not None:
                    await interaction.edit_original_response(embed=parameters.read(found))
                    return
        await interaction.edit_original_response(content=NOTHING_SAID)

    async def _pictures(self, interaction: Interaction, message: discord.Message) -> _Pictures:
        """The message's pictures, for somebody who may use /imagine here. Raises Refusal."""
        permissions.check_interaction(interaction)
        member = await requester_of(interaction)
        await self._rights.check(interaction.guild_id, interaction.channel, member, interaction.permissions)
        return await self._found(interaction, message)

    async def _found(self, interaction: Interaction, message: discord.Message) -> _Pictures:
        """The message's pictures, forwarded ones too. Raises NoPicture."""
        attached = [*message.attachments, *(one for part in message.message_snapshots for one in part.attachments)]
        files = tuple(one for one in attached if (one.content_type or "").startswith("image/"))
        if not files:
            raise NoPicture
        job = await self._images.job_posted_as(str(interaction.channel_id), str(message.id))
        is_result = job is not None and job.images and member_of(interaction).is_where(job)
        return _Pictures(files=files, job=job if is_result else None)

    async def _ask(
        self, interaction: Interaction, title: str, pictures: _Pictures, strength: float, make: _Make
    ) -> None:
        form = PictureForm(
            title,
            prompt=pictures.job.request.prompt if pictures.job else "",
            strength=strength,
            pictures=len(pictures.job.images if pictures.job else pictures.files),
            send=partial(self._sent, pictures, make),
            doing=f"{title} by {interaction.user.id}",
        )
        await self._forms.open(interaction, form)

    async def _sent(self, pictures: _Pictures, make: _Make, interaction: Interaction, sent: _Sent) -> None:
        prompt, strength, index = sent
        if pictures.job is None:
            check(pictures.files[index])
        with self._images.inputs.room():
            await private.think(interaction)
            if pictures.job is not None:
                where = Where.of(member_of(interaction))
                data = (await self._images.pictures.one(pictures.job, index, where)).png
            else:
                data = await fetched(pictures.files[index])
            options = DrawingOptions(prompt=prompt, strength=strength, source=NOT_FETCHED)
            options = applied(options, self._images.catalog)
            options = await self._access.filled(options, await requester_of(interaction))
            wish = await make(replace(options, source=None), data)
        await self._deliveries.answer(interaction, await accepts(self._images, wish, interaction))
