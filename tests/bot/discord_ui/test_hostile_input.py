"""Whatever is sent: a good answer or a clear, private refusal; nothing left running, nothing charged for nothing."""

import json
import logging
import re
import unicodedata
from collections import Counter, defaultdict
from typing import TypeVar

import pytest
from discord import app_commands
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from simcord.builders import ChannelHandle
from simcord.results import InteractionResult
from simcord.types import HttpLogEntry

from bot.storage import jobs
from generation.errors import KnownError
from generation.job import JobStatus
from tests.bot.discord_ui import hostile, hostile_files
from tests.bot.discord_ui.hostile import Actor
from tests.bot.discord_ui.world import World, words

T = TypeVar("T")

pytestmark = pytest.mark.timeout(120)

#: Honest words: the fuzz should also get through.
GOOD = {"model": ("builtin",), "scheduler": ("Euler", "DDIM"), "aspect": ("1:1", "3:2", "16:9")}
MOST_COMMANDS, MOST_PRESSES, MOST_TYPED = 120, 200, 50


def plan(what: SearchStrategy[T], examples: int) -> list[T]:
    """So many examples, the same ones each time. Drawn first and done then: all of them happen in one world."""
    drawn: list[T] = []

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(what)
    def draw(example: T) -> None:
        drawn.append(example)

    draw()
    return drawn


@pytest.fixture
async def crowd(world: World, caplog: pytest.LogCaptureFixture) -> "Crowd":
    # Of what was sent, discord.py itself refuses some, with errors that are no KnownError; looked at in `check`.
    world.expects_errors = True
    caplog.set_level(logging.WARNING)
    return Crowd(world, caplog)


class Crowd:
    """People everywhere the bot can be spoken to, and what must be true whatever they did."""

    def __init__(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        self.world = world
        self.caplog = caplog
        self.rows = 0  #: how many jobs there were at the last look
        for number, (name, data) in hostile_files.FILES.items():
            world.env.backend.cdn.store_attachment(int(number), 1, name, data, None)
        elsewhere = world.env.create_guild("elsewhere")
        self.eve = elsewhere.add_member(world.env.create_user("eve"))
        narrow = world.channel_without("attach_files")
        self.spots: list[tuple[Actor, ChannelHandle]] = [
            (world.alice, world.channel),
            (world.bob, world.channel),
            (world.mod, world.channel),
            (world.admin, world.channel),
            (world.alice, narrow),
            (world.alice.user, world.alice.user.dm_channel),
            (self.eve, elsewhere.create_text_channel("general")),
        ]
        self.people = (world.alice.id, world.bob.id, world.env.backend.bot_user.id, self.eve.id, world.guild.id)

    async def check(self, answer: InteractionResult, doing: str) -> None:
        """One answer: good, or private and clear. `doing` is said beside what is wrong."""
        try:
            await self._check(answer)
        except AssertionError as error:
            error.add_note(doing[:2000])
            raise

    async def _check(self, answer: InteractionResult) -> None:
        assert answer.acknowledged, "the interaction was left unanswered"
        rows = await self.world.jobs()
        assert not [row for row in rows if row.status in jobs.UNFINISHED], "left live"
        new, self.rows = rows[self.rows :], len(rows)
        said = [message for message in (answer.response, *answer.followups) if message is not None]
        for message in said:
            check_words(words(message))
        if answer.ephemeral or not said:
            assert not new, "a refusal, and yet there is a job"
        for row in new:
            assert row.status is JobStatus.POSTED
            assert len(row.images) == row.request.count
        self.check_quiet()

    def check_quiet(self) -> None:
        """Nothing unexpected happened behind the answer."""
        for error in self.world.env.errors:
            cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
            assert isinstance(cause, KnownError | app_commands.AppCommandError), repr(cause)
        loud = [record for record in self.caplog.records if record.levelno >= logging.ERROR]
        assert not loud, loud[0].getMessage()

    async def check_charges(self) -> None:
        """What /usage says to each is what they got, and not a picture more."""
        got: Counter[tuple[str, str | None]] = Counter()
        for row in await self.world.jobs():
            if row.status is JobStatus.POSTED:
                got[row.requester, row.server] += row.request.count
        for actor, channel in self.spots:
            answer = await hostile.send(actor, channel, hostile.Call(path=("usage",), options=[]))
            (pictures,) = [part.value for part in answer.response.embeds[0].fields if part.name == "Pictures"]
            server = None if actor is self.world.alice.user else str(actor.guild.id)
            assert int(pictures.split()[0]) == got[str(actor.id), server]

    def check_pings(self) -> None:
        """Nothing that was ever said could notify anybody, whatever is in it."""
        said = [entry.json.get("data", entry.json) for entry in self.world.env.backend.http_requests if _speaks(entry)]
        assert said
        assert [message.get("allowed_mentions") for message in said] == [{"parse": []}] * len(said)

    def shown_ids(self) -> list[str]:
        """The custom_ids of all buttons that are anywhere."""
        messages = [message for channel in self.world.env.backend.messages.values() for message in channel.values()]
        return sorted(set(re.findall(r'"custom_id": "([^"]+)"', json.dumps([m.components for m in messages]))))


def _speaks(entry: HttpLogEntry) -> bool:
    message = entry.json.get("data", entry.json) if isinstance(entry.json, dict) else None
    return isinstance(message, dict) and bool(message.get("content"))


def check_words(said: str) -> None:
    """Words of ours: some, no fault of ours in them, and nothing of somebody's that acts on the reader."""
    assert said.strip()
    assert "went wrong" not in said
    assert "Traceback" not in said
    assert not [c for c in said if unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "LRE", "RLI", "LRI", "FSI")]
    assert not [c for c in said if unicodedata.category(c) == "Cc" and c not in "\n\t"]


