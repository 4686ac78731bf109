"""Ways to draw more of a picture that there is: around it, in its colours, or over its edges.

Pure functions of pictures. `reframed` makes what the engine begins with, and `finished` is what is left to do with the
picture that comes out. Each draws at a size that the model draws well: a picture that a member got enlarged, or from
another model, is brought to one first; all others keep their pixels.
"""

import io
import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from generation.catalog import MAX_ASPECT, Canvas, ModelSpec
from generation.errors import InvalidRequest
from generation.inputs import InputPicture, fitted
from generation.request import SIZE_STEP, Reframing

_Numbers: TypeAlias = NDArray[np.float32]

_GROWN = 2.0  #: times the native number of pixels, at most: with a picture to hold on to, models do not repeat there
_FEWEST = 0.5  #: times the native number of pixels
_OVERLAP = SIZE_STEP  #: pixels of the old part that are drawn anew, so that it runs on: all that one latent covers
_BLUR = 1 / 24  #: of the shorter side: smooth ground to begin the new part with, without stripes
_CROSS = 1 / 4  #: of each side: the width over which a picture is drawn anew at its edges to be tileable
_RIM = 1 / 16  #: of each side: the length over which the ends of that cross are brought together
_SOFT = 1 / 32  #: of each side: so much wider than the mask is what they are brought together with, for its soft edge
_OUTPAINTING, _COLOURING, _TILING = 0.95, 0.75, 0.9  #: strengths

#: Luma, ITU-R BT.601, as in JPEG's YCbCr.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


