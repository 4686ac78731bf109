"""`run_playground` as a process: one line, one Ctrl-C, an honest exit code."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from .conftest import SMALL_BOT

PROGRAM = """
import asyncio, json, sys
from bot.playground import run_playground
sys.exit(asyncio.run(run_playground(bot_command=json.loads(sys.argv[1]), port=0)))
"""


@asynccontextmanager
async def playground(bot: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, json.dumps(bot), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


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
        address = re.search(r"http://127\.0\.0\.1:\d+/", await line_with(process, "Playground: "))
        assert address is not None
        await line_with(process, "ready")
        async with aiohttp.ClientSession() as http, http.get(address[0] + "control/bot") as response:
            assert await response.json() == {"connected": True}
        process.send_signal(number)
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        assert "killed" not in output.decode()


async def test_a_bot_that_ends_by_itself_ends_the_playground_with_its_code() -> None:
    async with playground([sys.executable, "-c", "raise SystemExit(7)"]) as process:
        output, _ = await process.communicate()
        assert process.returncode == 7
        assert "stopped by itself with exit code 7" in output.decode()
