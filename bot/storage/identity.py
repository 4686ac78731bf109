"""One id in the database and in its DATA_DIR: rows without their pictures, or with another bot's, are of no use."""

import os
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import DataInUse, StorageFault, WrongFolder
from bot.storage.database import Database, Transaction
from bot.storage.tables import IDENTITY

_ID = select(IDENTITY.c.id)


async def pair(database: Database, folder: Path) -> None:
    """Give the database and the folder the same id, if they have none yet.

    Raises WrongFolder, DataInUse for a folder whose id is no id, StorageFault.
    A folder that has none is the right one where the database lies in it: a copy that was put back, for example.
    """
    await database.write(lambda transaction: _pair(transaction, folder, inside=_is_inside(database, folder)))


async def check_pair(database: Database, folder: Path) -> None:
    """The same, for a bot that may not write yet: what cannot be read is looked at later. Raises WrongFolder."""
    if database.file is not None and not database.file.is_file():
        return
    try:
        theirs = await database.read(lambda transaction: transaction.scalar(_ID))
    except (StorageFault, SQLAlchemyError):  # away, or its tables are not up to date
        return
    _check(theirs, _of_folder(folder), folder, inside=_is_inside(database, folder))


def _pair(transaction: Transaction, folder: Path, *, inside: bool) -> None:
    theirs, ours = transaction.scalar(_ID), _of_folder(folder)
    _check(theirs, ours, folder, inside=inside)
    id_ = theirs or ours or uuid4()
    if ours is None:  # first: what a crash leaves in between is taken over by the database at the next start
        _write(folder, id_)
    if theirs is None:
        transaction.execute(insert(IDENTITY), {"id": id_})


def _check(theirs: UUID | None, ours: UUID | None, folder: Path, *, inside: bool) -> None:
    if theirs is not None and theirs != ours and not (ours is None and inside):
        raise WrongFolder(str(folder), str(theirs), str(_file(folder)))


def _is_inside(database: Database, folder: Path) -> bool:
    return database.file is not None and database.file.resolve().is_relative_to(folder.resolve())


def _file(folder: Path) -> Path:
    return folder / "identity"


def _of_folder(folder: Path) -> UUID | None:
    try:
        return UUID(_file(folder).read_text("utf-8").strip())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DataInUse(str(folder), detail=f"{_file(folder)}: {error}") from error
    except OSError as error:
        raise StorageFault(detail=str(error)) from error


def _write(folder: Path, id_: UUID) -> None:
    partial = _file(folder).with_suffix(".partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(f"{id_}\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(_file(folder))
    except OSError as error:
        raise StorageFault(detail=str(error)) from error
