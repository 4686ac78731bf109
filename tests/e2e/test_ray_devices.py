"""The bot on a Ray cluster of two nodes: what is killed of it in mid-job costs no picture, and none comes twice.

The cluster lets nobody in who does not know its token.
"""

import asyncio
import os
import random
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.playground import Actors, BotProcess, PlaygroundServer
from bot.process import EXIT_WORKER_LOST
from tests.e2e.scene import LONG, QUICK, Scene
from tests.e2e.test_devices import both_draw, children_of, drawn, ended_once_each
from tests.ray_nodes import RayNodes, needs_ray
from tests.waiting import until

TOKEN = secrets.token_hex(32)
KILLS = int(os.environ.get("KILLS_OF_DEVICES", "5"))

pytestmark = [
    needs_ray,
    pytest.mark.cluster,
    pytest.mark.xdist_group("ray"),
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[PlaygroundServer]:
    async with PlaygroundServer(port=0, answer_within=10) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def nodes() -> AsyncIterator[RayNodes]:
    nodes = await asyncio.to_thread(RayNodes, token=TOKEN)
    await asyncio.to_thread(nodes.add)
    yield nodes
    await asyncio.to_thread(nodes.close)


COMMAND = [sys.executable, "-m", "bot", "run"]


def environment_on(nodes: RayNodes, scene: Scene) -> dict[str, str]:
    settings = {"RAY_ADDRESS": nodes.address, "PING_AFTER_SECONDS": "0", "DATA_DIR": str(scene.data)}
    return {**scene.server.environment(), **nodes.environment, **settings}


def bot_on(nodes: RayNodes, scene: Scene, **settings: str) -> BotProcess:
    return BotProcess(COMMAND, environment_on(nodes, scene) | settings, output=scene.data.parent / "bot.log")


async def test_actors_and_a_node_that_are_killed_in_mid_job_cost_no_picture(
    server: PlaygroundServer, nodes: RayNodes, tmp_path: Path
) -> None:
    scene = Scene(server, tmp_path / "data")
    async with bot_on(nodes, scene) as bot:
        await server.until_ready("imagine", within=90)
        await both_draw(bot)
        for _ in range(2):
            await scene.ask(steps=LONG)
        await drawn(scene, 2)
        os.kill(nodes.nodes[0].actors()[0], signal.SIGKILL)
        await scene.posted(2)
        await both_draw(bot, 3)
        for _ in range(2):
            await scene.ask(steps=LONG)
        await drawn(scene, 2)
        nodes.nodes[1].kill("raylet")
        await scene.posted(4)
        await scene.ask(steps=QUICK)
        await scene.posted(5)
        await asyncio.to_thread(nodes.add)
        await until(lambda: bot.text().count("is ready to draw") >= 4)
        assert bot.returncode is None
        assert await bot.stop() == 0
        assert "Traceback" not in bot.text(), bot.text()
    assert await scene.agrees()


async def test_an_actor_that_is_killed_from_the_playgrounds_page_is_replaced_and_costs_no_picture(
    server: PlaygroundServer, nodes: RayNodes, tmp_path: Path
) -> None:
    scene = Scene(server, tmp_path / "data")
    actors = Actors(kind="FarActor", address=nodes.address)
    keeper = server.keep(COMMAND, environment_on(nodes, scene), announce=lambda _: None, actors=actors)
    running = asyncio.create_task(keeper.run())
    await server.until_ready("imagine", within=90)
    await until(lambda: keeper.workers == 2)
    before = {actor for node in nodes.nodes for actor in node.actors()}
    for _ in range(2):
        await scene.ask(steps=LONG)
    await drawn(scene, 2)
    await keeper.kill_worker()
    await until(lambda: keeper.workers == 1)
    await scene.posted(2)
    await until(lambda: keeper.workers == 2)
    assert len(before & {actor for node in nodes.nodes for actor in node.actors()}) == 1
    assert await keeper.stop() == 0
    assert await running == 0
    assert await scene.agrees()


async def test_a_bot_without_the_token_is_not_let_in_and_says_so(
    server: PlaygroundServer, nodes: RayNodes, tmp_path: Path
) -> None:
    scene = Scene(server, tmp_path / "data")
    async with bot_on(nodes, scene, RAY_AUTH_TOKEN="0" * 64) as bot:
        assert await asyncio.wait_for(bot.wait(), 120) == EXIT_WORKER_LOST
    assert "is it Ray, with the same token?" in bot.text()


@pytest.mark.timeout(max(400, 60 * KILLS))
async def test_random_kills_of_actors_nodes_driver_and_bot_lose_nothing_and_draw_nothing_twice(
    server: PlaygroundServer, nodes: RayNodes, tmp_path: Path
) -> None:
    scene = Scene(server, tmp_path / "data")
    chance, kills = random.Random(18), 0
    while kills < KILLS:
        async with bot_on(nodes, scene) as bot:
            await server.until_ready("imagine", within=90)
            while kills < KILLS:
                for _ in range(2):
                    await scene.ask(steps=chance.choice((20, LONG)))  # refused where four are waiting already
                await drawn(scene, 1)
                kills += 1
                match chance.choice(("actor", "actor", "node", "driver", "bot")):
                    case "actor":
                        await until(lambda: any(node.actors() for node in nodes.nodes))
                        actors = [actor for node in nodes.nodes for actor in node.actors()]
                        os.kill(chance.choice(actors), signal.SIGKILL)
                    case "node":
                        node = nodes.nodes.pop()
                        node.kill("raylet")
                        await asyncio.to_thread(node.close)
                        await asyncio.to_thread(nodes.add)
                    case "driver":
                        await until(lambda bot=bot: bool(children_of(bot, "workers.ray_driver")))
                        os.kill(children_of(bot, "workers.ray_driver")[0], signal.SIGKILL)
                    case _:
                        bot.kill()
                        await bot.wait()
                        break
    async with bot_on(nodes, scene) as bot:
        await server.until_ready("imagine", within=90)
        await ended_once_each(scene)
        assert await bot.stop() == 0
