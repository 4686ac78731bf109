"""Files that people attach: pictures of every kind, what only looks like one, and what was made to do harm."""

import io
import struct
import zlib

from PIL import Image


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)  # pyright: ignore[reportArgumentType]
    return out.getvalue()


def _claims(width: int, height: int) -> bytes:
    """A PNG that says it is that large, and has next to nothing in it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _animated() -> bytes:
    frames = [Image.new("P", (32, 24), shade) for shade in range(8)]
    return _saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)


def _turned_cmyk() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _saved(Image.new("CMYK", (40, 20), (0, 200, 200, 10)), "JPEG", exif=exif)


_RED = Image.new("RGB", (64, 64), (220, 30, 40))

GOOD = {
    "9001": ("red.png", _saved(_RED, "PNG")),
    "9002": ("wide.jpg", _saved(_RED.resize((90, 45)), "JPEG")),
    "9003": ("clear.webp", _saved(Image.new("RGBA", (50, 50), (0, 0, 255, 90)), "WEBP")),
    "9004": ("turned.jpg", _turned_cmyk()),
    "9005": ("moving.gif", _animated()),
    "9006": ("../../deep.bmp", _saved(_RED, "BMP")),
    "9007": ("thin.png", _saved(Image.new("RGB", (1, 3000), "white"), "PNG")),
}
BAD = {
    "9101": ("page.png", b"<html><script>alert(1)</script></html>"),
    "9102": ("cut.png", _saved(_RED, "PNG")[:60]),
    "9103": ("bomb.png", _claims(30_000, 30_000)),
    "9104": ("short.png", _claims(400, 400)),
    "9105": ("empty.png", b""),
    "9106": ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
}
FILES = GOOD | BAD
