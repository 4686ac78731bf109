"""The real services on a real SQLite file, with a worker that only pretends and a clock that stands still."""

import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.clock import ClockCheck
from bot.records import Member, Place
from bot.services.access_settings import ServerAccess
from bot.services.admin import AdminService
from bot.services.answers import Picture
from bot.services.history import History
from bot.services.images import ImageService
from bot.services.inputs import Inputs
from bot.services.limits import Limits
from bot.services.policies import Policy, Where
from bot.services.recovery import Restart
from bot.services.results import Results
from bot.services.retention import Retention
from bot.services.reviews import Reviews
from bot.services.safety import Safety
from bot.services.stars import Stars
from bot.services.words import Words
from bot.storage.database import Database
from bot.storage.image_files import ImageFiles
from bot.storage.input_files import InputFiles
from bot.storage.journal import StoredJournal
from bot.storage.suspects import SUSPECTS, SuspectsFile
from generation.catalog import DrawingOptions, ModelCatalog, ModelSpec
from generation.dispatcher import Dispatcher
from generation.job import JobId, JobStatus
from generation.request import GenerationRequest
from generation.workers.fake import FakeWorker
from tests.bot.fake_check import FakeCheck


@dataclass
class HandClock:
    """A clock that is moved by hand."""

    now: datetime = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> None:
        self.now += timedelta(**time)


async def nothing_asked() -> None:
    """Discord cannot be reached."""


@dataclass
class House:
    """All parts below the front end, put together as the bot does it."""

    folder: Path
    clock: HandClock
    worker: FakeWorker = field(default_factory=lambda: FakeWorker(room=64, hold=True))
    capacity: int = 1000
    model: str = "tiny"
    ceiling: dict[str, float] = field(default_factory=dict)
    direct_messages: bool = True
    check: FakeCheck | None = field(default_factory=FakeCheck)
    direct_policy: Policy = Policy.WITHHOLD
    exempts_builtin: bool = True
    ended: list[JobStatus] = field(default_factory=list[JobStatus])  #: how jobs ended, but for those in the dispatcher
    clock_check: ClockCheck | None = None  #: None: the clock is believed
    database_url: str | None = None  #: by default a SQLite file in the folder

    def __post_init__(self) -> None:
        self.catalog = ModelCatalog(
            [ModelSpec(name=self.model, source="builtin", native_size=64, min_size=64, default_steps=2)]
        )
        self.database = Database(self.database_url or f"sqlite:///{self.folder / 'bot.db'}")
        self.files = ImageFiles(self.folder / "images")
        self.suspects = SuspectsFile(self.folder / SUSPECTS)
        journal = StoredJournal(database=self.database, files=self.files, suspects=self.suspects, clock=self.clock)
        self.dispatcher = Dispatcher([self.worker], journal, capacity=self.capacity)
        self.input_files = InputFiles(self.folder / "inputs")
        self.inputs = Inputs(database=self.database, files=self.input_files)
        self.words = Words(database=self.database, clock=self.clock)
        self.safety = Safety(
            database=self.database,
            check=self.check,
            catalog=self.catalog,
            clock=self.clock,
            direct_policy=self.direct_policy,
            exempts_builtin=self.exempts_builtin,
            patience=0.2,
        )
        self.images = ImageService(
            database=self.database,
            files=self.files,
            dispatcher=self.dispatcher,
            catalog=self.catalog,
            inputs=self.inputs,
            words=self.words,
            limits=Limits(self.ceiling),
            safety=self.safety,
            clock=self.clock,
            direct_messages=self.direct_messages,
            ended=self.ended.append,
        )
        self.restart = Restart(
            database=self.database,
            suspects=self.suspects,
            input_files=self.input_files,
            dispatcher=self.dispatcher,
            catalog=self.catalog,
            words=self.words,
            clock=self.clock,
        )
        self.history = History(database=self.database)
        self.stars = Stars(database=self.database, clock=self.clock)
        self.results = Results(database=self.database, clock=self.clock, ended=self.ended.append)
        self.access = ServerAccess(database=self.database, catalog=self.catalog, clock=self.clock)
        self.admin = AdminService(
            database=self.database,
            dispatcher=self.dispatcher,
            input_files=self.input_files,
            catalog=self.catalog,
            words=self.words,
            limits=Limits(self.ceiling),
            clock=self.clock,
        )

    async def open(self) -> None:
        await self.database.open()
        await self.dispatcher.start()
        await self.dispatcher.ready()

    async def close(self) -> None:
        await self.dispatcher.close()
        await self.images.close()
        await self.database.close()

    def request(self, **changes: object) -> GenerationRequest:
        return self.catalog.request(DrawingOptions(**{"prompt": "a red heart", "seed": 7, **changes}))  # type: ignore[arg-type]

    async def drawn(self, member: Member, **changes: object) -> JobId:
        """The id of a job that was drawn and posted."""
        ticket = await self.images.imagine(self.request(**changes), member, at=Place(channel=member.channel))
        self.worker.release(ticket.job.id)
        await ticket.result()
        await self.images.posted(ticket.job.id, message=f"6{ticket.job.id.int % 10**8}")
        return ticket.job.id

    async def pictures(self, job_id: JobId, where: Where | None = None) -> tuple[Picture, ...]:
        """What a place may see of a job; by default the channel of Ann and Bob."""
        shown = await self.images.pictures.shown(
            await self.images.job(job_id), where or Where(server="9000", channel="5000")
        )
        return shown.pictures

    async def clock_is_right(self) -> bool:
        """By the check, where there is one."""
        return self.clock_check is None or await self.clock_check.is_right(nothing_asked)

    def retention(self, **bounds: float) -> Retention:
        """What keeps these bounds."""
        return Retention(
            database=self.database,
            files=self.files,
            input_files=self.input_files,
            clock=self.clock,
            clock_is_right=self.clock_is_right,
            **bounds,
        )

    def reviews(self) -> Reviews:
        """What is decided about held pictures."""
        return Reviews(
            database=self.database, clock=self.clock, clock_is_right=self.clock_is_right, ended=self.ended.append
        )

    def pictures_on_disk(self) -> list[Path]:
        return [path for path in (self.folder / "images").rglob("*") if path.is_file()]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def database_url() -> str | None:
    return None