async def test_commands_with_any_values_do_no_harm(crowd: Crowd) -> None:
    world = crowd.world
    definitions = hostile.leaves(world.env)
    assert {path[0] for path, _ in definitions} >= {"imagine", "queue", "usage", "cancel", "models", "admin"}
    imagine = next(leaf for leaf in definitions if leaf[0] == ("imagine",))
    commands = st.one_of(st.just(imagine), st.sampled_from(definitions))  # /imagine has the most to lose
    calls = commands.flatmap(lambda leaf: hostile.calls(*leaf, GOOD, crowd.people))
    good: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for (actor, channel), call in plan(st.tuples(st.sampled_from(crowd.spots), calls), MOST_COMMANDS):
        answer = await hostile.send(actor, channel, call)
        await crowd.check(answer, f"{actor!r} in {channel!r}: {call!r}")
        (refused if answer.ephemeral else good)[call.path[0]] += 1
    assert min(good["imagine"], refused["imagine"]) >= 10, "a fuzz that does not get through, or only that"
    assert sum(good.values()) + sum(refused.values()) == MOST_COMMANDS
    await crowd.check_charges()
    crowd.check_pings()


async def test_made_up_and_repeated_buttons_do_no_harm(crowd: Crowd) -> None:
    """Every id there is, on every message, by everybody: another's cancel, another server's delete, garbage."""
    world = crowd.world
    messages: list[tuple[ChannelHandle, int]] = []
    for actor, channel in crowd.spots:
        answer = await hostile.send(
            actor, channel, hostile.Call(path=("imagine",), options=[{"name": "prompt", "type": 3, "value": "a cat"}])
        )
        await crowd.check(answer, f"{actor!r} asks in {channel!r}")
        if not answer.ephemeral and answer.response is not None:
            messages.append((channel, answer.response.id))
    assert len(messages) >= 5
    ids = crowd.shown_ids()
    assert {custom_id.split(":")[1] for custom_id in ids} >= {"rerun", "info", "delete"}
    ids += [f"job:cancel:{job.id.hex}" for job in await world.jobs()]
    pressed: Counter[str] = Counter()
    presses: defaultdict[str, set[int]] = defaultdict(set)
    there = st.sampled_from(messages).flatmap(
        lambda posted: st.tuples(
            st.sampled_from([who for who, at in crowd.spots if at.id == posted[0].id]), st.just(posted)
        )
    )
    for (actor, (channel, message)), custom_id in plan(st.tuples(there, hostile.custom_ids(ids)), MOST_PRESSES):
        if message not in world.env.backend.messages[channel.id]:
            continue  # deleted by an earlier press
        answer = await hostile.press(actor, channel, message, custom_id)
        await crowd.check(answer, f"{actor!r} in {channel!r} pressed {custom_id!r}")
        presses[custom_id].add(actor.id)
        pressed[custom_id.split(":")[1] if custom_id in ids else "made up"] += 1
    assert pressed["made up"] >= 10
    assert pressed["delete"] >= 1  # which ids there are is chance: of each kind a handful is pressed
    assert pressed["rerun"] >= 1
    for job in await world.jobs():
        if job.deleted_at is not None:
            assert presses[f"job:delete:{job.id.hex}"] & {int(job.requester), world.mod.id}, "deleted by a stranger"
    await crowd.check_charges()
    crowd.check_pings()


