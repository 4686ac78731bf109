"""A fault at any request of a job still ends in one message with its pictures. One bot goes through all of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.playground import PlaygroundServer, Post
from bot.settings import read_settings
from bot.upkeep import check
from tests.e2e.faults import Fault, Moment, Trouble
from tests.e2e.scene import LONG, QUICK, Scene

pytestmark = [pytest.mark.timeout(150), pytest.mark.asyncio(loop_scope="module")]

PASSING = (Fault.BAD_GATEWAY, Fault.RATE_LIMITED, Fault.DROPPED_BEFORE, Fault.DROPPED_AFTER)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[PlaygroundServer]:
    async with PlaygroundServer(port=0, answer_within=10) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(server: PlaygroundServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """The data folder of a bot that goes through all of this. In the end its records agree."""
    data = tmp_path_factory.mktemp("running") / "data"
    scene = Scene(server, data)
    async with scene.bot() as bot:
        await server.until_ready("imagine", within=60)
        yield data
        assert bot.returncode is None, bot.text()
        assert await bot.stop() == 0
        assert "Traceback" not in bot.text(), bot.text()
    assert await check(read_settings(_env_file=None, data_dir=data), mend=False) == 0


@pytest_asyncio.fixture(loop_scope="module")
async def scene(server: PlaygroundServer, running: Path) -> Scene:
    return Scene(server, running)


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("moment", [Moment.ANSWER, Moment.PROGRESS, Moment.PICTURES, Moment.REACTION])
async def test_a_request_that_fails_at_any_moment_costs_no_picture(scene: Scene, moment: Moment, fault: Fault) -> None:
    with Trouble(scene.server, moment, fault) as trouble:
        await scene.ask(steps=LONG if moment is Moment.PROGRESS else QUICK)
        await scene.posted()
        await scene.server.until(lambda: trouble.happened == 1, what="the trouble")  # the reaction comes last


@pytest.mark.parametrize("fault", PASSING)
async def test_a_reaction_whose_answer_fails_gets_its_picture(scene: Scene, fault: Fault) -> None:
    await scene.ask()
    [post] = await scene.posted()
    with Trouble(scene.server, Moment.REPLY, fault) as trouble:
        await scene.server.react("Cleo", post, "🔁")
        _, reply = await rerun_of(scene, post)
    assert trouble.happened == 1
    assert reply.reply_to == post.id


@pytest.mark.parametrize("fault", PASSING)
async def test_pictures_whose_message_fails_twice_are_posted(scene: Scene, fault: Fault) -> None:
    with Trouble(scene.server, Moment.PICTURES, fault, times=2) as trouble:
        await scene.ask()
        await scene.posted()
    assert trouble.happened == 2


@pytest.mark.parametrize("steps", [QUICK, LONG])
async def test_a_job_whose_token_has_expired_is_posted(scene: Scene, steps: int) -> None:
    """Progress and pictures then go by the bot's own rights, into the same message."""
    with Trouble(scene.server, Moment.TOKEN, Fault.EXPIRED, times=float("inf")) as trouble:
        await scene.ask(steps=steps)
        await scene.posted()
    assert trouble.happened >= 1


@pytest.mark.parametrize("times", [1, 2])
async def test_pictures_that_are_too_large_are_posted_smaller(scene: Scene, times: int) -> None:
    with Trouble(scene.server, Moment.PICTURES, Fault.TOO_LARGE, times=times) as trouble:
        await scene.ask()
        [post] = await scene.posted()
    assert trouble.happened == times
    assert not post.attachments[0]["filename"].endswith(".png")


@pytest.mark.parametrize("forget", [False, True], ids=["resume", "identify"])
@pytest.mark.parametrize("when", ["before it is asked", "while it is drawn"])
async def test_a_lost_gateway_costs_no_picture(scene: Scene, when: str, forget: bool) -> None:
    gateway = scene.server.gateway
    came_back = gateway.identified if forget else gateway.resumed
    if when == "before it is asked" and forget:
        scene.server.drop_connections(forget=True)
        await scene.server.until(lambda: gateway.identified > came_back, what="the new session")
        await scene.ask()
    elif when == "before it is asked":
        scene.server.drop_connections()
        await scene.ask()  # what happens meanwhile is told on RESUME
    else:
        await scene.ask(steps=LONG)
        scene.server.drop_connections(forget=forget)
    await scene.posted()
    await scene.server.until(
        lambda: (gateway.identified if forget else gateway.resumed) > came_back, what="the bot, back again"
    )


async def rerun_of(scene: Scene, post: Post) -> tuple[Post, Post]:
    """The post and the one that a reaction to it asked for."""
    first, second = await scene.posted(2)
    return (first, second) if first.id == post.id else (second, first)
