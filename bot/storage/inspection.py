"""Compares the rows with the files: what is missing, what is damaged, what belongs to nobody."""

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import bindparam, func, select

from bot.errors import StorageFault
from bot.storage import inputs, jobs
from bot.storage.database import Database, Transaction
from bot.storage.image_files import HALF_WRITTEN
from bot.storage.pictures import SHOWN
from bot.storage.tables import IMAGES, JOBS
from generation.job import JobStatus

log = logging.getLogger(__name__)

_LOOKED_UP = 500  #: files in one statement

_KNOWN = select(IMAGES.c.job_id, IMAGES.c.file, IMAGES.c.sha256).where(*SHOWN)
_KNOWN_OF = select(IMAGES.c.file).where(IMAGES.c.file.in_(bindparam("files", expanding=True)), *SHOWN)
_RAN = select(func.coalesce(func.sum(JOBS.c.count), 0)).where(JOBS.c.status == JobStatus.STARTED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What does not fit together. A crash leaves orphans at worst; the rest is a disk's or a person's doing."""

    pictures: int  #: that rows speak of, deleted and removed ones aside
    missing: tuple[tuple[UUID, str], ...] = ()  #: job and file: the row is there, the file is not
    damaged: tuple[tuple[UUID, str], ...] = ()  #: the file is not what was written
    orphans: tuple[str, ...] = ()  #: files that no row speaks of

    @property
    def agree(self) -> bool:
        """Whether rows and files agree one to one."""
        return not (self.missing or self.damaged or self.orphans)


async def inspect(database: Database, folder: Path) -> Findings:
    """Read every picture once. A running bot's newest file may look like an orphan: its row comes a moment later."""
    rows = await database.read(_known)
    return await asyncio.to_thread(_compare, rows, folder)


async def inspect_inputs(database: Database, folder: Path) -> Findings:
    """The same for the pictures that jobs begin with, of which those are orphans that no job has ever named."""
    rows = {digest: (job_id, digest) for digest, job_id in (await database.read(inputs.all_needed)).items()}
    findings = await asyncio.to_thread(_compare, rows, folder)
    named = await database.read(lambda transaction: _in_parts(transaction, inputs.named, findings.orphans))
    return replace(findings, orphans=tuple(name for name in findings.orphans if name not in named))


async def repair(database: Database, folder: Path, findings: Findings, clock: Callable[[], datetime]) -> None:
    """Hide the jobs whose pictures are gone or damaged, remove the orphans. Only while no bot runs on this data."""
    now, lost = clock(), {job_id for job_id, _ in (*findings.missing, *findings.damaged)}
    await database.write(lambda transaction: [jobs.delete(transaction, job_id, now) for job_id in lost], alone=True)
    for name in (await inspect(database, folder)).orphans:  # with the other pictures of the jobs just hidden
        await asyncio.to_thread((folder / name).unlink, missing_ok=True)


async def repair_inputs(database: Database, folder: Path, findings: Findings) -> None:
    """Note which pictures to begin with are lost, so that nobody looks for them; remove the orphans. As `repair`."""
    lost = {digest for _, digest in (*findings.missing, *findings.damaged)}
    await database.write(lambda transaction: inputs.forget(transaction, lost), alone=True)
    damaged = {digest for _, digest in findings.damaged}
    await asyncio.to_thread(_remove, {*findings.orphans, *damaged}, folder)


async def remove_leftovers(database: Database, folder: Path) -> int:
    """Remove what a crash left: half-written files, and pictures whose row was never written; says how many.

    Only at a start, before jobs go on. No picture is read, so it is quick. Where more files have no row than the jobs
    that ran can have left, somebody has changed the database or the folder: then they stay. Raises StorageFault.
    """
    at_most = await database.read(lambda transaction: int(transaction.scalar(_RAN) or 0))
    try:
        complete, leftovers = await asyncio.to_thread(_complete_and_not, folder)
        if at_most:  # else nothing was drawn whose row is missing
            orphans = await database.read(lambda transaction: _orphans(transaction, complete))
            leftovers |= orphans if len(orphans) <= at_most else set()
        await asyncio.to_thread(_remove, leftovers, folder)
    except OSError as error:
        raise StorageFault(detail=str(error)) from error
    removed = len(leftovers)
    if removed:
        log.info("%d files that a crash had left were removed", removed)
    return removed


def _known(transaction: Transaction) -> dict[str, tuple[UUID, str]]:
    """By file, the job and the hash of each picture that should be there."""
    return {file: (job_id, sha256) for job_id, file, sha256 in transaction.execute(_KNOWN)}


def _orphans(transaction: Transaction, files: set[str]) -> set[str]:
    """Those that no row speaks of; looked up by name, so that it takes no longer after a year than after a day."""
    return files - _in_parts(transaction, _known_of, files)


def _known_of(transaction: Transaction, files: Collection[str]) -> set[str]:
    return set(transaction.scalars(_KNOWN_OF, {"files": list(files)}))


def _in_parts(
    transaction: Transaction, find: Callable[[Transaction, Collection[str]], Collection[str]], names: Iterable[str]
) -> set[str]:
    """What is found of these, a few hundred in a statement."""
    found, every = set[str](), sorted(names)
    for first in range(0, len(every), _LOOKED_UP):
        found.update(find(transaction, every[first : first + _LOOKED_UP]))
    return found


def _remove(names: set[str], folder: Path) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _files(folder: Path) -> set[str]:
    if not folder.is_dir():
        return set()
    below = len(str(folder)) + 1
    return {f"{at}/{name}"[below:] for at, _, names in os.walk(folder, onerror=_raise) for name in names}


def _raise(error: OSError) -> None:
    raise error


def _complete_and_not(folder: Path) -> tuple[set[str], set[str]]:
    found = _files(folder)
    half_written = {name for name in found if name.endswith(HALF_WRITTEN)}
    return found - half_written, half_written


def _compare(rows: dict[str, tuple[UUID, str]], folder: Path) -> Findings:
    files = _files(folder)
    missing = tuple((job_id, file) for file, (job_id, _) in rows.items() if file not in files)
    damaged = tuple(
        (job_id, file)
        for file, (job_id, sha256) in rows.items()
        if file in files and hashlib.sha256((folder / file).read_bytes()).hexdigest() != sha256
    )
    return Findings(pictures=len(rows), missing=missing, damaged=damaged, orphans=tuple(sorted(files - rows.keys())))
