"""A copy of the database while the bot runs."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from bot.errors import BackupRefused, StorageFault


async def backup(url: str, target: Path) -> None:
    """Copy a SQLite database to a new file, whole or not at all. Raises BackupRefused, StorageFault.

    SQLite's own backup sees one moment of the database, whatever is being written meanwhile.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise BackupRefused("not_sqlite", str(target))
    await asyncio.to_thread(_copy, Path(parsed.database), target)


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        raise BackupRefused("target_exists", str(target))
    partial = target.with_name(target.name + ".partial")
    try:
        # Read-write, so that a write-ahead log left by a crash can be read; nothing is changed.
        uri = f"{source.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True)) as origin, closing(sqlite3.connect(partial)) as copy:
            origin.backup(copy)
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        raise StorageFault(detail=str(error)) from error
