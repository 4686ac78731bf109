"""A browser for the page's tests: Chromium, with only what a page on this computer needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Locator, Page, async_playwright, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: No sandbox (containers), no services of Chromium's own.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 10_000.0  #: milliseconds that a page may take for anything, on a machine that is busy
expect.set_options(timeout=PATIENCE)


@asynccontextmanager
async def open_page(
    url: str, *, width: int = 1280, height: int = 860, timezone: str = "UTC", language: str = "en-US"
) -> AsyncIterator[Page]:
    """A new browser at this address. Mistakes of the page's scripts fail the test."""
    mistakes: list[str] = []
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = await browser.new_page(
            viewport={"width": width, "height": height}, timezone_id=timezone, locale=language
        )
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: mistakes.append(str(error)))
        await page.goto(url)
        yield page
        await browser.close()
    assert mistakes == []


async def save(page: Page, name: str) -> None:
    """A picture of the page in the folder SCREENSHOTS, if there is one, for a look at it."""
    if "SCREENSHOTS" in os.environ:
        await page.screenshot(path=Path(os.environ["SCREENSHOTS"]) / f"{name}.png")


async def until_still(page: Page) -> None:
    """Wait until the messages have stayed as they are: a click in the moment of a change goes to what is gone."""
    await page.evaluate("""() => new Promise((resolve) => {
        let timer = setTimeout(resolve, 500);
        const again = () => { clearTimeout(timer); timer = setTimeout(resolve, 500); };
        const seen = { childList: true, subtree: true };
        new MutationObserver(again).observe(document.getElementById("channel-timeline"), seen);
    })""")


def field(page: Page, option: str) -> Locator:
    """The field of a command's option."""
    return page.locator(f'.command-option-input[data-option="{option}"]')


async def type_text(page: Page, text: str) -> None:
    """Type into the message field, and go on where the page puts the focus."""
    await page.locator("#channel-composer-input").click()
    await page.keyboard.type(text)
