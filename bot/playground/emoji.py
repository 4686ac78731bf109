"""Emoji with two spellings: with and without U+FE0F, which asks for the coloured one. For Discord they are one."""

from __future__ import annotations

from simcord.backend import Backend

_COLOURED = "\ufe0f"


class OneSpelling(Backend):
    """Lets the spelling of the first reaction stand for both, on each message."""

    def set_reaction(self, channel_id: int, message_id: int, emoji: str, user_id: int, reacted: bool) -> None:
        super().set_reaction(channel_id, message_id, self._spelled(channel_id, message_id, emoji), user_id, reacted)

    def remove_reaction(self, channel_id: int, message_id: int, emoji: str, user_id: int) -> None:
        super().remove_reaction(channel_id, message_id, self._spelled(channel_id, message_id, emoji), user_id)

    def clear_reaction(self, channel_id: int, message_id: int, emoji: str) -> None:
        super().clear_reaction(channel_id, message_id, self._spelled(channel_id, message_id, emoji))

    def _spelled(self, channel_id: int, message_id: int, emoji: str) -> str:
        known = [reaction.emoji for reaction in self.get_message(channel_id, message_id).reactions]
        same = [one for one in known if one.replace(_COLOURED, "") == emoji.replace(_COLOURED, "")]
        return same[0] if same else emoji
