"""Views: SimCord's preview of one channel, kept alive while the bot works."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from aiohttp import web
from simcord import preview as simcord_preview
from simcord.backend.access import can_access_message
from simcord.builders import ChannelHandle
from simcord.preview import Preview, _markdown
from simcord.preview import _server as simcord_server
from simcord.preview._actions import ACTION_SPECS
from simcord.preview._pages import HISTORY_WINDOW_SIZE, _Page
from simcord.results import InteractionResult

from .pictures import PictureReader
from .world import World

#: SimCord's own files for the page.
SIMCORD_STATIC = Path(simcord_preview.__file__).parent / "static"

# Where Discord shows names for mentions and SimCord does not.
for _field in ("embed_description", "embed_field_value"):
    _markdown._FIELD_POLICIES[_field].update(mentions=True, commands=True)

_Reason = Literal["initial", "refresh", "snapshot", "navigation", "query", "presentation", "action", "capture"]


class ViewServer(simcord_server.PreviewServer):
    """SimCord's handlers for one view, without a port of their own: the playground's server routes to them."""

    async def start(self) -> None:
        # The module imports aiohttp only when its own server starts.
        simcord_server.web = web  # type: ignore[attr-defined]
        self.port = self._requested_port

    async def close(self) -> None:
        self.port = None


class View(Preview):
    """One channel as a page. Any number of tabs may look at it."""

    #: Above this SimCord shows no more pictures. They are kept once, in the world, so this costs no memory of its own.
    _MAX_MEDIA_BYTES = 4 * 1024**3
    _MAX_PAGES = 64  # a tab that was closed without a word counts for ten minutes

    def __init__(self, world: World, channel: ChannelHandle, viewers: tuple[Any, ...], port: int) -> None:
        super().__init__(
            world,
            channel,
            viewers,
            layout="channel",
            display="responsive",
            width=960,
            height=720,
            locale="en-US",
            timezone="UTC",
            presentation_time=None,
            assets=None,
            port=port,
        )
        self._server = ViewServer(self, port)
        self._media_worker = PictureReader()
        self._one_at_a_time = asyncio.Lock()

    @property
    def server(self) -> simcord_server.PreviewServer:
        return self._server

    def viewer_of(self, context_id: str | None) -> int:
        """Who looks at an open tab."""
        return self._get_page(context_id).viewer.id

    def show_form(self, context_id: str | None, result: InteractionResult) -> None:
        """Show the form that answered something which did not come from SimCord's own page."""
        page = self._get_page(context_id)
        page.modal, page.modal_handle = result, f"m_{secrets.token_urlsafe(12)}"
        self._publish(page)

    def publish(self) -> None:
        """Show what is there now in every open tab."""
        self._advance_presentation_time()
        for page in tuple(self._pages.values()):
            if page.id in self._pages and page is not self._python:
                self._publish(page, reason="refresh")

    def _publish(self, page: _Page, *, reason: _Reason = "action") -> None:
        # SimCord anchors a page at the newest message of the moment it was opened or its viewer changed. Live, a page
        # follows the newest one, unless somebody has gone back further than a screen of history.
        if page.window_end_id is not None:
            newer = sum(
                message.id > page.window_end_id and can_access_message(self.env, page.channel_id, message, page.viewer)
                for message in self.env.backend.messages.get(page.channel_id, {}).values()
            )
            if newer < HISTORY_WINDOW_SIZE:
                page.window_end_id = None
        super()._publish(page, reason=reason)

    async def _action(self, context_id: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
        if body.get("kind") == "close":  # it would end the page for everybody
            return self._reject(self._get_page(context_id), "unknown-kind", request_id=body.get("request_id"))
        async with self._one_at_a_time:
            # A page that is published at any moment is nearly always newer than what was clicked on. What was
            # clicked is looked up again by its key anyway, so a newer page is no reason to refuse.
            spec = ACTION_SPECS.get(str(body.get("kind")))
            if spec is not None and spec.revision_bound:
                body = {**body, "published_revision": self._get_page(context_id).revision}
            return await super()._action(context_id, body)
