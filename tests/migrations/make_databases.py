"""Writes a database of a revision as SQL, with rows in every state: test data for the migrations after it.

`python -m tests.migrations.make_databases 0004` writes databases/0004.sql. A published file is never made anew: it is
what the bot of its day has written.
"""

import json
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect

from bot.storage import schema

FOLDER = Path(__file__).parent / "databases"
STATES = ("accepted", "started", "rendered", "posted", "failed", "cancelled", "interrupted")
THEN = "2026-01-02 03:04:05.000006"
LATER = "2026-01-02 03:05:05.000006"
#: What the rules of another day took: a scheduler, a length, a number of steps, a prompt that looks empty.
ODD: tuple[dict[str, Any], ...] = (
    {"scheduler": "Heun"},
    {"prompt": "x" * 6001},
    {"steps": 99999},
    {"prompt": "\u200b"},
    {"guidance_scale": 1e6, "seed": 2**33, "width": 7, "count": 9},
)


def main(revision: str) -> None:
    """Write the file of a revision."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bot.db"
        engine = create_engine(f"sqlite:///{file}")
        with engine.begin() as connection:
            schema.upgrade(connection, revision)
            columns = {
                table: {column["name"] for column in inspect(connection).get_columns(table)}
                for table in inspect(connection).get_table_names()
            }
        engine.dispose()
        database = sqlite3.connect(file)
        for table, rows in (("servers", servers()), ("jobs", jobs()), ("images", images()), ("limits", limits())):
            for row in rows:
                insert(database, table, {name: value for name, value in row.items() if name in columns[table]})
        for table, rows in (("blocks", blocks()), ("audit", audit())):
            for row in rows:
                insert(database, table, row)
        database.commit()
        lines = [line for line in database.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;")]
        database.close()
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{revision}.sql").write_text("\n".join(lines) + "\n")


def insert(database: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    database.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))  # noqa: S608


def servers() -> list[dict[str, Any]]:
    return [{"id": "9000", "first_set_at": THEN}]


def jobs() -> list[dict[str, Any]]:
    """One a state, then the odd ones, waiting and posted; a child, a deleted one, one in direct messages."""
    rows = [job(number, status=status) for number, status in enumerate(STATES)]
    for number, odd in enumerate(ODD):
        rows.append(job(20 + number, status="accepted", **odd))
        rows.append(job(40 + number, status="posted", **odd))
    rows.append(job(60, status="posted", parent_id=f"{3:032x}", server=None))
    rows.append(job(61, status="posted", deleted_at=LATER))
    rows.append(job(62, status="failed", error_code="quarantined"))
    rows.append(job(63, status="rendered", error_code="discord_50007"))
    return rows


def job(number: int, *, status: str, **changes: Any) -> dict[str, Any]:
    drawn, over = status in ("rendered", "posted"), status in STATES[3:]
    request = {
        "prompt": f'a "red" heart 🎈 {number}\n\\',
        "negative_prompt": "",
        "model": "builtin",
        "width": 64,
        "height": 128,
        "steps": 3,
        "guidance_scale": 7.5,
        "scheduler": "DPM++ 2M Karras",
        "seed": 2**32 - 1,
        "count": 2,
    }
    request |= {name: changes.pop(name) for name in tuple(changes) if name in request}
    return {
        "id": f"{number:032x}",
        "requester": "1001",
        "requester_name": "Ann",
        "server": "9000",
        "channel": "5000",
        "message": f"6{number}",
        **request,
        "request": json.dumps({"version": 1, "syntax": 1, **request}),
        "status": status,
        "error_code": "broken_image" if status == "failed" else None,
        "accepted_at": THEN,
        "started_at": THEN if status != "accepted" else None,
        "rendered_at": LATER if drawn else None,
        "ended_at": LATER if over else None,
        "starts": 1,
        "cost": 2.0,
        "device_seconds": 1.5 if drawn else 0.0,
        "crashes": 0,
        **changes,
    }


def images() -> list[dict[str, Any]]:
    drawn = [row for row in jobs() if row["rendered_at"] is not None]
    return [
        {
            "id": f"{index + 10:x}{row['id'][1:]}",
            "job_id": row["id"],
            "index": index,
            "seed": index,
            "width": 64,
            "height": 128,
            "file": f"{index}0/{row['id']}.png",
            "sha256": "0" * 64,
            "size": 100,
            "removed_at": LATER if row["id"] == f"{60:032x}" else None,
            "cleared_at": LATER if row["id"] == f"{60:032x}" else None,
            "made_at": LATER,
        }
        for row in drawn
        for index in range(1)
    ]


def limits() -> list[dict[str, Any]]:
    return [
        {"server": "9000", "scope": scope, "subject": subject, "cooldown": 5, "by_name": '{"cooldown": 5}'}
        for scope, subject in (("server", "9000"), ("role", "7001"), ("member", "1001"))
    ]


def blocks() -> list[dict[str, Any]]:
    return [{"server": "9000", "member": "1002", "reason": "spam", "by": "1004", "at": THEN}]


def audit() -> list[dict[str, Any]]:
    changes = json.dumps([["cooldown", None, 5]])
    row = {"server": "9000", "actor": "1004", "actor_name": "Ada", "action": "limits.set", "at": THEN}
    return [{"id": "a" * 32, **row, "scope": "server", "subject": None, "changes": changes}]


if __name__ == "__main__":
    main(sys.argv[1])
