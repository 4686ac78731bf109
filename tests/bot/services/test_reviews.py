"""Decisions about held pictures: who may make them, that each is made once, and what follows."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from bot.clock import ClockCheck
from bot.errors import AlreadyDecided, NotAllowed, PictureGone, TooManyStrikes, UnknownJob
from bot.records import Change, Decision, Place
from bot.services.policies import SafetySettings
from bot.services.reviews import EXPIRES_AFTER
from bot.services.safety_settings import ServerSafety
from bot.services.strikes import Strikes, standing
from bot.storage import holds, jobs, pictures, unfinished
from generation.job import JobStatus

REVIEW_CHANNEL = "5009"


@pytest.fixture
def reviews(house):
    return house.reviews()


@pytest.fixture
async def judge(house, admin, moderator):
    """A moderator in the channel where this server's moderators decide."""
    safety = ServerSafety(database=house.database, clock=house.clock)
    await safety.set_review_channel(admin, REVIEW_CHANNEL)
    return replace(moderator, channel=REVIEW_CHANNEL)


@pytest.fixture
def held(house):
    """Draws a job and holds so many of its pictures; posted where others are left."""

    async def made(member, *, count=1, held=1):
        ticket = await house.images.imagine(house.request(count=count), member, at=Place(channel=member.channel))
        house.worker.release(ticket.job.id)
        job = await ticket.result()
        look = f"{job.id.int % 2**32:08x}"
        judged = [
            replace(image, score=0.9, look=f"{look}{image.index}", held_at=house.clock()) for image in job.images[:held]
        ]

        def hold(transaction):
            holds.judge(transaction, judged)
            if held == count:
                unfinished.keep(transaction, job.id, "held")
            else:
                jobs.post(transaction, job.id, house.clock(), "6001", None)

        await house.database.write(hold)
        return await house.images.job(job.id)

    return made


async def outcome(house, job):
    """What became of a job, and what of it still counts today."""
    now = await house.database.read(lambda transaction: jobs.get(transaction, job.id))
    return now.status, now.error_code


# Who


async def test_moderators_of_the_moderators_channel_and_admins_decide(reviews, held, ann, judge, admin):
    for member in (judge, admin):
        job = await held(ann)
        assert (await reviews.decide(job.images[0].id, Decision.APPROVED, member)).image.decided_by == member.id


async def test_nobody_else_decides(house, reviews, held, ann, bob, judge, moderator, stranger, admin):
    job = await held(ann)
    for member in (ann, bob, moderator, replace(judge, is_moderator=False)):
        with pytest.raises(NotAllowed, match="review"):
            await reviews.decide(job.images[0].id, Decision.APPROVED, member)
    for member in (stranger, replace(admin, server=None)):
        with pytest.raises(UnknownJob):
            await reviews.decide(job.images[0].id, Decision.APPROVED, member)
    assert (await reviews.held(job.images[0].id)).image.waits


async def test_without_a_moderators_channel_only_admins_decide(reviews, held, ann, moderator, admin):
    job = await held(ann)
    with pytest.raises(NotAllowed, match="review"):
        await reviews.decide(job.images[0].id, Decision.APPROVED, moderator)
    await reviews.decide(job.images[0].id, Decision.APPROVED, admin)


async def test_only_admins_see_the_queue_the_strikes_and_the_list(reviews, ann, judge):
    for member in (ann, judge):
        for asking in (
            reviews.queue(member),
            reviews.strikes(member, "1001"),
            reviews.reset_strikes(member, "1001"),
            reviews.unwanted(member),
            reviews.want_again(member, "f"),
        ):
            with pytest.raises(NotAllowed, match="manage_server"):
                await asking


# Once


async def test_of_many_who_press_at_once_one_decides_and_the_others_are_told_who(house, reviews, held, ann, judge):
    job = await held(ann)
    crowd = [replace(judge, id=str(2000 + number)) for number in range(12)]
    presses = [
        reviews.decide(job.images[0].id, list(Decision)[number % 3], member) for number, member in enumerate(crowd)
    ]
    outcomes = await asyncio.gather(*presses, return_exceptions=True)
    (decided,) = [one for one in outcomes if not isinstance(one, BaseException)]
    for late in outcomes:
        if isinstance(late, BaseException):
            assert isinstance(late, AlreadyDecided)
            assert (late.decision, late.by) == (decided.image.decision, decided.image.decided_by)


