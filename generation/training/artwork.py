"""From unpacked packages to pictures with names: every set joined, by code point, to the CLDR names of the emoji.

Flags, components and skin tones are left out. Every picture is cropped to what is drawn, centred with a margin, and
made small with premultiplied alpha: without that, the colour of fully transparent pixels bleeds into the outline as
a dark fringe.
"""

import hashlib
import io
import json
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from generation.training.packages import PACKAGES, Package, Role, fetch

RGBA = NDArray[np.uint8]  #: height, width, 4; straight alpha
_MARGIN = 1.12  #: the side of the picture over the longer side of what is drawn
_OVERSAMPLED = 4  #: drawn this much larger, then made small by averaging
_EMPTY = 200  #: opaque pixels; fewer is a broken drawing
_ROLES = {package.style: package.role for package in PACKAGES}  #: as of today, whenever the pictures were drawn
_COMPONENTS, _FLAGS = 2, 9  #: emojibase's numbers of groups that are no pictures of things


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of an emoji, in every artist's style."""

    code: str  #: code points in hex, without variation selectors
    label: str  #: CLDR short name, lower case


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One artist's picture of an entry."""

    entry: Entry
    style: str
    role: Role
    source: str  #: SVG text, or the path of an image file


def read_entries(folder: Path) -> dict[str, Entry]:
    """Read all emoji that show a thing, by code."""
    return {
        code: Entry(code=code, label=item["label"].lower())
        for item in json.loads((folder / "en/data.json").read_text("utf-8"))
        if item.get("group") not in (None, _COMPONENTS, _FLAGS)
        for code in [_code(item["hexcode"])]
    }


def read_drawings(folder: Path, package: Package, entries: dict[str, Entry]) -> Iterator[Drawing]:
    """Read a set's drawings, at most one an entry. A set is Iconify's JSON or a folder of files named by code."""
    seen: set[str] = set()
    source_of = _iconify_sources if (folder / "icons.json").is_file() else _file_sources
    for code, source in source_of(folder, entries):
        if code in entries and code not in seen:
            seen.add(code)
            yield Drawing(entry=entries[code], style=package.style, role=package.role, source=source)


def _iconify_sources(folder: Path, entries: dict[str, Entry]) -> Iterator[tuple[str, str]]:
    icons = json.loads((folder / "icons.json").read_text("utf-8"))
    chars = folder / "chars.json"  # code to icon name; the older sets have none and join by name
    code_of: dict[str, str] = {}
    if chars.is_file():
        for code, name in json.loads(chars.read_text("utf-8")).items():
            code_of.setdefault(name, _code(code))
    code_of_slug = {_slug(entry.label): code for code, entry in entries.items()}
    for name, icon in icons["icons"].items():
        if not icon.get("hidden"):
            yield code_of.get(name) or code_of_slug.get(_slug(name), ""), _svg(icon, icons)


def _file_sources(folder: Path, entries: dict[str, Entry]) -> Iterator[tuple[str, str]]:
    for path in sorted((folder / "assets").glob("*.webp")):
        yield _code(path.stem), str(path)


def _svg(icon: dict[str, Any], icons: dict[str, Any]) -> str:
    def value(key: str, fallback: int) -> int:
        return icon.get(key, icons.get(key, fallback))

    width, height = value("width", 16), value("height", 16)
    box = f'viewBox="{value("left", 0)} {value("top", 0)} {width} {height}" width="{width}" height="{height}"'
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"<svg {spaces} {box}>{icon['body']}</svg>"


def _code(text: str) -> str:
    parts = (part.lstrip("0") or "0" for part in text.lower().split("-"))
    return "-".join(part for part in parts if part not in ("fe0e", "fe0f"))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.lower().replace("’", ""))


def draw(drawing: Drawing, size: int) -> RGBA | None:
    """Draw the drawing [size, size, 4], straight alpha; None where the file draws nothing."""
    if drawing.source.startswith("<svg"):
        import resvg_py

        side = size * _OVERSAMPLED
        png = resvg_py.svg_to_bytes(svg_string=drawing.source, width=side, height=side, skip_system_fonts=True)
        image = Image.open(io.BytesIO(bytes(png)))
    else:
        image = Image.open(drawing.source)
    return fit(image.convert("RGBA"), size)


def fit(image: Image.Image, size: int) -> RGBA | None:
    """Centre what is drawn in a square of `size` pixels with a margin: [size, size, 4]; None if nothing is drawn."""
    alpha = np.asarray(image)[..., 3] > 24
    if alpha.sum() < _EMPTY:
        return None
    rows, columns = np.where(alpha)
    box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    width, height = box[2] - box[0], box[3] - box[1]
    side = int(max(width, height) * _MARGIN) + 1
    square = Image.new("RGBA", (side, side))
    square.paste(image.crop(box), ((side - width) // 2, (side - height) // 2))
    small = square.convert("RGBa").resize((size, size), Image.Resampling.LANCZOS)  # RGBa is premultiplied
    return np.asarray(small.convert("RGBA"))


@dataclass(frozen=True, kw_only=True)
class Collection:
    """Pictures of many styles beside what they show."""

    pictures: NDArray[np.uint8]  #: n, size, size, 4
    drawings: tuple[Drawing, ...]  #: n; without their source


def collect(folder: Path, size: int, *, workers: int = 2) -> Collection:
    """Draw all pictures of all packages at that size, or read them from the cache in `folder` if it has them."""
    pins = hashlib.sha256("".join(package.integrity for package in PACKAGES).encode()).hexdigest()[:8]
    cache, index = (folder / f"artwork-{size}-{pins}.{kind}" for kind in ("npz", "json"))
    if index.is_file():
        rows = json.loads(index.read_text("utf-8"))
        with np.load(cache) as file:
            return Collection(pictures=file["pictures"], drawings=tuple(_drawing(row) for row in rows))
    folders = {p: fetch(p, folder / "packages") for p in tqdm(PACKAGES, desc="packages")}
    entries = next(read_entries(path) for p, path in folders.items() if p.role is Role.NAMES)
    drawings = [
        drawing
        for package, path in folders.items()
        if package.role is not Role.NAMES
        for drawing in read_drawings(path, package, entries)
    ]
    with ProcessPoolExecutor(workers) as pool:
        sizes = [size] * len(drawings)
        drawn = list(tqdm(pool.map(draw, drawings, sizes, chunksize=64), total=len(drawings), desc="drawing"))
    kept = [(drawing, pixels) for drawing, pixels in zip(drawings, drawn, strict=True) if pixels is not None]
    pictures = np.stack([pixels for _, pixels in kept])
    np.savez_compressed(cache, pictures=pictures)
    index.write_text(
        json.dumps([_row(drawing) for drawing, _ in kept]), "utf-8"
    )  # last: its presence means all is there
    return Collection(pictures=pictures, drawings=tuple(drawing for drawing, _ in kept))


def _row(drawing: Drawing) -> dict[str, Any]:
    entry = drawing.entry
    return {"code": entry.code, "label": entry.label, "style": drawing.style}


def _drawing(row: dict[str, Any]) -> Drawing:
    entry = Entry(code=row["code"], label=row["label"])
    return Drawing(entry=entry, style=row["style"], role=_ROLES[row["style"]], source="")
