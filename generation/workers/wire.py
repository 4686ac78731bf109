"""The wire: values of this package as bytes and back, for a worker in another process. Nothing is pickled.

A frame is the size of its text and of its bytes, the text (JSON), and the bytes. What the text says of a dataclass is
its name and its fields, so a reader can be made to build values of `generation` and nothing else.
"""

import asyncio
import importlib
import json
import struct
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, cast
from uuid import UUID

_SIZES = struct.Struct(">IQ")
_KIND = ""  #: the key that says what an object of the text stands for


class Unreadable(ValueError):
    """This is no frame of ours."""


def encode(value: object) -> bytes:
    """Write a value as one frame: plain ones, bytes, UUIDs, tuples, frozensets, enums, dataclasses and KnownErrors.

    Raises TypeError for anything else.
    """
    blobs: list[bytes] = []
    text = json.dumps(_plain(value, blobs), separators=(",", ":")).encode()
    return b"".join((_SIZES.pack(len(text), sum(map(len, blobs))), text, *blobs))


def decode(frame: bytes) -> Any:
    """Read one frame. Raises Unreadable."""
    try:
        text, _ = _SIZES.unpack_from(frame)
        start = _SIZES.size + text
        return _value(json.loads(frame[_SIZES.size : start]), memoryview(frame)[start:])
    except (struct.error, ValueError, TypeError, KeyError, AttributeError, ImportError, RecursionError) as error:
        raise Unreadable(repr(error)) from error


async def read(reader: asyncio.StreamReader) -> Any:
    """Read the next value. Raises IncompleteReadError where there is none, Unreadable."""
    sizes = await reader.readexactly(_SIZES.size)
    text, blobs = _SIZES.unpack(sizes)
    return decode(sizes + await reader.readexactly(text + blobs))


def _plain(value: object, blobs: list[bytes]) -> Any:
    if isinstance(value, Enum):
        return {_KIND: "enum", "of": _name(value), "value": value.value}
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, tuple):
        return [_plain(one, blobs) for one in cast("tuple[object, ...]", value)]
    if isinstance(value, bytes):
        at = sum(map(len, blobs))
        blobs.append(value)
        return {_KIND: "bytes", "at": at, "size": len(value)}
    if isinstance(value, UUID):
        return {_KIND: "uuid", "hex": value.hex}
    if isinstance(value, frozenset):
        return {_KIND: "set", "of": [_plain(one, blobs) for one in cast("frozenset[object]", value)]}
    if is_dataclass(value) and not isinstance(value, type):
        said = {field.name: _plain(getattr(value, field.name), blobs) for field in fields(value)}
        return {_KIND: "record", "of": _name(value), "fields": said}
    raise TypeError(f"{type(value).__name__} does not go over the wire")


def _name(value: object) -> str:
    return f"{type(value).__module__}:{type(value).__qualname__}"


def _value(said: Any, blobs: memoryview) -> Any:
    if isinstance(said, list):
        return tuple(_value(one, blobs) for one in cast("list[Any]", said))
    if not isinstance(said, dict):
        return said
    said = cast("dict[str, Any]", said)
    match said[_KIND]:
        case "bytes":
            return bytes(blobs[said["at"] : said["at"] + said["size"]])
        case "uuid":
            return UUID(said["hex"])
        case "set":
            return frozenset(_value(one, blobs) for one in said["of"])
        case "enum":
            return _class(said["of"], Enum)(said["value"])
        case "record":
            return _record(_class(said["of"], object), {n: _value(v, blobs) for n, v in said["fields"].items()})
        case kind:
            raise Unreadable(f"no such kind: {kind}")


def _class(name: str, base: type) -> Any:
    module, _, path = name.partition(":")
    found: Any = getattr(importlib.import_module(module), path) if module.startswith("generation.") else None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise Unreadable(f"no such class: {name}")
    return found


def _record(kind: type[Any], values: dict[str, Any]) -> Any:
    if not is_dataclass(kind):
        raise Unreadable(f"no dataclass: {kind}")
    made: type[Any] = kind
    if issubclass(made, Exception):
        return made(**values)
    # Past the constructor: a stored request is drawn by the rules of its day.
    record = object.__new__(made)
    for name, value in values.items():
        object.__setattr__(record, name, value)
    return record
