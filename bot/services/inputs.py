"""Pictures to begin with: decoded with care, kept while a job needs them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TypeVar

from bot.errors import TooBusy
from bot.storage.clearing import discard
from bot.storage.database import Database
from bot.storage.input_files import InputFiles
from generation.foreign_parameters import ForeignParameters, read_parameters
from generation.inputs import InputPicture
from generation.request import GenerationRequest

T = TypeVar("T")

MOST_WAITING = 8  #: pictures that are decoded or wait for it; each may hold its file's 40 MB
MOST_COMING = 16  #: members whose files are being fetched or decoded


class Inputs:
    """The one door for pictures from outside. Slow work is done on threads, and one picture is decoded at a time."""

    def __init__(self, *, database: Database, files: InputFiles) -> None:
        self.files = files
        self._database = database
        self._decoding = asyncio.Semaphore(1)
        self._waiting = 0
        self._coming = 0

    @contextmanager
    def room(self) -> Generator[None]:
        """Room in memory for one member's files, while they are fetched and decoded. Raises TooBusy where none is."""
        if self._coming >= MOST_COMING:
            raise TooBusy
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1

    async def decode(self, data: bytes, *, role: str = "image") -> InputPicture:
        """The picture in a file, and what the file says of how it was made. Raises BadPicture, and TooBusy where many
        wait for the same."""
        return await self._one_at_a_time(lambda: _decoded(data, role))

    async def parameters(self, data: bytes) -> ForeignParameters | None:
        """What a file says about how its picture was made; None for nothing. Raises BadPicture, TooBusy."""
        return await self._one_at_a_time(lambda: read_parameters(data))

    @asynccontextmanager
    async def kept(self, request: GenerationRequest, given: Sequence[InputPicture]) -> AsyncGenerator[None, None]:
        """Write what a request begins with before its row, and keep it until then.

        Raises InputGone for a picture that was not given and is kept no longer, StorageFault.
        """
        digests = named_by(request)
        with self.files.hold(digests):
            if digests:
                await self.files.write([picture for picture in given if picture.sha256 in digests])
                await self.files.require(request)
            yield

    async def _one_at_a_time(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise TooBusy
        self._waiting += 1
        try:
            async with self._decoding:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

    async def discard(self, digests: Collection[str]) -> None:
        """Remove those of these pictures that no job needs any more. Raises StorageFault."""
        await discard(self._database, self.files, digests)


def _decoded(data: bytes, role: str) -> InputPicture:
    picture = InputPicture.decode(data, role=role)
    said = read_parameters(data)
    if said is None:
        return picture
    names = [name for name, _ in said.loras]
    return replace(picture, says=(said.prompt, *names), says_negative=said.negative_prompt)


def named_by(request: GenerationRequest) -> frozenset[str]:
    """The sha256 of each picture that a request begins with."""
    return frozenset(filter(None, (request.source, request.mask)))
