"""The Replay button in the private answer to Info."""

from uuid import uuid4

import pytest

from bot.discord_ui.words.lineage import replayed
from bot.services.history import Difference
from bot.services.replays import Verdict
from generation.job import JobStatus
from generation.result import DrawnWith
from tests.bot.discord_ui.world import World, labels, words


async def test_a_replay_says_that_it_is_exactly_equal(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", seed=7, count=2)
    info = await world.bob.click(first.response, label="Info")
    assert info.ephemeral
    assert "Replay" in labels(info.response)
    drawn = await world.bob.click(info.response, label="Replay")
    assert not drawn.ephemeral
    assert "Exactly equal" in words(drawn.response)
    original, replay = await world.jobs()
    assert (replay.parent, replay.action, replay.requester) == (original.id, "replay", str(world.bob.id))
    assert replay.status is JobStatus.POSTED
    assert replay.request == original.request
    shown = words((await world.alice.slash(world.channel, "show", job=str(replay.id))).response)
    assert "`1.` replay, of: a cat" in shown


async def test_a_replay_names_what_has_changed_since(world: World) -> None:
    world.parts.worker.drawn_with = DrawnWith(torch="2.1", device="**Card** A", rows=8)
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", seed=7)
    world.parts.worker.drawn_with = DrawnWith(torch="2.2", device="**Card** B", rows=8)
    info = await world.alice.click(first.response, label="Info")
    said = words((await world.alice.click(info.response, label="Replay")).response)
    assert "Changed since: torch 2.1 → 2.2, device" in said
    assert r"\*\*Card\*\* B" in said


async def test_without_the_first_file_a_replay_is_drawn_and_says_so(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    info = await world.alice.click(first.response, label="Info")
    await world.remove_pictures()
    drawn = await world.alice.click(info.response, label="Replay")
    assert len(drawn.response.attachments) == 1
    assert "no longer kept" in words(drawn.response)


@pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)
async def test_a_replay_goes_on_after_a_restart_and_still_compares(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat", seed=7)
    world.parts.worker.release(world.parts.worker.drawn[0].id)
    await world.until(lambda: not world.parts.deliveries.owed)
    info = await world.alice.click(first.response, label="Info")
    replay = await world.alice.click(info.response, label="Replay")
    await world.restart(crash=True)
    world.parts.worker.release()
    await world.until(lambda: not world.parts.deliveries.owed)
    assert "Exactly equal" in words(replay.response)


async def test_the_button_works_after_a_restart(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    info = await world.alice.click(first.response, label="Info")
    await world.restart()
    assert "Exactly equal" in words((await world.alice.click(info.response, label="Replay")).response)


async def test_a_job_without_pictures_offers_no_replay(world: World) -> None:
    world.parts.worker.fail_next(RuntimeError("broken"))
    failed = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    info = await world.alice.click(failed.response, label="Info")
    assert labels(info.response) == []


async def test_made_up_replays_and_those_of_other_servers_are_refused_privately(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a secret")
    (job,) = await world.jobs()
    elsewhere = world.env.create_guild("elsewhere")
    eve = elsewhere.add_member(world.env.create_user("eve"))
    there = elsewhere.create_text_channel("general")
    own = await eve.slash(there, "imagine", prompt="mine")
    for custom_id in (f"replay:{job.id.hex}", f"replay:{uuid4().hex}"):
        answer = await world.press(eve, own.response, custom_id)
        assert answer.ephemeral
        assert "do not know this job" in answer.response.content
    answer = await world.press(world.bob, first.response, "replay:nonsense")
    assert "do not know this button" in answer.response.content
    assert len(await world.jobs()) == 2


async def test_who_may_not_use_imagine_may_not_replay(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    info = await world.bob.click(first.response, label="Info")
    world.deny_members("use_application_commands")
    refused = await world.bob.click(info.response, label="Replay")
    assert refused.ephemeral
    assert "may not use `/imagine`" in refused.response.content
    assert len(await world.jobs()) == 1


ROWS = (Difference(field="rows", first=8, second=2),)


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict(equal=(True,)), "🟰 **Exactly equal** to what this repeats, pixel by pixel."),
        (Verdict(equal=(False,), changes=ROWS), "≠ **Not equal** to what this repeats. Changed since: rows 8 → 2."),
        (
            Verdict(equal=(True, False)),
            "≠ **Not equal** in picture 2 to what this repeats. Nothing that I know of has changed since.",
        ),
        (
            Verdict(equal=(False,), is_known=False),
            "≠ **Not equal** to what this repeats. What the first one was drawn with was not written down.",
        ),
        (
            Verdict(equal=None, changes=ROWS),
            "🔍 What this repeats is no longer kept, so I cannot compare them. Changed since: rows 8 → 2.",
        ),
    ],
)
def test_what_came_of_a_replay_is_said_in_a_line(verdict: Verdict, said: str) -> None:
    assert replayed(verdict) == said
