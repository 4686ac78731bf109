"""`python -m bot check` and `backup`, as an operator types them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from bot.storage.addresses import sqlite_url
from bot.storage.database import Database


def bot(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATA_DIR": str(data), "DATABASE_URL": "", "DISCORD_TOKEN": ""}
    command = [sys.executable, "-m", "bot", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def make_database(data: Path) -> None:
    """As a bot's first start does."""
    data.mkdir(exist_ok=True)
    asyncio.run(Database(sqlite_url(data / "bot.db")).open())


def test_check_names_what_does_not_agree_and_repair_mends_it(tmp_path: Path) -> None:
    make_database(tmp_path)
    (tmp_path / "images/ab").mkdir(parents=True)
    (tmp_path / "images/ab/left.png").write_bytes(b"nobody's")

    found = bot(tmp_path, "check")
    assert found.returncode == 1
    assert "belongs to no job: images/ab/left.png" in found.stderr

    assert bot(tmp_path, "check", "--repair").returncode == 0
    clean = bot(tmp_path, "check")
    assert clean.returncode == 0
    assert "rows and files agree" in clean.stderr


def test_backup_copies_the_database_and_overwrites_nothing(tmp_path: Path) -> None:
    assert bot(tmp_path / "data", "check").returncode == 1, "there is no such folder"
    (tmp_path / "data").mkdir()
    nothing = bot(tmp_path / "data", "check")
    assert (nothing.returncode, list((tmp_path / "data").iterdir())) == (1, [])
    assert "There is no database here" in nothing.stderr
    make_database(tmp_path / "data")
    assert bot(tmp_path / "data", "check").returncode == 0
    copy = tmp_path / "copy.db"
    assert bot(tmp_path / "data", "backup", str(copy)).returncode == 0
    assert copy.stat().st_size > 0
    assert copy.stat().st_mode & 0o077 == 0, "it is its owner's only"
    again = bot(tmp_path / "data", "backup", str(copy))
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert "Traceback" not in again.stderr


def test_backup_takes_the_pictures_along_where_asked_to(tmp_path: Path) -> None:
    make_database(tmp_path / "data")
    copy = tmp_path / "copy.db"
    done = bot(tmp_path / "data", "backup", str(copy), "--pictures")
    assert done.returncode == 0, done.stderr
    assert f"its 0 pictures are in {copy}.images and {copy}.inputs" in done.stderr
    assert (tmp_path / "copy.db.images").stat().st_mode & 0o077 == 0, "it is its owner's only"
    copy.unlink()
    again = bot(tmp_path / "data", "backup", str(copy), "--pictures")
    assert again.returncode == 1
    assert f"{copy}.images exists already" in again.stderr
