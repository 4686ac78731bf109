"""A real discord.py bot, in its own process, in the playground."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from bot.playground import BotProcess, PlaygroundServer, Post

from .conftest import NewBot
from .small_bot import picture

pytestmark = pytest.mark.usefixtures("bot")


async def drawn(server: PlaygroundServer, prompt: str = "a red heart", **options: Any) -> Post:
    """A finished picture."""
    answer = await server.slash("Ben", "imagine", prompt=prompt, **options)

    def finished() -> Post | None:
        return answer.post if answer.post is not None and answer.post.reactions else None

    return await server.until(finished, what="a finished picture")


async def test_a_deferred_command_becomes_a_message_with_pictures_and_buttons(server: PlaygroundServer) -> None:
    post = await drawn(server, scheduler="euler", member="Cleo")
    assert post.text == "a red heart\neuler for Cleo"
    assert [attachment["filename"] for attachment in post.attachments] == ["96.png", "64.png"]
    assert {attachment["description"] for attachment in post.attachments} == {"alt: a red heart"}
    assert [button.label for button in post.buttons] == ["Rerun"]
    assert post.reactions == {"🔁": ["Imagine"]}
    assert post.edited
    assert not post.thinking
    async with aiohttp.ClientSession() as http, http.get(post.attachments[0]["url"]) as response:
        assert (await response.read()).startswith(b"\x89PNG")


async def test_an_uploaded_picture_reaches_the_bot_with_its_size(server: PlaygroundServer) -> None:
    data = picture(30, 20)
    post = await drawn(server, source=("in.png", data))
    assert f"source: in.png {len(data)} 30x20" in post.text


async def test_a_private_answer_is_seen_by_one_member_only(server: PlaygroundServer) -> None:
    answer = await server.slash("Ben", "whisper")
    assert answer.post is not None
    assert answer.post.ephemeral
    assert [post.content for post in server.messages(viewer="Ben")] == ["only for you"]
    assert server.messages(viewer="Cleo") == []


async def test_autocomplete_offers_what_the_bot_says(server: PlaygroundServer) -> None:
    choices = await server.autocomplete("Ben", "imagine", "scheduler", "eul", prompt="a heart")
    assert [choice["value"] for choice in choices] == ["euler"]


async def test_a_form_is_shown_and_sent(server: PlaygroundServer) -> None:
    form = await server.slash("Ben", "form")
    assert form.modal is not None
    answer = await server.submit("Ben", form, words="two words")
    assert answer.post is not None
    assert answer.post.content == "form says two words"


async def test_a_reaction_is_answered_in_the_channel_and_in_private(server: PlaygroundServer) -> None:
    post = await drawn(server)
    await server.react("Cleo", post, "🔁")
    await server.until(lambda: server.messages("dm", "Cleo"), what="a direct message")
    reply = server.messages()[-1]
    assert (reply.content, reply.reply_to) == ("reacted with 🔁", post.id)
    assert server.messages("dm", "Ben") == []


@pytest.mark.parametrize("emoji", ["✉", "✉️"])
async def test_both_spellings_of_an_emoji_are_one_reaction(server: PlaygroundServer, emoji: str) -> None:
    post = await server.send("Ben", "a message")
    await server.react("Ben", post, emoji)
    await server.react("Cleo", post, "✉️")
    seen = server.message(post)
    assert seen is not None
    assert seen.reactions == {emoji: ["Ben", "Cleo"]}
    await server.unreact("Ben", post, "✉")
    await server.unreact("Cleo", post, "✉")
    seen = server.message(post)
    assert seen is not None
    assert seen.reactions == {}


async def test_old_buttons_work_after_the_bot_was_killed_and_started_again(
    server: PlaygroundServer, bot: BotProcess, new_bot: NewBot
) -> None:
    post = await drawn(server)
    bot.kill()
    await bot.wait()
    await server.until(lambda: not server.connected, what="the end of the connection")

    server.world.answer_within = 0.3
    unanswered = await server.click("Cleo", post, label="Rerun")
    server.world.answer_within = 10.0
    assert not unanswered.in_time
    assert "This interaction failed" in server.messages(viewer="Cleo")[-1].content

    async with new_bot():
        await server.until_ready("imagine")
        assert server.message(post) == post
        answer = await server.click("Cleo", post, label="Rerun")
        assert answer.post is not None
        assert answer.post.content == "again 7 for Cleo"


async def test_a_command_that_is_not_answered_fails_after_the_deadline_for_that_member(
    server: PlaygroundServer,
) -> None:
    server.world.answer_within = 0.3
    answer = await server.slash("Ben", "silent")
    assert not answer.in_time
    [said] = server.messages(viewer="Ben")
    assert "The application did not respond" in said.content
    assert server.messages(viewer="Cleo") == []


async def test_the_bot_resumes_after_a_dropped_connection_and_misses_nothing(server: PlaygroundServer) -> None:
    post = await drawn(server)
    server.drop_connections()
    await server.react("Cleo", post, "🔁")
    await server.until(lambda: server.gateway.resumed == 1, what="a RESUME")
    await server.until(lambda: server.messages()[-1].reply_to == post.id, what="the answer to the missed reaction")
    assert server.gateway.identified == 1


async def test_members_act_at_the_same_time(server: PlaygroundServer) -> None:
    members = ("Ben", "Cleo", "Ada") * 5
    answers = await asyncio.gather(*(server.slash(member, "whisper") for member in members))
    assert all(answer.in_time for answer in answers)
    assert len({answer.id for answer in answers}) == len(members)
    assert [len(server.messages(viewer=member)) for member in ("Ben", "Cleo", "Ada")] == [5, 5, 5]


async def test_the_control_api_does_what_a_member_does(server: PlaygroundServer) -> None:
    async with aiohttp.ClientSession(server.base) as http:

        async def post(path: str, **body: object) -> dict[str, object]:
            async with http.post(path, json=body) as response:
                return {**await response.json(), "status": response.status}

        answer = await post("/control/slash", member="Ben", command="imagine", options={"prompt": "a heart"})
        assert answer["in_time"]
        refused = await post("/control/slash", member="Ben", command="imagine", options={"size": 3})
        assert refused["status"] == 400
        form = await post("/control/slash", member="Ben", command="form")
        sent = await post("/control/modal", member="Ben", answer=form["id"], values={"words": "x"})
        assert sent["in_time"]
        seen = lambda: {message.content for message in server.messages(viewer="Ben")}  # noqa: E731
        await server.until(lambda: "form says x" in seen(), what="the answer to the form")
        await server.until(lambda: server.messages()[0].reactions)
        async with http.get("/control/state?viewer=Ben") as response:
            state = await response.json()
        picture = state["channels"]["pictures"][0]
        assert picture["text"] == "a heart\nddim for all"
        clicked = await post("/control/click", member="Cleo", message=picture["id"], label="Rerun")
        assert clicked["post"]["content"] == "again 7 for Cleo"  # type: ignore[index]
        shown = ["album", "choice", "form", "greet", "imagine", "panel", "silent", "surroundings", "whisper"]
        assert state["commands"] == shown
