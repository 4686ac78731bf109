"""Selects, menus of messages and members, forms and Components V2, as members and the control API use them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from bot.playground import PlaygroundServer, Post

from .small_bot import picture

pytestmark = pytest.mark.usefixtures("bot")

Control = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def control(server: PlaygroundServer) -> AsyncIterator[Control]:
    """Does one thing over HTTP."""
    async with aiohttp.ClientSession(server.base) as http:

        async def post(what: str, **body: object) -> dict[str, Any]:
            async with http.post(f"/control/{what}", json=body) as response:
                return {**await response.json(), "status": response.status}

        yield post


async def panel(server: PlaygroundServer) -> Post:
    answer = await server.slash("Ben", "panel")
    assert answer.post is not None
    return answer.post


def text(server: PlaygroundServer, post: Post) -> str:
    seen = server.message(post)
    assert seen is not None
    return seen.text


async def test_several_values_are_chosen_in_a_private_messages_select(server: PlaygroundServer) -> None:
    answer = await server.slash("Ben", "choice")
    assert answer.post is not None
    await server.select("Ben", answer.post, "tiny", "large")
    assert text(server, answer.post) == "chosen: tiny, large"


async def test_a_value_that_a_select_does_not_offer_cannot_be_chosen(server: PlaygroundServer) -> None:
    answer = await server.slash("Ben", "choice")
    assert answer.post is not None
    with pytest.raises(Exception, match="does not exist"):
        await server.select("Ben", answer.post, "huge")
    with pytest.raises(Exception, match="not visible to this user"):
        await server.select("Cleo", answer.post, "tiny")


async def test_the_words_of_a_panel_are_its_text(server: PlaygroundServer) -> None:
    post = await panel(server)
    assert post.content == ""
    assert post.text == "## Page 1\na red heart\n-# seed 7\na fox"
    assert [button.label for button in post.buttons] == ["Open", "Next page"]


async def test_the_buttons_and_the_select_of_a_panel_work(server: PlaygroundServer) -> None:
    post = await panel(server)
    opened = await server.click("Cleo", post, label="Open")
    assert opened.post is not None
    assert opened.post.content == "opened by Cleo"
    await server.click("Ben", post, label="Next page")
    assert text(server, post).startswith("## Page 2")
    await server.select("Ben", post, "3", custom_id="panel:page")
    assert text(server, post).startswith("## Page 3")


@pytest.mark.parametrize("where", ["pictures", "dm"])
async def test_a_command_of_a_messages_menu_shows_a_form_that_takes_a_file(
    server: PlaygroundServer, where: str
) -> None:
    message = await server.send("Ben", "a message", where=where)
    form = await server.choose("Ben", "Edit picture", message)
    assert form.modal is not None
    answer = await server.submit("Ben", form, words="greener", model=["large"], mask=("mask.png", picture(30, 20)))
    assert answer.post is not None
    assert answer.post.content == f"edit: greener ['large'] ['mask.png {len(picture(30, 20))} 30x20']"


async def test_what_a_form_has_already_is_sent_when_nobody_changes_it(server: PlaygroundServer) -> None:
    form = await server.choose("Ben", "Edit picture", await server.send("Ben", "a message"))
    answer = await server.submit("Ben", form)
    assert answer.post is not None
    assert answer.post.content == "edit: as it is ['tiny'] []"


async def test_a_command_of_a_members_menu_is_answered(server: PlaygroundServer) -> None:
    answer = await server.choose("Ben", "Their pictures", "Cleo")
    assert answer.post is not None
    assert answer.post.content == "pictures of Cleo"


async def test_the_control_api_sends_a_form_of_a_menu_with_one_or_more_files(
    server: PlaygroundServer, control: Control
) -> None:
    message = await server.send("Ben", "a message")
    one = {"filename": "a.txt", "base64": base64.b64encode(b"1").decode()}
    other = {"filename": "b.txt", "base64": base64.b64encode(b"22").decode()}
    for mask, seen in ((one, "['a.txt 1 NonexNone']"), ([one, other], "['a.txt 1 NonexNone', 'b.txt 2 NonexNone']")):
        form = await control("choose", member="Ben", command="Edit picture", message=str(message.id))
        assert form["modal"]["title"] == "Edit picture"
        sent = await control("modal", member="Ben", answer=form["id"], values={"words": "greener", "mask": mask})
        assert sent["post"]["content"] == f"edit: greener ['tiny'] {seen}"


async def test_the_control_api_chooses_in_a_select_and_presses_in_a_panel(
    server: PlaygroundServer, control: Control
) -> None:
    shown = (await control("slash", member="Ben", command="panel"))["post"]
    assert shown["text"].startswith("## Page 1")
    await control("click", member="Ben", message=shown["id"], custom_id="panel:next")
    assert text(server, server.messages()[0]).startswith("## Page 2")
    await control("select", member="Ben", message=shown["id"], values=["3"], custom_id="panel:page")
    assert text(server, server.messages()[0]).startswith("## Page 3")
    refused = await control("select", member="Ben", message=shown["id"], values=["9"], custom_id="panel:page")
    assert (refused["status"], refused["error"]) == (400, "Select option '9' does not exist")


async def test_the_control_api_takes_a_file_for_an_option(server: PlaygroundServer, control: Control) -> None:
    source = {"filename": "in.png", "base64": base64.b64encode(picture(30, 20)).decode()}
    await control("slash", member="Ben", command="imagine", options={"prompt": "a heart", "source": source})
    await server.until(lambda: server.messages()[0].embeds, what="a picture")
    assert "30x20" in server.messages()[0].text
