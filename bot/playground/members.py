"""What members do: type commands, click, react, fill in forms. Everything as Discord would allow it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import discord
from simcord.actors import MemberActor, _dispatch_actor_interaction, _resolve_visible_command
from simcord.backend import serializers
from simcord.backend.errors import SetupError
from simcord.backend.models import Message
from simcord.builders import ChannelHandle, UserHandle
from simcord.enums import AppCommandType, InteractionType, OptionType
from simcord.interactions import walk_to_subcommand
from simcord.results import ResponseMessage

from . import forms
from .answers import Answer
from .posts import Post, post_of
from .world import World

_NAME = 100  #: characters
#: Seconds to fill in a form, fewer than anybody needs. discord.py knows a form only once it has heard that it is shown,
#: and drops one that is sent before that.
_FILLING = 0.2


class Members:
    """Acts for a member given by name or id, on a message given by id or as a post."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def send(self, member: str | int, content: str, where: str = "pictures") -> Post:
        actor = self._world.member(member)
        if where == "dm":
            message = await actor.user.send_dm(content)
        else:
            message = await actor.send(self._world.channel(where), content)
        return post_of(self._world, self._world.backend.get_message(message.channel.id, message.id))

    async def slash(self, member: str | int, command: str, options: Mapping[str, Any], where: str) -> Answer:
        actor = self._world.member(member)
        filled = self._options(actor, command, options)
        if where == "dm":
            result = await actor.user.slash(command, **filled)
        else:
            result = await actor.slash(self._world.channel(where), command, **filled)
        return Answer(self._world, result)

    async def autocomplete(
        self, member: str | int, command: str, option: str, value: str, filled: Mapping[str, Any], where: str
    ) -> list[dict[str, Any]]:
        actor = self._world.member(member)
        options = self._options(actor, command, filled)
        if where == "dm":
            return await actor.user.autocomplete(command, option, value, **options)
        return await actor.autocomplete(self._world.channel(where), command, option, value, **options)

    async def click(
        self, member: str | int, message: Post | int, *, label: str | None = None, custom_id: str | None = None
    ) -> Answer:
        stored = self._stored(message)
        result = await self._hand(member, stored).click(
            ResponseMessage(self._world, stored), label=label, custom_id=custom_id
        )
        return Answer(self._world, result)

    async def select(
        self, member: str | int, message: Post | int, values: Sequence[Any], *, custom_id: str | None = None
    ) -> Answer:
        stored = self._stored(message)
        result = await self._hand(member, stored).select(
            ResponseMessage(self._world, stored), values, custom_id=custom_id
        )
        return Answer(self._world, result)

    async def choose(self, member: str | int, command: str, target: Post | int | str, where: str) -> Answer:
        """Choose a command from the menu of a message (a post or its id) or of a member (their name)."""
        actor = self._world.member(member)
        if isinstance(target, str):
            return Answer(
                self._world,
                await actor.context_menu(self._world.channel(where), command, self._world.member(target)),
            )
        stored = self._stored(target)
        hand = self._hand(member, stored)
        if isinstance(hand, MemberActor):
            place = self._world.backend.get_channel(stored.channel_id)
            channel = ChannelHandle(self._world, self._world.server, place)
            return Answer(self._world, await hand.context_menu(channel, command, ResponseMessage(self._world, stored)))
        # SimCord has no menus in direct messages.
        root = _resolve_visible_command(hand, stored.channel_id, command, AppCommandType.MESSAGE)
        shown = dict(serializers.message_payload(self._world.backend, stored))
        data = {"id": root["id"], "name": root["name"], "type": AppCommandType.MESSAGE, "target_id": str(stored.id)}
        data["resolved"] = {"messages": {str(stored.id): shown}}
        kind = InteractionType.APPLICATION_COMMAND
        return Answer(self._world, await _dispatch_actor_interaction(hand, kind, hand.dm_channel, data))

    async def react(self, member: str | int, message: Post | int, emoji: str, *, reacted: bool = True) -> None:
        stored = self._stored(message)
        hand = self._hand(member, stored)
        await hand.set_reaction(ResponseMessage(self._world, stored), emoji, reacted=reacted)

    async def submit(self, member: str | int, form: Answer, values: Mapping[str, Any]) -> Answer:
        """Send the form that an answer showed; values by custom_id, the others as the form has them."""
        await asyncio.sleep(_FILLING)
        actor = self._world.member(member)
        hand = actor if form.result._interaction.guild_id is not None else actor.user
        sent = forms.filled(form.modal or {}, values)
        return Answer(self._world, await hand.submit_modal(form.result, sent))

    async def delete(self, member: str | int, message: Post | int) -> None:
        stored = self._stored(message)
        await self._hand(member, stored).delete(ResponseMessage(self._world, stored))

    async def start_thread(self, member: str | int, message: Post | int, name: str | None = None) -> ChannelHandle:
        """Start a thread under a message of a channel; without a name, it gets the message's first words."""
        stored, actor, backend = self._stored(message), self._world.member(member), self._world.backend
        place = backend.get_channel(stored.channel_id)
        if place.guild_id is None or place.is_thread or stored.is_ephemeral:
            raise LookupError("a thread is started under a message that everybody in a channel sees")
        if stored.id in backend.channels:
            raise LookupError("this message has a thread already")
        backend.require_permissions(place.guild_id, actor.id, place.id, "create_public_threads")
        words = name or post_of(self._world, stored).text or "Thread"
        thread = backend.create_thread(place.id, words.splitlines()[0][:_NAME], actor.id, message_id=stored.id)
        return ChannelHandle(self._world, self._world.server, thread)

    def speak(self, member: str | int, language: str) -> discord.Locale:
        """Set the language of a member's app, by a tag such as "de-AT": the nearest that Discord has, else English."""
        base = language.split("-")[0].lower()
        tags = {locale.value.lower(): locale for locale in reversed(discord.Locale)}
        near = {tag.split("-")[0]: locale for tag, locale in tags.items()}
        locale = tags.get(language.lower()) or tags.get(base) or near.get(base) or discord.Locale.american_english
        self._world.backend.languages[self._world.member(member).id] = locale
        self._world.touch()
        return locale

    def restrict(self, where: str, restricted: bool) -> None:
        """Mark a channel as one for adults, or not."""
        place = self._world.backend.get_channel(self._world.channel(where).id)
        if place.is_thread:
            raise LookupError("a thread is for adults when its channel is")
        self._world.backend.set_age_restricted(place, restricted)

    def _stored(self, message: Post | int) -> Message:
        message_id = message.id if isinstance(message, Post) else message
        for messages in self._world.backend.messages.values():
            if message_id in messages:
                return messages[message_id]
        raise LookupError(f"there is no message {message_id}")

    def _hand(self, member: str | int, message: Message) -> MemberActor | UserHandle:
        """Who acts: SimCord has a member for a server's channels and a user for direct messages."""
        actor = self._world.member(member)
        return actor.user if self._world.backend.get_channel(message.channel_id).guild_id is None else actor

    def _options(self, actor: MemberActor, command: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Names into members, roles and channels, and base64 into files, where the command's options say so."""
        root, *path = command.split()
        registered = self._world.backend.find_command(root, actor.guild.id, type=AppCommandType.CHAT_INPUT)
        if registered is None:
            raise SetupError(f"there is no command /{root}")
        leaf, _ = walk_to_subcommand(registered, path)
        types = {option["name"]: OptionType(option["type"]) for option in leaf.get("options") or ()}
        return {name: self._option(types.get(name), value) for name, value in options.items()}

    def _option(self, kind: OptionType | None, value: Any) -> Any:
        if kind is OptionType.ATTACHMENT and (file := forms.file(value)):
            return file
        if not isinstance(value, str):
            return value
        if kind is OptionType.USER:
            return self._world.member(value)
        if kind is OptionType.ROLE:
            return self._role(value)
        if kind is OptionType.MENTIONABLE:
            return self._world.member(value) if value in self._world.members else self._role(value)
        if kind is OptionType.CHANNEL:
            return self._world.channel(value)
        return value

    def _role(self, name: str) -> Any:
        roles = self._world.server.roles
        if name not in roles:
            raise LookupError(f"there is no role {name!r}; there are {', '.join(roles)}")
        return roles[name]
