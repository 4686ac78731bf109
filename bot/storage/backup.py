"""A copy of the database while the bot runs, and a look over a database's file."""

import asyncio
import hashlib
import logging
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from bot.errors import BackupRefused, StorageFault, UnusableDatabase
from bot.storage.addresses import sqlite_file

log = logging.getLogger(__name__)

_Hashes: TypeAlias = Callable[[sqlite3.Connection], dict[str, str]]  #: of the files that rows speak of, by name


async def backup(url: str, target: Path, *, images: Path | None = None, inputs: Path | None = None) -> int:
    """Copy a SQLite database to a new file, whole or not at all, and read the copy back; says how many pictures went
    along.

    SQLite's own backup sees one moment of the database, whatever is being written meanwhile. The files that its rows
    name go along from the folders of results, `images`, and of what jobs began with, `inputs`, where these are given,
    into new folders beside the copy; the copy itself comes last, so where it is they are too. Raises BackupRefused,
    UnusableDatabase where there is no good database to copy, StorageFault.
    """
    if (file := sqlite_file(url)) is None:
        raise BackupRefused("not_sqlite", str(target))
    folders = [(folder, hashes) for folder, hashes in ((images, _results), (inputs, _inputs)) if folder is not None]
    return await asyncio.to_thread(_copy, file, target, folders)


def beside(target: Path, folder: Path) -> Path:
    """Where a folder's pictures are that belong to a copy: "copy.db.images"."""
    return target.with_name(f"{target.name}.{folder.name}")


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


def _copy(source: Path, target: Path, folders: Sequence[tuple[Path, _Hashes]]) -> int:
    for taken in (target, *(beside(target, folder) for folder, _ in folders)):
        if taken.exists():
            raise BackupRefused("target_exists", str(taken))
    if not source.is_file():
        raise UnusableDatabase("missing", str(source))
    partial = target.with_name(target.name + ".partial")
    copied = 0
    try:
        partial.unlink(missing_ok=True)  # of a copy that was interrupted
        with closing(_opened(source)) as origin, closing(sqlite3.connect(partial)) as copy:
            origin.backup(copy)
        look_over(partial)
        for folder, hashes in folders:
            # After the database: a row comes after its file, so each file is there unless it was removed since.
            copied += _copy_pictures(_named(partial, hashes), folder, beside(target, folder))
        partial.replace(target)
    except UnusableDatabase as error:
        raise UnusableDatabase(error.reason, str(source), detail=error.detail) from error
    except (OSError, sqlite3.Error) as error:
        raise StorageFault(detail=str(error)) from error
    finally:
        partial.unlink(missing_ok=True)
    return copied


def _named(file: Path, hashes: _Hashes) -> dict[str, str]:
    with closing(_opened(file)) as database:
        database.row_factory = sqlite3.Row
        return hashes(database)


def _results(database: sqlite3.Connection) -> dict[str, str]:
    """By name, the hash of each file that the rows of a database speak of; of one from before an update too."""
    rows = map(dict, database.execute("SELECT * FROM images ORDER BY file"))
    return {row["file"]: row["sha256"] for row in rows if not (row.get("removed_at") or row.get("cleared_at"))}


def _inputs(database: sqlite3.Connection) -> dict[str, str]:
    """The same for what jobs began with, of which much may be removed already: nothing is said of that."""
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'job_inputs'").fetchone():
        return {}  # from before an update
    return {digest: digest for (digest,) in database.execute("SELECT DISTINCT sha256 FROM job_inputs")}


def _copy_pictures(hashes: dict[str, str], source: Path, target: Path) -> int:
    """Copy them to a new folder, or leave none behind; says how many. What is gone or damaged is named."""
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a copy that was interrupted
    partial.mkdir()
    copied = 0
    try:
        for name, sha256 in hashes.items():
            file = partial / name
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                png = (source / name).read_bytes()
            except FileNotFoundError:
                if not source.is_dir():  # a disk may be missing
                    raise
                if name != sha256:
                    log.warning("not copied, because it is there no more: %s", name)
                continue
            if hashlib.sha256(png).hexdigest() != sha256:
                log.warning("copied, and it is not what was written once: %s", name)
            file.write_bytes(png)
            copied += 1
        partial.replace(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return copied


def _opened(file: Path) -> sqlite3.Connection:
    # Read-write, so that a write-ahead log left by a crash can be read; nothing is changed.
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True)
