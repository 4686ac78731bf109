"""SQLite on a thread of its own, with as few trips to that thread as can be.

aiosqlite's cursor goes there four times: to be made, to execute, to fetch, to be closed. Each trip waits for the event
loop's next turn, so under load the trips are what a transaction takes. Here the rows come back with the first; and what
cannot wait for a lock or for the disk, and is brief, is done on the spot.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Generator, Sequence
from functools import partial
from typing import Any, cast

import aiosqlite

_CHUNK = 64  #: rows; aiosqlite asks for it, nobody here iterates


class OneTripConnection(aiosqlite.Connection):
    """What SQLAlchemy needs of a connection. All rows of a result are held in memory, as SQLAlchemy would anyway."""

    on_the_spot = False  #: until the transaction's end: statements are executed right here, by the event loop's thread
    reads_only = False  #: until the transaction's end: nothing will have to be made durable

    async def commit(self) -> None:
        """Make the transaction durable."""
        if self.reads_only:
            self._conn.commit()
        else:
            await super().commit()
        self.on_the_spot = self.reads_only = False

    def cursor(self) -> "OneTripCursor":  # pyright: ignore[reportIncompatibleMethodOverride]
        """A cursor that has not been anywhere yet."""
        return OneTripCursor(self)

    async def rollback(self) -> None:
        """Undo the transaction; when there is none, as each time the pool takes the connection back, stay here."""
        if self._conn.in_transaction:
            await super().rollback()
        self.on_the_spot = self.reads_only = False

    async def run(self, statement: str, parameters: Any, *, many: bool) -> tuple[sqlite3.Cursor, list[Any]]:
        """Execute a statement and fetch all its rows. Raises what sqlite3 raises."""
        if self.on_the_spot:
            return self._run(statement, parameters, many)
        to_thread = cast("Callable[..., Awaitable[Any]]", self._execute)  # pyright: ignore[reportUnknownMemberType]
        return await to_thread(self._run, statement, parameters, many)

    def _run(self, statement: str, parameters: Any, many: bool) -> tuple[sqlite3.Cursor, list[Any]]:
        execute = self._conn.executemany if many else self._conn.execute
        cursor = execute(statement, parameters)
        return cursor, cursor.fetchall()


class OneTripCursor:
    """A cursor after PEP 249, only awaited."""

    arraysize = 1
    description: Any = None
    rowcount = -1
    lastrowid: int | None = None

    def __init__(self, connection: OneTripConnection) -> None:
        self._connection = connection
        self._rows: list[Any] = []

    def __await__(self) -> Generator[Any, None, "OneTripCursor"]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> "OneTripCursor":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Execute a statement; its rows are here afterwards."""
        await self._run(statement, parameters, many=False)

    async def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Execute a statement once for each of these."""
        await self._run(statement, parameters, many=True)

    async def fetchall(self) -> list[Any]:
        """The rows."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Nothing is held over there."""
        self._rows = []

    async def _run(self, statement: str, parameters: Any, *, many: bool) -> None:
        done, self._rows = await self._connection.run(statement, parameters, many=many)
        self.description, self.rowcount, self.lastrowid = done.description, done.rowcount, done.lastrowid


def connect(database: str, **options: Any) -> OneTripConnection:
    """A connection that opens when it is awaited; the arguments are sqlite3's."""
    options["check_same_thread"] = False  # one thread at a time uses it, and awaits the other's answer before
    connection = OneTripConnection(partial(sqlite3.connect, database, **options), _CHUNK)
    # A thread in the middle of a statement must not keep the process alive. It was the connection itself before 0.22.
    thread: Any = getattr(connection, "_thread", connection)
    thread.daemon = True
    return connection
