"""The buttons below the list of workers: what each does, and to which. Who may press it is asked each time."""

from collections.abc import Sequence
from re import Match
from typing import Any, Literal, Self

import discord
from discord import ui

from bot.services.workers import TOLD_APART_BY, WorkerState
from generation.device import DeviceState

Deed = Literal["show", "drain", "sure", "back"]  #: sure: drain it, though that is felt
_LOOKS: dict[str, tuple[Deed, str, discord.ButtonStyle]] = {
    "show": ("show", "Look again", discord.ButtonStyle.secondary),
    "drain": ("drain", "Drain", discord.ButtonStyle.secondary),
    "sure": ("sure", "Drain", discord.ButtonStyle.danger),
    "back": ("back", "Take back", discord.ButtonStyle.success),
}
MOST = 24  #: workers that have a button; Discord takes 25
WORKERS = rf"worker:(?P<deed>{'|'.join(_LOOKS)}):(?P<name>.{{0,{TOLD_APART_BY}}})"


class WorkerButton(ui.DynamicItem[ui.Button[Any]], template=WORKERS):
    """One deed, done to one worker or to none."""

    def __init__(self, deed: str, name: str = "") -> None:
        self.deed, label, style = _LOOKS[deed]
        self.name = name[:TOLD_APART_BY]
        label = f"{label} {self.name}".rstrip()
        super().__init__(ui.Button(label=label, style=style, custom_id=f"worker:{deed}:{self.name}"))

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: Match[str], /
    ) -> Self:
        """The button that was pressed. Must not fail, or nobody answers; the template lets only known ones through."""
        return cls(match["deed"], match["name"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """A press, for whichever cog listens to `on_worker_button`."""
        interaction.client.dispatch("worker_button", interaction, self.deed, self.name)


def worker_rows(workers: Sequence[WorkerState]) -> ui.View:
    """What can be done to each, and another look."""
    view = ui.View(timeout=None)  # one with a timeout would unregister all buttons of its kind when it ends
    view.add_item(WorkerButton("show"))
    for worker in [one for one in workers if one.may_leave][:MOST]:
        is_away = worker.state in (DeviceState.DRAINED, DeviceState.LEAVING)
        view.add_item(WorkerButton("back" if is_away else "drain", worker.name))
    return view


def consent_row(worker: WorkerState) -> ui.View:
    """Yes, or back to the list."""
    view = ui.View(timeout=None)
    view.add_item(WorkerButton("sure", worker.name))
    view.add_item(WorkerButton("show"))
    return view
