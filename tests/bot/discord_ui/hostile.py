"""What people send who mean no good, or whose Discord is out of date: past every check that an honest client makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import simcord
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from simcord.actors import MemberActor, _dispatch_actor_interaction
from simcord.backend import serializers
from simcord.backend.cdn import CDN_BASE
from simcord.builders import ChannelHandle, UserHandle
from simcord.enums import AppCommandType, ComponentType, InteractionType, OptionType
from simcord.interactions import command_leaves
from simcord.results import InteractionResult

from tests.bot.discord_ui import hostile_files

Actor = MemberActor | UserHandle

LONGEST_OPTION = 6000  #: characters; Discord itself takes no more
WHOLE = 2**53 - 1  #: the largest whole number an option holds

#: What breaks message formatting, parsers, or the reader's screen.
NASTY = (
    "",
    " ",
    "\n" * 3000,
    "\u200b\u200d\ufeff",  # nothing to see
    "x" * LONGEST_OPTION,
    "🐱" * (LONGEST_OPTION // 2),
    "\u202egnp.tac\u2066\u2067",
    "a\x00b\x07c\x1b[31md\x7f",
    "a\u0300" * 2000,
    "@everyone @here <@1> <@&2> <#3> </imagine:4> <t:0:R> <:a:5>",
    "[free](https://evil.example) ||x|| ```\n# y\n``` > z",
    "\\" * 1999,
    "'; DROP TABLE jobs; --",
    "{" * 40 + "a,b" + "}" * 40,
    "{a,b,c,d,e}{a,b,c,d,e}{a,b,c,d,e}",
    "((((x:1e999))))",
    "a cat --ar 999:1 --seed -1 --steps 1e9 --cfg nan --count 99 --no",
    "a cat — —seed 0x10 --model ../../etc/passwd",
    "%s %n {0} {prompt} ${HOME}",
    "../../../../etc/passwd",
    "0:0",
    "1:0",
    "inf:1",
    "nan:nan",
    "-1:-1",
    "1e308:1e-308",
    "１６:９",
    str(UUID(int=0)),
    "null",
)

texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=60),
    st.builds(lambda start, end: (start + " " + end)[:LONGEST_OPTION], st.sampled_from(NASTY), st.sampled_from(NASTY)),
)
whole_numbers = st.one_of(
    st.sampled_from((0, 1, -1, 2, 4, 5, 64, 512, 2**31, 2**32 - 1, 2**32, WHOLE, -WHOLE)), st.integers(-WHOLE, WHOLE)
)
numbers = st.one_of(
    st.sampled_from((0.0, -0.0, 1.0, 1e-300, 7.5, 30.0, 30.000001, float(WHOLE))),
    st.floats(-WHOLE, WHOLE, allow_nan=False),
)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A slash command as it comes over the wire."""

    path: tuple[str, ...]
    options: list[dict[str, Any]]
    resolved: dict[str, Any] = field(default_factory=dict)


def leaves(env: simcord.Env) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """All commands that the bot has registered, with their definitions."""
    return [
        (tuple(path), leaf)
        for commands in env.backend.commands.values()
        for command in commands.values()
        if command["type"] == AppCommandType.CHAT_INPUT
        for path, leaf in command_leaves(command)
    ]


def calls(
    path: tuple[str, ...],
    definition: dict[str, Any],
    good: Mapping[str, tuple[str, ...]],
    people: tuple[int, ...],
    *,
    other_types: bool = False,
) -> SearchStrategy[Call]:
    """Calls of one command: honest ones, those with one bad option, and those where everything may be bad.

    Bad is out of range, made up, left out although required; with `other_types` of another type than declared, too,
    and nobody says who is meant.
    `good` has honest words for the options of that name.
    """

    @st.composite
    def call(draw: st.DrawFn) -> Call:
        sent: list[dict[str, Any]] = []
        resolved: dict[str, Any] = {}
        options = list(definition.get("options") or ())
        names = [option["name"] for option in options]
        bad = draw(st.one_of(st.just([]), st.sampled_from([[name] for name in names] or [[]]), st.just(names)))
        for option in options:
            name, kind = option["name"], OptionType(option["type"])
            # A required one is missing where somebody's Discord knows an older definition.
            if draw(st.booleans()) and (not option.get("required") or (name in bad and draw(st.integers(0, 4)) == 0)):
                continue
            if other_types and draw(st.booleans()):
                kind = draw(st.sampled_from((OptionType.STRING, OptionType.INTEGER, OptionType.NUMBER)))
            value = _bad(kind, people) if name in bad else _good(kind, option, good, people)
            sent.append({"name": name, "type": int(kind), "value": draw(value)})
            if not other_types or draw(st.booleans()):
                _resolve(draw, kind, sent[-1]["value"], resolved)
        if bad and draw(st.integers(0, 9)) == 0:
            sent.append({"name": "made_up", "type": int(OptionType.STRING), "value": draw(texts)})
        return Call(path=path, options=sent, resolved=resolved)

    return call()


