"""What a start finds, and whom it owes an answer: nothing is lost, and nothing crashes the bot for ever."""

import asyncio
from dataclasses import replace

import pytest

from bot.errors import PictureGone
from bot.storage.suspects import SUSPECTS
from generation.errors import Postponed
from generation.job import JobStatus
from generation.loras import LoraUse
from generation.workers.fake import FakeWorker
from tests.bot.services.conftest import House
from tests.waiting import until


@pytest.fixture
def crowded(open_house):
    """Houses whose device draws one job at a time and holds it."""

    async def opened(**parts) -> House:
        return await open_house(**{"worker": FakeWorker(room=1, hold=True)} | parts)

    return opened


async def asked(house, member, here, *prompts):
    """Jobs with these prompts, one after the other."""
    tickets = []
    for prompt in prompts:
        tickets.append(await house.images.imagine(house.request(prompt=prompt), member, at=here))
        house.clock.pass_(seconds=1)
    await begun(house)
    return tickets


async def begun(house):
    """Wait until something runs, and the rows of what runs say so."""
    await until(house.dispatcher.running, within=5)
    async with asyncio.timeout(5):
        for job in house.dispatcher.running():
            while (await house.images.job(job.id)).status is not JobStatus.STARTED:
                pass  # each look waits for the database, so that the others get on


def prompts(jobs):
    return [job.request.prompt for job in jobs]


async def stored(house, ticket):
    return await house.images.job(ticket.job.id)


async def test_after_a_crash_what_waited_keeps_its_place_and_what_ran_goes_on_alone(crowded, ann, bob, here):
    house = await crowded()
    running, *_ = await asked(house, ann, here, "runs", "waits")
    await asked(house, bob, here, "waits too")

    again = await crowded()
    recovery = await again.restart.recover()

    assert [resumed.job.request.prompt for resumed in recovery.resumed] == ["runs", "waits", "waits too"]
    assert prompts(again.worker.drawn) == ["runs"]
    assert len(again.dispatcher.waiting()) == 2
    assert (await stored(again, running)).crashes == 1
    again.worker.places = 8
    again.worker.steps(running.job.id, 1)  # news of a worker has the dispatcher look for room
    await asyncio.sleep(0.01)
    assert prompts(again.worker.drawn) == ["runs"], "nothing else is drawn beside it"
    again.worker.release(running.job.id)
    await recovery.resumed[0].ticket.result()
    assert len(again.worker.drawn) == 3


async def test_a_job_that_ran_in_two_crashes_is_set_aside(crowded, ann, here):
    (culprit,) = await asked(await crowded(), ann, here, "crashes")
    house = await crowded()
    assert len((await house.restart.recover()).resumed) == 1
    await begun(house)

    third = await crowded()
    recovery = await third.restart.recover()

    assert recovery.resumed == ()
    assert [job.id for job in recovery.ended] == [culprit.job.id]
    record = await stored(third, culprit)
    assert (record.status, record.error_code) == (JobStatus.FAILED, "quarantined")
    assert third.worker.drawn == []
    assert (await third.images.usage(ann)).jobs == 0, "it is not counted"


async def test_the_neighbour_of_a_culprit_is_not_set_aside(open_house, house, ann, bob, here):
    """Both ran in the first crash; in the second only the first of them does, since it is drawn alone."""
    (culprit,) = await asked(house, ann, here, "crashes")
    (neighbour,) = await asked(house, bob, here, "innocent")
    second = await open_house()
    await second.restart.recover()
    assert prompts(second.worker.drawn) == ["crashes"]
    await begun(second)

    third = await open_house()
    recovery = await third.restart.recover()

    assert [job.id for job in recovery.ended] == [culprit.job.id]
    assert [resumed.job.id for resumed in recovery.resumed] == [neighbour.job.id]


async def test_what_stood_when_the_process_died_is_no_suspect(open_house, ann, bob, here):
    """Whether it was drawn before or not: only those whom the device worked for can have brought it down."""
    house = await open_house()
    (drawn, begun) = await asked(house, ann, here, "drawn", "had rows before")
    house.worker.give_rows(begun.job.id, has_rows=False)
    house.worker.stands = True
    (never,) = await asked(house, bob, here, "never had rows")

    again = await open_house()
    await again.restart.recover()

    assert [(await stored(again, one)).crashes for one in (drawn, begun, never)] == [1, 0, 0]
    assert prompts(again.worker.drawn) == ["drawn"], "alone; the others wait"


async def test_without_a_word_about_who_was_drawn_each_job_that_had_begun_is_a_suspect(crowded, ann, here, tmp_path):
    house = await crowded()
    running, waiting = await asked(house, ann, here, "runs", "waits")
    (tmp_path / SUSPECTS).write_text("{")

    again = await crowded()
    await again.restart.recover()

    assert [(await stored(again, one)).crashes for one in (running, waiting)] == [1, 0]


async def test_a_job_that_takes_the_process_down_before_its_row_says_that_it_runs_is_a_suspect(crowded, ann, here):
    house = await crowded()
    _, waiting = await asked(house, ann, here, "runs", "waits")
    house.suspects.write(frozenset({waiting.job.id}))

    again = await crowded()
    await again.restart.recover()

    record = await stored(again, waiting)
    assert (record.status, record.crashes) == (JobStatus.ACCEPTED, 1)


