"""Pictures for the page, looked at in a thread. SimCord starts a Python process for each, one after the other."""

from __future__ import annotations

import asyncio
import io

from PIL import Image
from simcord.preview._media import MAX_DIMENSION, MAX_PIXELS, MAX_SOURCE_BYTES, MediaInfo, MediaWorker

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_ORIENTATION = 0x0112  #: EXIF


class PictureReader(MediaWorker):
    """Lets pictures through as they are, once Pillow knows them; all else goes SimCord's slow and careful way."""

    async def validate(self, key: str, blob: bytes, *, media_time: float | None = None) -> MediaInfo:
        if not media_time and len(blob) <= MAX_SOURCE_BYTES:
            info = await asyncio.to_thread(_read, blob)
            if info is not None:
                return info
        return await super().validate(key, blob, media_time=media_time)


def _read(blob: bytes) -> MediaInfo | None:
    """What the page wants to know of a picture that any browser shows; None for anything else."""
    try:
        with Image.open(io.BytesIO(blob), formats=_FORMATS) as image:
            image.verify()
        with Image.open(io.BytesIO(blob), formats=_FORMATS) as image:
            width, height = image.size
            frames = getattr(image, "n_frames", 1)
            turned = image.format == "JPEG" and image.getexif().get(_ORIENTATION, 1) != 1
    except Exception:  # Pillow raises whatever its format's reader raises
        return None
    if turned or max(width, height) > MAX_DIMENSION or width * height > MAX_PIXELS:
        return None
    kind = Image.MIME[image.format or ""]
    return MediaInfo(image.format or "", width, height, frames, width * height * 4, blob, kind, poster=blob)
