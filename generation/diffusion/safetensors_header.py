"""The header of a safetensors file: names, shapes and metadata of its tensors, read without torch and without trust.

The format: eight bytes with the header's length, little-endian; the header, a JSON object of name -> dtype, shape and
data_offsets; then the tensors (huggingface/safetensors, README, "Format").
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from generation.errors import ModelUnavailable

_MAX_HEADER = 100 * 2**20  #: bytes; the limit of the safetensors format itself

#: How files begin that are often named like a model and are something else, in small letters -> what they are.
_BEGINNINGS = (
    (b"<!doctype", "web_page"),
    (b"<html", "web_page"),
    (b"version https://git-lfs", "pointer"),
    (b"pk\x03\x04", "pickle"),
    (b"\x80\x02", "pickle"),
    (b"\x80\x04", "pickle"),
    (b"gguf", "gguf"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What a file says about its tensors and about itself."""

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]

    def has(self, *beginnings: str) -> bool:
        """Whether the name of any tensor begins like one of these."""
        return any(name.startswith(beginnings) for name in self.shapes)


def read_header(path: Path, source: str) -> Header:
    """Read the header of a file; `source` is the model's name in errors.

    Raises ModelUnavailable for what is something else, breaks the format, or ends before its last tensor.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            _refuse_other_kinds(file.read(64), source)
            file.seek(0)
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _MAX_HEADER:
                raise ValueError("no length of a header")
            text = file.read(length)
        if len(text) < length:
            raise ModelUnavailable(source, "cut_short", detail=path.name)
        header = _parsed(json.loads(text))
        end = 8 + length + max((_end(entry) for name, entry in header.items() if name != "__metadata__"), default=0)
        shapes = {name: _shape(entry) for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, struct.error, RecursionError) as error:
        raise ModelUnavailable(source, "broken_file", detail=f"{path.name}: {error}") from error
    if end > size:
        raise ModelUnavailable(source, "cut_short", detail=path.name)
    metadata = header.get("__metadata__")
    said = cast("dict[str, Any]", metadata) if isinstance(metadata, dict) else {}
    return Header(shapes=shapes, metadata={name: value for name, value in said.items() if isinstance(value, str)})


def _refuse_other_kinds(beginning: bytes, source: str) -> None:
    if not beginning:
        raise ModelUnavailable(source, "no_model", detail="empty")
    for known, kind in _BEGINNINGS:
        if beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(known):
            raise ModelUnavailable(source, "no_model", detail=kind)


def _parsed(header: object) -> dict[str, Any]:
    if not isinstance(header, dict):
        raise ValueError("the header is no JSON object")
    return cast("dict[str, Any]", header)


def _numbers(entry: object, name: str) -> tuple[int, ...]:
    values: object = cast("dict[str, object]", entry).get(name) if isinstance(entry, dict) else None
    numbers = cast("list[object]", values) if isinstance(values, list) else [None]
    whole = tuple(number for number in numbers if isinstance(number, int) and 0 <= number < 2**63)
    if len(whole) != len(numbers):
        raise ValueError(f"a tensor has no {name}")
    return whole


def _shape(entry: object) -> tuple[int, ...]:
    return _numbers(entry, "shape")


def _end(entry: object) -> int:
    offsets = _numbers(entry, "data_offsets")
    if len(offsets) != 2:
        raise ValueError("a tensor has no data_offsets")
    return offsets[1]
