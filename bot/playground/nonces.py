"""Messages that were sent with a nonce: the same nonce a second time gets the first one's message."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

REMEMBERED = 300.0  #: seconds; Discord says "a few minutes"
_SEND = re.compile(r"/channels/\d+/messages")


class Nonces:
    """What Discord does with `enforce_nonce`, and SimCord does not."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._sent: dict[tuple[str, str], tuple[float, Any]] = {}

    def earlier(self, method: str, path: str, body: Any) -> Any | None:
        """The message that was sent to this channel with this nonce a short while ago."""
        key = _key(method, path, body)
        at, message = self._sent.get(key, (0.0, None)) if key is not None else (0.0, None)
        return message if message is not None and self._now() - at <= REMEMBERED else None

    def remember(self, method: str, path: str, body: Any, message: Any) -> None:
        """This message was the answer."""
        now = self._now()
        self._sent = {key: (at, sent) for key, (at, sent) in self._sent.items() if now - at <= REMEMBERED}
        key = _key(method, path, body)
        if key is not None:
            self._sent[key] = (now, message)


def _key(method: str, path: str, body: Any) -> tuple[str, str] | None:
    if method != "POST" or not _SEND.fullmatch(path) or not isinstance(body, Mapping):
        return None
    nonce = body.get("nonce")
    return (path, str(nonce)) if nonce is not None and body.get("enforce_nonce") else None