async def test_a_crash_is_counted_once_however_often_the_bot_fails_to_start_after_it(crowded, ann, here):
    (running,) = await asked(await crowded(), ann, here, "runs")
    second = await crowded(worker=FakeWorker(room=0))
    await second.restart.recover()
    third = await crowded()
    await third.restart.recover()
    assert (await stored(third, running)).crashes == 1


async def test_a_stop_in_good_order_is_held_against_nobody(crowded, open_house, ann, here):
    house = await crowded()
    running, waiting = await asked(house, ann, here, "runs", "waits")
    await house.dispatcher.close()
    for ticket in (running, waiting):
        with pytest.raises(Postponed):
            await ticket.result()

    again = await crowded()
    assert [job.job.request.prompt for job in (await again.restart.recover()).resumed] == ["runs", "waits"]
    record = await stored(again, running)
    assert (record.crashes, record.place.token) == (0, "secret")


async def test_jobs_that_go_on_are_counted_once_and_may_be_more_than_the_queue_holds(crowded, ann, here):
    await asked(await crowded(), ann, here, "one", "two", "three")
    house = await crowded(capacity=1)

    assert len((await house.restart.recover()).resumed) == 3
    assert (await house.images.usage(ann)).waiting_or_running == 3


async def test_pictures_that_were_drawn_are_to_be_delivered(open_house, house, ann, bob, here):
    (drawn,) = await asked(house, bob, here, "drawn")
    house.worker.release()
    await drawn.result()
    await house.drawn(ann)  # and posted: nothing is owed for this one

    restarted = await open_house()
    recovery = await restarted.restart.recover()

    assert [job.id for job in recovery.rendered] == [drawn.job.id]
    assert recovery.resumed == recovery.ended == ()
    assert len(await restarted.pictures(drawn.job.id)) == 1


async def test_what_was_deleted_is_not_delivered(open_house, house, ann, here):
    (ticket,) = await asked(house, ann, here, "drawn")
    house.worker.release()
    await ticket.result()
    await house.images.delete(ticket.job.id, ann)

    assert (await (await open_house()).restart.recover()).rendered == ()


async def test_what_can_not_go_on_is_told_until_somebody_heard_it(open_house, house, ann, here, clock):
    """The operator chose another model. The first start after that may fail before it can say a word."""
    (ticket,) = await asked(house, ann, here, "of the old model")
    other = await open_house(model="other")
    assert [job.id for job in (await other.restart.recover()).ended] == [ticket.job.id]
    assert (await stored(other, ticket)).status is JobStatus.INTERRUPTED
    assert (await other.images.usage(ann)).jobs == 0

    clock.pass_(hours=1)
    assert [job.id for job in (await other.restart.recover()).ended] == [ticket.job.id]
    await other.images.told(ticket.job.id)
    assert (await other.restart.recover()).ended == ()


async def test_a_job_whose_lora_was_taken_away_or_replaced_ends_as_interrupted(open_house, house, ann, here):
    request = replace(house.request(), loras=(LoraUse(name="chalk", weight=0.8, sha256="a" * 64),))
    ticket = await house.images.imagine(request, ann, at=here)
    await begun(house)
    other = await open_house()
    assert [job.id for job in (await other.restart.recover()).ended] == [ticket.job.id]
    found = await stored(other, ticket)
    assert (found.status, found.request) == (JobStatus.INTERRUPTED, request)


async def test_an_end_of_more_than_a_week_ago_is_not_told_any_more(open_house, house, ann, here, clock):
    await asked(house, ann, here, "of the old model")
    other = await open_house(model="other")
    await other.restart.recover()
    clock.pass_(days=8)
    assert (await other.restart.recover()).ended == ()


async def test_the_first_end_wins(open_house, house, ann, here):
    """A job that a start has ended stays so, though its old worker finishes it."""
    (ticket,) = await asked(house, ann, here, "of the old model")
    await (await open_house(model="other")).restart.recover()

    house.worker.release()
    await ticket.wait(5)
    await house.images.posted(ticket.job.id, "6000")

    assert (await stored(house, ticket)).status is JobStatus.INTERRUPTED
    assert house.pictures_on_disk() == []


async def test_a_row_that_says_live_and_that_nobody_draws_is_ended(open_house, house, ann, here):
    """Such as one whose answer was lost on the way from the database. What really runs is left alone."""
    (ticket,) = await asked(house, ann, here, "runs")
    assert [await house.restart.settle(), await house.restart.settle()] == [0, 0]
    other = await open_house()

    assert await other.restart.settle() == 0, "it may be on its way to the queue"
    assert await other.restart.settle(owed={ticket.job.id}) == 0
    assert [await other.restart.settle(), await other.restart.settle()] == [0, 1]

    assert (await stored(other, ticket)).status is JobStatus.INTERRUPTED
    assert (await other.images.usage(ann)).waiting_or_running == 0


async def test_a_picture_whose_file_was_removed_is_gone_and_says_so(house, ann):
    job_id = await house.drawn(ann)
    retention = house.retention(gigabytes=1e-9)
    assert await retention.sweep() == 1

    with pytest.raises(PictureGone):
        await house.pictures(job_id)
