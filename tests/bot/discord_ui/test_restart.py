"""What a stop, a crash and a start mean for those who wait, and for messages from before."""

import pytest

from generation.job import JobStatus
from tests.bot.discord_ui.world import World, labels, words

HELD = pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)


async def test_old_buttons_and_reactions_work(world: World) -> None:
    first = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    second = await world.alice.slash(world.channel, "imagine", prompt="a dog")
    message = first.response
    await world.restart()
    info = await world.bob.click(message, label="Info")
    assert "a cat" in words(info.response)
    rerun = await world.bob.click(message, label="Rerun")
    assert len(rerun.response.attachments) == 1
    await world.bob.react(message, "🔄")
    assert world.channel.last_message.reference.message_id == message.id
    refused = await world.bob.click(message, label="Delete")
    assert refused.followups[0].ephemeral
    await world.alice.click(message, label="Delete")
    await world.mod.react(second.response, "❌")
    assert first.response is None
    assert second.response is None
    assert len(await world.jobs()) == 4


@HELD
async def test_a_stop_tells_those_who_wait(world: World) -> None:
    world.parts.worker._room = 1
    running = await world.alice.slash(world.channel, "imagine", prompt="runs")
    waiting = await world.bob.slash(world.channel, "imagine", prompt="waits")
    await world.stop()
    for answer in (running, waiting):
        assert "restarted" in answer.response.content
        assert "Cancel" not in labels(answer.response)
    assert {job.status for job in await world.jobs()} == {JobStatus.INTERRUPTED}
    await world.stop()  # may be called twice
    refused = await world.alice.slash(world.channel, "imagine", prompt="too late")
    assert refused.ephemeral
    assert "restart" in refused.response.content


@HELD
async def test_the_deliveries_alone_tell_it_too(world: World) -> None:
    running = await world.alice.slash(world.channel, "imagine", prompt="runs")
    with world.env.time_context():
        await world.parts.bot.deliveries.close()
    assert "restarted" in running.response.content


@HELD
async def test_after_a_crash_those_who_waited_are_told(world: World) -> None:
    running = await world.alice.slash(world.channel, "imagine", prompt="runs")
    await world.restart(crash=True)
    assert "restarted" in running.response.content
    assert "alice" in running.response.content
    assert not running.response.message.mentions
    assert labels(running.response) == ["Rerun", "Info", "Delete"]
    (job,) = await world.jobs()
    assert job.status is JobStatus.INTERRUPTED
    again = await world.alice.click(running.response, label="Rerun")
    world.parts.worker.release()
    await world.until(lambda: len(again.response.attachments) == 1)


@HELD
async def test_after_a_crash_and_a_long_time_they_are_told_by_the_bot_itself(world: World) -> None:
    running = await world.alice.slash(world.channel, "imagine", prompt="runs")
    await world.env.advance_time(16 * 60)
    await world.restart(crash=True)
    assert "restarted" in running.response.content
    assert world.edits()[-1].path.startswith("/channels/")


@pytest.mark.parametrize("minutes", [1, 16])
async def test_pictures_that_were_drawn_and_not_posted_are_posted(world: World, minutes: int) -> None:
    world.env.inject_error("PATCH", "*", status=503, times=7)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat", count=2)
    assert (await world.jobs())[0].status is JobStatus.RENDERED
    assert not answer.response.attachments
    await world.env.advance_time(minutes * 60)
    await world.restart(crash=True)
    assert len(answer.response.attachments) == 2
    assert labels(answer.response) == ["Rerun", "Info", "Delete"]
    assert (await world.jobs())[0].status is JobStatus.POSTED


async def test_commands_are_sent_to_discord_only_when_they_changed(world: World) -> None:
    def syncs() -> int:
        return sum(
            1 for entry in world.env.backend.http_requests if entry.method == "PUT" and "/commands" in entry.path
        )

    assert syncs() == 1
    await world.restart()
    assert syncs() == 1
    (world.folder / "commands.hash").write_text("of another version")
    await world.restart()
    assert syncs() == 2
    world.env.backend.commands.clear()  # somebody removed them
    await world.restart()
    assert syncs() == 3
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(answer.response.attachments) == 1


async def test_discord_out_of_order_at_the_start_is_no_reason_to_stay_away(world: World) -> None:
    (world.folder / "commands.hash").write_text("of another version")
    world.env.inject_error("PUT", "/applications/*/commands", status=502, times=1)
    await world.restart()
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert len(answer.response.attachments) == 1
    assert (world.folder / "commands.hash").read_text() == "of another version"
