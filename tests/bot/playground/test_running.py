"""`run_playground` as a process: one line, one Ctrl-C, an honest exit code."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from .conftest import SMALL_BOT

PROGRAM = """
import asyncio, json, logging, sys
from bot.playground import run_playground
logging.basicConfig()
sys.exit(asyncio.run(run_playground(bot_command=json.loads(sys.argv[1]), port=int(sys.argv[2]))))
"""


@asynccontextmanager
async def playground(bot: list[str], port: int = 0) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, json.dumps(bot), str(port), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def address_of(process: asyncio.subprocess.Process) -> str:
    """Where the page is."""
    address = re.search(r"http://127\.0\.0\.1:\d+/", await line_with(process, "Playground: "))
    assert address is not None
    return address[0]


async def line_with(process: asyncio.subprocess.Process, words: str) -> str:
    """The next line of output with these words."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while line := (await process.stdout.readline()).decode():
            if words in line:
                return line
    raise AssertionError(f"no line with {words!r}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_one_signal_stops_the_bot_and_then_the_server(number: signal.Signals) -> None:
    async with playground(SMALL_BOT) as process:
        address = await address_of(process)
        await line_with(process, "ready")
        async with aiohttp.ClientSession() as http, http.get(address + "control/bot") as response:
            assert (await response.json())["phase"] == "online"
        process.send_signal(number)
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        assert "killed" not in output.decode()


async def test_a_bot_that_ends_by_itself_ends_the_playground_with_its_code() -> None:
    async with playground([sys.executable, "-c", "raise SystemExit(7)"]) as process:
        output, _ = await process.communicate()
        assert process.returncode == 7
        assert "stopped by itself with exit code 7" in output.decode()


@pytest.mark.parametrize("deed", ["restart", "kill"])
async def test_a_bot_that_is_restarted_or_killed_from_the_page_comes_back(deed: str) -> None:
    async with playground(SMALL_BOT) as process:
        address = await address_of(process)
        await line_with(process, "ready")
        async with aiohttp.ClientSession() as http:
            async with http.post(address + "control/bot", json={"do": deed}) as response:
                assert response.status == 200
            await line_with(process, "It starts again in 1 s")
            await line_with(process, "ready")
            async with http.get(address + "control/bot") as response:
                assert (await response.json())["phase"] == "online"
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == 0


def ends_after_3_s(code: int) -> list[str]:
    """The small bot, for a while."""
    program = """if True:
        import os, runpy, sys, threading
        threading.Timer(3, os._exit, (int(sys.argv[2]),)).start()
        runpy.run_path(sys.argv[1], run_name="__main__")
        """
    return [sys.executable, "-c", program, SMALL_BOT[1], str(code)]


async def test_a_bot_that_crashes_after_it_was_connected_comes_back() -> None:
    async with playground(ends_after_3_s(70)) as process:
        await line_with(process, "ended with exit code 70")
        await line_with(process, "ready")


async def test_a_bot_that_needs_a_person_is_not_started_again() -> None:
    async with playground(ends_after_3_s(1)) as process:
        await line_with(process, "ready")
        output, _ = await process.communicate()
        assert process.returncode == 1
        assert "stopped by itself with exit code 1" in output.decode()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process that its parent is gone")
async def test_a_playground_that_is_killed_leaves_no_bot_behind() -> None:
    sleeping = [sys.executable, "-c", "import os, time; print('pid', os.getpid(), flush=True); time.sleep(60)"]
    async with playground(sleeping) as process:
        pid = int((await line_with(process, "pid ")).split()[1])
        process.kill()
        await process.wait()
        alive = [await asyncio.sleep(0.1, _is_alive(pid)) for _ in range(30)]
        assert not alive[-1]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with playground(SMALL_BOT, port) as process:
            output, _ = await process.communicate()
    assert process.returncode == 1
    assert output.decode() == (
        f"Port {port} is taken by another program: write another one after --port, or leave it out.\n"
    )


async def test_a_number_that_is_no_port_is_said_in_one_sentence() -> None:
    async with playground(SMALL_BOT, 99999) as process:
        output, _ = await process.communicate()
    assert process.returncode == 1
    assert output.decode() == "99999 is no port: write one from 1 to 65535 after --port, or leave it out.\n"


async def test_a_clean_start_warns_of_nothing() -> None:
    async with playground([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        await line_with(process, "Playground: ")
        process.send_signal(signal.SIGTERM)
        output, _ = await process.communicate()
    assert "WARNING" not in output.decode()
