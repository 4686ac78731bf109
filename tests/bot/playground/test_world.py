"""The world: the same at every start, so that what a bot knows about it stays true."""

from __future__ import annotations

import asyncio

from bot.playground import PlaygroundServer


async def ids() -> dict[str, object]:
    """All ids of one start of the playground."""
    async with PlaygroundServer(port=0) as server:
        world = server.world
        return {
            "application": world.backend.application_id,
            "bot": world.backend.bot_user.id,
            "server": world.server.id,
            "roles": {name: role.id for name, role in world.server.roles.items()},
            "members": {name: member.id for name, member in world.members.items()},
            "channels": {name: channel.id for name, channel in world.channels.items()},
            "conversations": {name: channel.id for name, channel in world.conversations.items()},
        }


async def test_everything_has_the_same_ids_at_every_start() -> None:
    first = await ids()
    await asyncio.sleep(0.01)
    assert await ids() == first


async def test_what_happens_later_has_the_time_and_the_ids_of_its_moment() -> None:
    async with PlaygroundServer(port=0) as server:
        one = await server.send("Ben", "one")
        two = await server.send("Ben", "two")
    assert server.world.channel("pictures").id < one.id < two.id
    assert not one.created.startswith("2026-01-01")