def _good(
    kind: OptionType, option: dict[str, Any], good: Mapping[str, tuple[str, ...]], people: tuple[int, ...]
) -> SearchStrategy[Any]:
    match kind:
        case OptionType.STRING:
            choices = tuple(choice["value"] for choice in option.get("choices") or ())
            return st.sampled_from(good.get(option["name"], ()) or choices or ("a cat",))
        case OptionType.INTEGER:
            low, high = int(option.get("min_value", 0)), int(option.get("max_value", 10))
            return st.integers(low, min(high, low + 20))
        case OptionType.NUMBER:
            return st.floats(float(option.get("min_value", 0)), float(option.get("max_value", 10)))
        case OptionType.ATTACHMENT:
            return st.sampled_from(sorted(hostile_files.GOOD))
        case _:
            return _bad(kind, people)


def _bad(kind: OptionType, people: tuple[int, ...]) -> SearchStrategy[Any]:
    match kind:
        case OptionType.STRING:
            return texts
        case OptionType.INTEGER:
            return whole_numbers
        case OptionType.NUMBER:
            return numbers
        case OptionType.BOOLEAN:
            return st.booleans()
        case OptionType.ATTACHMENT:
            return st.sampled_from([*sorted(hostile_files.FILES), "1"])
        case _:
            return st.sampled_from([*map(str, people), "1", "0", str(2**63)])


def _resolve(draw: st.DrawFn, kind: OptionType, value: Any, resolved: dict[str, Any]) -> None:
    """Discord says who somebody is."""
    user = {"id": value, "username": "x" * 32, "discriminator": "0", "avatar": None, "global_name": "@everyone"}
    if kind in (OptionType.USER, OptionType.MENTIONABLE):
        resolved.setdefault("users", {})[value] = user
        if draw(st.booleans()):
            member = {"roles": [], "joined_at": None, "deaf": False, "mute": False, "permissions": "0", "flags": 0}
            resolved.setdefault("members", {})[value] = member
    elif kind is OptionType.ROLE:
        role = {"id": value, "name": "@everyone", "color": 0, "hoist": False, "position": 1, "permissions": "0"}
        resolved.setdefault("roles", {})[value] = role | {"managed": False, "mentionable": True, "flags": 0}
    elif kind is OptionType.CHANNEL:
        channel = {"id": value, "name": "x" * 100, "type": draw(st.sampled_from((0, 2, 4, 5))), "permissions": "0"}
        resolved.setdefault("channels", {})[value] = channel
    elif kind is OptionType.ATTACHMENT:
        filename, data = hostile_files.FILES.get(value, ("../x.png", None))
        url = f"{CDN_BASE}/attachments/1/{value}/{filename}"
        size = 2**53 if data is None else len(data)
        file = {"id": value, "filename": filename, "size": size, "url": url, "proxy_url": url}
        resolved.setdefault("attachments", {})[value] = file | {"content_type": "image/png"}


def custom_ids(shown: list[str]) -> SearchStrategy[str]:
    """Ids of buttons: those that are somewhere, those with another's job in them, and made-up ones."""
    kinds: dict[str, list[str]] = {}
    for custom_id in shown:
        kinds.setdefault(custom_id.rsplit(":", 1)[0], []).append(custom_id)
    seen = st.sampled_from(sorted(kinds)).flatmap(lambda kind: st.sampled_from(kinds[kind]))
    garbage = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=100)
    tails = st.one_of(
        seen.map(lambda other: other.rsplit(":", 1)[-1]),
        st.uuids().map(lambda unknown: unknown.hex),
        st.sampled_from(("", "…", "0" * 31, "0" * 33, "Z" * 32, "０" * 32)),
    )
    forged = st.tuples(seen, tails).map(lambda parts: f"{parts[0].rsplit(':', 1)[0]}:{parts[1]}"[:100])
    return st.one_of(seen, forged, garbage)


