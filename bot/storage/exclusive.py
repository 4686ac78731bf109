"""Keeps a second bot off a database: two would steal each other's jobs, whatever their folders are."""

from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import Engine, event

from bot.errors import DatabaseInUse, UnusableDatabase

_BOT_LOCK = 0x1_D2A4  #: any number, the same for all of us; names PostgreSQL's advisory lock
#: A server lets go of the lock of a computer that has vanished, after about 15 seconds instead of two hours.
_NOTICE_SOON = ("tcp_keepalives_idle = 5", "tcp_keepalives_interval = 3", "tcp_keepalives_count = 3")


def lock_beside(file: Path) -> FileLock:
    """Take the lock of a SQLite file, however its path is spelled. Raises DatabaseInUse, UnusableDatabase."""
    real = file.resolve()
    lock = FileLock(real.with_name(f"{real.name}.lock"), timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise DatabaseInUse(str(real)) from None
    except OSError as error:
        raise UnusableDatabase("no_place", str(real), detail=str(error)) from error
    return lock


def lock_with_each_connection(engine: Engine) -> None:
    """Let this engine have no connection to its server that does not hold the lock.

    So a lock that was lost with its connection is taken again before anything is written; where another bot has it,
    connecting raises DatabaseInUse. The connection has to go to the server itself: a pooler that shares connections
    between transactions would share the lock too.
    """

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: object) -> None:
        with connection.cursor() as cursor:
            for setting in _NOTICE_SOON:
                cursor.execute(f"SET {setting}")
            (is_ours,) = cursor.execute(f"SELECT pg_try_advisory_lock({_BOT_LOCK})").fetchone()
        connection.commit()
        if not is_ours:
            connection.close()
            raise DatabaseInUse(engine.url.render_as_string())
