"""A Discord that fails on purpose: at one moment of a job's life, in one way, so many times."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from aiohttp import web

from bot.playground import PlaygroundServer, RestCall
from bot.playground.rest import json_response

_DONE = "✅"  #: what the words of finished pictures begin with


class Moment(StrEnum):
    """A request of the bot, by what it is for."""

    ANSWER = "answer"  #: the command is answered: accepted
    PROGRESS = "progress"
    PICTURES = "pictures"
    REACTION = "reaction"  #: the first 🔁 below the pictures
    REPLY = "reply"  #: a reaction is answered: accepted
    TOKEN = "token"  #: anything by the interaction's token, once that has answered


class Fault(StrEnum):
    """What goes wrong."""

    BAD_GATEWAY = "502"
    RATE_LIMITED = "429"
    DROPPED_BEFORE = "dropped before"  #: Discord never hears of it
    DROPPED_AFTER = "dropped after"  #: Discord has done it, and nobody is told
    TOO_LARGE = "too large"
    EXPIRED = "expired"  #: more than 15 minutes have passed


class Trouble:
    """One fault at one moment; `happened` says how often."""

    def __init__(self, server: PlaygroundServer, moment: Moment, fault: Fault, *, times: float = 1) -> None:
        self._server = server
        self._moment = moment
        self._fault = fault
        self._left = times
        self.happened = 0

    def __enter__(self) -> "Trouble":
        self._server.interceptors.append(self._intercept)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.interceptors.remove(self._intercept)

    async def _intercept(self, call: RestCall, request: web.Request) -> web.StreamResponse | None:
        if self._left <= 0 or not _MOMENTS[self._moment](call, _content(call)):
            return None
        self._left -= 1
        self.happened += 1
        self._server.world.touch()
        match self._fault:
            case Fault.BAD_GATEWAY:
                return web.Response(status=502, text="<html>bad gateway</html>", content_type="text/html")
            case Fault.RATE_LIMITED:
                said = {"message": "You are being rate limited.", "retry_after": 0.3, "global": False}
                # Without Via discord.py takes it for a ban.
                headers = {"Via": "1.1 google", "Retry-After": "1", "X-RateLimit-Scope": "user"}
                return json_response(said, 429, headers)
            case Fault.TOO_LARGE:
                return json_response({"code": 40005, "message": "Request entity too large"}, 413)
            case Fault.EXPIRED:
                return json_response({"code": 50027, "message": "Invalid Webhook Token"}, 401)
            case Fault.DROPPED_BEFORE | Fault.DROPPED_AFTER:
                if self._fault is Fault.DROPPED_AFTER:
                    self._server.api.dispatch(call)
                assert request.transport is not None
                request.transport.abort()
                return web.Response()  # reaches nobody


def _content(call: RestCall) -> str:
    message = call.json.get("data", call.json) if isinstance(call.json, dict) else None
    return str(message.get("content") or "") if isinstance(message, dict) else ""


def _sends(call: RestCall) -> bool:
    return call.method == "POST" and call.path.startswith("/channels/") and call.path.endswith("/messages")


def _edits(call: RestCall) -> bool:
    return call.method == "PATCH" and "/messages/" in call.path


_MOMENTS: dict[Moment, Callable[[RestCall, str], Any]] = {
    Moment.ANSWER: lambda call, said: call.path.endswith("/callback") and said,
    Moment.PROGRESS: lambda call, said: _edits(call) and said and not said.startswith(_DONE),
    Moment.PICTURES: lambda call, said: (_edits(call) or _sends(call)) and said.startswith(_DONE),
    Moment.REACTION: lambda call, _: call.method == "PUT" and "/reactions/" in call.path,
    Moment.REPLY: lambda call, said: _sends(call) and said and not said.startswith(_DONE),
    Moment.TOKEN: lambda call, _: call.path.startswith("/webhooks/"),
}
