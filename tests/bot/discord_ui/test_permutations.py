"""`{red, blue} heart`: a picture for each, counted in one message, posted in a thread or as replies."""

from typing import Any

import pytest

from generation.job import JobStatus
from tests.bot.discord_ui.world import World, labels, words

HELD = pytest.mark.parametrize("started_world", [{"hold": True}], indirect=True)
SIX = "{red, blue} {heart, star, moon}"


async def ask(world: World, prompt: str, **options: Any) -> Any:
    return await world.alice.slash(world.channel, "imagine", prompt=prompt, **options)


async def test_each_is_a_job_of_one_batch_and_is_posted_in_a_thread_below_the_message_that_counts_them(
    world: World,
) -> None:
    answer = await ask(world, "{red, blue} heart --steps 3", seed=5)
    jobs = await world.jobs()
    assert [job.request.prompt for job in jobs] == ["red heart", "blue heart"]
    assert {(job.request.steps, job.request.seed, job.status) for job in jobs} == {(3, 5, JobStatus.POSTED)}
    assert jobs[0].batch is not None
    assert jobs[0].batch == jobs[1].batch
    assert answer.response.content == "✅ 2 pictures for **alice**"
    assert "{red, blue} heart" in words(answer.response)
    assert labels(answer.response) == []
    (thread,) = world.channel.threads
    posted = [message for message in thread.history() if message.attachments]
    assert len(posted) == 2
    assert {job.place.channel for job in jobs} == {str(thread.id)}
    again = await world.bob.click(posted[0], label="Rerun")
    assert len(again.response.attachments) == 1


async def test_where_the_bot_may_open_no_thread_they_answer_the_message(world: World) -> None:
    world.deny("create_public_threads")
    answer = await ask(world, "{red, blue} heart")
    assert not world.channel.threads
    replies = [message for message in world.channel.history() if message.attachments]
    assert [message.reference.message_id for message in replies] == [answer.response.id] * 2


async def test_in_direct_messages_they_answer_the_message_too(world: World) -> None:
    answer = await world.alice.user.slash("imagine", prompt="{red, blue} heart")
    replies = [message for message in world.alice.user.dm_channel.history() if message.attachments]
    assert [message.reference.message_id for message in replies] == [answer.response.id] * 2


async def test_above_five_somebody_is_asked_first_with_the_number_and_a_second_press_draws_nothing(
    world: World,
) -> None:
    question = await ask(world, SIX)
    assert question.ephemeral
    assert "**6 pictures**" in question.response.content
    assert not await world.jobs()
    drawn = await world.alice.click(question.response, label="Draw 6 pictures")
    assert drawn.response.content == "✅ 6 pictures for **alice**"
    assert [job.request.prompt for job in await world.jobs()] == [
        f"{colour} {thing}" for colour in ("red", "blue") for thing in ("heart", "star", "moon")
    ]
    again = await world.press(world.alice, question.response, f"batch:draw:{(await world.jobs())[0].batch.hex}")
    assert "answered already" in (again.response or again.followups[0]).content
    assert len(await world.jobs()) == 6


async def test_a_question_of_before_a_restart_is_told_to_be_too_old(world: World) -> None:
    question = await ask(world, SIX)
    await world.restart()
    pressed = await world.alice.click(question.response, label="Draw 6 pictures")
    assert pressed.ephemeral
    assert "too old" in pressed.response.content
    assert not await world.jobs()


async def test_more_than_forty_pictures_are_refused_with_the_number(world: World) -> None:
    for prompt, count, pictures in (("{1,2,3,4,5,6,7} {1,2,3,4,5,6}", 1, 42), ("{1,2,3,4,5,6} {1,2,3}", 3, 54)):
        answer = await ask(world, prompt, count=count)
        assert answer.ephemeral
        assert answer.response.content == f"That makes **{pictures} pictures**; one prompt may ask for at most 40."
    assert not await world.jobs()


async def test_a_picture_to_begin_with_does_not_go_together_with_them(world: World) -> None:
    from tests.bot.discord_ui.test_remakes import png

    answer = await ask(world, "{red, blue} heart", image=("in.png", png()))
    assert answer.ephemeral
    assert "does not go together with image" in answer.response.content


