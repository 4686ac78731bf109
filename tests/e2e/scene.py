"""One bot, its data, and a channel of a simulated Discord: what the tests of whole processes play on.

The bot is a process on the playground's Discord with discord.py's own network stack; only its worker has no device.
"""

import itertools
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.playground import BotProcess, PlaygroundServer, Post
from bot.settings import IMAGES, read_settings
from bot.storage.database import Database
from bot.storage.inspection import inspect
from tests.bot.discord_ui.world import RESULT
from tests.e2e.launcher import Play
from tests.e2e.records import rows
from tests.waiting import until

COMMAND = [sys.executable, "-m", "tests.e2e.launcher"]
WORKER = Play(seconds=0.02)
QUICK, LONG = 1, 150  #: steps; a long one shows progress first

_numbers = itertools.count(1)


class Scene:
    """A Discord, the data of one bot, and one channel for what happens in a test."""

    def __init__(self, server: PlaygroundServer, data: Path, database_url: str | None = None) -> None:
        self.server = server
        self.data = data
        self.settings = read_settings(_env_file=None, data_dir=data, database_url=database_url)
        self.channel = f"channel-{next(_numbers)}"
        server.world.channels[self.channel] = server.world.server.create_text_channel(self.channel)

    def bot(self, play: Play = WORKER, **settings: str) -> BotProcess:
        """Another run of the bot on this data."""
        where = {"DATA_DIR": str(self.data), "DATABASE_URL": self.settings.database}
        environment = {**self.server.environment(), **where, **settings}
        environment |= play.environment()
        return BotProcess(COMMAND, environment, output=self.data.parent / "bot.log")

    async def ask(self, *, steps: int = QUICK, **options: Any) -> None:
        """Ben wants a picture."""
        await self.server.slash("Ben", "imagine", where=self.channel, prompt=self.channel, steps=steps, **options)

    def rows(self) -> list[tuple[str, str | None]]:
        """The status and the message of each job that was asked for here."""
        query = "SELECT status, message FROM jobs WHERE request ->> 'prompt' = :prompt ORDER BY accepted_at"
        return rows(self.settings.database, query, prompt=self.channel)

    def posts(self) -> list[Post]:
        """What everybody sees here."""
        return [post for post in self.server.messages(self.channel) if not post.ephemeral]

    async def posted(self, jobs: int = 1) -> list[Post]:
        """Wait until so many jobs are posted: one message each, with its pictures, and no other message."""
        await self.server.until(
            lambda: [status for status, _ in self.rows()] == ["posted"] * jobs, within=60, what=f"{jobs} posted rows"
        )
        posts = self.posts()
        assert sorted(str(post.id) for post in posts) == sorted(str(message) for _, message in self.rows())
        assert [len(post.attachments) for post in posts] == [1] * jobs
        assert all([button.label for button in post.buttons] == RESULT for post in posts)
        return posts

    async def written(self, query: str) -> list[tuple[Any, ...]]:
        """Wait until the query finds something, and return that."""
        await until(lambda: rows(self.settings.database, query), within=60)
        return rows(self.settings.database, query)

    async def agrees(self) -> bool:
        """What `python -m bot check` says, and as many pictures as there are posts."""
        database = Database(self.settings.database)
        findings = await inspect(database, self.data / IMAGES)
        await database.close()
        return findings.agree and findings.pictures == len(self.posts())


async def said(bot: BotProcess, words: str, *, times: int = 1) -> None:
    """Wait until its log has these words so often."""
    await until(lambda: bot.text().count(words) >= times, within=60)


#: With the record in a file, and on a server.
on_both = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
