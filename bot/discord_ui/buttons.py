"""The buttons below a job's message. They carry a job id and nothing else, so they work after any restart."""

from contextlib import suppress
from enum import StrEnum
from re import Match, fullmatch
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import discord
from discord import ui

from bot.discord_ui import direct_messages, embeds, errors, members, permissions
from bot.discord_ui.retries import through_dropped_connections
from bot.services.errors import UnknownJob
from generation.job import JobId

if TYPE_CHECKING:
    from bot.discord_ui.client import ImageBot


class ButtonAction(StrEnum):
    """What a button does; the value is part of its custom_id and must never change."""

    RERUN = "rerun"
    INFO = "info"
    DELETE = "delete"
    CANCEL = "cancel"


_LOOKS = {
    ButtonAction.RERUN: ("Rerun", "🔁", discord.ButtonStyle.primary),
    ButtonAction.INFO: ("Info", "ℹ️", discord.ButtonStyle.secondary),
    ButtonAction.DELETE: ("Delete", "🗑️", discord.ButtonStyle.secondary),
    ButtonAction.CANCEL: ("Cancel", "✖️", discord.ButtonStyle.secondary),
}


_DELETE_ATTEMPTS = 4
_TEMPLATE = rf"job:(?P<action>{'|'.join(ButtonAction)}):(?P<job_id>[0-9a-f]{{32}})"


class JobButton(ui.DynamicItem[ui.Button[Any]], template=_TEMPLATE):
    """One button of one job. discord.py has no error hook for dynamic items: this one catches for itself."""

    def __init__(self, action: ButtonAction, job_id: JobId) -> None:
        label, emoji, style = _LOOKS[action]
        super().__init__(ui.Button(label=label, emoji=emoji, style=style, custom_id=f"job:{action}:{job_id.hex}"))
        self.action = action
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: Match[str], /
    ) -> Self:
        # Must not fail, nobody would answer the press. The template lets only known actions through.
        return cls(ButtonAction(match["action"]), UUID(hex=match["job_id"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """A press. Whoever pressed is checked by the service, each time."""
        try:
            await _PRESSES[self.action](interaction, self.job_id)
        except Exception as error:
            await errors.answer(interaction, error, doing=f"button {self.action} of job {self.job_id}")


def button_row(job_id: JobId, actions: tuple[ButtonAction, ...]) -> ui.View:
    """These buttons in this order."""
    view = ui.View(timeout=None)  # one with a timeout would unregister all buttons of its kind when it ends
    for action in actions:
        view.add_item(JobButton(action, job_id))
    return view


def knows(custom_id: str) -> bool:
    """Whether a custom_id is one of ours, and not of an older version or made up."""
    return fullmatch(_TEMPLATE, custom_id) is not None


async def _rerun(interaction: discord.Interaction["ImageBot"], job_id: JobId) -> None:
    bot = interaction.client
    permissions.check_interaction(interaction)
    place = bot.deliveries.answer_to(interaction)
    member = members.member_of(interaction)
    await bot.deliveries.order(place, bot.images.rerun(job_id, member, at=place.whereabouts))


async def _info(interaction: discord.Interaction["ImageBot"], job_id: JobId) -> None:
    await interaction.response.defer(ephemeral=True, thinking=True)
    job = await interaction.client.images.job(job_id)
    if not members.member_of(interaction).is_where(job):
        raise UnknownJob()  # a made-up custom_id must not show another server's prompt
    await interaction.edit_original_response(**embeds.info(job).to_edit())


async def _cancel(interaction: discord.Interaction["ImageBot"], job_id: JobId) -> None:
    await interaction.response.defer()  # the job's message itself will say that it is cancelled
    await interaction.client.images.cancel(job_id, members.member_of(interaction))


async def _delete(interaction: discord.Interaction["ImageBot"], job_id: JobId) -> None:
    await interaction.response.defer()
    job = await interaction.client.images.delete(job_id, members.member_of(interaction))
    with suppress(discord.NotFound):  # somebody was faster
        await through_dropped_connections(interaction.delete_original_response, attempts=_DELETE_ATTEMPTS)
    if job.deleted_at is None:
        await direct_messages.tell_deleted(interaction.client, job, by=str(interaction.user.id))


_PRESSES = {
    ButtonAction.RERUN: _rerun,
    ButtonAction.INFO: _info,
    ButtonAction.CANCEL: _cancel,
    ButtonAction.DELETE: _delete,
}
