"""The buttons below a job's message. They carry a job id and nothing else, so they work after any restart."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from re import Match, fullmatch
from typing import Any, Self
from uuid import UUID

import discord
from discord import ui

from bot.discord_ui import history_buttons
from generation.job import JobId


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


_TEMPLATE = rf"job:(?P<action>{'|'.join(ButtonAction)}):(?P<job_id>[0-9a-f]{{32}})"


class JobButton(ui.DynamicItem[ui.Button[Any]], template=_TEMPLATE):
    """One button of one job."""

    def __init__(self, action: ButtonAction, job_id: JobId) -> None:
        label, emoji, style = _LOOKS[action]
        super().__init__(ui.Button(label=label, emoji=emoji, style=style, custom_id=f"job:{action}:{job_id.hex}"))
        self.action = action
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: Match[str], /
    ) -> Self:
        """The button that was pressed. Must not fail, or nobody answers; the template lets only known ones through."""
        return cls(ButtonAction(match["action"]), UUID(hex=match["job_id"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """A press, for whichever cog listens to `on_job_button`. It is checked by the service, each time."""
        interaction.client.dispatch("job_button", interaction, self.action, self.job_id)


def button_row(job_id: JobId, actions: tuple[ButtonAction, ...]) -> ui.View:
    """These buttons in this order."""
    view = ui.View(timeout=None)  # one with a timeout would unregister all buttons of its kind when it ends
    for action in actions:
        view.add_item(JobButton(action, job_id))
    return view


def is_ours(interaction: discord.Interaction) -> bool:
    """Whether a button of ours was pressed that is on the message: one of an older version or made up is not."""
    pressed, message = dict(interaction.data or {}), interaction.message
    custom_id = str(pressed.get("custom_id", ""))
    if pressed.get("component_type") != discord.ComponentType.button.value:
        return False
    if not any(fullmatch(template, custom_id) for template in (_TEMPLATE, *history_buttons.TEMPLATES)):
        return False
    return custom_id in _shown(message.components if message else ())


def _shown(components: Sequence[discord.Component]) -> Iterator[str | None]:
    for row in components:
        if isinstance(row, discord.ActionRow):
            yield from (one.custom_id for one in row.children if isinstance(one, discord.Button))
