"""Threads: started under a message, spoken in, and seen on the page."""

from __future__ import annotations

import aiohttp
import pytest
from playwright.async_api import Page, expect

from bot.playground import PlaygroundServer

from .browser import save, type_text

pytestmark = pytest.mark.usefixtures("bot")


async def test_the_bot_answers_in_a_thread(server: PlaygroundServer) -> None:
    thread = await server.start_thread("Ben", await server.send("Cleo", "red things\nand more"))
    assert thread == "red things"
    message = await server.send("Ben", "a heart please", where=thread)
    await server.slash("Ben", "imagine", where=thread, prompt="a heart")
    await server.until(lambda: server.messages(thread)[-1].reactions, what="a picture")
    assert [post.text.splitlines()[0] for post in server.messages(thread)] == ["a heart please", "a heart"]
    clicked = await server.click("Ben", server.messages(thread)[-1], label="Rerun")
    assert clicked.post is not None
    assert clicked.post.channel == thread
    form = await server.choose("Ben", "Edit picture", message)
    answer = await server.submit("Ben", form)
    assert answer.post is not None
    assert answer.post.channel == thread


async def test_a_thread_is_started_under_a_channels_public_message_and_once(server: PlaygroundServer) -> None:
    message = await server.send("Ben", "hello")
    thread = await server.start_thread("Ben", message, "things")
    private = await server.slash("Ben", "whisper")
    assert private.post is not None
    for refused in (
        message,
        await server.send("Ben", "inside", where=thread),
        await server.send("Ben", "hello", where="dm"),
        private.post,
    ):
        with pytest.raises(LookupError, match="thread"):
            await server.start_thread("Ben", refused)


async def test_the_control_api_starts_a_thread_and_speaks_in_it(server: PlaygroundServer) -> None:
    message = await server.send("Ben", "hello")
    async with aiohttp.ClientSession(server.base) as http:
        body = {"member": "Cleo", "message": str(message.id), "name": "things"}
        async with http.post("/control/thread", json=body) as response:
            assert (await response.json())["name"] == "things"
        await http.post("/control/send", json={"member": "Ben", "content": "inside", "where": "things"})
        async with http.get("/control/state") as response:
            state = await response.json()
    assert [post["text"] for post in state["channels"]["things"]] == ["inside"]


async def test_a_thread_is_started_and_used_on_the_page(page: Page, server: PlaygroundServer) -> None:
    await server.send("Cleo", "red things")
    await page.locator(".channel-message", has_text="red things").click(button="right")
    await page.get_by_role("menuitem", name="Create Thread").click()
    link = page.get_by_role("link", name="red things")
    await expect(link).to_have_attribute("aria-current", "page")
    await expect(page.locator("#playground-bot")).to_have_text("Bot: online")
    await type_text(page, "/imagine a heart")
    await page.keyboard.press("Enter")
    await expect(page.locator(".channel-message")).to_contain_text("ddim for all")
    await save(page, "thread")
    await page.get_by_role("link", name="#pictures").click()
    await page.locator(".thread-summary").click()
    await expect(page.locator(".channel-message")).to_contain_text("ddim for all")
    assert server.messages("red things")[0].author == "Imagine"


async def test_the_page_of_a_thread_that_is_gone_is_the_first_channels(page: Page, server: PlaygroundServer) -> None:
    await page.goto(f"{server.page_url}?channel=thread-1")
    await expect(page.get_by_role("link", name="#pictures")).to_have_attribute("aria-current", "page")
