"""A copy of the database while the bot runs, and a look over a database's file."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from bot.errors import BackupRefused, StorageFault, UnusableDatabase
from bot.storage.addresses import sqlite_file


async def backup(url: str, target: Path) -> None:
    """Copy a SQLite database to a new file, whole or not at all, and read the copy back.

    SQLite's own backup sees one moment of the database, whatever is being written meanwhile. Raises BackupRefused,
    UnusableDatabase where there is no good database to copy, StorageFault.
    """
    if (file := sqlite_file(url)) is None:
        raise BackupRefused("not_sqlite", str(target))
    await asyncio.to_thread(_copy, file, target)


def look_over(file: Path) -> None:
    """Read a database's file from end to end, and make nothing. Raises UnusableDatabase, StorageFault."""
    if not file.is_file() or not file.stat().st_size:
        raise UnusableDatabase("missing", str(file))
    try:
        with closing(_opened(file)) as database:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise UnusableDatabase("damaged", str(file), detail=str(verdict))
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise UnusableDatabase("damaged", str(file), detail=str(error)) from error
        raise StorageFault(detail=str(error)) from error
    if missing := {"alembic_version", "jobs", "images"} - tables:
        raise UnusableDatabase("damaged", str(file), detail=f"without {', '.join(sorted(missing))}")


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        raise BackupRefused("target_exists", str(target))
    if not source.is_file():
        raise UnusableDatabase("missing", str(source))
    partial = target.with_name(target.name + ".partial")
    try:
        with closing(_opened(source)) as origin, closing(sqlite3.connect(partial)) as copy:
            origin.backup(copy)
        look_over(partial)
        partial.replace(target)
    except UnusableDatabase as error:
        raise UnusableDatabase(error.reason, str(source), detail=error.detail) from error
    except (OSError, sqlite3.Error) as error:
        raise StorageFault(detail=str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def _opened(file: Path) -> sqlite3.Connection:
    # Read-write, so that a write-ahead log left by a crash can be read; nothing is changed.
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True)
