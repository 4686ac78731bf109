import base64
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generation.training.artwork import draw, fit, read_drawings, read_entries
from generation.training.packages import PACKAGES, IntegrityError, Package, Role, verify

SET = Package(name="@x/tiny", version="1.0.0", integrity="sha512-", role=Role.DRAWN, style="tiny")


@pytest.fixture
def names(tmp_path: Path) -> Path:
    folder = tmp_path / "names"
    (folder / "en").mkdir(parents=True)
    rows = [
        {"hexcode": "1F355", "label": "Pizza", "tags": ["cheese"], "group": 4},
        {"hexcode": "1F34E-FE0F", "label": "Red Apple", "group": 4},
        {"hexcode": "1F1E6", "label": "regional indicator A"},
        {"hexcode": "1F3C1", "label": "chequered flag", "group": 9},
    ]
    (folder / "en/data.json").write_text(json.dumps(rows), "utf-8")
    return folder


def test_entries_are_things_only(names: Path):
    entries = read_entries(names)
    assert {entry.label for entry in entries.values()} == {"pizza", "red apple"}
    assert set(entries) == {"1f355", "1f34e"}


def test_icons_are_joined_with_entries_by_code_and_else_by_name(names: Path, package: Path):
    drawings = list(read_drawings(package, SET, read_entries(names)))
    assert [drawing.entry.label for drawing in drawings] == ["pizza", "red apple"]
    assert 'width="32"' in drawings[1].source


def test_files_are_joined_with_entries_by_their_name(names: Path, tmp_path: Path):
    (tmp_path / "set/assets").mkdir(parents=True)
    for name in ("1f355", "1f3c1"):
        Image.new("RGBA", (32, 32), "red").save(tmp_path / f"set/assets/{name}.webp")
    drawings = list(read_drawings(tmp_path / "set", SET, read_entries(names)))
    assert [drawing.entry.label for drawing in drawings] == ["pizza"]
    assert draw(drawings[0], 16) is not None


def test_an_svg_drawing_is_drawn(names: Path, package: Path):
    pytest.importorskip("resvg_py")
    drawing = next(read_drawings(package, SET, read_entries(names)))
    pixels = draw(drawing, 32)
    assert pixels is not None
    assert pixels.shape == (32, 32, 4)
    assert pixels[16, 16, 0] > 200
    assert pixels[0, 0, 3] == 0


def test_a_drawing_fills_the_picture_but_for_a_margin():
    image = Image.new("RGBA", (100, 100))
    image.paste((0, 0, 255, 255), (70, 10, 95, 35))
    pixels = fit(image, 50)
    assert pixels is not None
    rows = np.where(pixels[..., 3].max(1) > 128)[0]
    assert rows.min() in range(1, 5)
    assert rows.max() in range(45, 49)


def test_a_fitted_drawing_has_no_dark_fringe():
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))  # transparent, and black
    image.paste((255, 255, 0, 255), (20, 20, 44, 44))
    pixels = fit(image, 16)
    assert pixels is not None
    assert (pixels[pixels[..., 3] > 8][:, 0] > 240).all()


def test_an_empty_drawing_is_none():
    assert fit(Image.new("RGBA", (64, 64)), 16) is None


def test_an_archive_is_trusted_for_its_hash_alone(tmp_path: Path):
    archive = tmp_path / "a.tgz"
    archive.write_bytes(b"artwork")
    good = "sha512-" + base64.b64encode(hashlib.sha512(b"artwork").digest()).decode()
    verify(archive, good)
    archive.write_bytes(b"artwork!")
    with pytest.raises(IntegrityError):
        verify(archive, good)
    with pytest.raises(IntegrityError):
        verify(archive, "sha1-abc")


def test_packages_are_pinned_and_share_alike_ones_only_measure():
    assert all(package.integrity.startswith("sha512-") for package in PACKAGES)
    assert all(p.role is Role.HELD_OUT for p in PACKAGES if "-SA-" in p.licence)