def _env_of(actor: Actor) -> simcord.Env:
    return actor._env  # private: SimCord's actors refuse to send what Discord's own client would not


async def send(actor: Actor, channel: ChannelHandle, call: Call) -> InteractionResult:
    """Use a command, whatever it says."""
    data = _data(_env_of(actor), call.path, call.options, call.resolved)
    return await _dispatch_actor_interaction(actor, InteractionType.APPLICATION_COMMAND, channel, data)


async def type_into(actor: Actor, channel: ChannelHandle, call: Call, option: str, typed: str) -> InteractionResult:
    """Type into one option, with the others filled in."""
    others = [other for other in call.options if other["name"] != option]
    focused = {"name": option, "type": int(OptionType.STRING), "value": typed, "focused": True}
    data = _data(_env_of(actor), call.path, [*others, focused], call.resolved)
    return await _dispatch_actor_interaction(actor, InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE, channel, data)


async def press(actor: Actor, channel: ChannelHandle, message_id: int, custom_id: str) -> InteractionResult:
    """Press a button of that id on a message, whether or not it is there."""
    stored = _env_of(actor).backend.get_message(channel.id, message_id)
    shown = stored.components
    stored.components = [{"type": 1, "components": [{"type": 2, "style": 2, "label": "?", "custom_id": custom_id}]}]
    forged = stored.components
    try:
        return await _click(actor, channel, stored, custom_id)
    finally:
        if stored.components is forged:
            stored.components = shown


async def choose(
    actor: Actor, channel: ChannelHandle, message_id: int, custom_id: str, value: str
) -> InteractionResult:
    """Choose a value, offered or not, from a list of that id on a message."""
    stored = _env_of(actor).backend.get_message(channel.id, message_id)
    shown, options = stored.components, [{"label": "?", "value": "?"}]
    select = {"type": 3, "custom_id": custom_id, "options": options, "min_values": 1, "max_values": 1}
    stored.components = [{"type": 1, "components": [select]}]
    try:
        return await _dispatch_actor_interaction(
            actor,
            InteractionType.MESSAGE_COMPONENT,
            channel,
            {"custom_id": custom_id, "component_type": int(ComponentType.STRING_SELECT), "values": [value]},
            extra={"message": dict(serializers.message_payload(_env_of(actor).backend, stored))},
            source_message_id=stored.id,
        )
    finally:
        stored.components = shown


async def press_elsewhere(actor: Actor, channel: ChannelHandle, message_id: int, custom_id: str) -> InteractionResult:
    """Press a button of that id on a message that has no such button."""
    return await _click(actor, channel, _env_of(actor).backend.get_message(channel.id, message_id), custom_id)


async def send_form(actor: Actor, channel: ChannelHandle, custom_id: str) -> InteractionResult:
    """Send a form that nobody has shown."""
    return await _dispatch_actor_interaction(
        actor, InteractionType.MODAL_SUBMIT, channel, {"custom_id": custom_id, "components": []}
    )


async def _click(actor: Actor, channel: ChannelHandle, stored: Any, custom_id: str) -> InteractionResult:
    return await _dispatch_actor_interaction(
        actor,
        InteractionType.MESSAGE_COMPONENT,
        channel,
        {"custom_id": custom_id, "component_type": int(ComponentType.BUTTON)},
        extra={"message": dict(serializers.message_payload(_env_of(actor).backend, stored))},
        source_message_id=stored.id,
    )


def _data(
    env: simcord.Env, path: tuple[str, ...], options: list[dict[str, Any]], resolved: dict[str, Any]
) -> dict[str, Any]:
    root = next(
        command
        for commands in env.backend.commands.values()
        for (name, kind), command in commands.items()
        if (name, kind) == (path[0], AppCommandType.CHAT_INPUT)
    )
    nested, node = options, root
    kinds = []
    for name in path[1:]:
        node = next(option for option in node["options"] if option["name"] == name)
        kinds.append((name, node["type"]))
    for name, kind in reversed(kinds):
        nested = [{"name": name, "type": kind, "options": nested}]
    data = {"id": root["id"], "name": root["name"], "type": root["type"], "options": nested}
    return data | ({"resolved": resolved} if resolved else {})
