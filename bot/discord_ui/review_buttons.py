"""The buttons below a held picture, and those of the question that a moderator's Delete asks.

They carry an id and what they do, so they outlive a restart. Who may press them the service says, each time.
"""

from re import Match
from typing import Any, Literal, Self
from uuid import UUID

import discord
from discord import ui

from bot.records import Decision
from generation.job import JobId

_LOOKS = {
    Decision.APPROVED: ("Approve", "✅", discord.ButtonStyle.success),
    Decision.KEPT_BACK: ("Keep back", "⛔", discord.ButtonStyle.danger),
    Decision.FALSE_POSITIVE: ("False positive", "🙈", discord.ButtonStyle.secondary),
}
REVIEW = rf"review:(?P<decision>{'|'.join(_LOOKS)}):(?P<image>[0-9a-f]{{32}})"


class ReviewButton(ui.DynamicItem[ui.Button[Any]], template=REVIEW):
    """One decision about one picture."""

    def __init__(self, decision: Decision, image: UUID) -> None:
        label, emoji, style = _LOOKS[decision]
        super().__init__(ui.Button(label=label, emoji=emoji, style=style, custom_id=f"review:{decision}:{image.hex}"))
        self.decision = decision
        self.image = image

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: Match[str], /
    ) -> Self:
        """The button that was pressed. Must not fail, or nobody answers; the template lets only known ones through."""
        return cls(Decision(match["decision"]), UUID(hex=match["image"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """A press, for whichever cog listens to `on_review_button`."""
        interaction.client.dispatch("review_button", interaction, self.decision, self.image)


Why = Literal["this", "content"]  #: only this result, or for what it shows
_WHYS: dict[str, tuple[Why, str, discord.ButtonStyle]] = {
    "this": ("this", "Only this", discord.ButtonStyle.secondary),
    "content": ("content", "For its content", discord.ButtonStyle.danger),
}
REMOVAL = rf"remove:(?P<why>{'|'.join(_WHYS)}):(?P<job>[0-9a-f]{{32}})"


class RemovalButton(ui.DynamicItem[ui.Button[Any]], template=REMOVAL):
    """One answer to the question why a result is deleted."""

    def __init__(self, why: str, job_id: JobId) -> None:
        self.why, label, style = _WHYS[why]
        super().__init__(ui.Button(label=label, style=style, custom_id=f"remove:{why}:{job_id.hex}"))
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: Match[str], /
    ) -> Self:
        """The button that was pressed. Must not fail, or nobody answers; the template lets only known ones through."""
        return cls(match["why"], UUID(hex=match["job"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """A press, for whichever cog listens to `on_removal`."""
        interaction.client.dispatch("removal", interaction, self.why, self.job_id)


def review_row(image: UUID | None) -> ui.View:
    """The three decisions about a picture; no buttons where there is nothing to decide."""
    view = ui.View(timeout=None)  # one with a timeout would unregister all buttons of its kind when it ends
    if image is not None:
        for decision in _LOOKS:
            view.add_item(ReviewButton(decision, image))
    return view


def removal_row(job_id: JobId) -> ui.View:
    """Both answers."""
    view = ui.View(timeout=None)
    for why in _WHYS:
        view.add_item(RemovalButton(why, job_id))
    return view
