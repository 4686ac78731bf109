"""Toy artwork: circles and squares instead of emoji, so that nothing is fetched."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from generation.training.artwork import Collection, Drawing, Entry
from generation.training.concepts import CONCEPTS
from generation.training.packages import Role

SIZE = 16


def disc(colour: tuple[int, int, int], size: int = SIZE) -> np.ndarray:
    """Draw a disc of one colour on a transparent ground."""
    image = Image.new("RGBA", (size, size))
    ImageDraw.Draw(image).ellipse((1, 1, size - 2, size - 2), fill=(*colour, 255))
    return np.asarray(image)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One thread draws toys faster."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def collection() -> Collection:
    """Every concept as a disc in the drawn, the seen and the held-out styles."""
    colours = [(230, 30, 40), (60, 120, 230), (240, 200, 40), (60, 170, 60)]
    drawings: list[Drawing] = []
    pictures: list[np.ndarray] = []
    for index, concept in enumerate(CONCEPTS):
        entry = Entry(code=f"{index:x}", label=concept.label)
        for style, role in (
            ("3d", Role.DRAWN),
            ("flat", Role.DRAWN),
            ("cartoon", Role.SEEN),
            ("minimal", Role.HELD_OUT),
        ):
            drawings.append(Drawing(entry=entry, style=style, role=role, source=""))
            pictures.append(disc(colours[index % len(colours)]))
    return Collection(pictures=np.stack(pictures), drawings=tuple(drawings))


@pytest.fixture
def own_pictures(tmp_path: Path) -> Path:
    """A user's folder: six pictures with captions, one without."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for index in range(6):
        Image.fromarray(disc((40 * index, 80, 200), 40)).save(folder / f"{index}.png")
        (folder / f"{index}.txt").write_text(f"disc number {index}\na disc\n", "utf-8")
    Image.fromarray(disc((0, 0, 0))).save(folder / "unnamed.png")
    return folder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A tiny Iconify set: one icon known by code, one by name, one hidden, one of nothing known."""
    folder = tmp_path / "icons"
    folder.mkdir()
    circle = '<circle cx="8" cy="8" r="6" fill="#e03030"/>'
    icons = {
        "pizza-slice": {"body": circle},
        "red-apple": {"body": circle, "width": 32},
        "old": {"body": circle, "hidden": True},
        "teapot": {"body": circle},
    }
    (folder / "icons.json").write_text(json.dumps({"icons": icons, "width": 16, "height": 16}), "utf-8")
    (folder / "chars.json").write_text(json.dumps({"1F355-FE0F": "pizza-slice"}), "utf-8")
    return folder
