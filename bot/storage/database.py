"""The way to the rows: one connection pool, one writer at a time, readers never blocked."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias, TypeVar, cast

from alembic.util.exc import CommandError
from sqlalchemy import Connection, event, exc
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bot.errors import StorageFault
from bot.storage import schema
from bot.storage.gathering import Gathering, Group, answer
from bot.storage.one_trip import OneTripConnection, connect

T = TypeVar("T")
Transaction: TypeAlias = AsyncSession
Write: TypeAlias = Callable[[Transaction], Awaitable[T]]

BUSY_TIMEOUT = 5.0  #: seconds to wait for another process that writes
_READERS = 10  #: who reads at the same time; the eleventh waits
_TOGETHER = 100  #: small writes in one transaction: a fraction of a second, for whoever comes next
_FIRST_GUESS = 0.01  #: seconds that a writer's turn takes, before any was measured
_NEWEST = 0.2  #: the share of the newest turn in the running mean of all
_WRITER_LOCK = 0x1_D2A3  #: any number, the same for all of us; names PostgreSQL's advisory lock


class Database:
    """The database behind a URL: SQLite in a file, or PostgreSQL.

    Writers take turns, so that what a transaction has read stays true until it commits: two commands at once cannot
    both see the last free place. On SQLite that is BEGIN IMMEDIATE, on PostgreSQL an advisory lock.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        # Kept open, and none beyond them: to open one takes longer than to wait for one.
        self._readers = _engine(url, connections=_READERS)
        self._writer = _engine(url, connections=1)  # its own, so that whose turn it is need not wait for readers too
        self._read = async_sessionmaker(self._readers)
        self._read_briefly = async_sessionmaker(self._readers.execution_options(brief=True))
        self._write = async_sessionmaker(self._writer.execution_options(writing=True))
        self._write_briefly = async_sessionmaker(self._writer.execution_options(writing=True, brief=True))
        # In our own process writers wait in line here, in order and without polling the file.
        self._turn = asyncio.Lock()
        self._waiting = 0  #: writers in that line, the one whose turn it is included
        self._turn_takes = _FIRST_GUESS  #: seconds, the latest counting most
        self._writes: Gathering[Write[Any], Any] = Gathering(self._write_together, most=_TOGETHER)

    async def open(self) -> None:
        """Bring the tables up to date. Raises StorageFault."""
        # Rebuilding a table, SQLite's only way to alter one, would cascade into the rows that refer to it.
        engine = _engine(self._url, connections=1, foreign_keys=False).execution_options(writing=True)
        try:
            with _faults():
                async with engine.begin() as connection:
                    await connection.run_sync(schema.upgrade)
        finally:
            await engine.dispose()

    async def close(self) -> None:
        """Finish what is being written and close all connections. May be called twice."""
        await self._writes.close()
        await self._readers.dispose()
        await self._writer.dispose()

    @property
    def seconds_in_line(self) -> float:
        """How long a new writer would wait for its turn, judged by how long the last ones took."""
        return self._waiting * self._turn_takes

    async def write(self, work: Write[T]) -> T:
        """What this small piece of work returns, once it is committed, together with what others write at the time.

        Does nothing when its caller is cancelled in time. If one of them fails all are undone and done again, each by
        itself: the work may run twice, and writes nothing but rows. Raises StorageFault, and what the work raises.
        """
        return await self._writes.join(work)

    async def _write_together(self, board: Callable[[], Group[Any, Write[Any]]]) -> None:
        async with self.writing(brief=True) as transaction:
            group = board()
            done = [await work(transaction) for work in group.values()]
        answer(group, done)

    @asynccontextmanager
    async def writing(self, *, brief: bool = False) -> AsyncGenerator[Transaction, None]:
        """A transaction that may write: committed at the end, rolled back on any error. Raises StorageFault.

        `brief` promises that every statement touches a few rows and finds them by an index: SQLite then executes them
        at once, on the event loop's thread, and only the lock before and the disk at the end are waited for elsewhere.
        """
        self._waiting += 1
        try:
            with _faults():
                async with self._turn:
                    started = time.perf_counter()
                    try:
                        async with (self._write_briefly if brief else self._write).begin() as transaction:
                            await transaction.connection()  # begin now: what is read from here on stays true
                            yield transaction
                    finally:
                        self._turn_takes += _NEWEST * (time.perf_counter() - started - self._turn_takes)
        finally:
            self._waiting -= 1

    @asynccontextmanager
    async def reading(self, *, brief: bool = False) -> AsyncGenerator[Transaction, None]:
        """A transaction that sees one moment of the database, and waits for no writer. Raises StorageFault.

        `brief` promises the same as for `writing`.
        """
        with _faults():
            async with (self._read_briefly if brief else self._read).begin() as transaction:
                yield transaction


def _engine(url: str, *, connections: int, foreign_keys: bool = True) -> AsyncEngine:
    sqlite = url.startswith("sqlite")
    engine = create_async_engine(
        url,
        # sqlite3 would begin transactions by its own rules; None leaves that to _begin.
        connect_args={"isolation_level": None, "async_creator_fn": connect} if sqlite else {},
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,  # an error's text goes to the log, prompts and tokens do not
    )
    if sqlite:

        @event.listens_for(engine.sync_engine, "connect")
        def _connected(connection: Any, record: object) -> None:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000:.0f}")
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
            cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        writing = options.get("writing", False)
        if sqlite:
            driver = cast("OneTripConnection", connection.connection.driver_connection)
            driver.on_the_spot = driver.reads_only = not writing
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
            driver.on_the_spot = options.get("brief", False)
        elif writing and connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")

    return engine


@contextmanager
def _faults() -> Generator[None, None, None]:
    """What the database cannot help (locked, full, gone) as one StorageFault; our own mistakes stay what they are."""
    try:
        yield
    except (exc.IntegrityError, exc.ProgrammingError, exc.DataError):
        raise
    except exc.DBAPIError as error:
        raise StorageFault(detail=str(error.orig)) from error  # orig: without the statement's values
    except (exc.TimeoutError, CommandError) as error:
        raise StorageFault(detail=str(error)) from error
