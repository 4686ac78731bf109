"""A model's folder under the file names that diffusers expects, whatever variant each part's files are of.

diffusers takes one variant for all parts, and looks for some of the names that it writes itself in vain. So the files
are linked into a folder that lives as long as the loading does; nothing is copied.
"""

import json
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from generation.diffusion.families.model_folders import PARTS_XL, Weights, weights_of
from generation.diffusion.safetensors_header import read_header


@contextmanager
def plainly_named(folder: Path, source: str) -> Generator[Path]:
    """Give a folder to load the model from: this one, or one of links. Raises ModelUnavailable and OSError."""
    parts = {name: weights_of(folder / name, source) for name in PARTS_XL if (folder / name).is_dir()}
    if all(_is_plain(name, weights) for name, weights in parts.items()):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="model-") as links:
        for entry in folder.iterdir():
            if entry.name in parts:
                _link_part(entry, Path(links, entry.name), parts[entry.name], source)
            else:
                Path(links, entry.name).symlink_to(entry.resolve())
        yield Path(links)


@contextmanager
def plainly_ending(path: Path) -> Generator[Path]:
    """Give a single file under a name in `.safetensors`: by any other, .SAFETENSORS too, diffusers unpickles it."""
    if path.suffix == ".safetensors":
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="model-") as links:
        link = Path(links, path.stem + ".safetensors")
        link.symlink_to(path.resolve())
        yield link


def _is_plain(part: str, weights: Weights) -> bool:
    names = weights.plain_names(part)
    is_listed = len(names) == 1 or (weights.files[0].parent / _index_name(names)).is_file()
    return is_listed and all(file.name == name for name, file in names.items())


def _link_part(folder: Path, links: Path, weights: Weights, source: str) -> None:
    """Link what the part's folder holds, of weights only these, and list them where there are several."""
    links.mkdir()
    for entry in folder.iterdir():
        if ".safetensors" not in entry.name.lower():
            (links / entry.name).symlink_to(entry.resolve())
    names = weights.plain_names(folder.name)
    for name, file in names.items():
        (links / name).symlink_to(file.resolve())
    if len(names) > 1:
        tensors = {tensor: name for name, file in names.items() for tensor in read_header(file, source).shapes}
        size = sum(file.stat().st_size for file in weights.files)
        listed = {"metadata": {"total_size": size}, "weight_map": tensors}
        (links / _index_name(names)).write_text(json.dumps(listed), "utf-8")


def _index_name(names: dict[str, Path]) -> str:
    return next(iter(names)).partition("-0")[0] + ".safetensors.index.json"