@pytest.fixture
async def open_house(
    tmp_path: Path, clock: HandClock, database_url: str | None, empty_database: Path
) -> AsyncIterator[Callable]:
    """Makes houses on one folder; the second one is what a restart finds."""
    houses: list[House] = []
    if database_url is None:
        shutil.copy(empty_database, tmp_path / "bot.db")

    async def opened(**parts: object) -> House:
        house = House(folder=tmp_path, clock=clock, database_url=database_url, **parts)  # type: ignore[arg-type]
        houses.append(house)
        await house.open()
        return house

    yield opened
    for house in reversed(houses):
        await house.close()


@pytest.fixture
async def house(open_house: Callable) -> House:
    """A house whose worker holds each job until it is released."""
    return await open_house()


@pytest.fixture
def ann() -> Member:
    return Member(id="1001", name="Ann", server="9000", channel="5000", roles=("9000", "7001"))


@pytest.fixture
def bob() -> Member:
    return Member(id="1002", name="Bob", server="9000", channel="5000", roles=("9000",))


@pytest.fixture
def moderator() -> Member:
    return Member(id="1003", name="Mia", server="9000", channel="5000", is_moderator=True)


@pytest.fixture
def admin() -> Member:
    return Member(id="1004", name="Ada", server="9000", channel="5000", is_admin=True)


@pytest.fixture
def stranger() -> Member:
    """Somebody on another server, and powerful there."""
    return Member(id="1005", name="Sam", server="9999", channel="5999", is_moderator=True, is_admin=True)


@pytest.fixture
def here() -> Place:
    return Place(channel="5000", token="secret", token_expires=datetime(2030, 5, 17, 12, 15, tzinfo=UTC))
