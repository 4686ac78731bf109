"""Fixtures: a world with the bot in it; everything it sends is checked against Discord's own description."""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import discord
import pytest
import simcord
from simcord.builders import ChannelHandle

from bot.discord_ui.delivery import deliveries, gallery, post, reviews, ways
from bot.retrying import PATIENT
from bot.storage.database import Database
from tests.bot.discord_ui.discord_spec import DiscordSpec
from tests.bot.discord_ui.world import World
from tests.bot.fake_check import FakeCheck


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Discord or the database refuses is tried again as often as ever, and at once."""
    for module in (deliveries, gallery, post, reviews, ways):
        monkeypatch.setattr(module, "PATIENT", replace(PATIENT, longest=0.0))


@pytest.fixture(scope="session")
def discord_spec() -> DiscordSpec | None:
    """Discord's description of its API, where the environment names its file."""
    file = os.environ.get("DISCORD_OPENAPI")
    return DiscordSpec(Path(file)) if file else None


@pytest.fixture
async def database(tmp_path: Path, empty_database: Path) -> AsyncIterator[Database]:
    """A SQLite file of the test's own."""
    file = tmp_path / "bot.db"
    shutil.copy(empty_database, file)
    database = Database(f"sqlite:///{file}")
    yield database
    await database.close()


@pytest.fixture
async def started_world(
    tmp_path: Path, database: Database, request: pytest.FixtureRequest, discord_spec: DiscordSpec | None
) -> AsyncIterator[World]:
    """A server with the bot. Its parameters, if any, are those of World."""
    world = World(tmp_path, database, **getattr(request, "param", {}))
    await world.start()
    yield world
    await world.close()
    if discord_spec is not None:
        sent = [(entry.method, entry.path, entry.json) for entry in world.env.backend.http_requests]
        mistakes = [mistake for entry in sent for mistake in discord_spec.mistakes(*entry)]
        assert not mistakes, "\n".join(mistakes[:10])


@pytest.fixture
def env(started_world: World) -> simcord.Env:
    """SimCord's pytest plugin looks for an Env among a test's fixtures and lends the test its clock."""
    return started_world.env


@pytest.fixture
def world(started_world: World, env: simcord.Env) -> World:
    """What tests ask for."""
    return started_world


@pytest.fixture
def check(world: World) -> FakeCheck:
    """What is asked for with the word "secret" is unsafe, whatever draws it."""
    assert world.check is not None
    world.check.by_words["secret"] = 0.9
    return world.check


@pytest.fixture
async def mods(world: World, check: FakeCheck) -> ChannelHandle:
    """The moderators' channel; all held pictures are shown there."""
    hidden, seen = (discord.PermissionOverwrite(view_channel=may) for may in (False, True))
    readers = {world.guild.me: seen, **{world.guild.roles[name]: seen for name in ("mods", "admins")}}
    channel = world.guild.create_text_channel("mods", overwrites={world.guild.roles["@everyone"]: hidden, **readers})
    await world.env.settle()
    await world.admin.slash(world.channel, "admin safety review", channel=channel)
    await world.admin.slash(world.channel, "admin safety set", policy="review")
    return channel
