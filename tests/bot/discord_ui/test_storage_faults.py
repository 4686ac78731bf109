"""A locked database, a full disk: the member is told, nothing half-written stays, and in the end all is well."""

import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from tenacity import stop_after_attempt

from bot.storage.inspection import inspect
from generation.job import JobStatus
from tests.bot.discord_ui.world import World


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long here."""
    monkeypatch.setattr("bot.storage.engines.BUSY_TIMEOUT", 0.01)
    monkeypatch.setattr("bot.retrying.stop_after_attempt", lambda attempts: stop_after_attempt(2))


@asynccontextmanager
async def locked(world: World) -> AsyncIterator[None]:
    """Another process writes and writes."""
    other = sqlite3.connect(world.folder / "bot.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@asynccontextmanager
async def full(world: World) -> AsyncIterator[None]:
    """The database may not grow: the writer's connection is told so."""
    await world.database.write(lambda transaction: transaction.exec_driver_sql("PRAGMA max_page_count = 1").all())
    try:
        yield
    finally:
        as_before = f"PRAGMA max_page_count = {2**30}"
        await world.database.write(lambda transaction: transaction.exec_driver_sql(as_before).all())


@contextmanager
def no_space(monkeypatch: pytest.MonkeyPatch, times: int) -> Iterator[None]:
    """No picture can be written, so many times."""
    fsync, left = os.fsync, [None] * times

    def refuse(handle: int) -> None:
        if left:
            left.pop()
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr("bot.storage.image_files.os.fsync", refuse)
        yield
    assert not left


async def agree(world: World) -> bool:
    return (await inspect(world.database, world.folder / "images")).agree


@pytest.mark.parametrize("trouble", [locked, full])
async def test_a_command_while_the_database_is_in_trouble(world: World, trouble: Callable[[World], Any]) -> None:
    async with trouble(world):
        answer = await world.alice.slash(world.channel, "imagine", prompt="long " * 1200)
    assert answer.ephemeral
    assert "cannot reach my records" in answer.response.content
    assert not await world.jobs()
    assert not world.parts.worker.drawn
    again = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(again.response.attachments) == 1


async def test_a_picture_that_cannot_be_written_at_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with no_space(monkeypatch, times=1):
        answer = await world.alice.slash(world.channel, "imagine", prompt="a cat", count=2)
        await world.until(lambda: len(answer.response.attachments) == 2)
    assert await agree(world)


async def test_a_picture_that_cannot_be_written_at_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with no_space(monkeypatch, times=2):
        answer = await world.alice.slash(world.channel, "imagine", prompt="a cat", count=2)
        await world.until(lambda: "cannot reach my records" in answer.response.content)
    (job,) = await world.jobs()
    assert (job.status, job.error_code) == (JobStatus.FAILED, "storage")
    assert await agree(world)
    assert not [path for path in (world.folder / "images").rglob("*") if path.is_file()]
    again = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(again.response.attachments) == 1


async def test_pictures_that_cannot_be_read_for_a_while_are_delivered_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.read_bytes", unreadable)
        answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
        await world.until(lambda: "as soon as I can" in answer.response.content)
    assert (await world.jobs())[0].status is JobStatus.RENDERED
    await world.env.advance_time(180)
    await world.try_again()
    assert len(answer.response.attachments) == 1
    assert (await world.jobs())[0].status is JobStatus.POSTED
