"""A person's way in a browser, with the real bot: type /imagine and see the picture; pull the plug in mid-job."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from bot.playground import PlaygroundServer
from bot.playground.workers import workers_of
from tests.bot.playground.browser import CHROMIUM, open_page, save, type_text

PATIENCE = 150_000  #: ms; the real bot draws on a CPU
BOT = [sys.executable, "-m", "bot", "run"]

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt install chromium)"),
    pytest.mark.timeout(300),
]


@asynccontextmanager
async def playground(data: Path, workers: str | None = None, **env: str) -> AsyncIterator[PlaygroundServer]:
    """A playground that keeps the real bot running."""
    environment = {"DATA_DIR": str(data), "DRAIN_SECONDS": "1", **env}
    async with PlaygroundServer(port=0) as server:
        keeper = server.keep(BOT, environment, announce=lambda _: None, workers=workers)
        running = asyncio.create_task(keeper.run(), name="the bot")
        try:
            await server.until_ready("imagine", within=90)
            yield server
        finally:
            await keeper.stop()
            await running


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PlaygroundServer]:
    async with playground(tmp_path / "data") as server:
        yield server


async def enter(page: Page, text: str) -> None:
    """Type into the message field and send it."""
    await type_text(page, text)
    await page.keyboard.press("Enter")


def results(page: Page) -> Locator:
    """The finished messages: a preview has no button to draw it again."""
    return page.locator(".channel-message", has=page.get_by_role("button", name="Rerun"))


async def test_a_person_types_imagine_and_sees_the_picture(server: PlaygroundServer) -> None:
    async with open_page(server.page_url) as page:
        await expect(page.locator("#playground-side")).to_contain_text("Discord is simulated")
        await expect(page.locator("#playground-bot")).to_have_text("Bot: online")
        await expect(page.locator("#playground-workers")).to_be_hidden()
        await enter(page, "/imagine a red heart")

        message = results(page)
        await expect(message).to_be_visible(timeout=PATIENCE)
        await expect(message).to_contain_text("a red heart")
        picture = message.locator("img[src^='blob:']").last
        await expect(picture).to_be_visible()
        assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        await expect(message).to_contain_text("🔁")

        # Somebody else sees it too.
        await page.get_by_role("radio", name="Cleo").click()
        await expect(message.locator("img[src^='blob:']").last).to_be_visible()


async def test_a_bot_killed_in_mid_job_comes_back_and_each_picture_is_seen_once(server: PlaygroundServer) -> None:
    async with open_page(server.page_url) as page:
        await enter(page, "/imagine a red heart")
        await expect(results(page)).to_be_visible(timeout=PATIENCE)

        await page.locator("#channel-composer-input").fill("/imagine a rainbow count:4 steps:150")
        await page.keyboard.press("Enter")
        drawing = page.locator(".channel-message", has=page.get_by_role("button", name="Cancel"))
        await expect(drawing).to_be_visible(timeout=PATIENCE)
        await expect(drawing.locator("img[src^='blob:']").last).to_be_visible(timeout=PATIENCE)  # its first preview
        await page.get_by_role("button", name="Kill it (-9)").click()
        await expect(page.locator("#playground-bot")).not_to_have_text("Bot: online")
        await save(page, "killed")
        await expect(page.locator("#playground-bot")).to_have_text("Bot: online", timeout=PATIENCE)

        await expect(results(page)).to_have_count(2, timeout=PATIENCE)
        await expect(results(page).last.locator("img[src^='blob:']")).to_have_count(4)
        await expect(page.locator(".channel-message")).to_have_count(2)
        await save(page, "back")
    pictures = [attachment["url"] for post in server.messages() for attachment in post.attachments]
    assert len(pictures) == len(set(pictures)) == 5
    assert server.gateway.identified == 2


@pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")
async def test_a_worker_killed_in_mid_job_is_replaced_and_the_picture_comes_once(tmp_path: Path) -> None:
    two = {"workers": "generation.workers.child", "DEVICES": "cpu,cpu"}
    async with playground(tmp_path / "data", **two) as server, open_page(server.page_url) as page:
        workers = page.locator("#playground-workers")
        await expect(workers).to_contain_text("Workers that run: 2", timeout=PATIENCE)
        await enter(page, "/imagine a red heart")
        await expect(results(page)).to_be_visible(timeout=PATIENCE)

        await page.locator("#channel-composer-input").fill("/imagine a rainbow count:4 steps:150")
        await page.keyboard.press("Enter")
        drawing = page.locator(".channel-message", has=page.get_by_role("button", name="Cancel"))
        await expect(drawing.locator("img[src^='blob:']").last).to_be_visible(timeout=PATIENCE)  # its first preview
        (bot,) = workers_of(os.getpid(), "\0-m\0bot\0")
        before = set(workers_of(bot, two["workers"]))
        await page.get_by_role("button", name="Kill a worker (-9)").click()
        async with asyncio.timeout(60):
            while len(before & set(workers_of(bot, two["workers"]))) == 2:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        await save(page, "worker-killed")
        await expect(workers).to_contain_text("Workers that run: 2", timeout=PATIENCE)
        await expect(page.locator("#playground-bot")).to_have_text("Bot: online")

        await expect(results(page)).to_have_count(2, timeout=PATIENCE)
        await expect(results(page).last.locator("img[src^='blob:']")).to_have_count(4)
        await expect(page.locator(".channel-message")).to_have_count(2)
        await save(page, "worker-back")
        pictures = [attachment["url"] for post in server.messages() for attachment in post.attachments]
        assert len(pictures) == len(set(pictures)) == 5
        assert server.gateway.identified == 1, "the bot itself went on"


async def test_limits_and_results_live_on_over_a_restart_of_the_playground(tmp_path: Path) -> None:
    async with playground(tmp_path / "data", LIMITS="images_a_day=1") as server:
        await server.slash("Ben", "imagine", prompt="a red heart")
        await server.until(lambda: server.messages() and server.messages()[0].buttons, within=60)
        await server.until(lambda: server.messages()[0].buttons[0].label == "Rerun", within=60, what="a picture")
    async with playground(tmp_path / "data", LIMITS="images_a_day=1") as server:
        refused = await server.slash("Ben", "imagine", prompt="a red heart")
        assert refused.post is not None
        assert "limit" in refused.post.text
        assert refused.post.ephemeral
        shown = await server.slash("Ben", "result")
        await server.until(lambda: shown.post is not None and shown.post.attachments, what="the picture")
