"""The gateway's protocol, spoken by hand."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import discord
import pytest

from bot.playground import PlaygroundServer

REACTIONS = discord.Intents(guilds=True, guild_reactions=True).value
EVERYWHERE = REACTIONS | discord.Intents(dm_reactions=True).value


class Client:
    """One connection; knows frames and nothing else."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._inflator = zlib.decompressobj()
        self.sequence = 0

    async def send(self, op: int, data: Any) -> None:
        await self._socket.send_str(json.dumps({"op": op, "d": data}))

    async def receive(self) -> dict[str, Any]:
        message = await self._socket.receive(timeout=5)
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        text = message.data if isinstance(message.data, str) else self._inflator.decompress(message.data)
        frame = json.loads(text)
        self.sequence = frame.get("s") or self.sequence
        return frame

    async def event(self, name: str) -> dict[str, Any]:
        while (frame := await self.receive())["t"] != name:
            pass
        return frame["d"]

    async def identify(self, intents: int = REACTIONS) -> dict[str, Any]:
        await self.send(2, {"token": "t", "intents": intents, "properties": {}})
        return await self.event("READY")

    async def resume(self, session_id: str, sequence: int) -> None:
        await self.send(6, {"token": "t", "session_id": session_id, "seq": sequence})

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code=code)


Connect = Callable[..., Any]


@pytest.fixture
async def connect(server: PlaygroundServer) -> AsyncIterator[Connect]:
    async with aiohttp.ClientSession() as http:

        async def connect(query: str = "?v=10&encoding=json&compress=zlib-stream") -> Client:
            client = Client(await http.ws_connect(server.gateway_url + query))
            hello = await client.receive()
            assert hello["op"] == 10
            assert hello["d"]["heartbeat_interval"] > 0
            return client

        yield connect


@pytest.mark.parametrize("query", ["?compress=zlib-stream", "?compress=zstd-stream", ""])
async def test_a_bot_is_told_who_it_is_and_which_servers_it_is_in(connect: Connect, query: str) -> None:
    client = await connect(query)
    ready = await client.identify()
    assert ready["user"]["username"] == "Imagine"
    guild = await client.event("GUILD_CREATE")
    assert guild["id"] == ready["guilds"][0]["id"]
    assert {channel["name"] for channel in guild["channels"]} >= {"pictures", "general"}


async def test_a_heartbeat_is_acknowledged(connect: Connect) -> None:
    client = await connect()
    await client.send(1, None)
    assert (await client.receive())["op"] == 11


async def test_only_events_of_the_declared_intents_arrive(connect: Connect, server: PlaygroundServer) -> None:
    client = await connect()
    await client.identify(REACTIONS)
    post = await server.send("Ben", "hello")
    await server.react("Ben", post, "🔁")
    await client.event("GUILD_CREATE")
    assert (await client.receive())["t"] == "MESSAGE_REACTION_ADD"  # and no MESSAGE_CREATE before it


async def test_a_bot_that_comes_back_gets_what_it_missed(connect: Connect, server: PlaygroundServer) -> None:
    first = await connect()
    ready = await first.identify()
    await first.event("GUILD_CREATE")
    post = await server.send("Ben", "hello")
    server.drop_connections()
    await server.until(lambda: not server.connected)
    for emoji in ("🔁", "❌"):
        await server.react("Ben", post, emoji)

    second = await connect()
    await second.resume(ready["session_id"], first.sequence)
    frames = [await second.receive() for _ in range(3)]
    assert [frame["t"] for frame in frames] == ["MESSAGE_REACTION_ADD", "MESSAGE_REACTION_ADD", "RESUMED"]
    assert [frame["d"]["emoji"]["name"] for frame in frames[:2]] == ["🔁", "❌"]
    assert [frame["s"] for frame in frames] == [first.sequence + 1, first.sequence + 2, first.sequence + 3]


async def test_a_session_that_said_goodbye_cannot_be_resumed(connect: Connect, server: PlaygroundServer) -> None:
    first = await connect()
    ready = await first.identify()
    await first.close(1000)
    await server.until(lambda: not server.connected)
    second = await connect()
    await second.resume(ready["session_id"], first.sequence)
    assert await second.receive() == {"op": 9, "d": False, "s": None, "t": None}


async def test_members_can_be_asked_for(connect: Connect) -> None:
    client = await connect()
    ready = await client.identify()
    await client.send(8, {"guild_id": ready["guilds"][0]["id"], "query": "", "limit": 0, "nonce": "n"})
    chunk = await client.event("GUILD_MEMBERS_CHUNK")
    assert chunk["nonce"] == "n"
    assert {member["user"]["global_name"] for member in chunk["members"]} >= {"Ada", "Ben", "Cleo"}


async def test_two_shards_share_the_servers_and_the_first_has_the_direct_messages() -> None:
    async with PlaygroundServer(port=0, shards=2) as server, aiohttp.ClientSession() as http:
        async with http.get(f"{server.api_base}/gateway/bot") as response:
            assert (await response.json())["shards"] == 2
        for number in range(7):
            server.world.backend.create_guild(f"server {number}", shard_id=number % 2, shard_count=2)
        everywhere = {str(guild) for guild in server.world.backend.guilds}
        clients, told = [], []
        for shard in range(2):
            clients.append(client := Client(await http.ws_connect(server.gateway_url)))
            await client.receive()
            assert server.connected is False, "not before both are there"
            await client.send(2, {"token": "t", "intents": EVERYWHERE, "properties": {}, "shard": [shard, 2]})
            ready = await client.event("READY")
            assert ready["shard"] == [shard, 2]
            told.append({guild["id"] for guild in ready["guilds"]})
            for _ in told[-1]:
                assert (await client.event("GUILD_CREATE"))["id"] in told[-1]
        assert server.connected
        assert all((int(guild) >> 22) % 2 == shard for shard in range(2) for guild in told[shard])
        assert all(told)
        assert told[0] | told[1] == everywhere
        home = int(str(server.world.server.id) in told[1])
        post = await server.send("Ben", "hello")
        await server.react("Ben", post, "🔁")
        assert (await clients[home].receive())["t"] == "MESSAGE_REACTION_ADD"
        await server.react("Ben", await server.send("Ben", "hello", where="dm"), "🔁")
        assert "guild_id" not in await clients[0].event("MESSAGE_REACTION_ADD")
