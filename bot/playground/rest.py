"""Discord's REST API: real HTTP in, SimCord's router inside."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast
from urllib.parse import unquote

from aiohttp import web
from simcord.backend import serializers
from simcord.backend.errors import BackendError, SetupError
from simcord.http.router import RouteNotImplemented, UnsupportedField, dispatch

from .nonces import Nonces
from .world import OWNER, World

_log = logging.getLogger(__name__)

PREFIX = "/api/v10"
_FILE_FIELD = re.compile(r"files\[(\d+)\]")
#: Interaction answers carry their own token in the path; everything else needs the bot's.
_NEEDS_NO_BOT_TOKEN = re.compile(r"/(interactions|webhooks)/\d+/")


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One uploaded file, as SimCord's routes want it."""

    filename: str
    fp: BinaryIO
    description: str | None


@dataclass(frozen=True, kw_only=True)
class RestCall:
    """One request of the bot, parsed."""

    method: str
    path: str  #: without the /api/v10 prefix
    json: Any = None
    params: dict[str, str] = field(default_factory=dict)
    files: list[Upload] = field(default_factory=list)
    reason: str | None = None
    token: str | None = None


#: Looks at a call before SimCord does. A response it returns is sent instead; None lets the call through.
#: It has the raw request too, for its `transport` (a dropped connection).
Interceptor = Callable[[RestCall, web.Request], Awaitable[web.StreamResponse | None]]


def json_response(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """JSON with exactly the content type that discord.py compares with: no charset behind it."""
    return web.Response(
        body=json.dumps(data).encode(), status=status, headers={"Content-Type": "application/json", **(headers or {})}
    )


class RestApi:
    """Answers `/api/v10/...`."""

    def __init__(self, world: World, gateway_url: str, interceptors: list[Interceptor], *, shards: int = 1) -> None:
        """`shards`: how many connections a bot is told to open."""
        self._shards = shards
        self._world = world
        self._gateway_url = gateway_url
        self._interceptors = interceptors
        self._nonces = Nonces()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        call = await _parse(request)
        for interceptor in tuple(self._interceptors):
            response = await interceptor(call, request)
            if response is not None:
                return response
        if call.path in ("/gateway", "/gateway/bot"):
            return json_response(self._gateway_info())
        if not call.token and not _NEEDS_NO_BOT_TOKEN.match(call.path):
            return json_response({"code": 0, "message": "401: Unauthorized"}, 401)
        return self.dispatch(call)

    def _gateway_info(self) -> dict[str, Any]:
        limits = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": self._shards}
        return {"url": self._gateway_url, "shards": self._shards, "session_start_limit": limits}

    def dispatch(self, call: RestCall) -> web.Response:
        """Do what is asked, past all interceptors: one that is to lose the answer calls this first."""
        if (message := self._nonces.earlier(call.method, call.path, call.json)) is not None:
            return json_response(message)
        try:
            result = dispatch(
                self._world.backend,
                call.method,
                call.path,
                json=call.json,
                params=cast("dict[str, Any]", call.params),
                files=call.files,
                reason=call.reason,
            )
        except (RouteNotImplemented, UnsupportedField) as gap:
            # 501 would be true, but discord.py tries webhook calls again for 25 s on anything from 500 up.
            _log.error("The playground cannot do this: %s", gap)
            return json_response({"code": 0, "message": f"Not in the playground: {gap.message}"}, 400)
        except BackendError as error:
            return json_response(error.to_json(), error.status)
        except (SetupError, KeyError, TypeError, ValueError) as error:
            _log.warning("%s %s has a body that SimCord does not take: %r", call.method, call.path, error)
            return json_response({"code": 50035, "message": f"Invalid Form Body: {error}"}, 400)
        finally:
            self._world.touch()
        if call.path == "/oauth2/applications/@me":  # of which SimCord says that it is the bot's own
            owner = self._world.backend.get_user(self._world.members[OWNER].id)
            result["owner"] = dict(serializers.user_payload(owner))
        self._nonces.remember(call.method, call.path, call.json, result)
        wordless = call.path.endswith("/callback") and call.params.get("with_response", "").lower() not in ("true", "1")
        if result is None or wordless:
            return web.Response(status=204)
        return json_response(result)


async def _parse(request: web.Request) -> RestCall:
    body: Any = None
    files: list[Upload] = []
    if request.content_type.startswith("multipart/"):
        body, files = await _parse_multipart(request)
    elif request.can_read_body:
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else None
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
    reason = request.headers.get("X-Audit-Log-Reason")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return RestCall(
        method=request.method,
        path=request.rel_url.path.removeprefix(PREFIX),
        json=body,
        params=dict(request.query),
        files=files,
        reason=unquote(reason) if reason is not None else None,
        token=token if scheme == "Bot" else None,
    )


async def _parse_multipart(request: web.Request) -> tuple[Any, list[Upload]]:
    form = await request.post()
    payload = form.get("payload_json")
    scalars = {name: value for name, value in form.items() if isinstance(value, str) and name != "payload_json"}
    body: Any = json.loads(payload) if isinstance(payload, str) else scalars or None
    # An interaction's answer has its message one level deeper.
    message: dict[str, Any] = (body.get("data") or body) if isinstance(body, dict) else {}
    described = {str(item.get("id")): item.get("description") for item in message.get("attachments") or ()}
    files: list[tuple[int, Upload]] = []
    for name, value in form.items():
        if not isinstance(value, web.FileField):
            continue
        match = _FILE_FIELD.fullmatch(name)
        index = int(match[1]) if match else len(files)
        upload = Upload(filename=value.filename, fp=cast("BinaryIO", value.file), description=described.get(str(index)))
        files.append((index, upload))
    return body, [upload for _, upload in sorted(files, key=lambda item: item[0])]
