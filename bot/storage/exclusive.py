"""Keeps a second bot off a database: two would steal each other's jobs, whatever their folders are."""

import asyncio

from filelock import FileLock, Timeout
from sqlalchemy import Connection, text

from bot.errors import DatabaseInUse, UnusableDatabase
from bot.storage.addresses import sqlite_file
from bot.storage.engines import faults, make_engine

_BOT_LOCK = 0x1_D2A4  #: any number, the same for all of us; names PostgreSQL's advisory lock
_TAKE = text("SELECT pg_try_advisory_lock(:lock)")


class DatabaseLock:
    """Held by the bot that uses the database: a file beside SQLite's, or a lock on a connection that stays open.

    The connection has to go to the server itself: a pooler that shares connections would share the lock too.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._file: FileLock | None = None
        self._connection: Connection | None = None

    async def acquire(self) -> None:
        """Take the lock. Raises DatabaseInUse, UnusableDatabase, StorageFault."""
        await asyncio.to_thread(self._acquire)

    async def release(self) -> None:
        """Let others use the database. May be called twice."""
        await asyncio.to_thread(self._release)

    def _acquire(self) -> None:
        if (file := sqlite_file(self._url)) is not None:
            # The file that a link or another spelling of the path leads to.
            real = file.resolve()
            lock = FileLock(real.with_name(f"{real.name}.lock"), timeout=0, thread_local=False)
            try:
                lock.acquire()
            except Timeout:
                raise DatabaseInUse(str(real)) from None
            except OSError as error:
                raise UnusableDatabase("no_place", str(real), detail=str(error)) from error
            self._file = lock
            return
        engine = make_engine(self._url, writing=False)
        with faults():
            connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if not connection.scalar(_TAKE, {"lock": _BOT_LOCK}):
                connection.close()
                engine.dispose()
                raise DatabaseInUse(engine.url.render_as_string())
        self._connection = connection

    def _release(self) -> None:
        if self._file is not None:
            self._file.release()
        if self._connection is not None:
            self._connection.close()
            self._connection.engine.dispose()
        self._file = self._connection = None