async def test_pictures_that_are_no_question_any_more_are_not_decided(house, reviews, held, ann, admin):
    job = await held(ann, count=2, held=1)
    for unknown in (uuid4(), job.images[1].id):
        with pytest.raises(UnknownJob):
            await reviews.decide(unknown, Decision.APPROVED, admin)
    await house.images.delete(job.id, ann)
    with pytest.raises(UnknownJob):
        await reviews.decide(job.images[0].id, Decision.APPROVED, admin)
    gone = await held(ann)
    await house.database.write(lambda transaction: pictures.give_up(transaction, {gone.images[0].id}, house.clock()))
    with pytest.raises(PictureGone):
        await reviews.decide(gone.images[0].id, Decision.APPROVED, admin)


# What follows


@pytest.mark.parametrize("decision", [Decision.APPROVED, Decision.FALSE_POSITIVE])
async def test_what_is_let_through_is_to_be_delivered_until_it_is(house, reviews, held, ann, judge, decision):
    job = await held(ann)
    await reviews.decide(job.images[0].id, decision, judge)
    assert await outcome(house, job) == (JobStatus.POSTED, None)
    (given,) = await reviews.to_give()
    assert given.image.id == job.images[0].id
    await reviews.given(given.image.id)
    assert await reviews.to_give() == ()
    assert (await reviews.unwanted(replace(judge, is_admin=True))) == ()


async def test_what_is_kept_back_counts_no_more_and_is_wanted_no_more(house, reviews, held, ann, judge, admin):
    whole, one_of_four = await held(ann), await held(ann, count=4, held=1)
    assert (await house.images.usage(ann)).images == 5
    for job in (whole, one_of_four):
        await reviews.decide(job.images[0].id, Decision.KEPT_BACK, judge)
    assert await outcome(house, whole) == (JobStatus.FAILED, "kept_back")
    assert await outcome(house, one_of_four) == (JobStatus.POSTED, None)
    assert (await house.images.usage(ann)).images == 3
    assert await reviews.to_give() == ()
    assert {(one.look, one.job, one.by) for one in await reviews.unwanted(admin)} == {
        (job.images[0].look, job.id, judge.id) for job in (whole, one_of_four)
    }


@pytest.mark.parametrize(("decision", "end"), [(Decision.APPROVED, "posted"), (Decision.KEPT_BACK, "failed")])
async def test_a_decision_that_ends_a_job_is_told_as_its_end_once(house, reviews, held, ann, judge, decision, end):
    for image in (await held(ann, count=2, held=2)).images:
        await reviews.decide(image.id, decision, judge)
    assert house.ended == [end]


async def test_each_decision_is_in_the_audit(house, reviews, held, ann, judge, admin):
    for decision in (Decision.APPROVED, Decision.KEPT_BACK, Decision.FALSE_POSITIVE):
        job = await held(ann)
        await reviews.decide(job.images[0].id, decision, judge)
        noted = next(one for one in await house.admin.audit(admin) if one.action == f"safety.{decision}")
        assert (noted.actor, noted.subject) == (judge.id, ann.id)
        assert noted.changes == (
            Change(field="picture", before=None, after=str(job.images[0].id)),
            Change(field="model", before=None, after="tiny"),
        )


async def test_a_decision_outlives_the_process_that_made_it(house, open_house, reviews, held, ann, judge):
    job = await held(ann)
    await reviews.decide(job.images[0].id, Decision.APPROVED, judge)
    next_house = await open_house()
    after = next_house.reviews()
    (owed,) = await after.to_give()
    assert (owed.image.id, owed.image.decided_by) == (job.images[0].id, judge.id)
    with pytest.raises(AlreadyDecided):
        await after.decide(job.images[0].id, Decision.KEPT_BACK, judge)
    await after.given(owed.image.id)
    assert await reviews.to_give() == ()


async def test_what_cannot_be_delivered_for_a_week_is_tried_no_longer_and_makes_room(house, reviews, held, ann, judge):
    job = await held(ann)
    house.clock.pass_(days=2)
    await reviews.decide(job.images[0].id, Decision.APPROVED, judge)
    house.clock.pass_(days=6)
    assert len(await reviews.to_give()) == 1
    assert await house.retention(days=1).sweep() == 0
    house.clock.pass_(days=2)
    assert await reviews.to_give() == ()
    assert await house.retention(days=1).sweep() == 1


# Time


