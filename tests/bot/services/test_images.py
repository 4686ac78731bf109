"""Asking for pictures, getting them, looking at them again."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from bot.errors import UnknownJob
from bot.records import Place
from generation.errors import InvalidRequest, QueueFull
from generation.job import JobStatus
from generation.ticket import JobTicket
from generation.workers.fake import FakeWorker


async def test_a_job_is_written_down_before_it_is_begun(house, ann, here, clock):
    ticket = await house.images.imagine(house.request(count=2), ann, at=here)

    record = await house.images.job(ticket.job.id)

    assert record.request == ticket.job.request
    assert (record.requester, record.requester_name, record.server, record.place.channel) == (
        "1001",
        "Ann",
        "9000",
        "5000",
    )
    assert record.place.token == "secret"
    assert record.place.token_expires == here.token_expires
    assert record.accepted_at == clock.now
    assert "secret" not in repr(record)


async def test_a_job_goes_all_the_way(house, ann, here, clock):
    ticket = await house.images.imagine(house.request(count=2), ann, at=here)
    await house.images.answered(ticket.job.id, "6000")
    clock.pass_(seconds=3)
    house.worker.release()
    rendered = await ticket.result()

    record = await house.images.job(ticket.job.id)
    assert record.status is JobStatus.RENDERED
    assert rendered == replace(record, status=JobStatus.RENDERED)
    assert [image.seed for image in record.images] == [7, 8]
    assert record.device_seconds == 1.0

    assert await house.images.posted(ticket.job.id, "6001", channel="5001")
    assert not await house.images.posted(ticket.job.id, "6001", channel="5001"), "known already"
    record = await house.images.job(ticket.job.id)
    assert record.status is JobStatus.POSTED
    assert (record.place.channel, record.place.message) == ("5001", "6001")
    assert record.ended_at == clock.now
    assert record.place.token is None
    assert record.place.token_expires is None


async def test_pictures_come_with_names_that_say_what_is_on_them(house, ann):
    job_id = await house.drawn(ann, prompt="Ein Ei, größer als 2 Häuser!", count=2)

    first, second = await house.pictures(job_id)

    assert first.filename == "ein-ei-grosser-als-2-hauser-7.png"
    assert second.seed == 8
    assert first.png.startswith(b"\x89PNG")
    assert (first.width, first.height) == (64, 64)


async def test_a_job_that_is_not_drawn_yet_has_no_pictures(house, ann, here):
    ticket = await house.images.imagine(house.request(), ann, at=here)

    assert await house.pictures(ticket.job.id) == ()


async def test_a_message_leads_to_its_job(house, ann):
    job_id = await house.drawn(ann)
    record = await house.images.job(job_id)

    assert await house.images.job_posted_as("5000", record.place.message) == record
    assert await house.images.job_posted_as("5001", record.place.message) is None
    await house.images.delete(job_id, ann)
    assert await house.images.job_posted_as("5000", record.place.message) is None


async def test_a_rerun_takes_new_seeds_and_is_charged_to_the_member_who_asks(house, ann, bob):
    job_id = await house.drawn(ann, count=2, steps=3)

    ticket = await house.images.rerun(job_id, bob, at=Place(channel="5000", reply_to="6000"))

    record = await house.images.job(ticket.job.id)
    original = (await house.images.job(job_id)).request
    assert record.parent == job_id
    assert record.requester == bob.id
    assert record.place.reply_to == "6000"
    assert record.request.seed != original.seed
    assert replace(record.request, seed=original.seed) == original


async def test_a_rerun_across_servers_finds_no_job(house, ann, stranger, here):
    job_id = await house.drawn(ann)

    with pytest.raises(UnknownJob):
        await house.images.rerun(job_id, stranger, at=here)


async def test_a_rerun_for_a_model_that_is_gone_says_which_there_are(open_house, house, ann, here):
    job_id = await house.drawn(ann)
    later = await open_house(model="newer")

    with pytest.raises(InvalidRequest, match="newer"):
        await later.images.rerun(job_id, ann, at=here)


async def test_a_full_queue_leaves_nothing_behind(open_house, ann, bob, here):
    house = await open_house(worker=FakeWorker(room=0), capacity=1)
    await house.images.imagine(house.request(), ann, at=here)

    with pytest.raises(QueueFull):
        await house.images.imagine(house.request(), bob, at=here)

    assert (await house.images.usage(bob)).waiting_or_running == 0


async def test_a_queue_that_fills_up_meanwhile_counts_nothing(open_house, ann, bob, here):
    house = await open_house(worker=FakeWorker(room=0), capacity=1)

    outcomes = await asyncio.gather(
        *(house.images.imagine(house.request(), member, at=here) for member in (ann, bob)), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [JobTicket, QueueFull]
    assert (await house.images.usage(bob)).jobs == 0


async def test_a_picture_that_can_be_given_to_nobody_ever_is_not_counted(house, ann, here):
    ticket = await house.images.imagine(house.request(), ann, at=here)
    house.worker.release()
    await ticket.result()

    await house.images.fail(ticket.job.id, "unexpected")

    record = await house.images.job(ticket.job.id)
    assert (record.status, record.error_code, record.place.token) == (JobStatus.FAILED, "unexpected", None)
    assert (await house.images.usage(ann)).images == 0


async def test_an_unknown_job_is_unknown(house, ann, here):
    for asking in (
        house.images.job(uuid4()),
        house.images.cancel(uuid4(), ann),
        house.images.delete(uuid4(), ann),
        house.images.rerun(uuid4(), ann, at=here),
    ):
        with pytest.raises(UnknownJob):
            await asking
