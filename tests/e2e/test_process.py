"""The whole bot as a process, on the playground's Discord, with discord.py's own network stack."""

import asyncio
import io
import re
import shutil
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from bot.playground import Answer, BotProcess, PlaygroundServer, Post
from generation.diffusion.loading.sources import BUILTIN_FOLDER
from tests.bot.discord_ui.world import RESULT
from tests.png_parameters import parse_parameters

pytestmark = pytest.mark.timeout(150)

COMMAND = [sys.executable, "-m", "bot", "run"]


@pytest.fixture
async def server() -> AsyncIterator[PlaygroundServer]:
    async with PlaygroundServer(port=0, answer_within=10) as server:
        yield server


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def new_bot(server: PlaygroundServer, data: Path, **settings: str) -> BotProcess:
    environment = {**server.environment(), "DATA_DIR": str(data), "DATABASE_URL": "", **settings}
    return BotProcess(COMMAND, environment, output=data.parent / "bot.log")


def is_result(post: Post) -> bool:
    return "taken " in post.text


def rows(data: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(data / "bot.db") as connection:
        return connection.execute(query).fetchall()


async def result(server: PlaygroundServer, number: int = 1) -> Post:
    """The newest of this many results in #pictures."""
    await server.until(
        lambda: len([post for post in server.messages() if is_result(post)]) >= number,
        within=90,
        what=f"{number} results",
    )
    return [post for post in server.messages() if is_result(post)][-1]


async def test_a_request_becomes_a_picture_a_message_and_a_record(server: PlaygroundServer, data: Path) -> None:
    async with new_bot(server, data) as bot:
        await server.until_ready("imagine")
        await server.slash("Ben", "imagine", prompt="a red heart", seed=5, count=2)
        post = await result(server)
        assert [button.label for button in post.buttons] == RESULT
        assert len(post.attachments) == 2

        # what a reaction by somebody else starts is theirs, with new seeds
        await server.react("Cleo", post, "🔄")
        again = await result(server, 2)
        assert again.reply_to == post.id

        # the admin's limit refuses the next one, privately and in words
        await server.slash("Ada", "admin limits set", images_a_day=2, member="Ben")
        refusal = await server.slash("Ben", "imagine", prompt="one more")
        await server.until(lambda: "pictures a day" in private_text(refusal), within=10, what="the refusal")
        assert await bot.stop(within=20) == 0

    assert rows(data, "SELECT requester_name, status, parent_id IS NOT NULL FROM jobs ORDER BY accepted_at") == [
        ("Ben", "posted", 0),
        ("Cleo", "posted", 1),
    ]
    assert rows(data, "SELECT interaction_token FROM jobs WHERE interaction_token IS NOT NULL") == []
    stored = rows(data, "SELECT seed, file FROM images ORDER BY seed")
    assert [seed for seed, _ in stored][:2] == [5, 6] or {5, 6} <= {seed for seed, _ in stored}
    picture = Image.open(io.BytesIO((data / "images" / str(next(f for s, f in stored if s == 5))).read_bytes()))
    assert parse_parameters(picture.text["parameters"])["Prompt"] == "a red heart"  # type: ignore[attr-defined]
    log = (data.parent / "bot.log").read_text()
    assert "Traceback" not in log
    assert server.environment()["DISCORD_TOKEN"] not in log


async def test_a_member_chooses_another_model(server: PlaygroundServer, data: Path) -> None:
    mine = shutil.copytree(BUILTIN_FOLDER, data.parent / "mine")
    async with new_bot(server, data, MODELS=str(mine)) as bot:
        await server.until_ready("imagine")
        await server.slash("Ben", "imagine", prompt="a red heart", model="mine")
        await server.slash("Cleo", "imagine", prompt="a red heart")
        await result(server, 2)
        assert await bot.stop(within=20) == 0
    assert rows(data, "SELECT model, status FROM jobs ORDER BY model") == [("builtin", "posted"), ("mine", "posted")]
    assert "loaded mine on" in (data.parent / "bot.log").read_text()


async def test_old_buttons_and_reactions_work_after_a_restart(server: PlaygroundServer, data: Path) -> None:
    async with new_bot(server, data) as bot:
        await server.until_ready("imagine")
        await server.slash("Ben", "imagine", prompt="a panda")
        old = await result(server)
        assert await bot.stop(within=20) == 0
    async with new_bot(server, data) as bot:
        await server.until(lambda: server.connected, within=30, what="the new bot")
        await server.click("Cleo", old, label="Rerun")
        await result(server, 2)
        await server.react("Cleo", old, "🔁")
        await result(server, 3)
        info = await server.click("Ben", old, label="Info")
        await server.until(lambda: "a panda" in private_text(info), within=10, what="the parameters")
        await server.click("Ben", old, label="Delete")
        await server.until(lambda: old.id not in {p.id for p in server.messages()}, within=10, what="the deletion")
        assert await bot.stop(within=20) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_stops_the_bot_cleanly_in_the_middle_of_a_job(
    server: PlaygroundServer, data: Path, number: signal.Signals
) -> None:
    async with new_bot(server, data, DRAIN_SECONDS="0.2") as bot:
        await server.until_ready("imagine")
        for prompt in ("a long one", "one that waits"):
            await server.slash("Ben", "imagine", prompt=prompt, steps=150, count=4)
        await server.until(lambda: running_steps(server), within=60, what="the first steps")
        bot.process.send_signal(number)
        assert await asyncio.wait_for(bot.wait(), 20) == 0
    assert rows(data, "SELECT status, crashes FROM jobs") == [("accepted", 0)] * 2
    texts = [post.text for post in server.messages()]
    assert len(texts) == 2
    assert all("goes on by itself" in text for text in texts), texts
    assert "Traceback" not in (data.parent / "bot.log").read_text()


async def test_a_stop_lets_what_runs_be_finished(server: PlaygroundServer, data: Path) -> None:
    async with new_bot(server, data) as bot:
        await server.until_ready("imagine")
        await server.slash("Ben", "imagine", prompt="a red heart", steps=150, count=4)
        await server.until(lambda: running_steps(server), within=60, what="the first steps")
        bot.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(bot.wait(), 60) == 0
    assert rows(data, "SELECT status FROM jobs") == [("posted",)]
    assert is_result(server.messages()[-1])


async def test_a_second_signal_stops_the_bot_at_once(server: PlaygroundServer, data: Path) -> None:
    async with new_bot(server, data, DRAIN_SECONDS="3600") as bot:
        await server.until_ready("imagine")
        await server.slash("Ben", "imagine", prompt="a long one", steps=150, count=4)
        await server.until(lambda: running_steps(server), within=60, what="the first steps")
        bot.process.send_signal(signal.SIGTERM)
        await server.until(lambda: "told to stop" in bot.text(), within=20, what="the drain")
        bot.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(bot.wait(), 30) == 0
    assert rows(data, "SELECT status, crashes FROM jobs") == [("accepted", 0)]


async def test_killed_in_the_middle_of_a_job(server: PlaygroundServer, data: Path) -> None:
    """After kill -9 the next start draws the job again and posts it once, in the job's own message."""
    async with new_bot(server, data) as bot:
        await server.until_ready("imagine")
        await server.slash("Ben", "imagine", prompt="a red heart", steps=150, count=4)
        await server.until(lambda: running_steps(server), within=60, what="the first steps")
        bot.kill()
        await bot.wait()
    (message,) = server.messages()
    async with new_bot(server, data):
        assert (await result(server)).id == message.id
    assert len(server.messages()) == 1
    assert rows(data, "SELECT status, crashes FROM jobs") == [("posted", 1)]


async def test_a_second_bot_on_the_same_data_refuses_to_start(server: PlaygroundServer, data: Path) -> None:
    async with new_bot(server, data):
        await server.until_ready("imagine")
        environment = {**server.environment(), "DATA_DIR": str(data)}
        async with BotProcess(COMMAND, environment, output=data.parent / "second.log") as second:
            assert await asyncio.wait_for(second.wait(), 30) == 1
        assert "Another bot is running" in (data.parent / "second.log").read_text()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"MODEL": "/no/such/model"}, "cannot be used"),
        ({"DEVICE": "cuda:7"}, "cannot be used"),
        ({"DTYPE": "int8", "LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
        ({"DISCORD_TOKEN": ""}, "DISCORD_TOKEN is not set"),
    ],
)
async def test_a_bot_that_cannot_run_says_why_and_exits(
    server: PlaygroundServer, data: Path, settings: dict[str, str], words: str
) -> None:
    async with new_bot(server, data, **settings) as bot:
        assert await asyncio.wait_for(bot.wait(), 60) == 1
    assert words in (data.parent / "bot.log").read_text()


def private_text(answer: Answer) -> str:
    """Return the text that only the member who asked can see; empty for a public answer."""
    return answer.post.text if answer.post is not None and answer.post.ephemeral else ""


def running_steps(server: PlaygroundServer) -> bool:
    return any(re.search(r"[1-9]\d* %", post.text) for post in server.messages())
