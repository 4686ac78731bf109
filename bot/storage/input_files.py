"""The pictures that jobs begin with, as files: one for each content, whichever jobs name it."""

import asyncio
import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bot.errors import StorageFault
from bot.storage.image_files import HALF_WRITTEN, write_whole
from generation.errors import InputGone
from generation.inputs import InputPicture
from generation.job import JobInputs
from generation.request import GenerationRequest

log = logging.getLogger(__name__)


class InputFiles:
    """Files in a folder, named by their sha256. One that no job needs is removed, but not while somebody holds it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    @contextmanager
    def hold(self, digests: Collection[str]) -> Generator[None]:
        """Keep these from being removed: until now no row says that they are needed."""
        with self._lock:
            self._held.update(digests)
        try:
            yield
        finally:
            with self._lock:
                self._held.subtract(digests)
                self._held = +self._held

    async def write(self, pictures: Sequence[InputPicture]) -> None:
        """Keep pictures; when this returns they outlive a power cut. Raises StorageFault."""
        await asyncio.to_thread(lambda: [self._write(picture) for picture in pictures])

    async def require(self, request: GenerationRequest) -> None:
        """Raises InputGone where a picture is not there that the request names."""
        await asyncio.to_thread(self._require, request)

    def of(self, request: GenerationRequest) -> JobInputs:
        """Read the pictures that a request names; for a worker's thread. Raises InputGone, StorageFault."""
        return JobInputs(source=self._read("image", request.source), mask=self._read("mask", request.mask))

    def sizes(self) -> dict[str, int]:
        """The bytes of each file, by its sha256. Raises StorageFault."""
        try:
            return {file.name: file.stat().st_size for file in self._folder.iterdir() if len(file.name) == len(_EMPTY)}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageFault(detail=str(error)) from error

    def remove(self, digests: Collection[str]) -> int:
        """Remove these, but for those that are held; the bytes that are free now. For a thread. Raises nothing."""
        freed = 0
        with self._lock:
            for digest in digests:
                if digest not in self._held:
                    freed += self._removed(self._folder / digest)
        return freed

    def remove_half_written(self) -> None:
        """Remove what a crash left in the middle. For a thread, before anything is written. Raises nothing."""
        for file in self._folder.glob(f"*{HALF_WRITTEN}"):
            self._removed(file)

    def _write(self, picture: InputPicture) -> None:
        path = self._folder / picture.sha256
        if not path.exists():
            write_whole(path, picture.png)

    def _require(self, request: GenerationRequest) -> None:
        for role, digest in (("image", request.source), ("mask", request.mask)):
            if digest is not None and not (self._folder / digest).is_file():
                raise InputGone(role)

    def _read(self, role: str, digest: str | None) -> bytes | None:
        if digest is None:
            return None
        try:
            png = (self._folder / digest).read_bytes()
        except FileNotFoundError as error:
            raise InputGone(role) from error
        except OSError as error:
            raise StorageFault(detail=str(error)) from error
        if hashlib.sha256(png).hexdigest() != digest:
            log.error("input %s is not what was written", digest)
            raise InputGone(role)
        return png

    def _removed(self, path: Path) -> int:
        """Remove a file; its bytes."""
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        except OSError as error:
            log.error("file %s is no longer needed and still there: %s", path.name, error)
            return 0
        return size


_EMPTY = hashlib.sha256().hexdigest()
