"""The control API: what a test outside this process needs, as JSON over HTTP.

    GET  /control/state?viewer=Ben   members, channels with their posts, commands, whether the bot is connected
    GET  /control/bot                whether the bot is connected, and what it is doing
    POST /control/bot                {"do": "restart", "kill" or "kill_worker"}, of a bot that it has started
    POST /control/slash              {"member": "Ben", "command": "imagine", "options": {...}, "where": "pictures"}
    POST /control/autocomplete       {"member", "command", "option", "value", "options", "where"} -> {"choices": [...]}
    POST /control/click              {"member", "message": id, "label" or "custom_id"}
    POST /control/select             {"member", "message": id, "values": [...], "custom_id"}
    POST /control/choose             {"member", "command", "message": id or "target": a member's name}: a menu's command
    POST /control/modal              {"member", "answer": id of the answer that showed the form, "values": {...}}
    POST /control/react              {"member", "message": id, "emoji", "reacted": true}
    POST /control/send               {"member", "content", "where"}
    POST /control/thread             {"member", "message": id, "name"} -> {"name", "key": of its page}
    POST /control/delete             {"member", "message": id}
    POST /control/language           {"member", "language": "de"} -> {"language": the nearest that Discord has}
    POST /control/restrict           {"where", "restricted": true}: a channel for adults

A file, for an option or in a form, is {"filename": "a.png", "base64": "..."}; where a form takes several, a list.
Members, roles, channels and threads go by name ("dm" is the own conversation with the bot), message ids are strings.
An action that Discord would not allow is answered 400 with {"error": "..."}.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from simcord.backend.errors import BackendError, SetupError

from .answers import Answer
from .keeper import BotKeeper
from .members import Members
from .page import thread_key
from .rest import json_response

#: Forms that were shown and may still be sent.
_FORMS_KEPT = 100


class ControlApi:
    """Routes under `/control/`."""

    def __init__(
        self,
        members: Members,
        state: Callable[[str | None], dict[str, Any]],
        bot: Callable[[], dict[str, Any]],
        keeper: Callable[[], BotKeeper | None],
    ) -> None:
        self._members = members
        self._state = state
        self._bot = bot
        self._keeper = keeper
        self._forms: dict[str, Answer] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/control/state", self._get_state)
        router.add_get("/control/bot", self._get_bot)
        actions: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "bot": self._do,
            "slash": self._slash,
            "autocomplete": self._autocomplete,
            "click": self._click,
            "select": self._select,
            "choose": self._choose,
            "modal": self._modal,
            "react": self._react,
            "send": self._send,
            "thread": self._thread,
            "delete": self._delete,
            "language": self._language,
            "restrict": self._restrict,
        }
        for name, action in actions.items():
            router.add_post(f"/control/{name}", _handler(action))

    async def _get_state(self, request: web.Request) -> web.Response:
        try:
            return json_response(self._state(request.query.get("viewer")))
        except LookupError as error:
            return json_response({"error": str(error)}, 400)

    async def _get_bot(self, _request: web.Request) -> web.Response:
        return json_response(self._bot())

    async def _do(self, body: dict[str, Any]) -> Any:
        keeper = self._keeper()
        if keeper is None:
            raise LookupError("this bot was not started by the playground")
        match body["do"]:
            case "restart":
                keeper.restart()
            case "kill":
                keeper.kill()
            case "kill_worker" if keeper.workers:
                await keeper.kill_worker()
            case "kill_worker":
                raise LookupError("no worker of this bot runs on this machine")
            case _:
                raise LookupError("do is one of restart, kill, kill_worker")
        return self._bot()

    async def _slash(self, body: dict[str, Any]) -> Any:
        answer = await self._members.slash(
            body["member"], body["command"], body.get("options") or {}, body.get("where", "pictures")
        )
        return self._answered(answer)

    async def _autocomplete(self, body: dict[str, Any]) -> Any:
        choices = await self._members.autocomplete(
            body["member"],
            body["command"],
            body["option"],
            body.get("value", ""),
            body.get("options") or {},
            body.get("where", "pictures"),
        )
        return {"choices": choices}

    async def _click(self, body: dict[str, Any]) -> Any:
        answer = await self._members.click(
            body["member"], int(body["message"]), label=body.get("label"), custom_id=body.get("custom_id")
        )
        return self._answered(answer)

    async def _select(self, body: dict[str, Any]) -> Any:
        answer = await self._members.select(
            body["member"], int(body["message"]), body["values"], custom_id=body.get("custom_id")
        )
        return self._answered(answer)

    async def _choose(self, body: dict[str, Any]) -> Any:
        target = int(body["message"]) if "message" in body else str(body["target"])
        answer = await self._members.choose(body["member"], body["command"], target, body.get("where", "pictures"))
        return self._answered(answer)

    async def _modal(self, body: dict[str, Any]) -> Any:
        form = self._forms.get(str(body["answer"]))
        if form is None:
            raise LookupError(f"answer {body['answer']} showed no form")
        return self._answered(await self._members.submit(body["member"], form, body.get("values") or {}))

    async def _react(self, body: dict[str, Any]) -> Any:
        await self._members.react(
            body["member"], int(body["message"]), body["emoji"], reacted=body.get("reacted", True)
        )
        return {}

    async def _send(self, body: dict[str, Any]) -> Any:
        post = await self._members.send(body["member"], body["content"], body.get("where", "pictures"))
        return post.to_json()

    async def _thread(self, body: dict[str, Any]) -> Any:
        thread = await self._members.start_thread(body["member"], int(body["message"]), body.get("name"))
        return {"name": thread.name, "key": thread_key(thread.id)}

    async def _delete(self, body: dict[str, Any]) -> Any:
        await self._members.delete(body["member"], int(body["message"]))
        return {}

    async def _language(self, body: dict[str, Any]) -> Any:
        return {"language": self._members.speak(body["member"], body["language"]).value}

    async def _restrict(self, body: dict[str, Any]) -> Any:
        self._members.restrict(body["where"], body.get("restricted", True))
        return {}

    def _answered(self, answer: Answer) -> dict[str, Any]:
        if answer.modal is not None:
            self._forms[str(answer.id)] = answer
            for old in list(self._forms)[:-_FORMS_KEPT]:
                del self._forms[old]
        return answer.to_json()


def _handler(
    action: Callable[[dict[str, Any]], Awaitable[Any]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return json_response(await action(await request.json()))
        except KeyError as missing:
            return json_response({"error": f"the request needs {missing}"}, 400)
        except (BackendError, SetupError, LookupError, TypeError, ValueError) as error:
            return json_response({"error": str(error)}, 400)

    return handle
