"""Pictures of which everybody knows that they are harmless: what the built-in model draws, and plain colours."""

from itertools import product
from pathlib import Path

from PIL import Image

from tests.pictures import png_of

_MODEL = Path(__file__).parents[3] / "generation/builtin_model"
_SIDE = 64  #: pixels of the built-in model

#: The ten tones of the Monk Skin Tone scale, and the five of emoji (after Fitzpatrick).
SKIN_TONES = (
    "#f6ede4", "#f3e7db", "#f7ead0", "#eadaba", "#d7bd96", "#a07e56", "#825c43", "#604134", "#3a312a", "#292420",
    "#f7dece", "#f3d2a2", "#d5ab88", "#af7e57", "#7c533e",
)  # fmt: skip
#: Six levels of red, green and blue each.
COLOURS = tuple(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in product(range(0, 256, 51), repeat=3))


def cut(sheet: Path) -> tuple[Image.Image, ...]:
    """Cut a sheet of the model's pictures into them, row by row."""
    whole = Image.open(sheet).convert("RGB")
    corners = product(range(0, whole.height, _SIDE), range(0, whole.width, _SIDE))
    return tuple(whole.crop((left, top, left + _SIDE, top + _SIDE)) for top, left in corners)


def wall(colour: str, side: int = _SIDE) -> bytes:
    """Paint a PNG with one colour."""
    return png_of(Image.new("RGB", (side, side), colour))


GRID = cut(_MODEL / "grid.png")
FOURS = cut(_MODEL / "fours.png")