async def test_what_nobody_decides_about_is_kept_back_after_two_weeks_and_counts_for_no_strike(
    house, reviews, held, ann, judge, admin
):
    job = await held(ann)
    house.clock.pass_(days=EXPIRES_AFTER.days - 1)
    young = await held(ann)
    assert await reviews.expire() == ()
    house.clock.pass_(days=1, seconds=1)
    (expired,) = await reviews.expire()
    assert expired.image.id == job.images[0].id
    assert (expired.image.decision, expired.image.decided_by) == (Decision.EXPIRED, None)
    assert house.ended == [JobStatus.FAILED]
    assert await outcome(house, job) == (JobStatus.FAILED, "kept_back")
    assert (await reviews.strikes(admin, ann.id)).counted == 0
    assert await reviews.unwanted(admin) == ()
    with pytest.raises(AlreadyDecided) as late:
        await reviews.decide(job.images[0].id, Decision.APPROVED, judge)
    assert late.value.by is None
    assert (await reviews.held(young.images[0].id)).image.waits


async def test_nothing_expires_by_a_clock_that_is_a_year_ahead(house, reviews, held, ann, judge, clock):
    job = await held(ann)
    house.clock_check = ClockCheck(clock=clock, monotonic=lambda: 0)
    house.clock_check.hear("Fri, 17 May 2030 12:00:00 GMT")
    clock.pass_(days=365)
    assert await reviews.expire() == ()
    clock.pass_(days=-365)
    decided = await reviews.decide(job.images[0].id, Decision.APPROVED, judge)
    assert decided.job.status is JobStatus.POSTED


# The queue


async def test_the_queue_is_walked_both_ways_and_again_from_the_first(house, reviews, held, ann, admin, stranger):
    assert (await reviews.queue(admin)).shown is None
    ids = []
    for _ in range(3):
        ids.append((await held(ann)).images[0].id)
        house.clock.pass_(minutes=1)
    page = await reviews.queue(admin)
    seen = [page.shown.image.id]
    assert (page.waiting, page.older) == (3, None)
    while page.newer is not None:
        page = await reviews.queue(admin, page.newer)
        seen.append(page.shown.image.id)
    assert seen == ids
    page = await reviews.queue(admin, page.older)
    assert page.shown.image.id == ids[1]
    await reviews.decide(ids[1], Decision.APPROVED, admin)
    assert (await reviews.queue(admin, page.newer)).shown.image.id == ids[2]
    await reviews.decide(ids[2], Decision.APPROVED, admin)
    assert (await reviews.queue(admin, page.newer)).shown.image.id == ids[0]
    assert (await reviews.queue(stranger)).shown is None


# Strikes


async def test_three_kept_back_pictures_block_for_a_week(house, reviews, held, ann, bob, judge, admin, stranger):
    others = [await held(bob), await held(ann)]
    for _ in range(2):
        await reviews.decide((await held(ann)).images[0].id, Decision.KEPT_BACK, judge)
    await reviews.decide(others[0].images[0].id, Decision.KEPT_BACK, judge)
    still = await held(ann)
    last = await reviews.decide(others[1].images[0].id, Decision.KEPT_BACK, judge)
    until = house.clock() + timedelta(days=7)
    assert last.strikes == Strikes(counted=3, blocks_at=3, blocked_until=until)
    with pytest.raises(TooManyStrikes) as refused:
        await house.images.imagine(house.request(), ann, at=Place(channel="5000"))
    assert (refused.value.strikes, refused.value.until) == (3, until)
    elsewhere = replace(ann, server="9999", channel="5999")
    for member in (bob, elsewhere, replace(ann, server=None)):
        await house.images.imagine(house.request(), member, at=Place(channel="5000"))
    assert (await reviews.held(still.images[0].id)).image.waits, "what they asked for before goes on"
    house.clock.pass_(days=7)
    await house.images.imagine(house.request(), ann, at=Place(channel="5000"))


async def test_strikes_of_a_clock_that_was_ahead_block_nobody(house, reviews, held, ann, judge, admin, here, clock):
    jobs_held = [await held(ann) for _ in range(3)]
    clock.pass_(days=365)
    for job in jobs_held:
        await reviews.decide(job.images[0].id, Decision.KEPT_BACK, judge)
    clock.pass_(days=-365)
    assert await reviews.strikes(admin, ann.id) == Strikes(counted=0, blocks_at=3)
    await house.images.imagine(house.request(), ann, at=here)


