"""Posts: what one sees of a message, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from simcord.backend.models import Message
from simcord.components import walk_components
from simcord.enums import ComponentType

from .world import World

_LOADING = 1 << 7


@dataclass(frozen=True, kw_only=True)
class Button:
    """One button under a post."""

    label: str
    custom_id: str
    disabled: bool


@dataclass(frozen=True, kw_only=True)
class Post:
    """One message as it is now. Ask again to see it later."""

    id: int
    channel: str
    author: str
    content: str
    embeds: list[dict[str, Any]]
    attachments: list[dict[str, Any]]
    components: list[dict[str, Any]]
    reactions: dict[str, list[str]]  #: emoji -> names of who reacted
    ephemeral: bool
    thinking: bool  #: deferred and not answered yet
    edited: bool
    reply_to: int | None
    created: str

    @property
    def buttons(self) -> list[Button]:
        return [
            Button(
                label=component.get("label") or (component.get("emoji") or {}).get("name") or "",
                custom_id=component.get("custom_id") or "",
                disabled=bool(component.get("disabled")),
            )
            for component in walk_components(self.components)
            if component.get("type") == ComponentType.BUTTON
        ]

    @property
    def text(self) -> str:
        """All words of the post: its content, its text components, then its embeds."""
        words = [self.content]
        words += [component["content"] for component in walk_components(self.components) if _is_text(component)]
        for embed in self.embeds:
            words += [embed.get("title") or "", embed.get("description") or ""]
            words += [f"{item.get('name')}: {item.get('value')}" for item in embed.get("fields") or ()]
            words += [(embed.get("footer") or {}).get("text") or ""]
        return "\n".join(word for word in words if word)

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "id": str(self.id),
            "reply_to": None if self.reply_to is None else str(self.reply_to),
            "buttons": [asdict(button) for button in self.buttons],
            "text": self.text,
        }


def _is_text(component: dict[str, Any]) -> bool:
    return component.get("type") == ComponentType.TEXT_DISPLAY


def post_of(world: World, message: Message) -> Post:
    reference = message.reference or {}
    return Post(
        id=message.id,
        channel=world.channel_name(message.channel_id),
        author=_name(world, message.author_id),
        content=message.content,
        embeds=[dict(embed) for embed in message.embeds],
        attachments=[dict(attachment) for attachment in message.attachments],
        components=[dict(component) for component in message.components],
        reactions={
            reaction.emoji: [_name(world, user) for user in reaction.user_ids] for reaction in message.reactions
        },
        ephemeral=message.is_ephemeral,
        thinking=bool(message.flags & _LOADING),
        edited=message.edited_timestamp is not None,
        reply_to=int(reference["message_id"]) if reference.get("message_id") else None,
        created=message.timestamp,
    )


def _name(world: World, user_id: int) -> str:
    user = world.backend.get_user(user_id)
    return user.global_name or user.name
