"""`python -m bot playground`: the checker that its bot starts with, and what its page says of it."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

NOTE = "Pictures asked for with the word “secret” are held: a checker for the demonstration."

pytestmark = pytest.mark.timeout(150)


@pytest.mark.parametrize("chosen", ["", "off"])
async def test_its_bot_has_a_checker_for_the_demonstration_unless_the_operator_chose_one(
    tmp_path: Path, chosen: str
) -> None:
    environment = {**os.environ, "DATA_DIR": str(tmp_path / "data"), "SAFETY": chosen, "DISCORD_TOKEN": ""}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "playground", "--port", "0"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    output = ""
    try:
        async with asyncio.timeout(60):
            while "SAFETY=" not in output and (line := await process.stdout.readline()):
                output += line.decode()
        address = re.search(r"http://127\.0\.0\.1:\d+/", output)
        assert address is not None, output
        async with aiohttp.ClientSession() as http, http.get(address[0]) as response:
            page = await response.text()
    finally:
        process.terminate()
        await process.communicate()
    assert f"SAFETY={chosen or 'demonstration'}: " in output
    assert (NOTE in page) == (chosen == "")
