"""The buttons below a job's message, and the lists that some of them open.

They carry a job id and nothing else, so they work after any restart.
"""

from enum import StrEnum
from re import Match, fullmatch
from typing import Any, Self
from uuid import UUID

import discord
from discord import ui

from bot.discord_ui.pages import PAGES
from bot.discord_ui.replay_button import REPLAY
from bot.discord_ui.review_buttons import REMOVAL, REVIEW
from bot.discord_ui.worker_buttons import WORKERS
from generation.job import JobId


class ButtonAction(StrEnum):
    """What a button does; the value is part of its custom_id and must never change."""

    RERUN = "rerun"
    EDIT = "edit"
    VARY = "vary"
    UPSCALE = "upscale"
    MORE = "more"
    INFO = "info"
    DELETE = "delete"
    CANCEL = "cancel"


_LOOKS = {
    ButtonAction.RERUN: ("Rerun", "🔁", discord.ButtonStyle.primary),
    ButtonAction.EDIT: ("Edit", "✏️", discord.ButtonStyle.secondary),
    ButtonAction.VARY: ("Vary", "🎲", discord.ButtonStyle.secondary),
    ButtonAction.UPSCALE: ("Upscale", "🔍", discord.ButtonStyle.secondary),
    ButtonAction.MORE: ("More", "➕", discord.ButtonStyle.secondary),
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


_CHOICE = rf"choose:(?P<action>{'|'.join(ButtonAction)}):(?P<job_id>[0-9a-f]{{32}})"


class JobChoice(ui.DynamicItem[ui.Select[Any]], template=_CHOICE):
    """A list in a private answer: which of a job's pictures an action is for, and in which way."""

    def __init__(
        self, action: ButtonAction, job_id: JobId, options: tuple[discord.SelectOption, ...] = (), chosen: str = ""
    ) -> None:
        offered = list(options) or [discord.SelectOption(label="-")]
        super().__init__(ui.Select(custom_id=f"choose:{action}:{job_id.hex}", options=offered, placeholder="Which?"))
        self.action = action
        self.job_id = job_id
        self.chosen = chosen

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: Match[str], /
    ) -> Self:
        """The list that was used. Must not fail, or nobody answers; what was chosen is checked where it is used."""
        values: Any = dict(interaction.data or {}).get("values")
        chosen = f"{values[0]}" if values else ""
        return cls(ButtonAction(match["action"]), UUID(hex=match["job_id"]), chosen=chosen)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """A choice, for whichever cog listens to `on_job_choice`."""
        interaction.client.dispatch("job_choice", interaction, self.action, self.job_id, self.chosen)


def choice(action: ButtonAction, job_id: JobId, options: tuple[discord.SelectOption, ...]) -> ui.View:
    """A list of these."""
    return ui.View(timeout=None).add_item(JobChoice(action, job_id, options))


def button_row(job_id: JobId, actions: tuple[ButtonAction, ...]) -> ui.View:
    """These buttons in this order."""
    view = ui.View(timeout=None)  # one with a timeout would unregister all buttons of its kind when it ends
    for action in actions:
        view.add_item(JobButton(action, job_id))
    return view


def is_ours(interaction: discord.Interaction) -> bool:
    """Whether a button or a list of ours was used that is on the message: one of an older version or made up is not."""
    pressed, message = dict(interaction.data or {}), interaction.message
    custom_id = str(pressed.get("custom_id", ""))
    for kind, component, templates in _OURS:
        if pressed.get("component_type") == kind.value and any(fullmatch(one, custom_id) for one in templates):
            rows = (row for row in (message.components if message else ()) if isinstance(row, discord.ActionRow))
            there = (one for row in rows for one in row.children if isinstance(one, component))
            return any(one.custom_id == custom_id for one in there)
    return False


_OURS = (
    (discord.ComponentType.button, discord.Button, (_TEMPLATE, PAGES, REPLAY, REVIEW, REMOVAL, WORKERS)),
    (discord.ComponentType.string_select, discord.SelectMenu, (_CHOICE,)),
)
