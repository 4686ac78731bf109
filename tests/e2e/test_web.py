"""What programs that watch the bot see of it: the whole bot as a process, asked over HTTP."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.playground import BotProcess, PlaygroundServer
from bot.process import EXIT_CANNOT_RUN
from tests.e2e.test_process import new_bot, private_text, result

pytestmark = pytest.mark.timeout(150)

TELLING = "a zeppelin over Zanzibar"
PAGES = ("healthz", "readyz", "metrics")


@pytest.fixture
async def server() -> AsyncIterator[PlaygroundServer]:
    async with PlaygroundServer(port=0, answer_within=10, shards=2) as server:
        yield server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


async def look(port: int) -> dict[str, tuple[int, str]]:
    """The status and the text of each page."""
    seen = {}
    async with aiohttp.ClientSession() as http:
        for page in PAGES:
            async with http.get(f"http://127.0.0.1:{port}/{page}") as response:
                seen[page] = response.status, await response.text()
    return seen


async def until_ready_is(status: int, port: int) -> str:
    """Wait for that answer; discord.py takes two seconds to believe that it has heard of all servers."""
    async with asyncio.timeout(30):
        while (said := (await look(port))["readyz"])[0] != status:
            pass
    return said[1]


async def test_a_bot_tells_how_it_is_and_not_who_asked_for_what(server: PlaygroundServer, tmp_path: Path) -> None:
    port = free_port()
    async with new_bot(server, tmp_path / "data", METRICS_PORT=str(port)) as bot:
        await server.until_ready("imagine")
        await server.slash("Ben", "imagine", prompt=TELLING, count=2)
        post = await result(server)
        await server.slash("Ada", "admin limits set", images_a_day=2, member="Ben")
        refusal = await server.slash("Ben", "imagine", prompt=TELLING)
        await server.until(lambda: "pictures a day" in private_text(refusal), what="the refusal")
        async with asyncio.timeout(10):  # the row, and with it the count, follows the message
            while 'imagine_jobs_ended_total{end="posted"} 1.0' not in (seen := await look(port))["metrics"][1]:
                pass
        assert seen["healthz"] == (200, "alive\n")
        assert await until_ready_is(200, port) == "ready\n"
        status, page = seen["metrics"]
        assert status == 200
        assert re.search(r'^imagine_worker_device_seconds_total\{worker="auto"\} 0*[1-9.]', page, re.MULTILINE)
        for line in (
            "imagine_jobs_rendered_total 1.0",
            'imagine_errors_total{code="limit_reached"} 1.0',
            'imagine_jobs{state="waiting"} 0.0',
            'imagine_worker_state{state="ready",worker="auto"} 1.0',
            "imagine_job_wait_seconds_count 1.0",
        ):
            assert line in page.splitlines(), page
        whole = "\n".join(text for _, text in seen.values())
        ids = [str(actor.id) for actor in server.world.members.values()]
        ids += [str(server.world.server.id), str(post.id), str(server.world.channel("pictures").id)]
        for secret in (TELLING, "zeppelin", "Zanzibar", *server.world.members, "Playground", *ids):
            assert secret not in whole
        assert await bot.stop() == 0
    assert "Traceback" not in bot.text()
    with pytest.raises(aiohttp.ClientConnectionError):
        await look(port)


async def test_a_bot_that_is_not_connected_is_alive_and_not_ready(server: PlaygroundServer, tmp_path: Path) -> None:
    port = free_port()
    async with new_bot(server, tmp_path / "data", METRICS_PORT=str(port)) as bot:
        await server.until_ready("imagine")
        await until_ready_is(200, port)
        await server.close()
        assert await until_ready_is(503, port) == "not ready\n"
        assert (await look(port))["healthz"][0] == 200
        bot.kill()


async def test_a_port_that_is_taken_is_a_mistake_that_is_told(server: PlaygroundServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with new_bot(server, tmp_path / "data", METRICS_PORT=str(port)) as bot:
            assert await bot.wait() == EXIT_CANNOT_RUN
    assert f"METRICS_PORT={port} cannot be used on 127.0.0.1: Address already in use" in bot.text()


async def test_no_port_is_opened_where_none_is_asked_for(server: PlaygroundServer, tmp_path: Path) -> None:
    async with new_bot(server, tmp_path / "data") as bot:
        await server.until_ready("imagine")
        assert "tells how I am" not in bot.text()
        assert listens_on(bot) == set()


def listens_on(bot: BotProcess) -> set[str]:
    """The sockets of the process on which it waits for others."""
    sockets = set()
    for descriptor in Path(f"/proc/{bot.process.pid}/fd").iterdir():
        if (found := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink()))) is not None:
            sockets.add(found[1])
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {line[1] for line in lines if line[3] == "0A" and line[9] in sockets}