async def test_made_up_choices_do_no_harm(crowd: Crowd) -> None:
    """Every list there is, for every job, by everybody, with values that nobody was offered."""
    world = crowd.world
    messages: list[tuple[ChannelHandle, int]] = []
    for actor, channel in crowd.spots:
        options = [{"name": "prompt", "type": 3, "value": "a cat"}, {"name": "count", "type": 4, "value": 2}]
        answer = await hostile.send(actor, channel, hostile.Call(path=("imagine",), options=options))
        await crowd.check(answer, f"{actor!r} asks in {channel!r}")
        if not answer.ephemeral and answer.response is not None:
            messages.append((channel, answer.response.id))
    jobs = [job.id.hex for job in await world.jobs()]
    honest = (("vary", "0:subtle"), ("vary", "1:strong"), ("upscale", "1:2x"), ("more", "0:"), ("more", "1:pan_left"))
    actions = st.sampled_from(("edit", "vary", "upscale", "more", "delete", "rerun", "gone"))
    numbers = st.sampled_from(("0", "1", "2", "-1", "99999999999999999999", "٣", "", "x"))
    ways = st.sampled_from(("", "subtle", "strong", "2x", "4x", "zoom_out_2", "colourise", "square", "tileable", "☃"))
    made_up = st.tuples(actions, st.tuples(numbers, ways).map(":".join))
    choices = st.tuples(st.one_of(st.sampled_from(honest), made_up), st.sampled_from([*jobs, "0" * 32]))
    there = st.sampled_from(messages).flatmap(
        lambda posted: st.tuples(
            st.sampled_from([who for who, at in crowd.spots if at.id == posted[0].id]), st.just(posted)
        )
    )
    before = len(jobs)
    for (actor, (channel, message)), ((action, value), job) in plan(st.tuples(there, choices), MOST_COMMANDS):
        custom_id = f"choose:{action}:{job}"
        answer = await hostile.choose(actor, channel, message, custom_id, value)
        await crowd.check(answer, f"{actor!r} in {channel!r} chose {value!r} from {custom_id!r}")
    assert len(await world.jobs()) > before + 3, "a fuzz that does not get through"
    await crowd.check_charges()
    crowd.check_pings()


