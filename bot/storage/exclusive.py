"""Keeps a second bot off a database: two would steal each other's jobs, whatever their folders are."""

import asyncio
import logging
from contextlib import suppress
from typing import NoReturn

from filelock import FileLock, Timeout
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import DatabaseInUse, StorageFault, UnusableDatabase
from bot.retrying import Pause
from bot.storage.addresses import sqlite_file
from bot.storage.engines import faults, make_engine

log = logging.getLogger(__name__)

_BOT_LOCK = 0x1_D2A4  #: any number, the same for all of us; names PostgreSQL's advisory lock
_LOOKED_AFTER = 10.0  #: seconds between two looks
_ALIVE = text("SELECT 1")
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

    async def keep(self, *, pause: Pause = asyncio.sleep) -> NoReturn:
        """Look after a server's lock: one that was lost with its connection is taken again.

        Raises DatabaseInUse, where another bot has taken it meanwhile.
        """
        while True:
            await pause(_LOOKED_AFTER)
            try:
                await asyncio.to_thread(self._look)
            except StorageFault as fault:
                log.warning("the lock on the database cannot be looked after: %s", fault.detail)
            except DatabaseInUse as error:
                raise DatabaseInUse(error.where, was_ours=True) from error

    def _look(self) -> None:
        if self._file is not None:
            return
        if self._connection is not None:
            try:
                with faults():
                    self._connection.scalar(_ALIVE)
                return
            except StorageFault:
                self._release()
        self._acquire()

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
            with suppress(SQLAlchemyError):  # it may be broken
                self._connection.close()
            self._connection.engine.dispose()
        self._file = self._connection = None
