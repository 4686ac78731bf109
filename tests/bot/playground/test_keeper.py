"""The keeper while its bot is being started."""

from __future__ import annotations

import asyncio

import pytest

from bot.playground import BotProcess, PlaygroundServer
from bot.playground.keeper import Phase

from .conftest import SMALL_BOT


async def test_a_bot_that_is_being_started_can_be_asked_for_and_stopped(
    server: PlaygroundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, asked, may_go = BotProcess.start, asyncio.Event(), asyncio.Event()

    async def late(process: BotProcess) -> None:
        asked.set()
        await may_go.wait()
        await start(process)

    monkeypatch.setattr(BotProcess, "start", late)
    keeper = server.keep(SMALL_BOT, {}, announce=lambda _: None)
    running = asyncio.create_task(keeper.run())
    await asked.wait()
    assert server.bot()["phase"] == Phase.STOPPED
    keeper.restart()
    keeper.kill()
    assert await keeper.stop() is None
    may_go.set()
    await asyncio.wait_for(running, 20)
