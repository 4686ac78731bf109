"""Attachments and their addresses: SimCord's store, with URLs that this server answers."""

from __future__ import annotations

import contextlib
import io
import mimetypes
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web
from PIL import Image, UnidentifiedImageError
from simcord.backend.cdn import CdnStore

_ADDRESS = re.compile(r"/attachments/\d+/(\d+)/[^/]+")


class AttachmentStore(CdnStore):
    """Keeps uploaded bytes under addresses on this machine, so that bots, pages and people can fetch them.

    With a folder, also for later starts: one file for each attachment, with its id as the name.
    """

    def __init__(self, base: str, folder: Path | None = None) -> None:
        super().__init__()
        self._base = base
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def store_attachment(
        self, attachment_id: int, channel_id: int, filename: str, data: bytes, description: str | None
    ) -> dict[str, Any]:
        payload = super().store_attachment(attachment_id, channel_id, filename, data, description)
        blob = self._blobs.pop(payload["url"])
        url = f"{self._base}/attachments/{channel_id}/{attachment_id}/{quote(filename)}"
        self._blobs[url] = blob
        payload["url"] = payload["proxy_url"] = url
        if self._folder is not None:
            (self._folder / str(attachment_id)).write_bytes(data)
        return {**payload, **_size(data)}

    def get(self, url: str) -> bytes | None:
        blob = super().get(url)
        if blob is None and self._folder is not None and (match := _ADDRESS.fullmatch(url.removeprefix(self._base))):
            with contextlib.suppress(FileNotFoundError):
                blob = self._blobs[url] = (self._folder / match[1]).read_bytes()
        return blob

    def forget_all_but(self, attachments: set[int]) -> None:
        """Remove the files of attachments that no message has any more."""
        for path in self._folder.iterdir() if self._folder is not None else ():
            if path.name.isdecimal() and int(path.name) not in attachments:
                path.unlink()

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
