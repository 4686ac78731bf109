"""What was said is there again after a restart of the playground."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from bot.playground import BotProcess, PlaygroundServer

from .conftest import SMALL_BOT


async def test_messages_with_pictures_and_buttons_live_on_over_a_restart(tmp_path: Path) -> None:
    for start in (1, 2):
        async with (
            PlaygroundServer(port=0, keep_in=tmp_path / "kept", answer_within=10) as server,
            BotProcess(SMALL_BOT, server.environment(), output=tmp_path / "bot.log"),
        ):
            await server.until_ready("imagine")
            if start == 1:
                await server.slash("Ben", "imagine", prompt="a red heart")
                await server.until(lambda: server.messages()[0].reactions, what="a finished picture")
                before = server.messages()
                continue
            assert [post.id for post in server.messages()] == [before[0].id]
            [post] = server.messages()
            assert (post.text, post.reactions) == (before[0].text, before[0].reactions)
            async with aiohttp.ClientSession() as http, http.get(post.attachments[0]["url"]) as response:
                assert (await response.read()).startswith(b"\x89PNG")
            answer = await server.click("Cleo", post, label="Rerun")
            assert answer.post is not None
            assert answer.post.content == "again 7 for Cleo"


async def test_a_private_answer_is_not_kept(tmp_path: Path) -> None:
    async with (
        PlaygroundServer(port=0, keep_in=tmp_path, answer_within=10) as server,
        BotProcess(SMALL_BOT, server.environment(), output=tmp_path / "bot.log"),
    ):
        await server.until_ready("whisper")
        await server.slash("Ben", "whisper")
        await server.send("Ben", "hello", where="dm")
    async with PlaygroundServer(port=0, keep_in=tmp_path) as server:
        assert server.messages() == []
        assert [post.content for post in server.messages("dm", "Ben")] == ["hello"]


async def test_pictures_of_deleted_messages_are_removed_at_the_next_start(tmp_path: Path) -> None:
    async with PlaygroundServer(port=0, keep_in=tmp_path) as server:
        server.world.backend.store_attachments(server.world.channel("pictures").id, [("a.png", b"1")])
        await server.send("Ben", "hello")
        assert len(list((tmp_path / "attachments").iterdir())) == 1
    async with PlaygroundServer(port=0, keep_in=tmp_path):
        assert list((tmp_path / "attachments").iterdir()) == []


async def test_kept_messages_that_cannot_be_read_are_as_if_absent(tmp_path: Path) -> None:
    (tmp_path / "messages.json").write_text("[{")
    async with PlaygroundServer(port=0, keep_in=tmp_path) as server:
        assert server.messages() == []
        await server.send("Ben", "hello")
    async with PlaygroundServer(port=0, keep_in=tmp_path) as server:
        assert [post.content for post in server.messages()] == ["hello"]
