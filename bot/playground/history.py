"""What was said, kept in a folder: the next start of the playground shows it again, with its buttons and pictures."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from pydantic import TypeAdapter
from simcord.backend.models import Message

from .world import World

_log = logging.getLogger(__name__)

MOST_KEPT = 300  #: messages of a channel
_SAVE_AFTER = 1.0  #: seconds after a change
_BASE = "{base}"  #: stands for the address of this start, which is in each attachment's
_MESSAGES = TypeAdapter(list[Message])


class History:
    """Reads the messages at the start, and writes them shortly after anything has changed."""

    def __init__(self, world: World, folder: Path, base: str) -> None:
        self._world = world
        self._file = folder / "messages.json"
        self._base = base
        self._scheduled: asyncio.TimerHandle | None = None
        world.on_change(self._schedule)

    def load(self) -> None:
        """Put back what was kept. What cannot be read is as if it had never been there."""
        try:
            text = self._file.read_text(encoding="utf-8").replace(_BASE, self._base)
            messages = _MESSAGES.validate_json(text)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            _log.warning("The playground's messages in %s cannot be read: %s", self._file, error)
            return
        backend = self._world.backend
        known = [message for message in messages if message.channel_id in backend.channels]
        for message in sorted(known, key=lambda message: message.id):
            backend.messages.setdefault(message.channel_id, {})[message.id] = message
            backend._reserved_ids.add(message.id)
        self._world.attachments.forget_all_but({int(item["id"]) for message in known for item in message.attachments})

    def _schedule(self) -> None:
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_later(_SAVE_AFTER, self.save)

    def save(self) -> None:
        """Write all of it, but for what only one member has seen: no private answer outlives its page."""
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        kept: list[Message] = []
        for messages in self._world.backend.messages.values():
            public = [message for _, message in sorted(messages.items()) if not message.is_ephemeral]
            kept += public[-MOST_KEPT:]
        text = _MESSAGES.dump_json(kept).decode().replace(self._base, _BASE)
        draft = self._file.with_suffix(".new")
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(self._file)
        except OSError as error:
            _log.warning("The playground's messages cannot be kept: %s", error)
