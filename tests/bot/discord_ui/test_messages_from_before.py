"""A message and a database of an earlier version: its buttons and reactions go on working."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import discord
import pytest
import simcord

from bot.storage.database import Database
from tests.bot.discord_ui.world import World, words

JOB = UUID("0190a1b2c3d4471e8f0123456789abcd")
#: What version 0002 had written below a result, letter by letter.
BUTTONS = [
    {
        "type": 1,
        "components": [
            {"type": 2, "style": 1, "label": "Rerun", "custom_id": f"job:rerun:{JOB.hex}"},
            {"type": 2, "style": 2, "label": "Info", "custom_id": f"job:info:{JOB.hex}"},
            {"type": 2, "style": 2, "label": "Delete", "custom_id": f"job:delete:{JOB.hex}"},
        ],
    }
]
STORED = Path(__file__).parent / "stored_0002.sql"  #: the tables of version 0002, with one posted job


@pytest.fixture
async def old_world(tmp_path: Path) -> AsyncIterator[World]:
    """A server with a result from before; the bot has just been updated."""
    file = tmp_path / "bot.db"
    with sqlite3.connect(file) as connection:
        connection.executescript(STORED.read_text("utf-8"))
    connection.close()
    database = Database(f"sqlite:///{file}")
    await database.open()
    world = World(tmp_path, database)
    await world.start()
    yield world
    await world.close()
    await database.close()


@pytest.fixture
def env(old_world: World) -> simcord.Env:
    return old_world.env


async def shown(world: World) -> discord.Message:
    """The old message; the row names it by the ids that this Discord has given."""
    channel = world.parts.bot.get_channel(world.channel.id)
    assert isinstance(channel, discord.TextChannel)
    message = await channel.send("✅ 1 picture for **alice**")
    world.env.backend.get_message(channel.id, message.id).components = BUTTONS
    await asyncio.to_thread(name_the_message, world, message)
    return world.channel.last_message


def name_the_message(world: World, message: discord.Message) -> None:
    with sqlite3.connect(world.folder / "bot.db") as connection:
        connection.execute(
            "UPDATE jobs SET message = ?, channel = ?, server = ?, requester = ?",
            [str(number) for number in (message.id, message.channel.id, world.guild.id, world.alice.id)],
        )
    connection.close()


async def test_rerun_info_and_reaction_work_on_an_older_message(old_world: World, env: simcord.Env) -> None:
    message = await shown(old_world)
    rerun = await old_world.bob.click(message, custom_id=f"job:rerun:{JOB.hex}")
    assert len(rerun.response.attachments) == 1
    info = await old_world.bob.click(message, custom_id=f"job:info:{JOB.hex}")
    assert "a red heart from before" in words(info.response)
    assert "Seed: 42" in words(info.response)
    await old_world.bob.react(message, "🔁")
    jobs = await old_world.jobs()
    assert [job.parent for job in jobs] == [None, JOB, JOB]
    assert {job.request.prompt for job in jobs} == {"a red heart from before"}


async def test_delete_works_on_an_older_message(old_world: World, env: simcord.Env) -> None:
    message = await shown(old_world)
    await old_world.alice.click(message, custom_id=f"job:delete:{JOB.hex}")
    assert not old_world.channel.history()


async def test_limits_from_before_hold_and_are_shown(old_world: World, env: simcord.Env) -> None:
    await asyncio.to_thread(move_limits, old_world)
    seen = words((await old_world.admin.slash(old_world.channel, "admin limits show")).response)
    assert "pictures a day: **10**" in seen
    assert "cooldown: **5** s" in seen


def move_limits(world: World) -> None:
    with sqlite3.connect(world.folder / "bot.db") as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE servers SET id = ?", [str(world.guild.id)])
        connection.execute("UPDATE limits SET server = ?, subject = ?", [str(world.guild.id)] * 2)
    connection.close()
