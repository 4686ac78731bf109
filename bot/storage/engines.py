"""The way to the database's own library: how connections are set up, how transactions begin, how faults are told."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal

from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url

from bot.errors import StorageFault

BUSY_TIMEOUT = 5.0  #: seconds to wait for another process that writes
_WRITER_LOCK = 0x1_D2A3  #: any number, the same for all of us; names PostgreSQL's advisory lock
#: How soon a server that has vanished is given up, in seconds, and milliseconds for the last; a URL may say otherwise.
_GIVES_UP = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


def make_engine(url: str, *, writing: bool, foreign_keys: bool = True) -> Engine:
    """An engine with one connection, for one thread. A writer's transaction keeps other writers out from its start."""
    sqlite = url.startswith("sqlite")
    # sqlite3 would begin transactions by its own rules; None leaves that to _begin.
    given = make_url(url).query
    options = (
        {"isolation_level": None} if sqlite else {name: _GIVES_UP[name] for name in _GIVES_UP if name not in given}
    )
    engine = create_engine(
        url,
        connect_args=options,
        # A reader sees one moment; SQLite's transactions do so anyway.
        **({} if sqlite or writing else {"isolation_level": "REPEATABLE READ"}),
        pool_size=1,
        max_overflow=0,
        hide_parameters=True,  # an error's text goes to the log, prompts and tokens do not
    )
    if sqlite:

        @event.listens_for(engine, "connect")
        def _connected(connection: Any, record: object) -> None:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000:.0f}")
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
            cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
        elif writing:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")

    return engine


class TransactionLost(Exception):
    """A piece of a transaction failed and took the others along: a full disk or a lost connection undoes all."""


@contextmanager
def savepoint(connection: Connection) -> Generator[None, None, None]:
    """What fails in here is undone, and nothing else in the transaction. Raises TransactionLost if that cannot be."""
    connection.exec_driver_sql("SAVEPOINT piece")
    try:
        yield
    except BaseException as error:
        try:
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT piece")
        except exc.SQLAlchemyError:
            raise TransactionLost(str(error)) from error
        connection.exec_driver_sql("RELEASE SAVEPOINT piece")
        raise
    connection.exec_driver_sql("RELEASE SAVEPOINT piece")


@contextmanager
def faults() -> Generator[None, None, None]:
    """What the database cannot help (locked, full, gone) as one StorageFault; our own mistakes stay what they are."""
    try:
        yield
    except (exc.IntegrityError, exc.ProgrammingError, exc.DataError):
        raise
    except exc.DBAPIError as error:
        raise StorageFault(detail=str(error.orig)) from error  # orig: without the statement's values
    except (exc.TimeoutError, CommandError, TransactionLost) as error:
        raise StorageFault(detail=str(error)) from error


def lasting(fault: StorageFault) -> Literal["damaged", "no_place"] | None:
    """Why a SQLite file will not become usable by waiting, if that is so."""
    error = fault.__cause__
    code = getattr(error.orig, "sqlite_errorcode", 0) if isinstance(error, exc.DBAPIError) else 0
    if code & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return "damaged"
    return "no_place" if code & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) else None
