"""Answers: what the bot did with one interaction, now and later."""

from __future__ import annotations

from typing import Any

from simcord.results import InteractionResult, ResponseMessage

from .posts import Post, post_of
from .world import World


class Answer:
    """The bot's answer to a command, a click or a form. A live view: the bot goes on editing it."""

    def __init__(self, world: World, result: InteractionResult) -> None:
        self._world = world
        self.result = result

    @property
    def id(self) -> int:
        return self.result._interaction.id

    @property
    def in_time(self) -> bool:
        """Whether the bot answered at all before Discord's deadline."""
        return self.result.acknowledged

    @property
    def post(self) -> Post | None:
        """The message that answers; None for a form, a silent acknowledgement, or a deleted message."""
        return self._post(self.result.response)

    @property
    def followups(self) -> list[Post]:
        return [post_of(self._world, message._message) for message in self.result.followups]

    @property
    def modal(self) -> dict[str, Any] | None:
        return self.result.modal

    @property
    def choices(self) -> list[dict[str, Any]]:
        return self.result.autocomplete_choices or []

    def _post(self, message: ResponseMessage | None) -> Post | None:
        return None if message is None else post_of(self._world, message._message)

    def to_json(self) -> dict[str, Any]:
        post = self.post
        return {
            "id": str(self.id),
            "in_time": self.in_time,
            "post": None if post is None else post.to_json(),
            "followups": [item.to_json() for item in self.followups],
            "modal": self.modal,
        }

    def __repr__(self) -> str:
        return f"<Answer in_time={self.in_time} post={self.post!r} modal={self.modal!r}>"
