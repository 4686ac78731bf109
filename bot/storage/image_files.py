"""Pictures as files: each is there whole or not at all."""

import asyncio
import hashlib
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from bot.errors import PictureGone, StorageFault

log = logging.getLogger(__name__)

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

    async def read(self, name: str, sha256: str) -> bytes:
        """The picture of that name, as it was written. Raises PictureGone for any other, StorageFault."""
        return await asyncio.to_thread(self._read, name, sha256)

    async def delete(self, names: Iterable[str]) -> frozenset[str]:
        """Remove pictures; says which stay because the disk does not let them go. One that is gone already is fine."""
        return frozenset(await asyncio.to_thread(lambda: [name for name in names if not self._deleted(name)]))

    def _write(self, png: bytes) -> StoredFile:
        stem = uuid4().hex
        name = f"{stem[:2]}/{stem}.png"  # 256 folders: file browsers choke on one with a million entries
        write_whole(self._folder / name, png)
        return StoredFile(name=name, sha256=hashlib.sha256(png).hexdigest(), size=len(png))

    def _read(self, name: str, sha256: str) -> bytes:
        try:
            png = (self._folder / name).read_bytes()
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self._folder.is_dir():  # else a disk may be missing
                log.error("file %s is gone", name)
                raise PictureGone("lost") from error
            raise StorageFault(detail=str(error)) from error
        if hashlib.sha256(png).hexdigest() != sha256:
            log.error("file %s is not what was written", name)
            raise PictureGone("lost")
        return png

    def _deleted(self, name: str) -> bool:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            log.error("file %s is no longer needed and still there: %s", name, error)
            return False
        return True


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, and outlives a power cut. Raises StorageFault."""
    partial = path.with_name(f"{uuid4().hex}{HALF_WRITTEN}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
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
