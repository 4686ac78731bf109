"""The bot on a Ray cluster of two nodes: what is killed of it in mid-job costs no picture, and none comes twice."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.playground import BotProcess, PlaygroundServer
from tests.e2e.test_devices import both_draw, drawn, until
from tests.e2e.test_faults import LONG, QUICK, Scene
from tests.ray_nodes import RayNodes, needs_ray

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
    nodes = await asyncio.to_thread(RayNodes)
    await asyncio.to_thread(nodes.add)
    yield nodes
    await asyncio.to_thread(nodes.close)


async def test_actors_and_a_node_that_are_killed_in_mid_job_cost_no_picture(
    server: PlaygroundServer, nodes: RayNodes, tmp_path: Path
) -> None:
    scene = Scene(server, tmp_path / "data")
    environment = {**server.environment(), "DATA_DIR": str(scene.data), "RAY_ADDRESS": nodes.address}
    environment |= {"PING_AFTER_SECONDS": "0"}
    async with BotProcess([sys.executable, "-m", "bot", "run"], environment, output=tmp_path / "bot.log") as bot:
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
