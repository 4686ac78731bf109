"""Callers who want the same thing at the same moment are served together."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeAlias, TypeVar

from bot.errors import StorageFault

A = TypeVar("A")  #: what a caller asks
B = TypeVar("B")  #: what they are answered

Group: TypeAlias = dict[asyncio.Future[B], A]
#: Serves a group: calls the function when its turn has come, for who is in it, and answers each one who still listens.
Serve: TypeAlias = Callable[[Callable[[], Group[B, A]]], Awaitable[None]]


class Gathering(Generic[A, B]):
    """A line whose first are served as one group. Who comes meanwhile is in the next; who leaves in time is in none."""

    def __init__(self, serve: Serve[B, A], *, most: int) -> None:
        """`most` callers make a group, so that those behind them see an end of it."""
        self._serve = serve
        self._most = most
        self._line: Group[B, A] = {}
        self._serving: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._line)

    def join(self, asked: A) -> asyncio.Future[B]:
        """Stand in line; the future is the answer, or raises what went wrong. Cancelling it leaves the line."""
        answer: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._line[answer] = asked
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve_all(), name=f"serve {self._serve.__name__}")
        return answer

    def leave(self, answer: asyncio.Future[B]) -> bool:
        """Leave the line. False when it is too late: they are being served, or were."""
        return self._line.pop(answer, None) is not None

    async def close(self) -> None:
        """Wait until everybody in line is served."""
        while self._serving is not None:
            await asyncio.wait({self._serving})

    async def _serve_all(self) -> None:
        try:
            while self._line:
                await self._serve_next()
        finally:
            self._serving = None

    async def _serve_next(self) -> None:
        group: Group[B, A] = {}

        def board() -> Group[B, A]:
            while self._line and len(group) < self._most:
                answer = next(iter(self._line))
                asked = self._line.pop(answer)
                if not answer.done():
                    group[answer] = asked
            return group

        try:
            await self._serve(board)
        except Exception as error:
            if not group:
                board()  # a turn that never came was theirs all the same
            if isinstance(error, StorageFault) or len(group) == 1:
                _fail(group, error)
            else:  # one of them may be to blame: nobody else should suffer
                for answer, asked in group.items():
                    await self._serve_alone({answer: asked})

    async def _serve_alone(self, one: Group[B, A]) -> None:
        try:
            await self._serve(lambda: one)
        except Exception as error:
            _fail(one, error)


def answer(group: Group[B, A], answers: list[B]) -> None:
    """Answer everybody in the group who still listens."""
    for future, value in zip(group, answers, strict=True):
        if not future.done():
            future.set_result(value)


def _fail(group: Group[B, A], error: Exception) -> None:
    for future in group:
        if not future.done():
            future.set_exception(error)
