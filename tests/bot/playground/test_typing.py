"""Typing into the page's message field, in a browser: commands are taken as Discord takes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, Route, expect

from bot.playground import PlaygroundServer

from .browser import field, save, type_text

pytestmark = pytest.mark.usefixtures("bot")


async def test_a_command_with_its_text_and_enter_is_taken_as_the_command(page: Page, server: PlaygroundServer) -> None:
    await type_text(page, "/imagine a red heart")
    await expect(field(page, "prompt")).to_have_value("a red heart")
    await page.keyboard.press("Enter")
    await server.until(lambda: server.messages() and server.messages()[0].embeds, what="a picture")
    assert server.messages()[0].text.startswith("a red heart")


async def test_a_command_pasted_with_named_options_fills_them(page: Page, server: PlaygroundServer) -> None:
    await page.locator("#channel-composer-input").fill("/imagine a red heart: big steps:7 scheduler:euler")
    await expect(field(page, "prompt")).to_have_value("a red heart: big")
    await expect(field(page, "steps")).to_have_value("7")
    await expect(field(page, "scheduler")).to_have_value("euler")


async def test_options_named_while_typing_are_filled(page: Page, server: PlaygroundServer) -> None:
    await type_text(page, "/imagine prompt: two cats steps: 7 scheduler: euler")
    await expect(field(page, "prompt")).to_have_value("two cats")
    await expect(field(page, "steps")).to_have_value("7")
    await expect(field(page, "scheduler")).to_have_value("euler")
    await page.keyboard.press("Enter")
    await server.until(lambda: server.messages() and server.messages()[0].embeds, what="a picture")
    assert server.messages()[0].text.startswith("two cats")


async def test_a_command_without_required_options_takes_text_too(page: Page, server: PlaygroundServer) -> None:
    await type_text(page, "/whisper good morning")
    await expect(field(page, "words")).to_have_value("good morning")
    await page.keyboard.press("Enter")
    await server.until(lambda: server.messages(), what="a message")
    assert server.messages()[0].content == "good morning"


async def test_a_command_without_required_options_is_sent_with_enter(page: Page, server: PlaygroundServer) -> None:
    await type_text(page, "/whisper ")
    await expect(page.locator(".command-suggestion")).to_have_count(2)
    await page.keyboard.press("Enter")
    await server.until(lambda: server.messages(), what="a message")
    assert server.messages()[0].content == "only for you"


async def test_other_text_is_sent_as_it_is(page: Page, server: PlaygroundServer) -> None:
    await type_text(page, "/nothing like this")
    await page.keyboard.press("Enter")
    await server.until(lambda: server.messages(), what="a message")
    assert server.messages()[0].content == "/nothing like this"


@pytest.mark.parametrize("hand", ["keyboard", "mouse"])
async def test_a_member_who_is_chosen_is_sent_with_the_next_enter(
    page: Page, server: PlaygroundServer, hand: str
) -> None:
    await type_text(page, "/greet Be")
    found = page.locator(".command-suggestion", has_text="Ben")
    await expect(found).to_be_visible()
    await (page.keyboard.press("Enter") if hand == "keyboard" else found.click())
    await expect(page.locator(".command-mention")).to_have_text("@Ben")
    await page.keyboard.press("Enter")
    await server.until(lambda: server.messages(), what="a message")
    assert server.messages()[0].content == "hello Ben"


async def test_a_prompt_longer_than_a_message_is_pasted_whole(page: Page) -> None:
    prompt = "a heart " * 700 + "and a star"
    await page.locator("#channel-composer-input").fill(f"/imagine {prompt}")
    await expect(field(page, "prompt")).to_have_value(prompt)


async def test_a_command_that_there_is_not_is_told_to_whoever_typed_it(page: Page, server: PlaygroundServer) -> None:
    await expect(page.locator("#playground-bot")).to_have_text("Bot: online")
    await type_text(page, "/imagin a cat")
    await page.keyboard.press("Enter")
    await expect(page.locator("#playground-hint")).to_contain_text("no command is called that")
    await server.until(lambda: server.messages(), what="a message")


@asynccontextmanager
async def answered_late(page: Page, address: str, words: str = "") -> AsyncIterator[asyncio.Event]:
    """The page anew; its requests to there with these words are answered in the end only. Yields that one was made."""
    asked, answered = asyncio.Event(), asyncio.Event()

    async def answer(route: Route) -> None:
        if words in (route.request.post_data or ""):
            asked.set()
            await answered.wait()
        await route.continue_()

    await page.route(address, answer)
    await page.reload()
    yield asked
    answered.set()


@pytest.mark.parametrize("of_the_page", ["configure_presentation", "autocomplete_command"])
async def test_enter_while_the_page_asks_for_something_of_its_own_is_not_lost(
    page: Page, server: PlaygroundServer, of_the_page: str
) -> None:
    async with answered_late(page, "**/api/action", f'"kind":"{of_the_page}"') as asked:
        await type_text(page, "/imagine a heart scheduler:ddim")
        await expect(field(page, "scheduler")).to_have_value("ddim")
        await asyncio.wait_for(asked.wait(), 10)
        await page.keyboard.press("Enter")
        await page.evaluate("new Promise(requestAnimationFrame)")
    await server.until(lambda: server.messages() and server.messages()[0].embeds, what="a picture")
    assert len(server.messages()) == 1


async def test_enter_while_the_commands_are_on_their_way_sends_the_command_once(
    page: Page, server: PlaygroundServer
) -> None:
    async with answered_late(page, "**/api/commands") as asked:
        await asyncio.wait_for(asked.wait(), 10)
        await type_text(page, "/imagine a heart")
        await page.keyboard.press("Enter")
    await server.until(lambda: server.messages() and server.messages()[0].embeds, what="a picture")
    assert len(server.messages()) == 1


async def test_an_option_that_completes_shows_its_choices_before_anything_is_typed(
    page: Page, server: PlaygroundServer
) -> None:
    await type_text(page, "/imagine a heart")
    await page.locator(".command-ghost").click()
    await expect(page.locator(".command-suggestion", has_text="How the picture is drawn")).to_be_visible()
    await page.locator(".command-suggestion", has_text="scheduler").click()
    await expect(page.locator(".command-suggestion")).to_have_text(["ddim", "euler"])
    await save(page, "choices")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(field(page, "scheduler")).to_have_value("euler")
    await page.keyboard.press("Enter")
    await server.until(lambda: server.messages() and server.messages()[0].embeds, what="a picture")


async def test_typed_text_is_seen_whole(page: Page) -> None:
    prompt = "WIDE WORDS and a lighthouse by the sea in a storm, painted in oil"
    await type_text(page, f"/imagine {prompt}")
    await page.locator(".command-ghost").click()
    await page.locator(".command-suggestion", has_text="steps").click()
    await page.keyboard.type("25")
    await save(page, "typed")
    for option in ("prompt", "steps"):
        text_fits = "field => field.scrollWidth <= field.clientWidth"
        assert await field(page, option).evaluate(text_fits), option


async def test_a_value_out_of_range_is_told_what_is_allowed(page: Page) -> None:
    await type_text(page, "/imagine a heart")
    await page.locator(".command-ghost").click()
    await page.locator(".command-suggestion", has_text="steps").click()
    await page.keyboard.type("500")
    await page.keyboard.press("Enter")
    error = page.locator(".command-error")
    await expect(error).to_have_text("steps is a whole number from 1 to 50.")
    await save(page, "range")
    seen = """error => { const box = error.getBoundingClientRect();
        return error.contains(document.elementFromPoint(box.right - 4, box.bottom - 4)); }"""
    assert await error.evaluate(seen)