async def test_a_reset_lets_a_member_begin_anew(house, reviews, held, ann, judge, admin):
    assert await reviews.reset_strikes(admin, ann.id) is False
    for _ in range(3):
        await reviews.decide((await held(ann)).images[0].id, Decision.KEPT_BACK, judge)
    house.clock.pass_(minutes=1)
    assert await reviews.reset_strikes(admin, ann.id) is True
    assert await reviews.strikes(admin, ann.id) == Strikes(counted=0, blocks_at=3)
    house.clock.pass_(minutes=1)
    job = await held(ann)
    await reviews.decide(job.images[0].id, Decision.KEPT_BACK, judge)
    assert (await reviews.strikes(admin, ann.id)).counted == 1
    noted = next(one for one in await house.admin.audit(admin) if one.action == "safety.strikes")
    assert (noted.subject, noted.changes) == (ann.id, (Change(field="strikes", before=3, after=0),))


@pytest.mark.parametrize(
    ("days", "settings", "blocked_for"),
    [
        ([], {}, None),
        ([0, 0], {}, None),
        ([20, 10, 0], {}, 7),
        ([31, 10, 0], {}, None),
        ([20, 10, 6], {}, 1),
        ([20, 10, 7], {}, None),
        ([36, 20, 6], {}, 1),
        ([9, 8, 7, 0], {}, 7),
        ([0, 0, 0], {"strikes": 0}, None),
        ([3], {"strikes": 1, "block_days": 5}, 2),
        ([9, 0], {"strikes": 2, "strike_days": 8}, None),
    ],
)
def test_so_many_within_so_many_days_block_from_the_last_of_them_on(clock, days, settings, blocked_for):
    now = clock()
    found = standing(SafetySettings(**settings), [now - timedelta(days=one) for one in days], now)
    assert found.blocked_until == (None if blocked_for is None else now + timedelta(days=blocked_for))


# The list


async def test_what_goes_for_its_content_is_on_the_list_and_can_be_taken_back(
    house, reviews, held, ann, moderator, admin
):
    job = await held(ann, count=3, held=2)
    await reviews.unwant(job.id, moderator)
    looks = {image.look for image in job.images[:2]}
    assert {one.look for one in await reviews.unwanted(admin)} == looks
    assert {"safety.deleted"} == {one.action for one in await house.admin.audit(admin)}
    for look in looks:
        assert await reviews.want_again(admin, look) is True
        assert await reviews.want_again(admin, look) is False
    assert await reviews.unwanted(admin) == ()


async def test_only_a_moderator_of_its_channel_deletes_for_content(reviews, held, ann, bob, moderator, stranger):
    job = await held(ann)
    for member in (ann, bob, replace(moderator, channel="5001")):
        with pytest.raises(NotAllowed):
            await reviews.unwant(job.id, member)
    with pytest.raises(UnknownJob):
        await reviews.unwant(job.id, stranger)


# The moderators' channel


async def test_what_waits_is_to_be_shown_until_it_is_and_again_where_the_channel_changes(reviews, held, ann, judge):
    job = await held(ann)
    image_id = job.images[0].id
    assert [one.image.id for one in await reviews.to_show()] == [image_id]
    noted = await reviews.noted(image_id, REVIEW_CHANNEL)
    assert noted == await reviews.noted(image_id, REVIEW_CHANNEL)
    assert len(await reviews.to_show()) == 1
    await reviews.shown_as(image_id, "7001")
    assert await reviews.to_show() == ()
    elsewhere = await reviews.noted(image_id, "5010")
    assert (elsewhere.channel, elsewhere.message) == ("5010", None)
    assert await reviews.review_of(image_id) == elsewhere


async def test_what_moderators_see_already_hides_nothing_else(house, reviews, held, ann, judge, monkeypatch):
    monkeypatch.setattr("bot.services.reviews.MOST_AT_ONCE", 1)
    shown = (await held(ann)).images[0].id
    await reviews.noted(shown, REVIEW_CHANNEL)
    await reviews.shown_as(shown, "7001")
    house.clock.pass_(minutes=1)
    missed = (await held(ann)).images[0].id
    assert [one.image.id for one in await reviews.to_show()] == [missed]


async def test_reviews_of_deleted_jobs_are_found_until_they_are_forgotten(house, reviews, held, ann, judge):
    job = await held(ann)
    await reviews.noted(job.images[0].id, REVIEW_CHANNEL)
    assert await reviews.of_deleted() == ()
    await house.images.delete(job.id, ann)
    assert await reviews.to_show() == ()
    assert await reviews.of_deleted() == (job.images[0].id,)
    await reviews.forget_review(job.images[0].id)
    assert await reviews.of_deleted() == ()
