"""The whole bot on SimCord's Discord, over a real SQLite file, a real Dispatcher and a FakeWorker."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest
import simcord
from discord import app_commands
from simcord.actors import MemberActor
from simcord.backend.models import Overwrite
from simcord.builders import ChannelHandle
from simcord.components import walk_components
from simcord.enums import ComponentType, OverwriteType
from simcord.http.client import FakeWebhookAdapter
from simcord.results import InteractionResult, ResponseMessage
from simcord.types import HttpLogEntry
from sqlalchemy import select, text, update

from bot.discord_ui.client import ImageBot
from bot.discord_ui.delivery.deliveries import Deliveries
from bot.discord_ui.delivery.gallery import GalleryCopies
from bot.discord_ui.delivery.reviews import HeldPictures
from bot.discord_ui.front_end import open_front_end
from bot.records import JobRecord
from bot.services.access_settings import ServerAccess
from bot.services.admin import AdminService
from bot.services.answers import Recovery
from bot.services.history import History
from bot.services.images import ImageService
from bot.services.inputs import Inputs
from bot.services.limits import Limits
from bot.services.policies import Policy
from bot.services.recovery import Restart
from bot.services.results import Results
from bot.services.retention import Retention
from bot.services.reviews import Reviews
from bot.services.safety import Safety
from bot.services.safety_settings import ServerSafety
from bot.services.stars import Stars
from bot.services.words import Words
from bot.services.workers import Workers
from bot.storage import jobs
from bot.storage.database import Database
from bot.storage.image_files import ImageFiles
from bot.storage.input_files import InputFiles
from bot.storage.journal import StoredJournal
from bot.storage.suspects import SUSPECTS, SuspectsFile
from bot.storage.tables import GALLERY_COPIES, IMAGES, JOBS, REVIEWS
from generation.catalog import ModelCatalog, ModelSpec
from generation.dispatcher import Dispatcher
from generation.errors import KnownError
from generation.job import Job
from generation.supervisor import Supervisor
from generation.ticket import JobTicket
from generation.workers.fake import FakeWorker
from generation.workers.stream import EventStream
from tests.bot.fake_check import FakeCheck

_ALL = select(JOBS).order_by(text("rowid"))

#: How the tasks are named that end with the process, whatever they were about to say or write.
OF_THE_PROCESS = ("job ", "cancel", "deliver ", "tell the ended", "refuse ", "abandon ", "look after ")

CATALOG = ModelCatalog(
    [
        ModelSpec(name="builtin", source="builtin", native_size=64, size_multiple=8, min_size=32, max_size=128),
        ModelSpec(name="pinwheel", source="some/where", description="Draws pinwheels", examples=("a pinwheel",)),
    ]
)


async def clock_is_right() -> bool:
    """Discord would say the same time."""
    return True


class ParkedWorker(FakeWorker):
    """A FakeWorker whose held jobs SimCord knows as waiting for the outside, so that it does not wait for them."""

    env: simcord.Env

    def draw(self, job: Job) -> EventStream:
        return _ParkedStream(super().draw(job), self)


class _ParkedStream(EventStream):
    def __init__(self, stream: EventStream, worker: ParkedWorker) -> None:
        super().__init__(on_close=lambda: None)
        self._stream = stream
        self._worker = worker

    async def __anext__(self) -> Any:
        env, step = self._worker.env, self._stream.__anext__()
        # private: begun by a start, before the bot was there; SimCord does not wait for it and has no word for that
        if asyncio.current_task() not in env._work.tasks:
            return await step
        return await env.external_wait(step, reason="a held job")

    async def aclose(self) -> None:
        await self._stream.aclose()


@dataclass
class Parts:
    """One run of the bot, from start to stop."""

    bot: ImageBot
    supervisor: Supervisor
    supervising: asyncio.Task[Any]
    deliveries: Deliveries
    dispatcher: Dispatcher
    worker: ParkedWorker
    images: ImageService
    admin: AdminService
    stars: Stars
    gallery: GalleryCopies
    held: HeldPictures


@dataclass
class World:
    """One server with a channel and some members, and the bot in it."""

    folder: Path
    database: Database
    hold: bool = False
    options: dict[str, Any] = field(default_factory=lambda: {"ping_after": timedelta(minutes=2)})
    parts: Parts = field(init=False)
    env: simcord.Env = field(init=False)
    expects_errors: bool = False
    catalog: ModelCatalog = CATALOG
    ceiling: dict[str, float] = field(default_factory=dict)
    direct_messages: bool = True
    devices: tuple[str, ...] = ()  #: in processes of their own; without any, one in the bot's
    children: list[ParkedWorker] = field(default_factory=list)
    check: FakeCheck | None = field(default_factory=FakeCheck)
    direct_policy: Policy = Policy.WITHHOLD

    async def build(self, *, recover: bool = False) -> Parts:
        """A fresh process on the same data."""
        files = ImageFiles(self.folder / "images")
        worker = ParkedWorker(hold=self.hold)
        if recover:
            worker.env = self.env  # what goes on is drawn before the bot is there to be told of
        suspects = SuspectsFile(self.folder / SUSPECTS)
        journal = StoredJournal(database=self.database, files=files, suspects=suspects, clock=discord.utils.utcnow)
        inside = {} if self.devices else {"cpu": worker}
        dispatcher = Dispatcher(tuple(inside.values()), journal)
        supervisor = Supervisor(dispatcher, dict.fromkeys(self.devices, self._child), inside=inside)
        input_files = InputFiles(self.folder / "inputs")
        server_words = Words(database=self.database, clock=discord.utils.utcnow)
        images = ImageService(
            database=self.database,
            files=files,
            dispatcher=dispatcher,
            catalog=self.catalog,
            inputs=Inputs(database=self.database, files=input_files),
            words=server_words,
            limits=Limits(self.ceiling),
            safety=Safety(
                database=self.database,
                check=self.check,
                catalog=self.catalog,
                clock=discord.utils.utcnow,
                direct_policy=self.direct_policy,
                patience=1.0,
            ),
            clock=discord.utils.utcnow,
            direct_messages=self.direct_messages,
        )
        admin = AdminService(
            database=self.database,
            dispatcher=dispatcher,
            input_files=input_files,
            catalog=self.catalog,
            words=server_words,
            limits=Limits(self.ceiling),
            clock=discord.utils.utcnow,
        )
        results = Results(database=self.database, clock=discord.utils.utcnow)
        stars = Stars(database=self.database, clock=discord.utils.utcnow)
        restart = Restart(
            database=self.database,
            suspects=suspects,
            input_files=input_files,
            dispatcher=dispatcher,
            catalog=self.catalog,
            words=server_words,
            clock=discord.utils.utcnow,
        )
        recovery = await restart.recover() if recover else Recovery()
        await dispatcher.start()
        supervising = asyncio.create_task(supervisor.run(), name="supervise")
        await dispatcher.ready()
        front = await open_front_end(
            images=images,
            results=results,
            history=History(database=self.database),
            stars=stars,
            admin=admin,
            words=server_words,
            access=ServerAccess(database=self.database, catalog=self.catalog, clock=discord.utils.utcnow),
            server_safety=ServerSafety(database=self.database, clock=discord.utils.utcnow),
            reviews=Reviews(database=self.database, clock=discord.utils.utcnow, clock_is_right=clock_is_right),
            workers=Workers(dispatcher=dispatcher, supervisor=supervisor, clock=discord.utils.utcnow),
            clock=discord.utils.utcnow,
            command_hash_file=self.folder / "commands.hash",
            recovery=recovery,
            hear_date=lambda _: None,
            wait=self._wait,
            **self.options,
        )
        self.parts = Parts(
            front.bot,
            supervisor,
            supervising,
            front.deliveries,
            dispatcher,
            worker,
            images,
            admin,
            stars,
            front.gallery,
            front.held,
        )
        return self.parts

    async def start(self) -> None:
        parts = await self.build()
        self.env = simcord.Env(parts.bot, settle_timeout=10.0, check_errors=False, shard_count=1)
        for worker in (parts.worker, *self.children):
            worker.env = self.env
        await self.env.start()
        self.guild = self.env.create_guild()
        self.channel = self.guild.create_text_channel("general")
        self.owner = self.guild.add_member(self.env.create_user("owner"))
        self.alice = self.guild.add_member(self.env.create_user("alice"))
        self.bob = self.guild.add_member(self.env.create_user("bob"))
        rights = discord.Permissions(manage_messages=True)
        self.mod = self.guild.add_member(
            self.env.create_user("mod"), roles=[self.guild.create_role("mods", permissions=rights)]
        )
        rights = discord.Permissions(manage_guild=True)
        self.admin = self.guild.add_member(
            self.env.create_user("admin"), roles=[self.guild.create_role("admins", permissions=rights)]
        )
        # SimCord knows no permissions of commands: nothing is set, as on most servers.
        self.env.inject_error(
            "GET", "/applications/*/guilds/*/commands/*/permissions", status=404, code=10066, times=None
        )
        await self.env.settle()

    def _child(self) -> ParkedWorker:
        """Another worker of a device in a process of its own."""
        child = ParkedWorker(hold=self.hold)
        child.in_this_process = False
        if hasattr(self, "env"):
            child.env = self.env
        self.children.append(child)
        return child

    async def restart(self, *, crash: bool = False) -> None:
        """Stop and start again; after a crash nobody had time to say or write anything."""
        if crash:
            suspects = SuspectsFile(self.folder / SUSPECTS)
            at_work = suspects.read()
            for task in asyncio.all_tasks():
                if task.get_name().startswith(OF_THE_PROCESS):
                    task.cancel()
            await asyncio.sleep(0)
            suspects.write(at_work or frozenset())  # which the end of the tasks has changed, and a crash does not
        else:
            await self.stop()
        parts = await self.build(recover=True)
        await self.env.restart_bot(parts.bot)

    async def stop(self) -> None:
        """What the application does on SIGTERM."""
        self.parts.supervising.cancel()
        with self.env.time_context():
            await self.parts.dispatcher.close()
            await self.parts.deliveries.close()

    async def close(self) -> None:
        await self.stop()
        await self.env.shutdown()
        unexpected = [error for error in self.env.errors if not isinstance(_cause(error), KnownError)]
        if unexpected and not self.expects_errors:
            raise ExceptionGroup("the bot raised", unexpected)  # pyright: ignore[reportArgumentType]

    async def try_again(self) -> None:
        """What the application does every few minutes with pictures that could not be posted."""
        with self.env.time_context():
            await self.parts.deliveries.try_again()
        await self.until(lambda: not self.parts.deliveries.owed)

    async def look_after_gallery(self) -> None:
        """What the application does every few minutes with what galleries lack or show too much."""
        with self.env.time_context():
            await self.parts.gallery.catch_up()
        await self.env.settle()

    async def look_after_held(self) -> None:
        """What the application does every few minutes with held pictures."""
        with self.env.time_context():
            await self.parts.held.catch_up()
        await self.env.settle()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Settle until this holds: what a held job does after its release is nobody's operation."""
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.01)
                await self.env.settle()

    async def jobs(self) -> tuple[JobRecord, ...]:
        """All rows, the oldest first."""
        return await self.database.read(lambda transaction: jobs.records(transaction, _ALL))

    async def forget_message(self) -> None:
        """As if the process had died before the rows learnt which message shows their job."""
        await self.database.write(lambda transaction: transaction.execute(update(JOBS).values(message=None)).rowcount)

    async def forget_copy(self) -> None:
        """The same for copies in galleries."""
        forget = update(GALLERY_COPIES).values(message=None)
        await self.database.write(lambda transaction: transaction.execute(forget).rowcount)

    async def forget_reviews(self) -> None:
        """The same for held pictures in the moderators' channel."""
        forget = update(REVIEWS).values(message=None)
        await self.database.write(lambda transaction: transaction.execute(forget).rowcount)

    async def forget_given(self) -> None:
        """The same for what was delivered after all."""
        forget = update(IMAGES).values(given_at=None)
        await self.database.write(lambda transaction: transaction.execute(forget).rowcount)

    async def age_holds(self, by: timedelta) -> None:
        """As if all that is held had been held so long."""
        age = update(IMAGES).values(held_at=discord.utils.utcnow() - by)
        await self.database.write(lambda transaction: transaction.execute(age).rowcount)

    async def remove_pictures(self) -> None:
        """What retention does when there is no room at all."""
        files = ImageFiles(self.folder / "images")

        retention = Retention(
            database=self.database,
            files=files,
            input_files=InputFiles(self.folder / "inputs"),
            clock=discord.utils.utcnow,
            clock_is_right=clock_is_right,
            gigabytes=1e-9,
        )
        await retention.sweep()

    def edits(self) -> list[HttpLogEntry]:
        """The edits of messages that the bot tried, the oldest first."""
        return [
            entry for entry in self.env.backend.http_requests if entry.method == "PATCH" and "/messages/" in entry.path
        ]

    def channel_without(self, flag: str) -> ChannelHandle:
        """A channel where the bot lacks one permission."""
        denied = discord.PermissionOverwrite(**{flag: False})
        return self.guild.create_text_channel("narrow", overwrites={self.guild.me: denied})

    def deny_members(self, flag: str) -> None:
        """From now on nobody but admins has this permission in the channel."""
        denied = discord.Permissions(**{flag: True}).value
        self.env.backend.set_overwrite(
            self.channel.id, Overwrite(target_id=self.guild.id, type=OverwriteType.ROLE, allow=0, deny=denied)
        )

    def forget_server(self) -> None:
        """As between the start and the news of a server: interactions come, and nothing is known of its roles."""
        connection = self.parts.bot._connection  # private: SimCord tells of all servers at once
        connection._remove_guild(connection._get_guild(self.guild.id))  # private: the same

    async def thread(self, kind: discord.ChannelType = discord.ChannelType.public_thread) -> ChannelHandle:
        """A thread of the channel."""
        channel = self.parts.bot.get_channel(self.channel.id)
        assert isinstance(channel, discord.TextChannel)
        await channel.create_thread(name="a thread", type=kind)  # pyright: ignore[reportArgumentType, reportCallIssue]
        await self.env.settle()
        return self.channel.threads[0]

    def deny(self, flag: str, channel: ChannelHandle | None = None) -> None:
        """From now on the bot lacks this permission in the channel."""
        self._overwrite(channel or self.channel, deny=discord.Permissions(**{flag: True}))

    def allow(self, flag: str, channel: ChannelHandle) -> None:
        """From now on the bot has this permission in the channel."""
        self._overwrite(channel, allow=discord.Permissions(**{flag: True}))

    def _overwrite(
        self,
        channel: ChannelHandle,
        *,
        allow: discord.Permissions | None = None,
        deny: discord.Permissions | None = None,
    ) -> None:
        values = {"allow": allow.value if allow else 0, "deny": deny.value if deny else 0}
        bot_id = self.env.backend.bot_user.id
        self.env.backend.set_overwrite(channel.id, Overwrite(target_id=bot_id, type=OverwriteType.MEMBER, **values))

    def drop_connections(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
        """The next POST of an interaction arrives and its answer is lost; the next PATCH does not even arrive."""
        left = {"POST": 1, "PATCH": 1}
        request = FakeWebhookAdapter.request

        async def flaky(adapter: FakeWebhookAdapter, route: Any, *args: Any, **options: Any) -> Any:
            drops, left[route.method] = left.get(route.method, 0), 0
            if drops and route.method == "PATCH":
                raise aiohttp.ServerDisconnectedError
            answer = await request(adapter, route, *args, **options)
            if drops:
                raise aiohttp.ServerDisconnectedError
            return answer

        monkeypatch.setattr(FakeWebhookAdapter, "request", flaky)
        return left

    async def press(self, actor: MemberActor, message: ResponseMessage, custom_id: str) -> InteractionResult:
        """Press a button that is not there: an older version's, or a made-up one."""
        stored = self.env.backend.get_message(message.channel_id, message.id)
        shown = stored.components
        forged = [{"type": 1, "components": [{"type": 2, "style": 2, "label": "?", "custom_id": custom_id}]}]
        stored.components = forged
        try:
            return await actor.click(message, custom_id=custom_id)
        finally:
            if stored.components is forged:  # the answer was no edit
                stored.components = shown

    async def _wait(self, ticket: JobTicket, seconds: float) -> bool:
        return await self.env.external_wait(_finish(ticket.wait(seconds)), reason="a job")


async def _finish(wait: Coroutine[Any, Any, bool]) -> bool:
    return await wait


def _cause(error: BaseException) -> BaseException:
    return error.original if isinstance(error, app_commands.CommandInvokeError) else error


#: The buttons below a result.
RESULT = ["Rerun", "Edit", "Vary", "Upscale", "More", "Info", "Delete"]


def labels(message: Any) -> list[str]:
    """The labels of a message's buttons."""
    rows = [row if isinstance(row, dict) else row.to_dict() for row in message.components]
    return [button["label"] for row in rows for button in row["components"]]


def words(message: Any) -> str:
    """Everything a message says."""
    embeds = [
        " ".join([embed.title or "", embed.description or "", embed.footer.text or ""])
        + " ".join(f"{part.name} {part.value}" for part in embed.fields)
        for embed in message.embeds
    ]
    texts = [one["content"] for one in walk_components(message.components) if one["type"] == ComponentType.TEXT_DISPLAY]
    return "\n".join([message.content, *embeds, *texts])
