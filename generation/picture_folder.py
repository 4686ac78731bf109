"""The folder that pictures are written to: looked at before anything is drawn, and never written over."""

import errno
import itertools
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from generation.request import GenerationRequest
from generation.result import GeneratedImage

_MOST_BYTES = 100  #: of a prompt in a file's name; file systems take 255, some of them 143, for the whole name
_BYTES_A_PIXEL = 3.1  #: a PNG of mere noise, and what stands around it
_BYTES_A_FILE = 64 * 1024  #: what any file may take beside its pixels


class PictureFolder:
    """Writes pictures under names made of their prompts and seeds."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self, requests: Iterable[GenerationRequest]) -> None:
        """Make the folder, and see that all these pictures can be written to it. Raises OSError."""
        requests = tuple(requests)
        self.path.mkdir(parents=True, exist_ok=True)
        longest = max((_slug(request.prompt) for request in requests), key=len, default="")
        with tempfile.NamedTemporaryFile(dir=self.path, prefix=f"{longest}-", suffix=".part") as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
        needed = sum(_bytes(request) for request in requests)
        if shutil.disk_usage(self.path).free < needed:
            raise OSError(errno.ENOSPC, f"less than {needed / 2**20:.0f} MiB are free", str(self.path))

    def write(self, image: GeneratedImage, request: GenerationRequest) -> Path:
        """Write a picture and return where it is; no file is there in part when this raises OSError."""
        path = self.path / f"{_slug(request.prompt)}-{image.seed}.png"
        for number in itertools.count(1):
            place = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
            try:
                file = place.open("xb")
            except FileExistsError:
                continue
            try:
                with file:
                    file.write(image.png)
            except BaseException:
                place.unlink(missing_ok=True)
                raise
            return place
        raise AssertionError("numbers do not end")


def _bytes(request: GenerationRequest) -> int:
    width, height = request.size
    return request.count * int(width * height * _BYTES_A_PIXEL + _BYTES_A_FILE)


def _slug(prompt: str) -> str:
    """Letters and digits of the prompt, as many as fit into a file's name."""
    words = re.sub(r"\W+", "-", prompt.casefold()).strip("-")
    return words.encode()[:_MOST_BYTES].decode(errors="ignore").strip("-") or "picture"
