"""Builds the record of a busy year by bulk insert, in the schema of any revision."""

import json
import os
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect

from bot.storage import schema

HEAVIEST = "1000000"  #: the member with most jobs
LARGEST = "9000"  #: the server with most jobs and all limits
_AT_ONCE = 20_000  #: rows
_PROMPTS = ("a red heart", "a lighthouse in a storm, oil on canvas, dramatic light", "a cat wearing a hat " * 6)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much has happened by now."""

    jobs: int = 1_000_000
    servers: int = 200
    members: int = 50_000
    of_heaviest: int = 30_000
    of_heaviest_today: int = 2_000
    limits: int = 20_000
    kept_pictures: int = 61_000  #: the newest; the files of the others were removed to make room


def build(file: Path, now: datetime, size: Size | None = None, revision: str = "head") -> None:
    """Write the database; the picture files are not made."""
    size = size or Size()
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        schema.upgrade(connection, revision)
        columns = {
            table: {column["name"] for column in inspect(connection).get_columns(table)}
            for table in ("servers", "jobs", "images", "limits")
        }
    engine.dispose()
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")
    _insert(database, "servers", columns, ({"id": f"{9000 + n}", "first_set_at": _text(now)} for n in range(200)))
    _insert(database, "jobs", columns, jobs(now, size))
    _insert(database, "images", columns, images(now, size))
    _insert(database, "limits", columns, limits(size))
    database.commit()
    database.close()
    os.sync()  # a year's record is not written in the last minute: nobody's commit should have to wait for it


def jobs(now: datetime, size: Size) -> Iterator[dict[str, Any]]:
    """The oldest first, evenly over a year; 92 % were posted, the newest few wait or run."""
    chance = random.Random(7)
    step = timedelta(days=365) / size.jobs
    today = size.jobs - size.of_heaviest_today
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(size.jobs):
        at = now - step * (size.jobs - number)
        heavy = number >= today or number % (size.jobs // size.of_heaviest) == 0
        if number >= today:
            at = midnight + (now - midnight) * ((number - today) / size.of_heaviest_today)
        status = chance.choices(("posted", "failed", "cancelled", "interrupted"), (92, 3, 4, 1))[0]
        if number >= size.jobs - 8:
            status = "accepted"
        on = chance.random()
        server = LARGEST if on < 0.4 or heavy else f"{9000 + chance.randrange(1, size.servers)}"
        if on > 0.98 and not heavy:
            server = None
        request = {
            "prompt": chance.choice(_PROMPTS),
            "negative_prompt": "",
            "model": "builtin",
            "width": 512,
            "height": 512,
            "steps": 25,
            "guidance_scale": 7.5,
            "scheduler": "DPM++ 2M Karras",
            "seed": chance.randrange(2**32),
            "count": 1,
        }
        then, ended = _text(at), _text(at + timedelta(seconds=20))
        over = status != "accepted"
        yield {
            **request,
            "id": f"{number:032x}",
            "request": json.dumps({"version": 1, "syntax": 1, **request}),
            "requester": HEAVIEST if heavy else f"{1_000_000 + chance.randrange(1, size.members)}",
            "requester_name": "somebody",
            "server": server,
            "channel": f"{5000 + number % 1000}",
            "message": f"{10**18 + number}",
            "status": status,
            "error_code": {"failed": "quarantined" if number % 1000 == 0 else "broken_image"}.get(status),
            "accepted_at": then,
            "started_at": then if over else None,
            "rendered_at": ended if status == "posted" else None,
            "ended_at": ended if over else None,
            "told_at": ended if status in ("failed", "cancelled", "interrupted") else None,
            "starts": 1,
            "cost": 1.0,
            "crashes": 0,
            "device_seconds": 8.0 if status == "posted" else 0.0,
        }


def images(now: datetime, size: Size) -> Iterator[dict[str, Any]]:
    """One of each posted job; only the newest have their file still."""
    posted = sum(row["status"] == "posted" for row in jobs(now, size))
    removed = posted - size.kept_pictures
    for number, job in enumerate(row for row in jobs(now, size) if row["status"] == "posted"):
        yield {
            "id": f"{number:032x}",
            "job_id": job["id"],
            "index": 0,
            "seed": job["seed"],
            "width": 512,
            "height": 512,
            "file": f"{number % 256:02x}/{number:032x}.png",
            "sha256": "0" * 64,
            "size": 350_000,
            "removed_at": job["ended_at"] if number < removed else None,
            "cleared_at": job["ended_at"] if number < removed else None,
            "made_at": job["rendered_at"],
        }


def limits(size: Size) -> Iterator[dict[str, Any]]:
    """Most of them for members of the largest server."""
    yield {"server": LARGEST, "scope": "server", "subject": LARGEST, "by_name": '{"images_a_day": 10000}'}
    for number in range(size.limits - 1):
        yield {"server": LARGEST, "scope": "member", "subject": f"{1_000_000 + number}", "by_name": '{"cooldown": 1}'}


def _insert(
    database: sqlite3.Connection, table: str, columns: dict[str, set[str]], rows: Iterator[dict[str, Any]]
) -> None:
    first = next(rows)
    names = [name for name in first if name in columns[table]]
    named, marks = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
    statement = f"INSERT INTO {table} ({named}) VALUES ({marks})"  # noqa: S608
    database.execute(statement, [first[name] for name in names])
    while chunk := list(islice(rows, _AT_ONCE)):
        database.executemany(statement, ([row[name] for name in names] for row in chunk))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
