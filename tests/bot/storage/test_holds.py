"""Held pictures: what waits, what a decision makes of a picture and of its job, and what is still to be delivered."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from bot.records import Decision, ImageRecord, Unwanted
from bot.storage import holds, jobs, servers, unfinished
from generation.job import JobStatus

LOOK = "f" * 64
ANN = "123456789012345678"


@pytest.fixture
def drawn(database, new_record, now):
    """Makes a job that is drawn, with so many pictures of which the first ones are held."""

    async def made(*, count: int, held: int, told: bool = False, **changes):
        record = new_record(**changes)
        images = [
            ImageRecord(
                id=uuid4(),
                index=index,
                seed=index,
                width=64,
                height=128,
                file=f"{uuid4()}.png",
                sha256="0" * 64,
                size=1,
            )
            for index in range(count)
        ]
        judged = [replace(image, score=0.9, look=LOOK, held_at=now) for image in images[:held]]

        def write(transaction):
            jobs.insert(transaction, record)
            jobs.render(transaction, record.id, now, 0.5, images)
            holds.judge(transaction, judged)
            if told:
                unfinished.keep(transaction, record.id, "held")

        await database.write(write)
        return await database.read(lambda transaction: jobs.get(transaction, record.id))

    return made


@pytest.fixture
def read(database):
    return lambda step, *arguments: database.read(lambda transaction: step(transaction, *arguments))


@pytest.fixture
def write(database):
    return lambda step, *arguments: database.write(lambda transaction: step(transaction, *arguments))


async def test_what_the_check_found_is_written_down_with_each_picture(drawn, now):
    job = await drawn(count=2, held=1)
    assert [(image.score, image.look, image.held_at, image.is_held) for image in job.images] == [
        (0.9, LOOK, now, True),
        (None, None, None, False),
    ]


async def test_a_picture_that_is_held_is_judged_no_second_time(drawn, read, write, now):
    job = await drawn(count=1, held=1)
    await write(holds.judge, [replace(job.images[0], score=0.0, look=None, held_at=None)])
    assert await read(jobs.get, job.id) == job


async def test_a_server_sees_what_waits_there_and_no_more(drawn, read, write, now):
    here = await drawn(count=2, held=2)
    elsewhere = await drawn(count=1, held=1, server="9001")
    alone = await drawn(count=1, held=1, server=None)
    deleted = await drawn(count=1, held=1)
    await write(jobs.delete, deleted.id, now)

    assert {image.id for _, image in await read(holds.waiting, "9000", 10)} == {image.id for image in here.images}
    assert [job.id for job, _ in await read(holds.waiting, "9001", 10)] == [elsewhere.id]
    assert [job.id for job, _ in await read(holds.waiting, None, 10)] == [alone.id]
    assert len(await read(holds.waiting, "9000", 1)) == 1


@pytest.mark.parametrize("decision", Decision)
async def test_a_decision_is_taken_once(drawn, read, write, now, decision):
    job = await drawn(count=2, held=1)
    image = job.images[0]
    assert await write(holds.decide, image.id, decision, "7", now)
    for another in Decision:
        assert not await write(holds.decide, image.id, another, "8", now + timedelta(hours=1))
    _, decided = await read(holds.image, image.id)
    assert (decided.decision, decided.decided_by, decided.decided_at) == (decision, "7", now)
    assert await read(holds.waiting, "9000", 10) == ()


async def test_nothing_is_decided_of_a_picture_that_is_not_held_or_was_deleted(drawn, read, write, now):
    job, deleted = await drawn(count=2, held=1), await drawn(count=1, held=1)
    await write(jobs.delete, deleted.id, now)
    for image_id in (job.images[1].id, deleted.images[0].id, uuid4()):
        assert not await write(holds.decide, image_id, Decision.APPROVED, "7", now)
    assert await read(holds.image, uuid4()) is None


async def test_a_job_that_shows_nothing_is_posted_with_the_first_picture_that_is_let_through(drawn, read, write, now):
    job = await drawn(count=3, held=3, told=True)
    await write(holds.decide, job.images[0].id, Decision.KEPT_BACK, "7", now)
    assert (await read(jobs.get, job.id)).status is JobStatus.RENDERED
    await write(holds.decide, job.images[1].id, Decision.FALSE_POSITIVE, "7", now)
    await write(holds.decide, job.images[2].id, Decision.EXPIRED, None, now)

    after = await read(jobs.get, job.id)
    assert (after.status, after.error_code, after.given_back) == (JobStatus.POSTED, None, 2)
    assert [image.id for _, image in await read(holds.to_give, now, 10)] == [job.images[1].id]


async def test_a_job_of_which_nothing_may_be_shown_has_failed_and_its_requester_is_to_be_told(drawn, read, write, now):
    job = await drawn(count=2, held=2, told=True)
    for image in job.images:
        await write(holds.decide, image.id, Decision.KEPT_BACK, "7", now)
    after = await read(jobs.get, job.id)
    assert (after.status, after.error_code, after.ended_at) == (JobStatus.FAILED, "kept_back", now)
    assert [one.id for one in await read(unfinished.untold, now)] == [job.id]


async def test_a_job_that_was_posted_gives_back_each_picture_that_is_kept_back(drawn, read, write, now):
    job = await drawn(count=4, held=2)
    await write(jobs.post, job.id, now, "6000", None)
    for image in job.images[:2]:
        await write(holds.decide, image.id, Decision.EXPIRED, None, now)
    after = await read(jobs.get, job.id)
    assert (after.status, after.given_back) == (JobStatus.POSTED, 2)


async def test_a_job_that_has_not_shown_its_others_yet_waits_to_show_all(drawn, read, write, now):
    """Discord was away when it was to be posted, and a moderator was not."""
    job = await drawn(count=2, held=1)
    await write(holds.decide, job.images[0].id, Decision.APPROVED, "7", now)
    assert [one.id for one in await read(unfinished.unposted)] == [job.id]
    assert await read(holds.to_give, now, 10) == ()


async def test_a_picture_is_to_be_given_until_it_was(drawn, read, write, now):
    job = await drawn(count=2, held=1)
    await write(jobs.post, job.id, now, "6000", None)
    await write(holds.decide, job.images[0].id, Decision.APPROVED, "7", now)
    assert [image.id for _, image in await read(holds.to_give, now, 10)] == [job.images[0].id]
    assert await read(holds.to_give, now + timedelta(seconds=1), 10) == ()

    await write(holds.given, [image.id for image in job.images], now)
    assert await read(holds.to_give, now, 10) == ()
    assert [image.given_at for image in (await read(jobs.get, job.id)).images] == [now, None]


async def test_what_waits_too_long_is_found_on_all_servers(drawn, read, write, now):
    here, alone = await drawn(count=2, held=1), await drawn(count=1, held=1, server=None)
    later = now + timedelta(seconds=1)
    assert {job.id for job, _ in await read(holds.overdue, later, 10)} == {here.id, alone.id}
    assert await read(holds.overdue, now, 10) == ()


async def test_strikes_are_what_a_person_kept_back_of_a_member_since_they_count(drawn, read, write, now):
    moments = [now + timedelta(days=days) for days in (0, 1, 2)]
    for at in moments:
        job = await drawn(count=1, held=1, told=True)
        await write(holds.decide, job.images[0].id, Decision.KEPT_BACK, "7", at)
    for decision, by in ((Decision.EXPIRED, None), (Decision.APPROVED, "7"), (Decision.FALSE_POSITIVE, "7")):
        job = await drawn(count=1, held=1, told=True)
        await write(holds.decide, job.images[0].id, decision, by, now)
    elsewhere = await drawn(count=1, held=1, told=True, server="9001")
    await write(holds.decide, elsewhere.images[0].id, Decision.KEPT_BACK, "7", now)

    accounts = {(ANN, "9000"), (ANN, "9001"), ("2", "9000"), (ANN, None)}
    assert await read(holds.strikes, accounts, now, moments[2]) == {
        (ANN, "9000"): tuple(moments),
        (ANN, "9001"): (now,),
        ("2", "9000"): (),
        (ANN, None): (),
    }
    assert (await read(holds.strikes, {(ANN, "9000")}, moments[1], moments[2]))[ANN, "9000"] == tuple(moments[1:])

    await write(servers.ensure, "9000")
    for at in (now, moments[1]):
        await write(holds.reset_strikes, "9000", ANN, at)
    assert (await read(holds.strikes, {(ANN, "9000")}, now, moments[2]))[ANN, "9000"] == (moments[2],)


async def test_what_a_server_does_not_want_again_is_listed_once_and_can_be_taken_back(read, write, now):
    await write(servers.ensure, "9000")
    first, again = (Unwanted(look=LOOK, job=uuid4(), by="7", at=now + timedelta(hours=hours)) for hours in (0, 1))
    other = Unwanted(look="0" * 64, job=None, by="8", at=now)
    for one in (first, other, again):
        await write(holds.add_unwanted, "9000", one)
    assert await read(holds.unwanted, "9000") == (again, other)
    assert await read(holds.unwanted, "9001") == ()
    assert [await write(holds.remove_unwanted, "9000", LOOK) for _ in range(2)] == [True, False]
    assert await read(holds.unwanted, "9000") == (other,)


async def test_a_picture_is_noted_once_for_the_moderators_channel(drawn, read, write, now):
    image = (await drawn(count=1, held=1)).images[0]
    assert await read(holds.review_of, image.id) is None
    assert [await write(holds.note_review, image.id, "5001", now) for _ in range(2)] == [True, False]
    await write(holds.show_review_as, image.id, "6001")
    review = await read(holds.review_of, image.id)
    assert (review.image, review.channel, review.message, review.at) == (image.id, "5001", "6001", now)
