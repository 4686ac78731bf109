"""Selects and Components V2 in the page, in a browser."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from bot.playground import PlaygroundServer

from .browser import save, until_still

pytestmark = pytest.mark.usefixtures("bot")


async def test_values_are_chosen_in_a_private_messages_select(page: Page, server: PlaygroundServer) -> None:
    await server.slash("Ben", "choice")
    message = page.locator(".channel-message")
    await expect(message).to_contain_text("choose")
    await until_still(page)
    await message.get_by_role("combobox").click()
    await page.get_by_role("option", name="Tiny").click()
    await page.get_by_role("option", name="Large").click()
    await save(page, "select")
    await expect(page.locator("body")).not_to_contain_text("SimCord", use_inner_text=True)
    await page.get_by_role("button", name="Apply").click()
    await expect(message).to_contain_text("chosen: tiny, large")


async def test_a_panel_shows_words_and_pictures(page: Page, server: PlaygroundServer) -> None:
    await server.slash("Ben", "panel")
    message = page.locator(".channel-message")
    await expect(message).to_contain_text("a red heart")
    await expect(message).not_to_contain_text("-#")
    pictures = "[...document.querySelectorAll('.channel-message img')].filter(image => image.naturalWidth === 96)"
    await page.evaluate(f"async () => {{ while ({pictures}.length < 5) await new Promise(requestAnimationFrame); }}")
    await save(page, "panel")
    boxes = await page.evaluate(f"{pictures}.map(image => image.getBoundingClientRect().toJSON())")
    first, second, third, _ = boxes[1:]
    assert (first["y"], first["x"]) == (second["y"], third["x"])
    assert second["x"] > first["x"]
    assert third["y"] > first["y"]


async def test_the_buttons_and_the_select_of_a_panel_work_on_the_page(page: Page, server: PlaygroundServer) -> None:
    await server.slash("Ben", "panel")
    message = page.locator(".channel-message").first
    await expect(message).to_contain_text("Page 1")
    await until_still(page)
    await message.get_by_role("button", name="Next page").click()
    await expect(message).to_contain_text("Page 2")
    await until_still(page)
    await message.get_by_role("combobox").click()
    await page.get_by_role("option", name="Page 3").click()
    await expect(message).to_contain_text("Page 3")
    await until_still(page)
    await message.get_by_role("button", name="Open", exact=True).click()
    await expect(page.locator(".channel-message").last).to_contain_text("opened by Ben")


@pytest.mark.parametrize("emoji", ["⭐", "✉️"])
async def test_a_reaction_is_given_on_the_page(page: Page, server: PlaygroundServer, emoji: str) -> None:
    post = await server.send("Cleo", "a message")
    await page.locator(".channel-message", has_text="a message").hover()
    await page.get_by_title(f"React with {emoji}").click()
    await server.until(lambda: server.message(post).reactions == {emoji: ["Ben"]}, what="a reaction")


async def test_nobody_can_react_through_a_form(page: Page, server: PlaygroundServer) -> None:
    await server.slash("Ben", "greet", member="Cleo")
    button = page.get_by_role("button", name="Write")
    await button.hover()
    bar = page.locator("#playground-reactions")
    await expect(bar).to_be_visible()
    place = await bar.bounding_box()
    assert place is not None
    await until_still(page)
    await button.click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await expect(bar).to_be_hidden()
    await page.mouse.move(place["x"] + 5, place["y"] + 5)
    await expect(bar).to_be_hidden()
