"""Pictures on disk: whole or not at all."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from bot.errors import PictureGone, StorageFault

PNG = b"\x89PNG not really"


async def test_what_was_written_can_be_read(files, tmp_path):
    stored = await files.write(PNG)

    assert await files.read(stored.name, stored.sha256) == PNG
    assert (stored.size, stored.sha256) == (len(PNG), hashlib.sha256(PNG).hexdigest())
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".png"]


async def test_twins_are_kept_apart(files):
    one, other = await files.write(PNG), await files.write(PNG)

    await files.delete([one.name])

    assert await files.read(other.name, other.sha256) == PNG


async def test_deleting_twice_is_fine_and_what_is_gone_is_gone_for_good(files):
    stored, _ = await files.write(PNG), await files.write(PNG)

    assert await files.delete([stored.name]) == frozenset()
    assert await files.delete([stored.name]) == frozenset()

    with pytest.raises(PictureGone, match="lost"):
        await files.read(stored.name, stored.sha256)


async def test_a_file_that_somebody_changed_is_lost(files, tmp_path):
    stored = await files.write(PNG)
    (tmp_path / "images" / stored.name).write_bytes(b"scribbled over")

    with pytest.raises(PictureGone, match="lost"):
        await files.read(stored.name, stored.sha256)


async def test_a_folder_that_is_not_there_may_come_back(files, tmp_path):
    stored = await files.write(PNG)
    (tmp_path / "images").rename(tmp_path / "unmounted")
    with pytest.raises(StorageFault):
        await files.read(stored.name, stored.sha256)
    (tmp_path / "unmounted").rename(tmp_path / "images")
    assert await files.read(stored.name, stored.sha256) == PNG


@pytest.mark.parametrize(("home", "step"), [(os, "fsync"), (Path, "replace"), (Path, "mkdir")])
async def test_a_full_disk_leaves_nothing_half_written(files, tmp_path, monkeypatch, home, step):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(home, step, full)
    with pytest.raises(StorageFault, match="No space left"):
        await files.write(PNG)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