async def test_forms_and_menus_with_anything_in_them_do_no_harm(crowd: Crowd) -> None:
    """Any words, any strength and any file in the form of a result, and of the menu of anybody's message."""
    world = crowd.world
    drawn = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    crowd.rows = 1
    numbers = st.one_of(st.sampled_from(("", "0.5", "0,5", "1", "nan", "-inf", "1e999", "٠٫٥", "0x1")), hostile.texts)
    files = st.sampled_from(sorted(hostile_files.FILES))
    sent = st.tuples(hostile.texts, hostile.texts, numbers, st.one_of(st.none(), files), files)
    for prompt, negative, strength, mask, posted in plan(sent, MOST_TYPED):
        form = await world.alice.click(drawn.response, label="Edit")
        values: dict[str, object] = {"prompt": prompt[:4000] or " ", "negative_prompt": negative[:4000]}
        values |= {"strength": strength[:10]}
        values |= {"mask": [hostile_files.FILES[mask]]} if mask else {}
        await crowd.check(await world.alice.submit_modal(form, values), f"edit: {values!r}")
        message = await world.bob.send(world.channel, "look", attachments=[hostile_files.FILES[posted]])
        form = await world.alice.context_menu(world.channel, "Use as image", message)
        if form.ephemeral:
            continue  # a file that Discord takes for no picture
        values = {"prompt": prompt[:4000] or " ", "strength": strength[:10]}
        await crowd.check(await world.alice.submit_modal(form, values), f"use: {posted} {values!r}")
    assert len(await world.jobs()) > 5, "a fuzz that does not get through"
    crowd.check_pings()


async def test_options_of_other_types_than_declared_do_no_harm(crowd: Crowd) -> None:
    """What a Discord sends that still has an older definition of the command."""
    definitions = [leaf for leaf in hostile.leaves(crowd.world.env) if leaf[1].get("options")]
    calls = st.sampled_from(definitions).flatmap(
        lambda leaf: hostile.calls(*leaf, GOOD, crowd.people, other_types=True)
    )
    for (actor, channel), call in plan(st.tuples(st.sampled_from(crowd.spots), calls), MOST_COMMANDS // 4):
        answer = await hostile.send(actor, channel, call)
        await crowd.check(answer, f"{actor!r} in {channel!r}: {call!r}")


async def test_suggestions_for_anything_typed_do_no_harm(crowd: Crowd) -> None:
    """Whatever is typed, and whatever else is filled in: suggestions that Discord takes, or none."""
    world = crowd.world
    definitions = hostile.leaves(world.env)
    fields = [
        (path, definition, option["name"])
        for path, definition in definitions
        for option in definition.get("options") or ()
        if option.get("autocomplete")
    ]
    assert {name for _, _, name in fields} >= {"model", "scheduler", "aspect", "job"}
    typing = st.sampled_from(fields).flatmap(
        lambda field: st.tuples(hostile.calls(field[0], field[1], GOOD, crowd.people), st.just(field[2]))
    )
    words_typed = st.one_of(hostile.texts, st.sampled_from(("e", "pin", "1", "builtin")))
    offered = 0
    for (actor, channel), (call, option), typed in plan(
        st.tuples(st.sampled_from(crowd.spots), typing, words_typed), MOST_TYPED
    ):
        answer = await hostile.type_into(actor, channel, call, option, typed)
        choices = answer.autocomplete_choices
        assert choices is not None, f"no answer to {typed!r} in {option} of {call!r}"[:2000]
        assert len(choices) <= 25
        assert all(0 < len(choice["name"]) <= 100 and 0 < len(str(choice["value"])) <= 100 for choice in choices)
        offered += len(choices)
        crowd.check_quiet()
    assert offered >= 10
    assert not await world.jobs()


async def test_a_thousand_reactions_do_no_harm(crowd: Crowd) -> None:
    """250 people put four each on one result: every 🔁 is one job, ❌ of a stranger is an opinion."""
    world = crowd.world
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    fans = [world.guild.add_member(world.env.create_user(f"fan{number}")) for number in range(250)]
    again = fans[::5]
    # As many at once as SimCord settles in good time.
    for wave in range(0, len(fans), 25):
        for fan in fans[wave : wave + 25]:
            for emoji in ("👍", "❌", "🎉", "🔁" if fan in again else "❤️"):
                world.env.backend.set_reaction(first.response.channel_id, first.response.id, emoji, fan.id, True)
        await world.env.settle(timeout=30)
    original, *reruns = await world.jobs()
    assert Counter(job.requester for job in reruns) == {str(fan.id): 1 for fan in again}
    assert {job.status for job in reruns} == {JobStatus.POSTED}
    assert len({job.place.message for job in reruns}) == len(reruns)
    assert original.deleted_at is None
    crowd.check_quiet()
