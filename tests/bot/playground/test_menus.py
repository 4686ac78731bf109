"""Menus, forms and files in the page, in a browser."""

from __future__ import annotations

import pytest
from playwright.async_api import FilePayload, Page, expect

from bot.playground import PlaygroundServer

from .browser import save, type_text
from .small_bot import picture

pytestmark = pytest.mark.usefixtures("bot")

PICTURE = FilePayload(name="in.png", mimeType="image/png", buffer=picture(30, 20))


async def test_a_picture_is_attached_to_an_option(page: Page, server: PlaygroundServer) -> None:
    await type_text(page, "/imagine a heart")
    await page.locator(".command-ghost").click()
    await page.locator(".command-suggestion", has_text="source").click()
    await page.locator(".command-file-input").set_input_files(PICTURE)
    await expect(page.locator(".command-file-choose")).to_have_text("in.png")
    await page.locator("#send-message").click()
    await server.until(lambda: server.messages() and server.messages()[0].embeds, what="a picture")
    assert "30x20" in server.messages()[0].text


async def test_a_form_of_a_messages_menu_is_filled_in_on_the_page(page: Page, server: PlaygroundServer) -> None:
    await server.send("Cleo", "a message")
    await page.locator(".channel-message", has_text="a message").click(button="right")
    await page.get_by_role("menuitem", name="Edit picture").click()
    form = page.locator(".modal-dialog")
    await expect(form).to_contain_text("Mask")
    await form.get_by_role("textbox").first.fill("greener")
    await form.get_by_role("combobox").click()
    await page.get_by_role("option", name="Large").click()
    await form.locator("input[type=file]").set_input_files(PICTURE)
    await save(page, "form")
    await form.locator("button.button-primary").click()
    await expect(page.locator(".channel-message").last).to_contain_text("edit: greener ['large'] ['in.png")
    await expect(form).to_have_count(0)


async def test_the_dots_over_a_message_open_its_menu(page: Page, server: PlaygroundServer) -> None:
    await server.send("Cleo", "a message")
    await page.locator(".channel-message", has_text="a message").hover()
    await page.get_by_title("More").click()
    await expect(page.get_by_role("menuitem")).to_have_text(["Edit picture", "Create Thread"])
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("menuitem")).to_have_count(0)


async def test_a_members_menu_works_on_the_page(page: Page, server: PlaygroundServer) -> None:
    await expect(page.locator("#playground-bot")).to_have_text("Bot: online")
    await page.get_by_role("radio", name="Cleo").click(button="right")
    await page.get_by_role("menuitem", name="Their pictures").click()
    await expect(page.locator(".channel-message")).to_contain_text("pictures of Cleo")


async def test_a_form_of_a_command_is_filled_in_on_the_page(page: Page, server: PlaygroundServer) -> None:
    await type_text(page, "/form")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    form = page.locator(".modal-dialog")
    await form.get_by_role("textbox").first.fill("two words")
    await form.locator("button.button-primary").click()
    await expect(page.locator(".channel-message")).to_contain_text("form says two words")
