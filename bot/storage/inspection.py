"""Compares the rows with the files: what is missing, what is damaged, what belongs to nobody."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from bot.storage import jobs
from bot.storage.database import Database
from bot.storage.tables import ImageRow, JobRow


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
    async with database.reading() as transaction:
        kept = JobRow.deleted_at.is_(None) & ImageRow.removed_at.is_(None)
        shown = select(ImageRow.job_id, ImageRow.file, ImageRow.sha256).join(JobRow).where(kept)
        rows = {file: (job_id, sha256) for job_id, file, sha256 in await transaction.execute(shown)}
    return await asyncio.to_thread(_compare, rows, folder)


async def repair(database: Database, folder: Path, findings: Findings, clock: Callable[[], datetime]) -> None:
    """Hide the jobs whose pictures are gone or damaged, remove the orphans. Only while no bot runs on this data."""
    async with database.writing() as transaction:
        for job_id in {job_id for job_id, _ in (*findings.missing, *findings.damaged)}:
            await jobs.delete(transaction, job_id, clock())
    for name in (await inspect(database, folder)).orphans:  # with the other pictures of the jobs just hidden
        await asyncio.to_thread((folder / name).unlink, missing_ok=True)


def _compare(rows: dict[str, tuple[UUID, str]], folder: Path) -> Findings:
    files = (
        {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} if folder.is_dir() else set()
    )
    missing = tuple((job_id, file) for file, (job_id, _) in rows.items() if file not in files)
    damaged = tuple(
        (job_id, file)
        for file, (job_id, sha256) in rows.items()
        if file in files and hashlib.sha256((folder / file).read_bytes()).hexdigest() != sha256
    )
    return Findings(pictures=len(rows), missing=missing, damaged=damaged, orphans=tuple(sorted(files - rows.keys())))