_ZOOMS = {Reframing.ZOOM_OUT_1_5: 1.5, Reframing.ZOOM_OUT_2: 2.0}
#: Where the new part is: the axis (0 is across), and whether the old part comes after it.
_PANS = {
    Reframing.PAN_LEFT: (0, True),
    Reframing.PAN_RIGHT: (0, False),
    Reframing.PAN_UP: (1, True),
    Reframing.PAN_DOWN: (1, False),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reframed:
    """What a request begins with; it is of the size of `source`."""

    source: InputPicture
    mask: InputPicture | None  #: white where it is drawn; None: all of it is drawn
    strength: float


def offered(spec: ModelSpec, width: int, height: int) -> tuple[Reframing, ...]:
    """Return the ways that this model does well with a picture of this size in pixels.

    A model with a square canvas draws its one thing in the middle, whatever is there already: it only colours well.
    """
    if spec.canvas is Canvas.SQUARE:
        return (Reframing.COLOURISE,)
    return tuple(way for way in Reframing if way is not Reframing.SQUARE or width != height)


def reframed(way: Reframing, picture: bytes, spec: ModelSpec) -> Reframed:
    """Prepare a picture, in any format of `InputPicture`, for being drawn by this model.

    - Zooming out keeps the size and shrinks the picture into its middle.
    - Panning adds half of the side. The canvas grows by it as far as the model draws well (twice its native number of
      pixels, its largest side, 3:1); from there on, and for a model with a square canvas from the start, it goes along:
      what is farthest from the new part is left behind.
    - A square has the longer side, where the model draws that well; otherwise the picture shrinks with it.
    - Colourising begins with the picture in grey.
    - What is tileable is rolled by half of both sides, and drawn anew along the edges, which then meet in the middle.

    Raises BadPicture, and InvalidRequest for a square that is to become one.
    """
    given = InputPicture.decode(picture)
    whole = _at_good_size(given, spec)
    match way:
        case Reframing.COLOURISE:
            return Reframed(source=_taken(whole.convert("L")), mask=None, strength=_COLOURING)
        case Reframing.TILEABLE:
            return Reframed(source=_taken(_rolled(whole)), mask=_taken(_cross(whole.size)), strength=_TILING)
        case Reframing.SQUARE:
            return _outpainted(*_squared(whole, spec))
        case Reframing.ZOOM_OUT_1_5 | Reframing.ZOOM_OUT_2:
            return _outpainted(*_zoomed_out(whole, _ZOOMS[way]))
        case _:
            return _outpainted(*_panned(whole, spec, *_PANS[way]))


def finished(way: Reframing | str | None, picture: Image.Image, source: bytes) -> Image.Image:
    """Finish what was drawn from the source of `reframed`, after its own pixels are back; mostly nothing is to do.

    A colourised picture gets the luminance of the source, and a tileable one is rolled back.
    """
    match way:
        case Reframing.COLOURISE:
            return _with_luma(picture, fitted(source, picture.size, picture.size))
        case Reframing.TILEABLE:
            return _rolled(_with_ends_that_meet(picture))
        case _:
            return picture


def _at_good_size(picture: InputPicture, spec: ModelSpec) -> Image.Image:
    size = (picture.width, picture.height)
    return fitted(picture.png, *([size if _draws_well(spec, size) else spec.size_of(picture.aspect)] * 2))


def _draws_well(spec: ModelSpec, size: tuple[int, int]) -> bool:
    if any(not spec.min_size <= side <= spec.max_size or side % spec.side_multiple for side in size):
        return False
    pixels = math.prod(spec.drawn_size(*size)) / spec.native_size**2
    most = _GROWN if spec.canvas is Canvas.ANY else 1
    return max(size) <= MAX_ASPECT * min(size) and _FEWEST <= pixels <= most


_Placed: TypeAlias = tuple[Image.Image, tuple[int, int], tuple[int, int]]  #: the old part, where it lies, in which size


def _zoomed_out(picture: Image.Image, factor: float) -> _Placed:
    width, height = picture.size
    inner = (round(width / factor / 2) * 2, round(height / factor / 2) * 2)
    at = ((width - inner[0]) // 2, (height - inner[1]) // 2)
    return picture.resize(inner, Image.Resampling.LANCZOS), at, picture.size


def _panned(picture: Image.Image, spec: ModelSpec, axis: int, old_is_after: bool) -> _Placed:
    side, other = picture.size[axis], picture.size[1 - axis]
    length = min(side, other) if spec.canvas is Canvas.SQUARE else side
    new = max(spec.side_multiple, round(length / 2 / spec.side_multiple) * spec.side_multiple)
    if spec.canvas is Canvas.ANY:
        lengths = range(side + new, side, -spec.side_multiple)
        length = next((one for one in lengths if _draws_well(spec, (one, other))), side)
    kept = length - new
    first = 0 if old_is_after else side - kept
    box, at, size = [0, 0, *picture.size], [0, 0], [other, other]
    box[axis], box[axis + 2] = first, first + kept
    at[axis] = new if old_is_after else 0
    size[axis] = length
    return picture.crop((box[0], box[1], box[2], box[3])), (at[0], at[1]), (size[0], size[1])


def _squared(picture: Image.Image, spec: ModelSpec) -> _Placed:
    longer = max(picture.size)
    if longer == min(picture.size):
        raise InvalidRequest("image", "conflict", f"{longer}x{longer}", choices=(Reframing.SQUARE,))
    sides = range(longer // spec.size_multiple * spec.size_multiple, spec.min_size, -spec.size_multiple)
    side = next((one for one in sides if _draws_well(spec, (one, one))), spec.native_size)
    if side != longer:
        width, height = (max(1, round(one * side / longer)) for one in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return picture, ((side - picture.width) // 2, (side - picture.height) // 2), (side, side)


def _outpainted(old: Image.Image, at: tuple[int, int], size: tuple[int, int]) -> Reframed:
    """Set the old part on a ground that runs on from its edges, and cover what is new with a mask."""
    before = at
    after = (size[0] - at[0] - old.width, size[1] - at[1] - old.height)
    run_on = np.pad(np.asarray(old), ((before[1], after[1]), (before[0], after[0]), (0, 0)), mode="edge")
    source = Image.fromarray(run_on).filter(ImageFilter.GaussianBlur(_BLUR * min(size)))
    source.paste(old, at)
    mask = Image.new("L", size, 255)
    left, top = (_OVERLAP * (one > 0) for one in before)
    right, bottom = (_OVERLAP * (one > 0) for one in after)
    mask.paste(0, (at[0] + left, at[1] + top, at[0] + old.width - right, at[1] + old.height - bottom))
    return Reframed(source=_taken(source), mask=_taken(mask), strength=_OUTPAINTING)


def _taken(picture: Image.Image) -> InputPicture:
    file = io.BytesIO()
    picture.save(file, "BMP")
    return InputPicture.decode(file.getvalue())


def _rolled(picture: Image.Image) -> Image.Image:
    """Move it by half of both sides, which are even: doing it twice does nothing."""
    return Image.fromarray(np.roll(np.asarray(picture), (picture.height // 2, picture.width // 2), axis=(0, 1)))


def _cross(size: tuple[int, int], share: float = _CROSS) -> Image.Image:
    """A cross in white, whose arms lie over the edges of a rolled picture; their width is a share of each side."""
    mask = Image.new("L", size)
    for axis in range(2):
        box = [0, 0, *size]
        arm = round(size[axis] * share / 2)
        box[axis], box[axis + 2] = size[axis] // 2 - arm, size[axis] // 2 + arm
        mask.paste(255, (box[0], box[1], box[2], box[3]))
    return mask


def _with_ends_that_meet(picture: Image.Image) -> Image.Image:
    """Fade both ends of each arm of the cross into their mean: at the rim of the picture they are one then."""
    pixels = _floats(picture).copy()
    drawn = np.asarray(_cross(picture.size, _CROSS + 2 * _SOFT), dtype=np.float32)[:, :, None] / 255
    for axis in range(2):
        side = pixels.shape[axis]
        at = np.arange(side, dtype=np.float32)
        share = (1 - np.minimum(at, at[::-1]) / max(1, round(side * _RIM))).clip(0, 1) / 2
        share = share.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1)) * drawn
        pixels += share * (np.flip(pixels, axis) - pixels)
    return _picture(pixels)


def _with_luma(picture: Image.Image, source: Image.Image) -> Image.Image:
    """Give a picture the luma of another one. Where that leaves no room for its colour it becomes paler, not darker."""
    colour, luma = _floats(picture), (_floats(source) @ _LUMA)[:, :, None]
    chroma = colour - (colour @ _LUMA)[:, :, None]
    room = np.where(chroma > 0, 255 - luma, luma)
    share = np.minimum(1, (room / np.maximum(np.abs(chroma), 1e-6)).min(axis=2, keepdims=True))
    return _picture(luma + share * chroma)


def _floats(picture: Image.Image) -> _Numbers:
    return np.asarray(picture.convert("RGB"), dtype=np.float32)


def _picture(pixels: _Numbers) -> Image.Image:
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
