"""Discord's gateway: a WebSocket for each connection of the bot, a session that outlives it for RESUME."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import discord
from aiohttp import WSMsgType, web
from simcord.backend import serializers
from simcord.gateway import FakeGateway, FakeWebSocket

from .world import BOT_PERMISSIONS, World

_log = logging.getLogger(__name__)

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, REQUEST_MEMBERS, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 0, 1, 2, 6, 8, 9, 10, 11
PRESENCE, VOICE_STATE = 3, 4
#: Events kept for a RESUME. Discord keeps a few minutes' worth.
ACK_DELAY = 0.05  #: seconds
REPLAY = 5_000


class Connection:
    """One WebSocket. Sends in order from a queue, so that nobody who emits an event has to wait for the network."""

    def __init__(self, socket: web.WebSocketResponse, *, compressed: bool) -> None:
        self._socket = socket
        self._compressor = zlib.compressobj() if compressed else None
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()

    def send(self, text: str) -> None:
        self._outgoing.put_nowait(text)

    def send_op(self, op: int, data: Any = None) -> None:
        self.send(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    async def write(self) -> None:
        """Send what is queued, for as long as the socket lives."""
        with contextlib.suppress(ConnectionError):
            while True:
                text = await self._outgoing.get()
                if self._compressor is None:
                    await self._socket.send_str(text)
                else:
                    data = self._compressor.compress(text.encode()) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
                    await self._socket.send_bytes(data)

    async def close(self, code: int) -> None:
        await self._socket.close(code=code)


class Session:
    """What the bot is told, numbered and kept, over any number of connections.

    It stands in for discord.py's connection state inside SimCord's own gateway, which decides by intents what a bot
    may hear; so `intents` and `parsers` are that class's names.
    """

    def __init__(self, world: World, intents: int, token: str, shard: tuple[int, int]) -> None:
        """`shard`: which one, of how many."""
        self.id = secrets.token_hex(16)
        self.token = token
        self.shard = shard
        self.connection: Connection | None = None
        self.intents = discord.Intents._from_value(intents)
        self.parsers = self
        self.gateway = FakeGateway(world.backend, self)
        self.members = FakeWebSocket(world.backend, self.gateway)
        self._sequence = 0
        self._sent: deque[tuple[int, str]] = deque(maxlen=REPLAY)

    def __getitem__(self, event: str) -> Callable[[Mapping[str, Any]], None]:
        return partial(self.push, event)

    get = __getitem__

    def hears_of(self, guild_id: Any) -> bool:
        """Whether this shard is told what happens on a server; direct messages are the first one's."""
        number, count = self.shard
        return (0 if guild_id is None else (int(guild_id) >> 22) % count) == number

    def push(self, event: str, payload: Mapping[str, Any]) -> None:
        self._sequence += 1
        text = json.dumps({"op": DISPATCH, "s": self._sequence, "t": event, "d": payload})
        self._sent.append((self._sequence, text))
        if self.connection is not None:
            self.connection.send(text)

    def resume(self, connection: Connection, after: int) -> bool:
        """Send again what came after that number, if all of it is still here."""
        oldest = self._sent[0][0] if self._sent else self._sequence + 1
        if not oldest - 1 <= after <= self._sequence:
            return False
        self.connection = connection
        for sequence, text in self._sent:
            if sequence > after:
                connection.send(text)
        self.push("RESUMED", {})
        return True


