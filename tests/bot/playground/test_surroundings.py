"""What a bot is told of a member's language, of a channel's age limit, and of a server that it joins."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from bot.playground import BotProcess, PlaygroundServer

from .browser import CHROMIUM, open_page
from .conftest import NewBot


async def told(server: PlaygroundServer, member: str, where: str) -> str:
    answer = await server.slash(member, "surroundings", where=where)
    assert answer.post is not None
    return answer.post.content


@pytest.mark.usefixtures("bot")
async def test_a_member_speaks_their_own_language(server: PlaygroundServer) -> None:
    server.speak("Ben", "de-AT")
    assert await told(server, "Ben", "pictures") == "de, en-US, everybody"
    assert await told(server, "Ben", "dm") == "de, None, everybody"
    assert await told(server, "Cleo", "pictures") == "en-US, en-US, everybody"


@pytest.mark.parametrize(
    ("tag", "language"), [("pt-BR", "pt-BR"), ("sv", "sv-SE"), ("en", "en-US"), ("FR", "fr"), ("eo", "en-US")]
)
async def test_a_language_is_the_nearest_that_discord_has(server: PlaygroundServer, tag: str, language: str) -> None:
    body = {"member": "Ben", "language": tag}
    async with aiohttp.ClientSession(server.base) as http, http.post("/control/language", json=body) as response:
        assert await response.json() == {"language": language}


@pytest.mark.usefixtures("bot")
async def test_a_channel_is_for_adults_as_long_as_it_is_marked(server: PlaygroundServer) -> None:
    thread = await server.start_thread("Ben", await server.send("Ben", "a thread"))
    for restricted, seen in ((True, "adults"), (False, "everybody")):
        server.restrict("pictures", restricted)
        for where in ("pictures", thread):
            assert (await told(server, "Ben", where)).endswith(seen), where
        assert (await told(server, "Ben", "general")).endswith("everybody")


async def test_a_bot_that_comes_later_knows_which_channel_is_for_adults(
    server: PlaygroundServer, new_bot: NewBot
) -> None:
    server.restrict("pictures")
    async with new_bot():
        await server.until_ready("surroundings")
        assert (await told(server, "Ben", "pictures")).endswith("adults")


@pytest.mark.usefixtures("bot")
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt install chromium)")
async def test_a_member_on_the_page_speaks_what_the_browser_speaks(server: PlaygroundServer) -> None:
    async with open_page(server.page_url, language="fr-CA") as page:
        await page.get_by_role("radio", name="Cleo").click()
        await server.until(lambda: len(server.world.backend.languages) == 2)
    assert await told(server, "Cleo", "pictures") == "fr, en-US, everybody"


async def test_a_bot_hears_that_it_joins_a_server(server: PlaygroundServer, bot: BotProcess) -> None:
    await until_it_says(bot, "ready")
    server.world.create_guild("Second")
    await until_it_says(bot, "joined Second")
    assert "joined Playground" not in bot.text()


async def until_it_says(bot: BotProcess, words: str) -> None:
    for _ in range(200):
        if words in bot.text():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"the bot did not say {words!r}")
