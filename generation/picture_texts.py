"""The texts that a picture's file carries beside its pixels: PNG's text chunks, and EXIF data.

Nothing is decoded but what lies before a PNG's last texts, and that within the bounds of `inputs`.
"""

import io
from contextlib import suppress
from typing import Any

from PIL import Image

from generation.errors import BadPicture
from generation.inputs import FORMATS, MOST_BYTES, MOST_PIXELS

_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_EXIF_IFD, _USER_COMMENT, _MAKE, _MODEL = 0x8769, 0x9286, 0x010F, 0x0110
_ENCODING = 8  #: bytes at the start of a user comment that name its encoding


def picture_texts(data: bytes) -> dict[str, str]:
    """Return the texts in a picture's file by their names.

    A user comment in EXIF data is named "parameters", as in PNG; "prompt:..." and "workflow:...", which ComfyUI writes
    where cameras name themselves, are named so. Pillow refuses a compressed text of more than a mebibyte. Raises
    BadPicture for what is none of FORMATS, is too large or broken.
    """
    if len(data) > MOST_BYTES:
        raise BadPicture("image", "bytes", most=MOST_BYTES)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            return _exif_texts(picture) | _chunks(picture, data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPicture("image", "pixels", most=MOST_PIXELS) from None
    except OSError:
        raise BadPicture("image", "format", choices=FORMATS) from None
    except Exception as error:  # Pillow's readers raise whatever a broken file leads them to
        raise BadPicture("image", "broken", detail=f"{type(error).__name__}: {error}") from None


def _chunks(picture: Image.Image, data: bytes) -> dict[str, str]:
    if picture.format != "PNG":
        return {}
    after = data.find(b"IDAT")
    if picture.width * picture.height <= MOST_PIXELS and any(data.find(one, after) >= 0 for one in _TEXT_CHUNKS):
        with suppress(Exception):  # cut in its pixels, it has what came before
            picture.load()
    return {str(name): str(text) for name, text in picture.info.items() if isinstance(text, str)}


def _exif_texts(picture: Image.Image) -> dict[str, str]:
    texts: dict[str, str] = {}
    if "exif" not in picture.info:
        return texts
    with suppress(Exception):  # of broken data nothing is known
        exif = picture.getexif()
        for tag in (_MAKE, _MODEL):
            name, colon, text = str(exif.get(tag, "")).partition(":")
            if colon and name in ("prompt", "workflow"):
                texts[name] = text
        if comment := _comment(exif.get_ifd(_EXIF_IFD).get(_USER_COMMENT)):
            texts["parameters"] = comment
    return texts


def _comment(value: Any) -> str:
    """Decode a user comment. Its standard leaves the order of UTF-16's bytes to the writer, and writers differ."""
    if not isinstance(value, bytes):
        return value if isinstance(value, str) else ""
    encoding, text = value[:_ENCODING], value[_ENCODING:]
    if encoding.rstrip(b"\0") != b"UNICODE":
        return text.decode("utf-8", "replace").strip("\0")
    return max((text.decode(order, "replace") for order in ("utf-16-be", "utf-16-le")), key=_latin).strip("\0")


def _latin(text: str) -> int:
    return sum(character < "\u0250" for character in text)
