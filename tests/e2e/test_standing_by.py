"""A bot that stands by while another one draws, and a database server that is away."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from bot.playground import PlaygroundServer
from bot.process import EXIT_CANNOT_RUN, EXIT_WORKER_LOST
from bot.storage.database import Database
from tests.bot.postgres import Server
from tests.e2e.launcher import Play
from tests.e2e.scene import LONG, QUICK, WORKER, Scene, on_both, said

pytestmark = [pytest.mark.timeout(150), pytest.mark.asyncio(loop_scope="module")]


@on_both
async def test_a_bot_that_stands_by_takes_over_within_15_seconds_of_the_others_death(stage: Scene) -> None:
    """It has loaded no model and is not connected before that; then every job goes on, and one more is taken."""
    async with stage.bot(replace(WORKER, room=1)) as first:
        await stage.server.until_ready("imagine", within=60)
        async with stage.bot(STANDBY="1") as second:
            await said(second, "standing by")
            for steps in (LONG, QUICK):
                await stage.ask(steps=steps)
            assert stage.server.gateway.identified == 1
            first.kill()
            await first.wait()
            died = asyncio.get_running_loop().time()
            await stage.server.until(lambda: stage.server.gateway.identified == 2, within=15, what="the second bot")
            await stage.ask()
            assert asyncio.get_running_loop().time() - died < 15
            await stage.posted(3)
            assert await second.stop() == 0
    assert await stage.agrees()


async def test_a_bot_that_stands_by_can_be_stopped_and_leaves_the_other_alone(stage: Scene) -> None:
    async with stage.bot():
        await stage.server.until_ready("imagine", within=60)
        async with stage.bot(STANDBY="1") as second:
            await said(second, "standing by")
            assert await second.stop() == 0
        await stage.ask()
        await stage.posted()


@on_both
async def test_a_bot_with_another_folder_does_not_even_stand_by(stage: Scene) -> None:
    url = stage.settings.database
    async with stage.bot() as first:
        await stage.server.until_ready("imagine", within=60)
        elsewhere = str(stage.data.parent / "elsewhere")
        async with stage.bot(STANDBY="1", DATA_DIR=elsewhere, DATABASE_URL=url) as second:
            assert await asyncio.wait_for(second.wait(), 30) == EXIT_CANNOT_RUN
        assert "is not the folder this database was used with" in second.text()
        assert await first.stop() == 0
    async with stage.bot(DATA_DIR=elsewhere, DATABASE_URL=url) as third:
        assert await asyncio.wait_for(third.wait(), 30) == EXIT_CANNOT_RUN


@pytest_asyncio.fixture(loop_scope="module")
async def on_a_server(tmp_path: Path, postgres: Server) -> AsyncIterator[Scene]:
    """A Discord and a data folder, with the database on a server that can be stopped."""
    async with PlaygroundServer(port=0, answer_within=10) as server:
        yield Scene(server, tmp_path / "data", postgres.new_database())


async def test_a_database_server_that_is_away_for_6_seconds_costs_no_job(on_a_server: Scene, postgres: Server) -> None:
    async with on_a_server.bot(Play(seconds=0.5, room=2)) as bot:
        await on_a_server.server.until_ready("imagine", within=60)
        for member in ("Ada", "Ben", "Cleo"):
            for _ in range(4):
                await on_a_server.server.slash(
                    member, "imagine", where=on_a_server.channel, prompt=on_a_server.channel, steps=1
                )
        postgres.stop()
        await asyncio.sleep(6)  # how long it is away
        postgres.start()
        await on_a_server.posted(12)
        assert await bot.stop() == 0
    assert await on_a_server.agrees()


async def test_a_database_server_that_is_down_at_the_start_is_waited_for(on_a_server: Scene, postgres: Server) -> None:
    postgres.stop()
    try:
        async with on_a_server.bot() as bot:
            await said(bot, "trying again", times=2)
            postgres.start()
            await on_a_server.server.until_ready("imagine", within=60)
            await on_a_server.ask()
            await on_a_server.posted()
            postgres.stop()
        async with on_a_server.bot() as bot:
            await said(bot, "trying again", times=bot.text().count("trying again") + 1)
            assert await bot.stop(within=5) == 0, "who waits can be told to stop"
    finally:
        postgres.start()


async def test_a_bot_whose_database_another_one_has_taken_ends_with_75_and_writes_nothing_more(
    on_a_server: Scene, postgres: Server
) -> None:
    async with on_a_server.bot(Play(seconds=0.5)) as bot:
        await on_a_server.server.until_ready("imagine", within=60)
        await on_a_server.ask(steps=LONG)
        postgres.stop()
        postgres.start()
        other = Database(on_a_server.settings.database)
        await other.hold()
        assert await asyncio.wait_for(bot.wait(), 30) == EXIT_WORKER_LOST
        assert on_a_server.rows()[0][0] == "started"
        await other.close()
