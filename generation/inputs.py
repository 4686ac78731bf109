"""Pictures from outside, which a request may begin with: decoded with care, and brought to the shape that is drawn.

Pure functions of bytes, for a thread: the largest pictures take two or three seconds on one core, and 160 MB.
"""

import hashlib
import io
import math
from dataclasses import dataclass, field
from typing import Self

from PIL import Image, ImageChops, ImageFilter, ImageOps

from generation.catalog import MAX_ASPECT
from generation.errors import BadPicture, InvalidRequest

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MOST_PIXELS = 16_000_000
MOST_BYTES = 40_000_000  #: of a file
_MOST_SCANS = 64  #: of a progressive JPEG: each is another pass over all pixels, and some files are made of thousands
_SCAN = b"\xff\xda"
_SAME_RATIO = 0.01  #: how much two ratios may differ, as a share
_SOFT_EDGE = 1 / 128  #: of the shorter side: the width over which what was drawn fades into what was there


@dataclass(frozen=True, kw_only=True, slots=True)
class InputPicture:
    """A picture from outside after `decode`: an RGB PNG that holds nothing but its pixels."""

    png: bytes = field(repr=False)
    sha256: str  #: of the PNG, in hex: the picture's name in a request
    width: int
    height: int
    says: tuple[str, ...] = field(default=(), repr=False)  #: prompts and names of adapters in its file, where read
    says_negative: str = field(default="", repr=False)  #: the negative prompt in its file, where read

    @classmethod
    def decode(cls, data: bytes, *, role: str = "image") -> Self:
        """Decode a file of one of FORMATS; of an animation its first frame. Raises BadPicture, naming `role`.

        It is turned upright as its EXIF data says, which are dropped then, and set on white where it is transparent.
        """
        if len(data) > MOST_BYTES:
            raise BadPicture(role, "bytes", most=MOST_BYTES)
        try:
            picture = _opaque(_opened(data, role))
        except BadPicture:
            raise
        except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to
            raise BadPicture(role, "broken", detail=f"{type(error).__name__}: {error}") from None
        out = io.BytesIO()
        picture.save(out, "PNG", compress_level=1)
        png = out.getvalue()
        return cls(png=png, sha256=hashlib.sha256(png).hexdigest(), width=picture.width, height=picture.height)

    @property
    def aspect(self) -> str:
        """Width to height, such as "640:480", for a request that names no other; no more than models draw."""
        ratio = self.width / self.height
        if 1 / MAX_ASPECT <= ratio <= MAX_ASPECT:
            return f"{self.width}:{self.height}"
        return f"{MAX_ASPECT:g}:1" if ratio > 1 else f"1:{MAX_ASPECT:g}"


def require_same_ratio(source: InputPicture, mask: InputPicture) -> None:
    """Raise InvalidRequest for a mask that is of another shape than the picture it is for."""
    if abs(math.log(mask.width / mask.height / (source.width / source.height))) > _SAME_RATIO:
        given = f"{mask.width}x{mask.height}"
        raise InvalidRequest("mask", "ratio_of", given, choices=(f"{source.width}x{source.height}",))


def fitted(png: bytes, size: tuple[int, int], drawn: tuple[int, int]) -> Image.Image:
    """Cut the middle of a picture out and resize it to `size` pixels; return what lies in the middle `drawn` of it."""
    whole = ImageOps.fit(Image.open(io.BytesIO(png)).convert("RGB"), size, Image.Resampling.LANCZOS)
    left, top = (size[0] - drawn[0]) // 2, (size[1] - drawn[1]) // 2
    return whole.crop((left, top, left + drawn[0], top + drawn[1]))


def pasted_back(picture: Image.Image, source: bytes, mask: bytes) -> Image.Image:
    """Put the source's own pixels back where the mask is black; around what was drawn they fade in."""
    size = picture.size
    drawn = fitted(mask, size, size).convert("L").point([0] * 128 + [255] * 128)
    faded = drawn.filter(ImageFilter.GaussianBlur(max(1.0, _SOFT_EDGE * min(size))))
    # At the edge itself the blur is half of white: so nothing inside the mask is lost, not even a thin line.
    soft = ImageChops.lighter(drawn, faded.point([min(255, 2 * value) for value in range(256)]))
    return Image.composite(picture, fitted(source, size, size), soft)


def _opened(data: bytes, role: str) -> Image.Image:
    """Decode the first frame, and turn it upright. Raises BadPicture, and what Pillow raises for a broken file."""
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPicture(role, "pixels", most=MOST_PIXELS) from None
    except OSError:
        raise BadPicture(role, "format", choices=FORMATS) from None
    if picture.width * picture.height > MOST_PIXELS:
        raise BadPicture(role, "pixels", most=MOST_PIXELS)
    if picture.format in ("JPEG", "MPO") and data.count(_SCAN) > _MOST_SCANS:
        raise BadPicture(role, "broken", detail="too many scans")
    picture.load()
    return ImageOps.exif_transpose(picture)


def _opaque(picture: Image.Image) -> Image.Image:
    """Return its pixels alone, in RGB, on white where it is transparent."""
    if picture.mode.startswith("I"):  # 16 bits a pixel, most of which RGB has no room for
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    if picture.has_transparency_data:
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture.convert("RGBA"))
    picture = picture.convert("RGB")
    picture.info = {}
    return picture
