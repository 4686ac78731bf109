"""A playground and a small bot in it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from playwright.async_api import Page

from bot.playground import BotProcess, PlaygroundServer

from .browser import CHROMIUM, open_page

SMALL_BOT = [sys.executable, str(Path(__file__).with_name("small_bot.py"))]

NewBot = Callable[[], AbstractAsyncContextManager[BotProcess]]


@pytest.fixture
async def server() -> AsyncIterator[PlaygroundServer]:
    """A playground with nobody connected. More patient than Discord's 3 s, for a machine that is busy."""
    async with PlaygroundServer(port=0, answer_within=10.0) as server:
        yield server


@pytest.fixture
def new_bot(server: PlaygroundServer, tmp_path: Path) -> NewBot:
    """Makes another run of the small bot; its output is added to bot.log."""
    return lambda: BotProcess(SMALL_BOT, server.environment(), output=tmp_path / "bot.log")


@pytest.fixture
async def bot(server: PlaygroundServer, new_bot: NewBot) -> AsyncIterator[BotProcess]:
    """The small bot, connected, with its commands registered."""
    async with new_bot() as bot:
        await server.until_ready("imagine", within=30)
        yield bot
        # Looked at before it stops: what a test leaves unfinished is cut short then, and says so.
        assert "ERROR" not in bot.text(), bot.text()


@pytest.fixture
async def page(server: PlaygroundServer) -> AsyncIterator[Page]:
    """The page in a browser."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (apt install chromium)")
    async with open_page(server.page_url) as page:
        yield page
