"""The page without a browser: what is served, and that it is live."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.playground import PlaygroundServer


@pytest.fixture
async def http(server: PlaygroundServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.base) as session:
        yield session


async def index(http: aiohttp.ClientSession, channel: str = "pictures") -> str:
    async with http.get("/", params={"channel": channel}) as response:
        assert response.status == 200
        return await response.text()


async def test_the_page_says_plainly_what_it_is(http: aiohttp.ClientSession) -> None:
    assert "This is a playground.</strong> The bot is real, Discord is simulated" in await index(http)


async def test_every_file_that_the_page_names_is_there(http: aiohttp.ClientSession) -> None:
    names = re.findall(r'(?:href|src)="(/[^"?]+)"', await index(http))
    assert {"/playground.js", "/playground.css", "/app.js"} <= set(names)
    for name in names:
        async with http.get(name) as response:
            assert response.status == 200, name


async def test_every_channel_and_conversation_has_a_page(http: aiohttp.ClientSession) -> None:
    page = await index(http)
    channels = re.findall(r'href="/\?channel=([^"]+)"', page)
    assert channels == ["pictures", "general", "dm-ben", "dm-cleo", "dm-ada"]
    for channel in channels:
        assert f'href="/?channel={channel}" aria-current=page' in await index(http, channel)
    async with http.get("/?channel=nowhere") as response:
        assert response.status == 404


async def test_an_open_page_shows_what_happens_without_being_asked_to(
    http: aiohttp.ClientSession, server: PlaygroundServer
) -> None:
    match = re.search(r'name="playground-capability" content="([^"]+)"', await index(http))
    assert match is not None
    headers = {"X-Simcord-Capability": match[1]}
    async with http.post("/api/pages", json={}, headers=headers) as response:
        opened: dict[str, Any] = await response.json()
    assert opened["messages"] == {}
    headers["X-Simcord-Context"] = opened["context"]["id"]

    post = await server.send("Ben", "hello")
    async with asyncio.timeout(5):
        state = opened
        while str(post.id) not in state["messages"]:
            await asyncio.sleep(0.05)
            async with http.get("/api/state", headers=headers) as response:
                state = await response.json()
    assert state["publishedRevision"] > opened["publishedRevision"]


async def test_a_page_without_its_capability_gets_nothing(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/pages", json={}) as response:
        assert response.status == 401
