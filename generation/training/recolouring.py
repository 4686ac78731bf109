"""The same drawing in another colour, so that colour and thing are learnt apart and a purple banana can be asked for.

Only drawings with one dominant colour are recoloured, and only that window of hues is turned: the stem of a purple
apple stays brown. A few pairs of colour and thing are never made. What the model does with those measures whether
it composes or has learnt by heart.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

HUES = {"red": 0, "orange": 28, "yellow": 50, "green": 125, "blue": 215, "purple": 275, "pink": 330}  #: degrees
BACKGROUNDS = {
    "red": (230, 60, 60),
    "orange": (250, 160, 60),
    "yellow": (255, 225, 90),
    "green": (90, 200, 110),
    "blue": (80, 150, 240),
    "purple": (160, 110, 220),
    "pink": (255, 170, 205),
    "black": (20, 20, 24),
    "gray": (150, 150, 155),
}
COLOUR_WORDS = frozenset(HUES) | {"black", "white", "brown", "gray", "golden"}

#: (label, colour) that training never shows, neither recoloured nor as an artist drew it
HELD_OUT_PAIRS = frozenset(
    {
        ("banana", "blue"),
        ("automobile", "purple"),
        ("fish", "green"),
        ("house", "pink"),
        ("star", "green"),
        ("strawberry", "blue"),
        ("balloon", "yellow"),
        ("rose", "blue"),
    }
)
_WINDOW = 28  #: degrees to either side of the dominant hue
_DOMINANT = 0.6  #: share of the saturated weight inside the window
_AREA = 0.3  #: share of the drawn area inside the window
_COLOURLESS = 0.25  #: a smaller share of saturated area makes a drawing gray
COLOURS = (*HUES, "black", "white")  #: what drawings are recoloured to


@dataclass(frozen=True, kw_only=True)
class DominantColour:
    """The one colour of a drawing."""

    hue: float | None  #: degrees; None for a drawing in whites and grays
    name: str | None  #: the word for it; None where no word fits well


def to_hsv(rgb: Floats) -> tuple[Floats, Floats, Floats]:
    """Return hue in degrees, saturation and value of colours in 0..1; the last axis holds the channels."""
    high: Floats = rgb.max(-1)
    low: Floats = rgb.min(-1)
    red: Floats = rgb[..., 0]
    green: Floats = rgb[..., 1]
    blue: Floats = rgb[..., 2]
    spread: Floats = high - low + 1e-8
    other: Floats = np.where(high == green, (blue - red) / spread + 2, (red - green) / spread + 4)
    sector: Floats = np.where(high == red, np.mod((green - blue) / spread, 6), other)
    return sector * 60, (high - low) / (high + 1e-8), high


def to_rgb(hue: Floats, saturation: Floats, value: Floats) -> Floats:
    """Invert `to_hsv`."""

    def channel(offset: int) -> Floats:
        k = (offset + hue / 60) % 6
        return value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)

    return np.stack([channel(5), channel(3), channel(1)], -1)


def between(a: Floats | float, b: Floats | float) -> Floats:
    """Return the way from hue b to hue a in degrees, -180 to 180."""
    return np.asarray((a - b + 180) % 360 - 180, dtype=np.float32)


def name_of(hue: float) -> str:
    """Return the nearest colour word of a hue in degrees."""
    return min(HUES, key=lambda name: abs(float(between(hue, HUES[name]))))


def dominant_colour(rgb: Floats, alpha: Floats) -> DominantColour | None:
    """Find the drawing's one colour; None if it has many."""
    hue, saturation, value = to_hsv(rgb)
    colourful = (saturation > 0.25) & (value > 0.25)
    if (alpha * (saturation > 0.3)).sum() < _COLOURLESS * alpha.sum():
        return DominantColour(hue=None, name=None)
    weight = alpha * saturation * value * colourful
    if weight.sum() < 1e-3:
        return None
    centre = max(range(0, 360, 5), key=lambda degrees: weight[np.abs(between(hue, degrees)) < _WINDOW].sum())
    inside = np.abs(between(hue, centre)) < _WINDOW
    share = weight[inside].sum() / weight.sum()
    area = (alpha * inside * colourful).sum() / alpha.sum()
    if share <= _DOMINANT or area <= _AREA:
        return None
    mean = (centre + float(np.average(between(hue, centre)[inside], weights=weight[inside]))) % 360
    shade = float(np.average(saturation[inside], weights=weight[inside]))
    light = float(np.average(value[inside], weights=weight[inside]))
    return DominantColour(hue=mean, name=_word(mean, shade, light))


def _word(hue: float, saturation: float, value: float) -> str | None:
    """Name an artist's colour as people do: brown is a dark orange, and an emoji's yellow is nearer to orange."""
    if saturation < 0.4 or value < 0.45:
        return None
    if value < 0.72 and 0 <= hue < 45:
        return "brown"
    if hue >= 338 and saturation > 0.7:
        return "red"
    return "yellow" if 36 <= hue < 65 else name_of(hue)


def recolour(rgb: Floats, dominant: DominantColour, colour: str) -> Floats:
    """Turn the drawing's dominant hues to that colour, and keep the shades; grays are tinted."""
    hue, saturation, value = to_hsv(rgb)
    if dominant.hue is None:
        turned, way = saturation < 0.3, np.zeros_like(hue)
        saturation = np.where(turned, 0.65, saturation)
    else:
        way = between(hue, dominant.hue)
        turned = (np.abs(way) < _WINDOW + 12) & (saturation > 0.12)
    if colour == "black":
        saturation, value = np.where(turned, saturation * 0.15, saturation), np.where(turned, value * 0.3, value)
    elif colour == "white":
        saturation, value = (
            np.where(turned, saturation * 0.08, saturation),
            np.where(turned, 0.55 + 0.45 * value, value),
        )
    else:
        saturation = np.where(turned, saturation * (0.62 if colour == "pink" else 1.0), saturation)
        hue = np.where(turned, (HUES[colour] + way * 0.6) % 360, hue)
    return np.clip(to_rgb(hue, saturation, value), 0, 1).astype(np.float32)


def compose(rgb: Floats, alpha: Floats, background: str | None) -> NDArray[np.uint8]:
    """Put the drawing in front of a plain background, white for None."""
    colour = np.array(BACKGROUNDS[background] if background else (255, 255, 255), dtype=np.float32) / 255
    return ((rgb * alpha[..., None] + (1 - alpha[..., None]) * colour) * 255).round().astype(np.uint8)
