"""Callers queue for the writer, and those in front share a transaction."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeAlias, TypeVar

from sqlalchemy import Connection

from bot.errors import StorageFault
from bot.storage.engines import TransactionLost, faults, savepoint

A = TypeVar("A")  #: what a caller asks
B = TypeVar("B")  #: what they are answered

#: Serves some of a line, in a transaction: as many answers as were asked for, in their order.
Serve: TypeAlias = Callable[[Connection, list[A]], list[B]]
Group: TypeAlias = list[tuple[asyncio.Future[B], A]]
Outcome: TypeAlias = tuple[asyncio.Future[Any], Any, BaseException | None]


class Line(Generic[A, B]):
    """A queue of callers before the writer. A caller who leaves in time is not served."""

    def __init__(self, serve: Serve[A, B], wake: Callable[[], None], *, most: int, together: bool) -> None:
        """`most`: callers in one transaction; `together`: their questions are passed to `serve` in one call."""
        self.most = most
        self._serve = serve
        self._wake = wake
        self._at_once = most if together else 1
        # Who takes an entry out of here owns it. That is atomic, so that leaving and boarding cannot both win.
        self._asked: dict[asyncio.Future[B], A] = {}
        self._order: deque[asyncio.Future[B]] = deque()

    def __len__(self) -> int:
        return len(self._asked)

    def join(self, asked: A) -> asyncio.Future[B]:
        """Stand in line; the future is the answer, or raises what went wrong. Cancelling it leaves the line."""
        answer: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._asked[answer] = asked
        self._order.append(answer)
        self._wake()
        return answer

    def leave(self, answer: asyncio.Future[B]) -> bool:
        """Leave the line. False when it is too late: they are being served, or were."""
        return self._asked.pop(answer, _GONE) is not _GONE

    def board(self) -> Group[B, A]:
        """Take the first out of the line, on the writer's thread."""
        group: Group[B, A] = []
        while self._order and len(group) < self.most:
            answer = self._order.popleft()
            asked = self._asked.pop(answer, _GONE)
            if asked is not _GONE and not answer.done():
                group.append((answer, asked))
        return group

    def serve(self, connection: Connection, group: Group[B, A], *, guarded: bool) -> list[Outcome]:
        """Serve a group. Guarded, each part has a savepoint, so that one failure undoes no other.

        Unguarded it raises what the work raises. Raises TransactionLost.
        """
        parts = [group[first : first + self._at_once] for first in range(0, len(group), self._at_once)]
        serve_part = self._guarded if guarded else self._part
        return [outcome for part in parts for outcome in serve_part(connection, part)]

    def _part(self, connection: Connection, part: Group[B, A]) -> list[Outcome]:
        answers = self._serve(connection, [asked for _, asked in part])
        return [(future, answer, None) for (future, _), answer in zip(part, answers, strict=True)]

    def _guarded(self, connection: Connection, part: Group[B, A]) -> list[Outcome]:
        try:
            with savepoint(connection), faults():
                return self._part(connection, part)
        except TransactionLost:
            raise
        except BaseException as error:
            if len(part) > 1 and not isinstance(error, StorageFault):  # one of them may be to blame
                return [outcome for one in part for outcome in self._guarded(connection, [one])]
            return failed(part, error)


def failed(group: Group[Any, Any], error: BaseException) -> list[Outcome]:
    """The same bad outcome for everybody in the group."""
    return [(future, None, error) for future, _ in group]


def tell(outcomes: list[Outcome]) -> None:
    """Answer, from any thread, those who still listen."""
    if not outcomes:
        return
    with suppress(RuntimeError):  # the loop is closed: nobody listens
        outcomes[0][0].get_loop().call_soon_threadsafe(_tell, outcomes)


def _tell(outcomes: list[Outcome]) -> None:
    for future, answer, error in outcomes:
        if future.done():
            continue
        if error is None:
            future.set_result(answer)
        elif isinstance(error, Exception) and not isinstance(error, StopIteration):
            future.set_exception(error)
        else:  # what would end the event loop, or what a future cannot carry
            future.set_exception(RuntimeError(f"a piece of work for the database raised {error!r}"))


_GONE: Any = object()