class Gateway:
    """Answers `/gw` and passes on what happens in the world."""

    def __init__(self, world: World, url: str, *, heartbeat: float = 41.25) -> None:
        self._world = world
        self._url = url
        self._heartbeat = heartbeat
        self._sessions: dict[str, Session] = {}
        self._connections: dict[Connection, web.WebSocketResponse] = {}
        self._closed = False
        self.identified = 0  #: how often a bot came with IDENTIFY
        self.resumed = 0  #: how often a bot came back with RESUME
        world.backend.subscribers.append(self._pass_on)

    @property
    def connected(self) -> bool:
        """Whether each shard of the bot is there."""
        there = [session.shard for session in self._sessions.values() if session.connection is not None]
        return bool(there) and len(set(there)) == there[0][1]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self._closed:  # whoever came back now would keep the server from ending
            raise web.HTTPServiceUnavailable
        # Only zlib-stream is spoken. discord.py takes plain text as well, so anything else gets that.
        compressed = request.query.get("compress") == "zlib-stream"
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        connection = Connection(socket, compressed=compressed)
        self._connections[connection] = socket
        writer = asyncio.create_task(connection.write(), name="playground gateway writer")
        session: Session | None = None
        try:
            connection.send_op(HELLO, {"heartbeat_interval": int(self._heartbeat * 1000)})
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                frame = json.loads(message.data)
                session = await self._take(connection, session, frame["op"], frame.get("d"))
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            del self._connections[connection]
            self._leave(connection, session, socket.close_code)
        return socket

    async def _take(self, connection: Connection, session: Session | None, op: int, data: Any) -> Session | None:
        if op == HEARTBEAT:
            # Not at once, as over any network: discord.py notes when it sent the heartbeat only after it was sent.
            asyncio.get_running_loop().call_later(ACK_DELAY, connection.send_op, HEARTBEAT_ACK)
        elif op == IDENTIFY:
            return await self._identify(connection, data)
        elif op == RESUME:
            return await self._resume(connection, data)
        elif session is None:
            await connection.close(4003)
        elif op == REQUEST_MEMBERS:
            await session.members.request_chunks(
                int(data["guild_id"]),
                data.get("query"),
                limit=data.get("limit") or 0,
                user_ids=[int(user) for user in data.get("user_ids") or ()] or None,
                presences=bool(data.get("presences")),
                nonce=data.get("nonce"),
            )
        elif op not in (PRESENCE, VOICE_STATE):
            await connection.close(4001)
        return session

    async def _identify(self, connection: Connection, data: Mapping[str, Any]) -> Session | None:
        if not data.get("token"):
            await connection.close(4004)
            return None
        number, count = data.get("shard") or (0, 1)
        # One bot lives here. One that was there before and is gone will not come back to its old session.
        self._sessions = {
            key: old
            for key, old in self._sessions.items()
            if old.connection is not None or old.shard not in ((number, count), (0, 1))
        }
        backend = self._world.backend
        session = Session(self._world, int(data["intents"]), data["token"], (number, count))
        session.connection = connection
        self._sessions[session.id] = session
        guilds = [guild for guild in backend.guilds.values() if session.hears_of(guild.id)]
        session.push(
            "READY",
            {
                "v": 10,
                "user": dict(serializers.user_payload(backend.bot_user)),
                "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
                "session_id": session.id,
                "resume_gateway_url": self._url,
                "shard": [number, count],
                "application": {"id": str(backend.application_id), "flags": 0},
            },
        )
        for guild in guilds:
            session.gateway.feed("GUILD_CREATE", serializers.guild_create_payload(backend, guild))
        self.identified += 1
        self._world.touch()
        return session

    async def _resume(self, connection: Connection, data: Mapping[str, Any]) -> Session | None:
        session = self._sessions.get(str(data.get("session_id")))
        if session is None or session.token != data.get("token"):
            connection.send_op(INVALID_SESSION, False)
            return None
        replaced = session.connection
        if not session.resume(connection, int(data.get("seq") or 0)):
            connection.send_op(INVALID_SESSION, False)
            return None
        if replaced is not None and replaced is not connection:
            await replaced.close(4000)
        self.resumed += 1
        self._world.touch()
        return session

    def _leave(self, connection: Connection, session: Session | None, code: int | None) -> None:
        if session is None or session.connection is not connection:
            return
        session.connection = None
        if code in (1000, 1001):  # a bot that says goodbye does not come back to its session
            self._sessions.pop(session.id, None)
        self._world.touch()

    def _pass_on(self, event: str, payload: Mapping[str, Any]) -> None:
        if event == "INTERACTION_CREATE" and payload.get("guild_id") is None:
            # SimCord says "0" in direct messages; Discord says what an app may do there.
            payload = {**payload, "app_permissions": str(BOT_PERMISSIONS.value)}
        if event == "GUILD_CREATE":  # with a word about "unavailable", discord.py takes it for one that came back
            payload = {key: value for key, value in payload.items() if key != "unavailable"}
        of_a_guild = event in ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE")
        guild_id = payload.get("id" if of_a_guild else "guild_id")
        for session in self._sessions.values():
            if session.hears_of(guild_id):
                session.gateway.feed(event, payload)

    def drop_connections(self, *, forget: bool = False) -> None:
        """Cut all connections without a word, as a network does; `forget` the sessions too, and no RESUME succeeds."""
        if forget:
            self._sessions.clear()
        for socket in tuple(self._connections.values()):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    async def close(self) -> None:
        self._closed = True
        for connection in tuple(self._connections):
            await connection.close(1001)
