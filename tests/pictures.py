"""Pictures as files, for tests."""

import io
from typing import Any

from PIL import Image


def file_of(picture: Image.Image, kind: str, **settings: Any) -> bytes:
    """Encode a picture as a file of this kind, such as "JPEG"."""
    out = io.BytesIO()
    picture.save(out, kind, **settings)
    return out.getvalue()


def png_of(picture: Image.Image) -> bytes:
    """Encode a picture as PNG."""
    return file_of(picture, "PNG")
