"""What one does with a picture, in a browser, with the real bot and the model that ships.

`TOUR=.github/images/round.webp pytest tests/e2e/test_round.py` also makes the moving picture of it, for the README.
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import FilePayload, Page, expect

from bot.playground import PlaygroundServer
from tests.bot.playground.browser import CHROMIUM, open_page, until_still
from tests.e2e.records import rows
from tests.e2e.test_browser import PATIENCE, enter, playground, results
from tests.generation.diffusion.engine.test_begins_with_a_picture import ink, share_of
from tests.pictures import png_of

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt install chromium)"),
    pytest.mark.timeout(300),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def server(data: Path) -> AsyncIterator[PlaygroundServer]:
    async with playground(data) as server:
        yield server


class Tour:
    """Looks at the page now and then, and makes a moving picture of it where one is wanted."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._file = os.environ.get("TOUR")
        self._frames: list[Image.Image] = []

    async def look(self) -> None:
        if self._file:
            await self._page.mouse.move(0, 0)
            await until_still(self._page)
            frame = Image.open(io.BytesIO(await self._page.screenshot())).convert("RGB")
            self._frames.append(frame.resize((frame.width * 3 // 4, frame.height * 3 // 4), Image.Resampling.LANCZOS))

    def save(self) -> None:
        if self._file:
            first, *others = self._frames
            first.save(self._file, save_all=True, append_images=others, duration=2500, loop=0, quality=80, method=6)


def pictures(data: Path) -> list[Image.Image]:
    """All that was drawn, as it lies on the disk, in order."""
    found = rows(f"sqlite:///{data / 'bot.db'}", 'SELECT file FROM images ORDER BY made_at, "index"')
    return [Image.open(data / "images" / str(file)).convert("RGB") for (file,) in found]


async def attach(page: Page, option: str, picture: Image.Image) -> None:
    """Choose an option of a command that is being typed, and a file for it."""
    await page.locator(".command-ghost").click()
    await page.locator(".command-suggestion", has_text=option).first.click()
    file = FilePayload(name=f"{option}.png", mimeType="image/png", buffer=png_of(picture))
    await page.locator(".command-file-input").last.set_input_files(file)
    await expect(page.locator(".command-file-choose").last).to_have_text(f"{option}.png")


async def ask(page: Page, words: str, **files: Image.Image) -> None:
    """Ask for a picture that begins with others."""
    await page.locator("#channel-composer-input").click()
    await page.keyboard.type(words)
    for option, picture in files.items():
        await attach(page, option, picture)


async def test_a_red_heart_comes_back_blue_and_a_mask_keeps_half_of_it(server: PlaygroundServer, data: Path) -> None:
    async with open_page(server.page_url) as page:
        await enter(page, "/imagine a red heart")
        await expect(results(page)).to_have_count(1, timeout=PATIENCE)
        (red,) = pictures(data)

        await ask(page, "/imagine a blue heart", image=red)
        await page.locator("#send-message").click()
        await expect(results(page)).to_have_count(2, timeout=PATIENCE)
        blue = pictures(data)[-1]
        assert (ink(red) & ink(blue)).sum() / (ink(red) | ink(blue)).sum() >= 0.6
        assert share_of("blue", blue, ink(red)) >= 0.6

        mask = Image.new("L", red.size)
        mask.paste(255, (0, 0, red.width // 2, red.height))
        await ask(page, "/imagine a green heart", image=red, mask=mask)
        await page.locator("#send-message").click()
        await expect(results(page)).to_have_count(3, timeout=PATIENCE)
    kept = red.width // 2 + 4  # beyond the soft edge of the mask
    half = np.asarray(pictures(data)[-1])[:, kept:]
    assert np.array_equal(half, np.asarray(red)[:, kept:])


async def test_the_round_of_a_picture(server: PlaygroundServer, data: Path) -> None:
    async with open_page(server.page_url) as page:
        tour = Tour(page)
        await enter(page, "/imagine a fox on a blue background count:4")
        await expect(results(page)).to_have_count(1, timeout=PATIENCE)
        await tour.look()
        await page.get_by_role("button", name="Restart the bot").click()
        await expect(page.locator("#playground-bot")).not_to_have_text("Bot: online")
        await expect(page.locator("#playground-bot")).to_have_text("Bot: online", timeout=PATIENCE)

        await until_still(page)
        await results(page).first.get_by_role("button", name="Vary").click()
        await page.get_by_role("combobox").last.click()
        await tour.look()
        await page.get_by_role("option", name="Picture 3, quite different").click()
        await expect(results(page)).to_have_count(2, timeout=PATIENCE)
        await tour.look()
        (source,) = rows(f"sqlite:///{data / 'bot.db'}", "SELECT sha256 FROM job_inputs")[0]
        assert (data / "inputs" / str(source)).is_file()

        await until_still(page)
        await results(page).last.get_by_role("button", name="Edit").click()
        await page.locator(".channel-message", has_text="Which picture").get_by_role("combobox").click()
        await page.get_by_role("option", name="Picture 1, edit").click()
        form = page.locator(".modal-dialog")
        await form.get_by_role("textbox").first.fill("a cat on a green background")
        await tour.look()
        await form.locator("button.button-primary").click()
        await expect(results(page)).to_have_count(3, timeout=PATIENCE)
        await tour.look()

        await enter(page, "/history")
        await page.keyboard.press("Enter")
        await expect(page.locator(".channel-message").last).to_contain_text("Your history", timeout=PATIENCE)
        await tour.look()
        tour.save()
    assert len(pictures(data)) == 4 + 4 + 1
