"""What a stop, a crash and a start mean for those who wait, and for messages from before."""

import asyncio

import pytest

from bot.discord_ui.delivery.post import JobPost
from bot.errors import StorageFault
from generation.errors import DrawingFailed
from generation.job import JobStatus
from tests.bot.discord_ui.world import RESULT, World, labels, words

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
async def test_a_stop_keeps_what_is_not_done_and_the_start_goes_on_with_it(world: World) -> None:
    world.parts.worker.places = 1
    running = await world.alice.slash(world.channel, "imagine", prompt="runs")
    waiting = await world.bob.slash(world.channel, "imagine", prompt="waits")
    await world.stop()
    for answer in (running, waiting):
        assert "goes on by itself" in answer.response.content
        assert labels(answer.response) == ["Cancel"]
    assert {job.status for job in await world.jobs()} == {JobStatus.ACCEPTED}
    await world.stop()  # may be called twice
    refused = await world.alice.slash(world.channel, "imagine", prompt="too late")
    assert refused.ephemeral
    assert "restart" in refused.response.content

    await world.restart(crash=True)  # it had stopped already
    assert [job.crashes for job in await world.jobs()] == [0, 0]
    await world.env.advance_time(2.5)
    assert "Starting to draw" in running.response.content
    world.parts.worker.release()
    await world.until(lambda: all(len(answer.response.attachments) == 1 for answer in (running, waiting)))
    assert {job.status for job in await world.jobs()} == {JobStatus.POSTED}
    assert len(world.channel.history()) == 2, "in the messages they had"


@HELD
async def test_members_are_told_of_a_stop_although_nothing_was_put_back(world: World) -> None:
    running = await world.alice.slash(world.channel, "imagine", prompt="runs")
    with world.env.time_context():
        await world.parts.deliveries.close()
    assert "goes on by itself" in running.response.content


@HELD
async def test_a_drain_lets_what_runs_be_finished_and_refuses_what_is_new(world: World) -> None:
    world.parts.worker.places = 1
    running = await world.alice.slash(world.channel, "imagine", prompt="runs")
    waiting = await world.bob.slash(world.channel, "imagine", prompt="waits")
    with world.env.time_context():
        drain = asyncio.ensure_future(world.parts.dispatcher.drain(60))
        await asyncio.sleep(0)
    refused = await world.alice.slash(world.channel, "imagine", prompt="new")
    assert refused.ephemeral
    assert "restart" in refused.response.content
    assert not drain.done()
    world.parts.worker.release()
    await world.until(drain.done)
    await world.stop()
    assert len(running.response.attachments) == 1
    assert "goes on by itself" in waiting.response.content
    assert [job.status for job in await world.jobs()] == [JobStatus.POSTED, JobStatus.ACCEPTED]


@HELD
@pytest.mark.parametrize("minutes", [1, 16])
async def test_after_a_crash_a_job_goes_on_in_its_own_message(world: World, minutes: int) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="runs", steps=10)
    world.parts.worker.steps(world.parts.worker.drawn[0].id, 7)
    await world.env.advance_time(2.5)
    assert "**70 %**" in answer.response.content
    await world.env.advance_time(minutes * 60)  # at last the token is gone
    await world.restart(crash=True)
    await world.env.advance_time(2.5)
    assert "Starting to draw" in answer.response.content, "what it had done is lost"
    assert labels(answer.response) == ["Cancel"]
    world.parts.worker.release()
    await world.until(lambda: len(answer.response.attachments) == 1)
    assert labels(answer.response) == RESULT
    assert len(world.channel.history()) == 1 + (minutes == 16), "who waited long is called as well"
    assert world.edits()[-1].path.startswith("/channels/") is (minutes == 16)
    (job,) = await world.jobs()
    assert (job.status, job.crashes) == (JobStatus.POSTED, 1)


@HELD
async def test_a_job_that_ran_in_two_crashes_is_set_aside_until_an_admin_lets_it_try_again(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="the culprit")
    await world.restart(crash=True)
    await world.restart(crash=True)
    assert "crashed twice" in answer.response.content
    assert "alice" in answer.response.content
    assert labels(answer.response) == ["Info", "Delete"]
    assert not world.parts.worker.drawn
    seen = words((await world.admin.slash(world.channel, "admin quarantine")).response)
    assert "the culprit" in seen
    assert world.alice.mention in seen

    (offered,) = await world.admin.autocomplete(world.channel, "admin quarantine", "release", "culp")
    released = await world.admin.slash(world.channel, "admin quarantine", release=offered["value"])
    assert released.ephemeral
    assert "alone" in released.response.content
    world.parts.worker.release()
    await world.until(lambda: len(answer.response.attachments) == 1)
    assert "Nothing is set aside" in words((await world.admin.slash(world.channel, "admin quarantine")).response)
    again = await world.admin.slash(world.channel, "admin quarantine", release=offered["value"])
    assert "do not know" in (again.followups or [again.response])[0].content


