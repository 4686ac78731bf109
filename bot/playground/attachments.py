"""Attachments and their addresses: SimCord's store, with URLs that this server answers."""

from __future__ import annotations

import io
import mimetypes
from typing import Any
from urllib.parse import quote

from aiohttp import web
from PIL import Image, UnidentifiedImageError
from simcord.backend.cdn import CdnStore


class AttachmentStore(CdnStore):
    """Keeps uploaded bytes under addresses on this machine, so that bots, pages and people can fetch them."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def store_attachment(
        self, attachment_id: int, channel_id: int, filename: str, data: bytes, description: str | None
    ) -> dict[str, Any]:
        payload = super().store_attachment(attachment_id, channel_id, filename, data, description)
        blob = self._blobs.pop(payload["url"])
        url = f"{self._base}/attachments/{channel_id}/{attachment_id}/{quote(filename)}"
        self._blobs[url] = blob
        payload["url"] = payload["proxy_url"] = url
        return {**payload, **_size(data)}

    async def answer(self, request: web.Request) -> web.Response:
        """GET of one attachment."""
        # Clients differ in what they leave unquoted; the decoded path is the same from all of them.
        blob = self.get(f"{self._base}{quote(request.rel_url.path)}")
        if blob is None:
            raise web.HTTPNotFound
        content_type = mimetypes.guess_type(request.path)[0] or "application/octet-stream"
        return web.Response(
            body=blob,
            content_type=content_type,
            # The page lives at the same origin: an uploaded HTML or SVG file must not be able to act for it.
            headers={"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"},
        )


def _size(data: bytes) -> dict[str, int]:
    """What Discord says of a picture and SimCord does not: how large it is."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return {"width": image.width, "height": image.height}
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return {}
