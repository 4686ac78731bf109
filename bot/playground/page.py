"""The page in the browser: one live view for each channel and conversation, under the server's own address."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from simcord.backend.errors import BackendError, SetupError

from .members import Members
from .patches import STATIC, patched, patched_names, replaced
from .sidebar import sidebar, talk_keys, welcome
from .views import SIMCORD_STATIC, View
from .world import World

_log = logging.getLogger(__name__)

_CONTENT_TYPES = {".css": "text/css", ".js": "application/javascript"}
#: Where our own parts go into SimCord's page. A new SimCord may need others: `_compose` says so.
_TITLE, _BODY = "<title>SimCord Preview</title>", "<body>"
_EMPTY = '<p id="channel-empty" class="channel-empty" hidden>No messages in this channel.</p>'
#: A command's text may be longer than a message, and is typed into the same field.
_FIELD = '<textarea id="channel-composer-input" maxlength="2000"'
_STYLE, _SCRIPT = '<link rel="stylesheet" href="/preview.css">', '<script type="module" src="/app.js"></script>'

_THREAD = "thread-"


def thread_key(thread_id: int) -> str:
    """The key of a thread's page."""
    return f"{_THREAD}{thread_id}"


class Page:
    """Serves the page and publishes it again shortly after anything has changed."""

    def __init__(self, world: World, members: Members, *, note: str | None = None, publish_after: float = 0.2) -> None:
        self._world = world
        self._members = members
        self._note = note
        self._publish_after = publish_after
        self._views: dict[str, View] = {}
        self._scheduled: asyncio.TimerHandle | None = None
        self._opening = asyncio.Lock()
        self._port = 0
        world.on_change(self._schedule)

    async def open(self, port: int) -> None:
        self._port = port
        for name, channel in self._world.channels.items():
            await self._open_view(name, channel, self._everybody)
        for key, name in talk_keys(self._world.members).items():
            await self._open_view(key, self._world.conversations[name], (self._world.members[name].user,))

    @property
    def _everybody(self) -> tuple[Any, ...]:
        return tuple(self._world.members.values())

    async def _open_view(self, key: str, channel: Any, viewers: tuple[Any, ...]) -> None:
        view = View(self._world, channel, viewers, self._port)
        self._world._preview = None  # SimCord allows one view an environment; nothing needs that
        await view.__aenter__()
        self._views[key] = view
        self._world.views.append(view)

    async def close(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
        for view in self._views.values():
            await view.close()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/", self._index)
        router.add_get("/favicon.ico", self._no_icon)
        for own in sorted(STATIC.iterdir()):
            if own.suffix in _CONTENT_TYPES:
                router.add_get(f"/{own.name}", self._own_file)
        server = next(iter(self._views.values())).server
        changed = patched_names()
        for path, name in server._STATIC_FILES.items():
            if path != "/":
                router.add_get(path, self._patched_file if name in changed else server._static)
        router.add_post("/api/pages", self._to_view("_pages"))
        router.add_delete("/api/pages/{context_id}", self._to_view("_delete_page"))
        router.add_get("/api/state", self._to_view("_state"))
        router.add_get("/api/commands", self._to_view("_commands"))
        router.add_get("/api/action-result", self._to_view("_action_result"))
        router.add_post("/api/action", self._to_view("_action"))
        router.add_get("/api/assets/{asset_id}", self._to_view("_asset"))
        router.add_post("/api/choose", self._choose)

    def _schedule(self) -> None:
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_later(self._publish_after, self._publish)

    def _publish(self) -> None:
        self._scheduled = None
        for key, view in self._views.items():
            try:
                view.publish()
            except Exception:  # a page that cannot be drawn must not stop the bot's Discord
                _log.exception("The page of %s could not be published", key)

    def _to_view(self, name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The view is known by the capability that the page got with its address."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await getattr(self._view(request).server, name)(request)

        return handle

    def _view(self, request: web.Request) -> View:
        capability = request.headers.get("X-Simcord-Capability")
        for view in self._views.values():
            if view.capability == capability:
                return view
        raise web.HTTPUnauthorized

    async def _choose(self, request: web.Request) -> web.Response:
        """A command of a message's or a member's menu, which SimCord's page does not have."""
        view, tab, body = self._view(request), request.headers.get("X-Simcord-Context"), await request.json()
        target = int(body["message"]) if "message" in body else str(body["target"])
        try:
            where = self._world.channel_name(view.channel.id)
            answer = await self._members.choose(view.viewer_of(tab), body["command"], target, where)
            if answer.modal is not None:
                view.show_form(tab, answer.result)
        except (BackendError, SetupError, LookupError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({})

    async def _index(self, request: web.Request) -> web.Response:
        key = request.query.get("channel", "pictures")
        async with self._opening:
            for thread in self._world.threads:
                if key == thread_key(thread.id) and key not in self._views:
                    await self._open_view(key, thread, self._everybody)
        if key not in self._views:
            if key.startswith(_THREAD):  # of an earlier start of the playground
                raise web.HTTPFound("/")
            raise web.HTTPNotFound(text=f"There is no channel {key!r}.")
        return web.Response(
            text=self._compose(key), content_type="text/html", headers=self._views[key].server._SECURITY_HEADERS
        )

    async def _no_icon(self, _request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _own_file(self, request: web.Request) -> web.Response:
        text = (STATIC / request.path.removeprefix("/")).read_text(encoding="utf-8")
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=text, content_type=_CONTENT_TYPES[Path(request.path).suffix], headers=headers)

    async def _patched_file(self, request: web.Request) -> web.Response:
        server = next(iter(self._views.values())).server
        name = server._STATIC_FILES[request.path]
        return web.Response(
            text=patched(SIMCORD_STATIC, name),
            content_type=_CONTENT_TYPES[Path(name).suffix],
            headers=server._SECURITY_HEADERS,
        )

    def _compose(self, key: str) -> str:
        """SimCord's page with our own parts, and with the view's capability in place of one in the address."""
        page = (SIMCORD_STATIC / "index.html").read_text(encoding="utf-8")
        for mark, replacement in (
            (
                _TITLE,
                "<title>Playground</title>\n"
                f'    <meta name="playground-capability" content="{self._views[key].capability}">',
            ),
            (_FIELD, '<textarea id="channel-composer-input"'),
            (_STYLE, f'{_STYLE}\n    <link rel="stylesheet" href="/playground.css">'),
            (_BODY, f"<body>\n{sidebar(self._world, key, self._note)}"),
            (_EMPTY, f'{welcome()}<p id="channel-empty" class="channel-empty" hidden></p>'),
            (_SCRIPT, f'<script type="module" src="/playground.js"></script>\n    {_SCRIPT}'),
        ):
            page = replaced(page, mark, replacement)
        return page
