"""A thousand members who ask at once, and what they saw of it."""

import asyncio
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import discord
from aiohttp import web
from simcord.actors import MemberActor
from simcord.backend import serializers
from simcord.backend.models import Interaction
from simcord.builders import GuildHandle
from simcord.enums import AppCommandType, ComponentType, InteractionType
from simcord.interactions import base_payload, build_options, nest_options, walk_to_subcommand

from bot.playground import PlaygroundServer, RestCall

_CALLBACK = re.compile(r"/interactions/(\d+)/[^/]+/callback")
_RESULT = "✅"  #: what the words of finished pictures begin with


@dataclass(slots=True)
class Asked:
    """One interaction and when it was answered."""

    kind: str
    interaction: Interaction
    at: float
    answered_at: float | None = None

    @property
    def seconds(self) -> float:
        """How long the member saw no answer."""
        return float("inf") if self.answered_at is None else self.answered_at - self.at


@dataclass(slots=True)
class Crowd:
    """Acts for many members, mostly on one server; measures in the same process, so its own lag is in the figures."""

    server: PlaygroundServer
    channels: int = 10
    members: list[MemberActor] = field(default_factory=list)
    asked: dict[int, Asked] = field(default_factory=dict)
    results: Counter[int] = field(default_factory=Counter)  #: message -> how often pictures were put into it
    calls: Counter[str] = field(default_factory=Counter)  #: the bot's requests, by kind
    unanswered: int = 0
    _where: dict[int, list[Any]] = field(default_factory=dict)  #: by server
    _chance: random.Random = field(default_factory=lambda: random.Random(1))

    def gather(self, members: int, servers: Sequence[GuildHandle] = ()) -> None:
        """Let so many members join the playground's server, or these in turn. Before the bot connects, so that it hears
        of all at once."""
        world = self.server.world
        homes = [(one, one.create_role("Stewards", permissions=_MANAGE)) for one in servers or [world.server]]
        for number in range(members):
            home, admins = homes[number % len(homes)]
            roles = [admins] if number % 20 == 0 else []
            self.members.append(home.add_member(world.create_user(f"m{number}"), roles=roles))
        for home, _ in homes:
            names = [f"studio-{number}" for number in range(self.channels)]
            self._where[home.id] = [home.create_text_channel(name) for name in names]
            if home.id == world.server.id:
                world.channels.update(zip(names, self._where[home.id], strict=True))
        self.server.interceptors.append(self._watch)

    @property
    def stewards(self) -> list[MemberActor]:
        return self.members[::20]

    def use(self, member: MemberActor, command: str, **options: Any) -> Asked:
        """Use a slash command; returns at once."""
        backend = self.server.world.backend
        name, *path = command.split()
        root = backend.find_command(name, member.guild.id, type=AppCommandType.CHAT_INPUT)
        assert root is not None
        leaf, nesting = walk_to_subcommand(root, path)
        channels = self._where[member.guild.id]
        channel = channels[member.id // 2 % len(channels)]
        sent, _ = build_options(member, command, leaf, options, channel_id=channel.id)
        data = {"id": root["id"], "name": name, "type": 1, "options": nest_options(root, nesting, sent)}
        return self._send(command, InteractionType.APPLICATION_COMMAND, member, channel.id, data)

    def press(self, member: MemberActor, message_id: int, action: str) -> Asked | None:
        """Press the button of that action, if the message has one."""
        backend = self.server.world.backend
        channels = (one.id for of_one in self._where.values() for one in of_one)
        channel_id = next(one for one in channels if message_id in backend.messages.get(one, {}))
        stored = backend.get_message(channel_id, message_id)
        found = re.search(rf'"custom_id": "(job:{action}:[^"]+)"', json.dumps(stored.components))
        if found is None:
            return None
        data = {"custom_id": found[1], "component_type": int(ComponentType.BUTTON)}
        extra = {"message": dict(serializers.message_payload(backend, stored))}
        kind = InteractionType.MESSAGE_COMPONENT
        return self._send(f"button {action}", kind, member, channel_id, data, extra, message_id)

    def _send(
        self,
        name: str,
        kind: InteractionType,
        member: MemberActor,
        channel_id: int,
        data: dict[str, Any],
        extra: Mapping[str, Any] | None = None,
        message_id: int | None = None,
    ) -> Asked:
        backend = self.server.world.backend
        interaction, payload = base_payload(
            backend, type=int(kind), channel_id=channel_id, guild_id=member.guild.id, user_id=member.id, data=data
        )
        payload.update(extra or {})
        interaction.source_message_id = message_id
        # The bot has its 3 seconds and then some: a late answer should be seen and measured, not refused.
        interaction.initial_response_deadline = backend.iso_after(60)
        asked = self.asked[interaction.id] = Asked(name, interaction, time.perf_counter())
        self.unanswered += 1
        backend.emit("INTERACTION_CREATE", payload)
        return asked

    async def _watch(self, call: RestCall, _: web.Request) -> None:
        if (callback := _CALLBACK.fullmatch(call.path)) is not None:
            asked = self.asked.get(int(callback[1]))
            if asked is not None and asked.answered_at is None:
                asked.answered_at = time.perf_counter()
                self.unanswered -= 1
        message = call.json.get("data", call.json) if isinstance(call.json, dict) else {}
        if str(message.get("content") or "").startswith(_RESULT) and (shown := self._message(call)) is not None:
            self.results[shown] += 1
        self.calls[f"{call.method} {re.sub(r'/[0-9]{10,}|/simcord_[^/]+|/%[^/]+', '/…', call.path)}"] += 1

    def _message(self, call: RestCall) -> int | None:
        """The message that a request edits."""
        backend = self.server.world.backend
        *_, token, _, message = ("/", "/", *call.path.split("/"))[-3:] if call.method == "PATCH" else ("", "", "")
        if message == "@original" and token in backend.interaction_tokens:
            return backend.interactions[backend.interaction_tokens[token]].message_id
        return int(message) if message.isdigit() else None

    async def mix(self, rate: int, seconds: float) -> None:
        """So many interactions a second, of all kinds; the next is not held up by the last."""
        begin = time.perf_counter()
        for number in range(int(rate * seconds)):
            wait = begin + number / rate - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            elif number % 10 == 0:
                await asyncio.sleep(0)  # late, and yet the answers should be looked at
            self._one()

    def _one(self) -> None:
        chance, member = self._chance, self._chance.choice(self.members)
        finished = list(self.results)[-50:]
        match chance.choices(_KINDS, _WEIGHTS)[0]:
            case "button" if finished and self.press(member, chance.choice(finished), chance.choice(("info", "rerun"))):
                return
            case "cancel":
                self.use(member, "cancel")
            case "admin stats":
                self.use(chance.choice(self.stewards), "admin stats")
            case "queue" | "usage" | "models" as command:
                self.use(member, command)
            case _:
                self.use(member, "imagine", prompt=chance.choice(PROMPTS), steps=2, count=1)


#: Most of them unknown to the built-in model: a hint is what costs.
PROMPTS = ("a red heart", "the Mona Lisa, oil on canvas", "Escher's stairs at dusk", "a portrait of a stern librarian")
_KINDS = ("imagine", "queue", "usage", "models", "cancel", "admin stats", "button")
_WEIGHTS = (30, 15, 15, 10, 10, 5, 15)
_MANAGE = discord.Permissions(manage_guild=True)


@dataclass(slots=True)
class Meter:
    """Memory and processor time of a process, from the kernel; and how late this process' own loop is."""

    pid: int
    every: float = 0.1  #: seconds
    memory: list[tuple[float, float]] = field(default_factory=list)  #: (seconds, MiB)
    lags: list[float] = field(default_factory=list)  #: seconds
    _began: float = field(default_factory=time.perf_counter)
    _spent: tuple[float, float] = (0.0, 0.0)
    _scheduled: tuple[float, float] = (0.0, 0.0)
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Meter":
        self._spent = (_processor_seconds(self.pid), _processor_seconds(os.getpid()))
        self._scheduled = _scheduled(self.pid)
        self._task = asyncio.create_task(self._measure(), name="meter")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def bot_seconds(self) -> float:
        return _processor_seconds(self.pid) - self._spent[0]

    @property
    def own_seconds(self) -> float:
        return _processor_seconds(os.getpid()) - self._spent[1]

    @property
    def wall_seconds(self) -> float:
        return time.perf_counter() - self._began

    @property
    def slowdown(self) -> float:
        """How many times slower the bot's loop was than with a processor to itself: others want theirs too."""
        ran, stood_in_line = (now - then for now, then in zip(_scheduled(self.pid), self._scheduled, strict=True))
        return 1.0 + stood_in_line / ran

    def growth(self) -> float:
        """MiB by which the last quarter's most is above the first quarter's most."""
        quarter = max(1, len(self.memory) // 4)
        amounts = [amount for _, amount in self.memory]
        return max(amounts[-quarter:]) - max(amounts[:quarter])

    async def _measure(self) -> None:
        while True:
            before = time.perf_counter()
            self.memory.append((before - self._began, _memory(self.pid)))
            await asyncio.sleep(self.every)
            self.lags.append(time.perf_counter() - before - self.every)


def _memory(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _scheduled(pid: int) -> tuple[float, float]:
    """Seconds that the main thread ran, and seconds that it could have run and waited for a processor."""
    ran, waited, _ = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
    return int(ran) / 1e9, int(waited) / 1e9


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
