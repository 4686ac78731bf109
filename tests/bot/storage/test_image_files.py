"""Pictures on disk: whole or not at all."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from bot.errors import StorageFault

PNG = b"\x89PNG not really"


async def test_what_was_written_can_be_read(files, tmp_path):
    stored = await files.write(PNG)

    assert await files.read(stored.name) == PNG
    assert (stored.size, stored.sha256) == (len(PNG), hashlib.sha256(PNG).hexdigest())
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".png"]


async def test_twins_are_kept_apart(files):
    one, other = await files.write(PNG), await files.write(PNG)

    await files.delete(one.name)

    assert await files.read(other.name) == PNG


async def test_deleting_twice_is_fine_and_reading_then_is_a_fault(files):
    stored = await files.write(PNG)

    await files.delete(stored.name)
    await files.delete(stored.name)

    with pytest.raises(StorageFault, match=r"\.png"):
        await files.read(stored.name)


@pytest.mark.parametrize(("home", "step"), [(os, "fsync"), (Path, "replace"), (Path, "mkdir")])
async def test_a_full_disk_leaves_nothing_half_written(files, tmp_path, monkeypatch, home, step):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(home, step, full)
    with pytest.raises(StorageFault, match="No space left"):
        await files.write(PNG)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
