"""Pictures as files: each is there whole or not at all."""

import asyncio
import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from bot.errors import StorageFault

HALF_WRITTEN = ".partial"  #: how the name of a file ends until it is complete


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFile:
    """A picture that is safe on disk."""

    name: str
    sha256: str
    size: int  #: bytes


class ImageFiles:
    """The pictures in a folder. Each file has a name of its own, so that deleting one never takes its twin along."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, png: bytes) -> StoredFile:
        """Keep a picture; when this returns it outlives a power cut. Raises StorageFault."""
        return await asyncio.to_thread(self._write, png)

    async def read(self, name: str) -> bytes:
        """The picture of that name. Raises StorageFault."""
        return await asyncio.to_thread(self._read, name)

    async def delete(self, name: str) -> None:
        """Remove a picture; one that is gone already is fine. Raises StorageFault."""
        await asyncio.to_thread(self._delete, name)

    def _write(self, png: bytes) -> StoredFile:
        stem = uuid4().hex
        name = f"{stem[:2]}/{stem}.png"  # 256 folders: file browsers choke on one with a million entries
        path = self._folder / name
        partial = path.with_suffix(HALF_WRITTEN)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(png)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise StorageFault(detail=str(error)) from error
        return StoredFile(name=name, sha256=hashlib.sha256(png).hexdigest(), size=len(png))

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise StorageFault(detail=str(error)) from error

    def _delete(self, name: str) -> None:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageFault(detail=str(error)) from error


def _sync_folder(folder: Path) -> None:
    """Make the new name as durable as the file; Windows has no such thing for folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
