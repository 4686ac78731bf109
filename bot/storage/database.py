"""The way to the rows: one thread that writes, one that reads, and the event loop waits for neither."""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, TypeVar

from filelock import FileLock
from sqlalchemy import Connection

from bot.errors import DatabaseInUse, StorageFault, UnusableDatabase
from bot.retrying import Pause
from bot.storage import schema
from bot.storage.addresses import sqlite_file
from bot.storage.backup import look_over
from bot.storage.engines import faults, lasting, make_engine
from bot.storage.exclusive import lock_beside, lock_with_each_connection
from bot.storage.lines import Group, Line, Outcome, Serve, failed, tell

log = logging.getLogger(__name__)

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")

Transaction: TypeAlias = Connection  #: a connection in a transaction, which somebody else ends
Work: TypeAlias = Callable[[Transaction], T]  #: runs on another thread, and brings the time with it

_LOOKED_AFTER = 10.0  #: seconds between two looks whether the database is still ours
_TOGETHER = 100  #: small writes in one transaction: a fraction of a second, for those who come next
_FIRST_GUESS = 0.01  #: seconds that a writer's turn takes, before any was measured
_NEWEST = 0.2  #: the share of the newest turn in the running mean of all


class Database:
    """The database behind a URL: SQLite in a file, or PostgreSQL.

    Writers take turns, so that what a transaction has read stays true until it commits: two commands at once cannot
    both see the last free place. On SQLite that is BEGIN IMMEDIATE, on PostgreSQL an advisory lock. More than one
    reader would only wait longer for Python's own lock.
    """

    def __init__(self, url: str) -> None:
        self.file = sqlite_file(url)  #: None on a database server
        self._url = url
        self._lock: FileLock | None = None
        self._inode = 0  #: of the SQLite file when it was opened
        self._held = False  #: whether a turn was ever taken
        self._lost: asyncio.Future[NoReturn] | None = None  #: once no other bot may use a server's database
        self._threads: list[threading.Thread] = []
        self._wakes: queue.SimpleQueue[bool] = queue.SimpleQueue()  #: False: finish and end
        self._reads: queue.SimpleQueue[tuple[asyncio.Future[Any], Work[Any]] | None] = queue.SimpleQueue()
        self._turn_takes = _FIRST_GUESS  #: seconds, the latest counting most
        self._turn_began: float | None = None
        self._small = self._line(_one, most=_TOGETHER, together=False)
        self._large = self._line(_one, most=1, together=False)  #: each in a transaction of its own
        #: Whose first share a transaction, in this order: what an admin has set holds for the next job.
        self._lines: list[Line[Any, Any]] = [self._small]

    async def hold(self) -> None:
        """Keep every other bot off, until this is closed. Before anything else, and again where it was refused.

        Raises DatabaseInUse, UnusableDatabase, StorageFault.
        """
        if self.file is not None:
            self._lock = self._lock or await asyncio.to_thread(lock_beside, self.file)
            return
        self._lost = self._lost or asyncio.get_running_loop().create_future()
        await self.write(_nothing, alone=True)  # the writer connects

    async def stay(self, *, pause: Pause = asyncio.sleep) -> NoReturn:
        """Ends as soon as the database is ours no more.

        Raises DatabaseInUse where another bot has taken it, after its lock was lost with a connection;
        UnusableDatabase where somebody has removed the SQLite file or put another in its place.
        """
        while True:
            waits = asyncio.ensure_future(pause(_LOOKED_AFTER))
            ends = {waits} if self._lost is None else {waits, self._lost}
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waits.cancel()
            if self._lost is not None and self._lost.done():
                self._lost.result()
            await self._look()

    async def _look(self) -> None:
        if self.file is not None:
            if _inode(self.file) != self._inode:
                raise UnusableDatabase("replaced", str(self.file))
            return
        try:
            await self.write(_nothing, alone=True)  # takes the lock again, if the connection is a new one
        except StorageFault as fault:
            log.warning("the database cannot be looked after: %s", fault.detail)

    async def open(self, *, make: bool = True) -> None:
        """Bring the tables up to date; without `make` only where there is a database. Raises StorageFault.

        Raises UnusableDatabase where waiting will not help.
        """
        await asyncio.to_thread(self._opened, make)
        self._inode = _inode(self.file) if self.file is not None else 0

    async def look_over(self) -> None:
        """Have SQLite look through the whole file. Raises UnusableDatabase, StorageFault."""
        if self.file is not None:
            await asyncio.to_thread(look_over, self.file)

    async def close(self) -> None:
        """Finish what is asked for, and close all connections. May be called twice."""
        threads, self._threads = self._threads, []
        if threads:
            self._wakes.put(False)
            self._reads.put(None)
        for thread in threads:
            await asyncio.to_thread(thread.join)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def read(self, work: Work[T]) -> T:
        """What this piece of work returns. It sees one moment of the database, and waits for no writer.

        Raises StorageFault, and what the work raises.
        """
        self._start()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._reads.put((answer, work))
        return await answer

    async def write(self, work: Work[T], *, alone: bool = False) -> T:
        """What this piece of work returns, once it is committed, together with what others write at the time.

        Does nothing when its caller is cancelled in time. `alone` is for work that takes long: others should not have
        to wait for its end to be answered. Raises StorageFault, and what the work raises.
        """
        return await (self._large if alone else self._small).join(work)

    def line(self, serve: Serve[A, B], *, most: int) -> Line[A, B]:
        """A line of those who want the same, served `most` at a time with one call, beside the small writes."""
        line = self._line(serve, most=most, together=True)
        self._lines.append(line)
        return line

    @property
    def seconds_in_line(self) -> float:
        """How long a new writer would wait for its turn, judged by how long the last ones took."""
        began = self._turn_began
        runs = 0.0 if began is None else max(self._turn_takes, time.perf_counter() - began)
        ahead = max(-(-len(line) // line.most) for line in self._lines) + len(self._large)
        return runs + ahead * self._turn_takes

    def _line(self, serve: Serve[A, B], *, most: int, together: bool) -> Line[A, B]:
        return Line(serve, self._wake, most=most, together=together)

    def _opened(self, make: bool) -> None:
        if self.file is not None:
            if self.file.is_dir() or not self.file.parent.is_dir():
                raise UnusableDatabase("no_place", str(self.file))
            if not make and not (self.file.is_file() and self.file.stat().st_size):
                raise UnusableDatabase("missing", str(self.file))
        # Rebuilding a table, SQLite's only way to alter one, would cascade into the rows that refer to it.
        engine = make_engine(self._url, writing=True, foreign_keys=False)
        try:
            with faults(), engine.begin() as connection:
                if not schema.is_current(connection):
                    if self.file is not None:
                        schema.check_room(connection, self.file)
                    schema.upgrade(connection)
        except StorageFault as fault:
            if reason := lasting(fault):
                raise UnusableDatabase(reason, str(self.file), detail=fault.detail) from fault
            raise
        finally:
            engine.dispose()

    def _wake(self) -> None:
        self._start()
        self._wakes.put(True)

    def _start(self) -> None:
        if not self._threads:
            # A thread in the middle of a statement must not keep the process alive.
            self._threads = [
                threading.Thread(target=self._write_on, name="database writer", daemon=True),
                threading.Thread(target=self._read_on, name="database reader", daemon=True),
            ]
            for thread in self._threads:
                thread.start()

    # On the threads

    def _read_on(self) -> None:
        engine = make_engine(self._url, writing=False)
        try:
            while (asked := self._reads.get()) is not None:
                answer, work = asked
                if answer.done():  # whoever asked has gone
                    continue
                try:
                    with faults(), engine.begin() as connection:
                        found = work(connection)
                except BaseException as error:
                    tell([(answer, None, error)])
                else:
                    tell([(answer, found, None)])
        finally:
            engine.dispose()

    def _write_on(self) -> None:
        engine = make_engine(self._url, writing=True)
        if self._lost is not None:
            lock_with_each_connection(engine)
        try:
            goes_on = True
            while goes_on:
                goes_on = self._wakes.get()
                while any(map(len, self._lines)):
                    self._take_turn(engine, self._lines)
                    if len(self._large):
                        self._take_turn(engine, [self._large])
                while len(self._large):
                    self._take_turn(engine, [self._large])
        finally:
            engine.dispose()

    def _take_turn(self, engine: Any, lines: list[Line[Any, Any]]) -> None:
        """One transaction, for the first of these lines."""
        boarded: list[tuple[Line[Any, Any], Group[Any, Any]]] = []
        outcomes: list[Outcome] = []
        self._turn_began = began = time.perf_counter()
        try:
            with faults(), engine.begin() as connection:
                # Now that the turn has come: who leaves while it is waited for is in no transaction.
                boarded += [(line, line.board()) for line in lines]
                guarded = sum(len(group) for _, group in boarded) > 1
                for line, group in boarded:
                    outcomes += line.serve(connection, group, guarded=guarded)
        except BaseException as error:  # nothing was written; a turn that never came was theirs all the same
            error = self._kept_off(error) if isinstance(error, DatabaseInUse) and self._held else error
            boarded = boarded or [(line, line.board()) for line in lines]
            outcomes = [outcome for _, group in boarded for outcome in failed(group, error)]
        else:
            self._held = True
        self._turn_takes += _NEWEST * (time.perf_counter() - began - self._turn_takes)
        self._turn_began = None
        tell(outcomes)

    def _kept_off(self, error: DatabaseInUse) -> StorageFault:
        """Another bot has the lock that was ours: nothing is written any more."""
        if self._lost is not None:
            tell([(self._lost, None, DatabaseInUse(error.where, was_ours=True))])
        return StorageFault(detail="another bot has the database")


def _inode(file: Path) -> int:
    try:
        return file.stat().st_ino
    except OSError:
        return 0


def _nothing(transaction: Transaction) -> None:
    """Only take a turn."""


def _one(connection: Transaction, works: list[Work[Any]]) -> list[Any]:
    (work,) = works
    return [work(connection)]
