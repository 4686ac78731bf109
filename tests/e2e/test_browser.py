"""A person's way: open the page, type /imagine, see the picture.

`SCREENSHOT=docs/playground.png pytest tests/e2e` also saves a picture of the page, for the README. Without the real
bot (`python -m bot run`) the playground's small test bot takes its part.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from bot.playground import BotProcess, PlaygroundServer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: Only what this page needs: no sandbox (containers), no services of Chromium's own.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 150_000  #: ms; the real bot draws on a CPU

SMALL_BOT = Path(__file__).parents[1] / "bot" / "playground" / "small_bot.py"
REAL_BOT = importlib.util.find_spec("bot.__main__") is not None
BOT = [sys.executable, "-m", "bot", "run"] if REAL_BOT else [sys.executable, str(SMALL_BOT)]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt install chromium)")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PlaygroundServer]:
    """A playground with the bot in it."""
    async with PlaygroundServer(port=0) as server:
        env = {"DATA_DIR": str(tmp_path / "data"), "STEP": "0.5", **server.environment()}
        async with BotProcess(BOT, env, output=tmp_path / "bot.log") as bot:
            try:
                await server.until_ready("imagine", within=60)
            except TimeoutError:
                pytest.fail(f"the bot did not come:\n{bot.text()}")
            yield server


@pytest.mark.timeout(300)
async def test_a_person_types_imagine_and_sees_the_picture(server: PlaygroundServer) -> None:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1280, "height": 860})
        await page.goto(server.page_url)
        await expect(page.locator("#playground-banner")).to_contain_text("simulated by SimCord")
        await expect(page.locator("#playground-bot")).to_have_text("Bot: online")

        composer = page.locator("#channel-composer-input")
        await composer.click()
        await composer.press_sequentially("/imagine")
        await page.locator('[role="option"]', has_text="/imagine").first.click()
        prompt = page.locator('.command-option-input[data-option="prompt"]')
        await prompt.press_sequentially("a red heart")
        await prompt.press("Enter")

        # The final message, not a preview: it has the button.
        message = page.locator(".channel-message", has=page.get_by_role("button", name="Rerun"))
        await expect(message).to_be_visible(timeout=PATIENCE)
        await expect(message).to_contain_text("a red heart")
        picture = message.locator("img[src^='blob:']").last
        await expect(picture).to_be_visible()
        await page.wait_for_function(
            "image => image.complete && image.naturalWidth > 0", arg=await picture.element_handle()
        )

        await expect(message).to_contain_text("🔁")
        if "SCREENSHOT" in os.environ:
            await page.mouse.move(0, 0)
            await page.screenshot(path=os.environ["SCREENSHOT"])

        # Somebody else sees it too.
        await page.locator("#viewer-picker").select_option(label="Cleo")
        await expect(message.locator("img[src^='blob:']").last).to_be_visible()
        await browser.close()
