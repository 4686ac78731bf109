"""A real SQLite file for each test."""

import shutil
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from bot.records import JobRecord, Place
from bot.storage.database import Database
from bot.storage.image_files import ImageFiles
from generation.request import GenerationRequest, SchedulerName

NOON = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOON


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'bot.db'}"


@pytest.fixture
async def database(url: str, empty_database: Path) -> AsyncIterator[Database]:
    database = Database(url)
    if database.file is not None:
        shutil.copy(empty_database, database.file)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    return ImageFiles(tmp_path / "images")


@pytest.fixture
def new_record() -> Callable[..., JobRecord]:
    """Makes a job record as an accepted command would."""

    def made(**changes: object) -> JobRecord:
        request = GenerationRequest(
            prompt="a red heart 🎈",
            negative_prompt="blur",
            model="tiny",
            width=64,
            height=128,
            steps=3,
            guidance_scale=6.5,
            scheduler=SchedulerName.EULER_A,
            seed=2**32 - 1,
            count=2,
        )
        values = {
            "id": uuid4(),
            "request": request,
            "requester": "123456789012345678",
            "requester_name": "Ann",
            "server": "9000",
            "place": Place(channel="5000"),
            "accepted_at": NOON,
        }
        return JobRecord(**{**values, **changes})  # type: ignore[arg-type]

    return made