@HELD
async def test_a_bad_end_that_is_told_late_does_not_wipe_the_pictures_of_a_released_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_end, turn = JobPost.tell_end, asyncio.Event()

    async def late(post: JobPost) -> None:
        await world.env.external_wait(turn.wait(), reason="many others are told first")
        await tell_end(post)
        told.set()

    answer = await world.alice.slash(world.channel, "imagine", prompt="the culprit")
    await world.restart(crash=True)
    told = asyncio.Event()
    monkeypatch.setattr(JobPost, "tell_end", late)
    await world.restart(crash=True)
    (job,) = await world.jobs()
    await world.admin.slash(world.channel, "admin quarantine", release=str(job.id))
    world.parts.worker.release()
    await world.until(lambda: len(answer.response.attachments) == 1)
    turn.set()
    await world.until(told.is_set)
    assert len(answer.response.attachments) == 1
    assert "crashed" not in answer.response.content


@HELD
async def test_in_a_direct_message_the_requester_may_try_the_culprit_again(world: World) -> None:
    answer = await world.alice.user.slash("imagine", prompt="the culprit")
    await world.restart(crash=True)
    await world.restart(crash=True)
    assert "crashed twice" in answer.response.content
    assert "admin" not in answer.response.content, "there is none"
    assert labels(answer.response) == ["Rerun", "Info", "Delete"]
    again = await world.alice.user.click(answer.response, label="Rerun")
    world.parts.worker.release()
    await world.until(lambda: len(again.response.attachments) == 1)


@pytest.mark.parametrize("minutes", [1, 16])
async def test_pictures_that_were_drawn_and_not_posted_are_posted(world: World, minutes: int) -> None:
    world.env.inject_error("PATCH", "*", status=503, times=7)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat", count=2)
    assert (await world.jobs())[0].status is JobStatus.RENDERED
    assert not answer.response.attachments
    await world.env.advance_time(minutes * 60)
    await world.restart(crash=True)
    assert len(answer.response.attachments) == 2
    assert labels(answer.response) == RESULT
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


async def test_what_discord_did_not_take_for_a_while_is_posted_without_a_restart(world: World) -> None:
    world.env.inject_error("PATCH", "*", status=503, times=7)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert not answer.response.attachments
    await world.env.advance_time(30)
    await world.try_again()
    assert not answer.response.attachments, "too early: its first delivery might still be under way"
    await world.env.advance_time(180)
    for _ in range(2):  # the second finds nothing left to do
        await world.try_again()
        assert len(answer.response.attachments) == 1
    assert (await world.jobs())[0].status is JobStatus.POSTED
    assert sum(bool(message.attachments) for message in world.channel.history()) == 1


async def test_nothing_is_tried_again_before_the_first_time(world: World) -> None:
    world.env.inject_error("PATCH", "*", status=503, times=7)
    await world.alice.slash(world.channel, "imagine", prompt="a cat")
    await world.env.advance_time(180)
    edits = len(world.edits())
    await world.stop()
    not_logged_in_yet = await world.build(recover=True)
    await world.try_again()
    assert len(world.edits()) == edits
    await world.env.restart_bot(not_logged_in_yet.bot)
    assert (await world.jobs())[0].status is JobStatus.POSTED


@pytest.mark.parametrize(("code", "said"), [("storage", "cannot reach my records"), ("failed", "went wrong")])
async def test_a_bad_end_that_could_not_be_told_is_told_after_the_next_start(
    world: World, code: str, said: str
) -> None:
    error = StorageFault() if code == "storage" else DrawingFailed()
    world.parts.worker.fail_next(error)
    world.env.inject_error("PATCH", "*", status=503, times=7)
    answer = await world.alice.slash(world.channel, "imagine", prompt="a cat")
    assert "Starting to draw" in answer.response.content
    await world.restart(crash=True)
    assert said in answer.response.content
    assert labels(answer.response) == ["Rerun", "Info", "Delete"]
    edits = len(world.edits())
    await world.restart(crash=True)
    assert len(world.edits()) == edits, "once"


@HELD
async def test_that_a_moderator_cancelled_a_job_is_still_known_after_a_restart(world: World) -> None:
    answer = await world.alice.slash(world.channel, "imagine", prompt="slow")
    world.env.inject_error("PATCH", "*", status=503, times=7)
    await world.mod.click(answer.response, label="Cancel")
    assert "Cancelled" not in answer.response.content
    await world.restart(crash=True)
    assert "Cancelled by a moderator" in answer.response.content
    assert (await world.jobs())[0].ended_by == str(world.mod.id)