async def test_what_a_word_list_refuses_in_one_of_them_refuses_all(world: World) -> None:
    await world.admin.slash(world.channel, "admin words add", words="blue")
    answer = await ask(world, "{red, blue} heart")
    assert answer.ephemeral
    assert not await world.jobs()


async def test_a_days_pictures_are_reserved_for_all_of_them_or_for_none(world: World) -> None:
    await world.admin.slash(world.channel, "admin limits set", images_a_day=3, jobs_at_once=1)
    refused = await ask(world, "{red, blue} heart", count=2)
    assert refused.ephemeral
    assert "asked for 4" in refused.response.content
    assert not await world.jobs()
    await ask(world, "{red, blue, green} heart")
    assert len(await world.jobs()) == 3, "together they are one of the jobs at once"


@HELD
async def test_cancel_all_stops_those_that_wait_and_says_so_once(world: World) -> None:
    world.parts.worker.places = 1
    answer = await ask(world, "{red, blue, green} heart")
    assert "**0 of 3** pictures" in answer.response.content
    refused = await world.bob.click(answer.response, label="Cancel all")
    assert {job.status for job in await world.jobs()} <= {JobStatus.ACCEPTED, JobStatus.STARTED}
    assert "Only its requester" in (refused.followups or [refused.response])[0].content
    await world.alice.click(answer.response, label="Cancel all")
    await world.until(lambda: answer.response.content == "⏹️ 0 pictures for **alice**; 3 cancelled")
    assert {job.status for job in await world.jobs()} == {JobStatus.CANCELLED}
    (thread,) = world.channel.threads
    assert not thread.history()


@HELD
async def test_the_message_counts_each_that_is_over_though_none_takes_long(world: World) -> None:
    world.parts.worker.places = 1
    answer = await ask(world, "{red, blue, green} heart")
    first = (await world.jobs())[0]
    world.parts.worker.release(first.id)
    await world.until(lambda: answer.response.content == "🎨 **1 of 3** pictures for **alice** are done")


@HELD
async def test_those_of_one_batch_are_read_in_the_order_of_writing(world: World) -> None:
    await ask(world, "{red, blue, green, pink, gold} heart")
    jobs = await world.jobs()
    assert sorted(jobs, key=lambda job: job.accepted_at) == list(jobs)
    assert len({job.accepted_at for job in jobs}) == 5


@HELD
async def test_after_a_crash_each_is_posted_once_in_the_same_thread_and_the_counting_goes_on(world: World) -> None:
    world.parts.worker.places = 1
    answer = await ask(world, "{red, blue, green} heart")
    await world.restart(crash=True)
    world.parts.worker.release()
    await world.until(lambda: answer.response.content == "✅ 3 pictures for **alice**")
    (thread,) = world.channel.threads
    assert sum(len(message.attachments) for message in thread.history()) == 3
    assert {job.status for job in await world.jobs()} == {JobStatus.POSTED}


@HELD
async def test_a_stop_says_nothing_in_the_thread_and_the_next_start_goes_on(world: World) -> None:
    answer = await ask(world, "{red, blue} heart")
    await world.stop()
    (thread,) = world.channel.threads
    assert not thread.history()
    await world.restart(crash=True)
    world.parts.worker.release()
    await world.until(lambda: answer.response.content == "✅ 2 pictures for **alice**")
    assert len(thread.history()) == 2


@HELD
async def test_when_the_thread_is_deleted_meanwhile_the_pictures_go_to_their_requester(world: World) -> None:
    await ask(world, "{red, blue} heart")
    (thread,) = world.channel.threads
    channel = world.parts.bot.get_channel(thread.id)
    await channel.delete()  # pyright: ignore[reportOptionalMemberAccess, reportUnknownMemberType, reportAttributeAccessIssue]
    world.parts.worker.release()
    dm = world.alice.user.dm_channel
    await world.until(lambda: sum(len(message.attachments) for message in dm.history()) == 2)
    assert {job.status for job in await world.jobs()} == {JobStatus.POSTED}
