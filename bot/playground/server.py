"""The playground's server: one port with Discord's REST API, gateway, attachments, the page and the control API."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web
from simcord.enums import AppCommandType
from simcord.interactions import command_leaves

from . import rest
from .answers import Answer
from .attachments import AttachmentStore
from .control import ControlApi
from .door import HOST, listen, only_from_here
from .gateway import Gateway
from .history import History
from .keeper import BotKeeper, Phase
from .members import Members
from .page import Page, thread_key
from .posts import Post, post_of
from .rest import Interceptor, RestApi
from .workers import Actors
from .world import World

TOKEN = "playground-token"  # noqa: S105 - any text does
#: Discord takes 25 MiB; the rest is the form around it.
_LARGEST_REQUEST = 26 * 1024 * 1024


class PlaygroundServer:
    """A Discord for one bot. `async with PlaygroundServer(port=0) as server:` starts and stops it."""

    def __init__(
        self,
        *,
        port: int | None = None,
        keep_in: Path | None = None,
        note: str | None = None,
        answer_within: float = 3.0,
        publish_after: float = 0.2,
        shards: int = 1,
    ) -> None:
        """Without a port: 8400, or a free one where that is taken. With one: that one (0: any), or an OSError.

        With a folder to keep messages in, its next start shows them again. The page shows the note. `shards`: how many
        connections the bot is told to open.
        """
        self._shards = shards
        self._keep_in = keep_in
        self._note = note
        self._wanted_port = port
        self._answer_within = answer_within
        self._publish_after = publish_after
        self._runner: web.AppRunner | None = None
        self.port = 0
        #: Asked about every REST call before SimCord is; for making Discord fail on purpose.
        self.interceptors: list[Interceptor] = []
        self.keeper: BotKeeper | None = None  #: of a bot that the playground itself has started
        self._history: History | None = None
        self._start = secrets.token_hex(8)

    # --------------------------------------------------------------------------------------------------- addresses

    @property
    def base(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def api_base(self) -> str:
        return f"{self.base}{rest.PREFIX}"

    @property
    def gateway_url(self) -> str:
        return f"ws://{HOST}:{self.port}/gw"

    @property
    def page_url(self) -> str:
        return f"{self.base}/"

    def environment(self) -> dict[str, str]:
        """What a bot needs to come here instead of to Discord."""
        return {
            "DISCORD_TOKEN": TOKEN,
            "DISCORD_API_BASE": self.api_base,
            "DISCORD_GATEWAY_URL": self.gateway_url,
        }

    # ---------------------------------------------------------------------------------------------- start and stop

    async def start(self) -> None:
        listening = listen(self._wanted_port)
        self.port = listening.getsockname()[1]
        try:
            await self._serve(listening)
        except BaseException:
            listening.close()
            raise

    async def _serve(self, listening: socket.socket) -> None:
        store = AttachmentStore(self.base, self._keep_in and self._keep_in / "attachments")
        self.world = World(store, answer_within=self._answer_within)
        if self._keep_in is not None:
            self._history = History(self.world, self._keep_in, self.base)
            self._history.load()
        self.gateway = Gateway(self.world, self.gateway_url)
        self._members = Members(self.world)
        self._page = Page(self.world, self._members, note=self._note, publish_after=self._publish_after)
        await self._page.open(self.port)
        self._runner = web.AppRunner(self._application(), access_log=None, handler_cancellation=False)
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=_LARGEST_REQUEST, middlewares=[only_from_here(self.port)])
        self.api = RestApi(self.world, self.gateway_url, self.interceptors, shards=self._shards)
        app.router.add_route("*", rest.PREFIX + "/{path:.*}", self.api.answer)
        app.router.add_get("/gw", self.gateway.answer)
        app.router.add_get("/attachments/{path:.*}", self.world.attachments.answer)
        ControlApi(self._members, self.state, self.bot, lambda: self.keeper).add_routes(app.router)
        self._page.add_routes(app.router)
        return app

    async def close(self) -> None:
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        await self._page.close()
        await self.gateway.close()
        await runner.cleanup()
        if self._history is not None:
            self._history.save()

    async def __aenter__(self) -> PlaygroundServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def keep(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        announce: Callable[[str], None],
        stop_within: float = 20.0,
        workers: str | None = None,
        actors: Actors | None = None,
    ) -> BotKeeper:
        """A keeper for the bot, which the page's buttons then work on; `workers` and `actors` as the keeper says."""
        self.keeper = BotKeeper(
            command,
            {**env, **self.environment()},
            gateway=self.gateway,
            announce=announce,
            stop_within=stop_within,
            workers=workers,
            actors=actors,
        )
        return self.keeper

    # -------------------------------------------------------------------------------------------- what is there now

    @property
    def connected(self) -> bool:
        """Whether a bot is connected to the gateway."""
        return self.gateway.connected

    def bot(self) -> dict[str, Any]:
        """What the bot is doing, as JSON. `start` differs after each start of the playground."""
        phase = self.keeper.phase if self.keeper else Phase.ONLINE if self.connected else Phase.STOPPED
        return {
            "connected": self.connected,
            "phase": phase,
            "kept": self.keeper is not None,
            "workers": self.keeper.workers if self.keeper else None,
            "start": self._start,
            "threads": [{"key": thread_key(thread.id), "name": thread.name} for thread in self.world.threads],
            "menus": {"message": self._names(AppCommandType.MESSAGE), "member": self._names(AppCommandType.USER)},
        }

    def _names(self, kind: AppCommandType) -> list[str]:
        """The commands of a kind that is not typed."""
        registered = self.world.backend.commands.values()
        return sorted(name for commands in registered for name, of_kind in commands if of_kind == kind)

    def commands(self) -> list[str]:
        """The slash commands that the bot has registered, such as "admin limits set"."""
        return sorted(
            " ".join(path)
            for commands in self.world.backend.commands.values()
            for command in commands.values()
            if command["type"] == AppCommandType.CHAT_INPUT
            for path, _ in command_leaves(command)
        )

    def messages(self, where: str = "pictures", viewer: str | None = None) -> list[Post]:
        """The posts of a channel, oldest first: all, or what one member sees. "dm" needs the viewer."""
        actor = self.world.member(viewer) if viewer is not None else None
        stored = self.world.backend.messages.get(self.world.channel(where, actor).id, {})
        return [
            post_of(self.world, message)
            for _, message in sorted(stored.items())
            if actor is None or message.visible_to(actor.id)
        ]

    def message(self, post: Post | int) -> Post | None:
        """A post as it is now; None if it was deleted."""
        message_id = post.id if isinstance(post, Post) else post
        for messages in self.world.backend.messages.values():
            if message_id in messages:
                return post_of(self.world, messages[message_id])
        return None

    def state(self, viewer: str | None = None) -> dict[str, Any]:
        """Everything, as JSON."""
        names = [*self.world.channels, *(str(thread.name) for thread in self.world.threads)]
        posts = {name: [post.to_json() for post in self.messages(name, viewer)] for name in names}
        if viewer is not None:
            posts["dm"] = [post.to_json() for post in self.messages("dm", viewer)]
        return {
            "connected": self.connected,
            "commands": self.commands(),
            "members": {name: str(actor.id) for name, actor in self.world.members.items()},
            "channels": posts,
        }

    async def until(self, condition: Callable[[], Any], within: float = 10.0, what: str = "the condition") -> Any:
        """Wait until a condition about this Discord holds; return its value. TimeoutError says what was awaited."""
        return await self.world.until(condition, within, what)

    async def until_ready(self, *commands: str, within: float = 30.0) -> None:
        """Wait until the bot is connected and has registered these commands (any, if none is named)."""

        def ready() -> bool:
            registered = self.commands()
            return self.connected and bool(registered) and set(commands) <= set(registered)

        await self.until(ready, within, f"a connected bot with the commands {', '.join(commands) or '(any)'}")

    # ------------------------------------------------------------------------------------------- what members do

    async def slash(self, member: str, command: str, /, *, where: str = "pictures", **options: Any) -> Answer:
        """Type a command; returns with the bot's first answer, or without one after the deadline."""
        return await self._members.slash(member, command, options, where)

    async def autocomplete(
        self, member: str, command: str, option: str, value: str, /, *, where: str = "pictures", **filled: Any
    ) -> list[dict[str, Any]]:
        """Type into an option; the choices the bot offers."""
        return await self._members.autocomplete(member, command, option, value, filled, where)

    async def click(
        self, member: str, message: Post | int, *, label: str | None = None, custom_id: str | None = None
    ) -> Answer:
        """Click the button with exactly that label or custom_id."""
        return await self._members.click(member, message, label=label, custom_id=custom_id)

    async def select(self, member: str, message: Post | int, *values: str, custom_id: str | None = None) -> Answer:
        """Choose these values in a message's select menu."""
        return await self._members.select(member, message, values, custom_id=custom_id)

    async def choose(self, member: str, command: str, target: Post | int | str, *, where: str = "pictures") -> Answer:
        """Choose a command from the menu of a message, or of the member with that name."""
        return await self._members.choose(member, command, target, where)

    async def submit(self, member: str, form: Answer, /, **values: Any) -> Answer:
        """Send the form that an answer showed; values by custom_id, the others as the form has them."""
        return await self._members.submit(member, form, values)

    async def react(self, member: str, message: Post | int, emoji: str) -> None:
        await self._members.react(member, message, emoji)

    async def unreact(self, member: str, message: Post | int, emoji: str) -> None:
        await self._members.react(member, message, emoji, reacted=False)

    async def send(self, member: str, content: str, *, where: str = "pictures") -> Post:
        return await self._members.send(member, content, where)

    async def start_thread(self, member: str, message: Post | int, name: str | None = None) -> str:
        """Start a thread under a message, named by its first words if nothing else is said. Its name is a `where`."""
        return str((await self._members.start_thread(member, message, name)).name)

    def speak(self, member: str, language: str) -> None:
        """Set the language of a member's app, by a tag such as "de"."""
        self._members.speak(member, language)

    def restrict(self, where: str, restricted: bool = True) -> None:
        """Mark a channel as one for adults, or not."""
        self._members.restrict(where, restricted)

    def drop_connections(self, *, forget: bool = False) -> None:
        """Cut the bot's gateway connection without a word. It may come back with RESUME, unless that is to `forget`."""
        self.gateway.drop_connections(forget=forget)
