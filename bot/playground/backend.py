"""What Discord does and SimCord's backend does not: two spellings of an emoji, languages, age-restricted channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import discord
from simcord._clock import Clock
from simcord.backend import Backend, serializers
from simcord.backend.models import Channel

#: An emoji with and without it is the same one for Discord. It asks for the coloured form.
_COLOURED = "\ufe0f"


class DiscordBackend(Backend):
    """SimCord's backend, and a little more of Discord."""

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.languages: dict[int, discord.Locale] = {}  #: by user; American English for everybody else
        self.age_restricted: set[int] = set()  #: channels

    # --------------------------------------------------------------------------------------------------- languages

    def emit(self, event: str, payload: Mapping[str, Any]) -> None:
        if event == "INTERACTION_CREATE":
            user = payload.get("user") or payload["member"]["user"]
            language = self.languages.get(int(user["id"]), discord.Locale.american_english)
            payload = {**payload, "locale": language.value}
            if payload.get("guild_id") is not None:
                payload["guild_locale"] = self.get_guild(int(payload["guild_id"])).preferred_locale
        super().emit(event, payload)

    # ------------------------------------------------------------------------------------- age-restricted channels

    def set_age_restricted(self, channel: Channel, restricted: bool) -> None:
        """Mark a channel of a server as one for adults, or not."""
        (self.age_restricted.add if restricted else self.age_restricted.discard)(channel.id)
        self.emit("CHANNEL_UPDATE", serializers.channel_payload(self, channel))

    # ------------------------------------------------------------------------------ one emoji, whatever its spelling

    def set_reaction(self, channel_id: int, message_id: int, emoji: str, user_id: int, reacted: bool) -> None:
        super().set_reaction(channel_id, message_id, self._spelled(channel_id, message_id, emoji), user_id, reacted)

    def remove_reaction(self, channel_id: int, message_id: int, emoji: str, user_id: int) -> None:
        super().remove_reaction(channel_id, message_id, self._spelled(channel_id, message_id, emoji), user_id)

    def clear_reaction(self, channel_id: int, message_id: int, emoji: str) -> None:
        super().clear_reaction(channel_id, message_id, self._spelled(channel_id, message_id, emoji))

    def _spelled(self, channel_id: int, message_id: int, emoji: str) -> str:
        """The emoji as the message has it already, if it has."""
        known = [reaction.emoji for reaction in self.get_message(channel_id, message_id).reactions]
        same = [one for one in known if one.replace(_COLOURED, "") == emoji.replace(_COLOURED, "")]
        return same[0] if same else emoji


_payload = serializers.channel_payload


def _payload_with_restriction(backend: Any, channel: Channel) -> Any:
    payload = cast("dict[str, Any]", _payload(backend, channel))
    if isinstance(backend, DiscordBackend) and channel.guild_id is not None and not channel.is_thread:
        payload["nsfw"] = channel.id in backend.age_restricted
    return payload


# SimCord says of a channel what this function says, everywhere. Backends of other kinds get what they always got.
serializers.channel_payload = _payload_with_restriction
