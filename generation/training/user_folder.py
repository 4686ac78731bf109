"""A training set of anybody's own: a folder of pictures, each beside a text file of the same name with its caption.

`panda.png` goes with `panda.txt`. Several lines are several captions; one is picked each time the picture is shown.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from generation.training.training_set import Row, TrainingSet

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def from_folder(folder: Path, size: int) -> TrainingSet:
    """Read all pictures with a caption, cropped to a square in the middle. Raises ValueError if there are none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    captioned = [(path, path.with_suffix(".txt")) for path in paths if path.with_suffix(".txt").is_file()]
    if not captioned:
        raise ValueError(f"{folder} holds no picture with a .txt file of the same name beside it")
    if left_out := len(paths) - len(captioned):
        tqdm.write(f"{left_out} pictures without a caption are left out")
    pictures = [_picture(path, size) for path, _ in tqdm(captioned, desc="pictures")]
    rows = [Row(weight=1.0, text=caption.read_text("utf-8").strip()) for _, caption in captioned]
    return TrainingSet(pictures=np.stack(pictures), rows=tuple(rows))


def _picture(path: Path, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGBA")
    white = Image.new("RGBA", upright.size, "white")
    white.alpha_composite(upright)
    return np.asarray(ImageOps.fit(white.convert("RGB"), (size, size), Image.Resampling.LANCZOS))
