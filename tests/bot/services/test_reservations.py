"""Limits on a real database: the accepted row is the reservation, and nobody slips under."""

import asyncio

import pytest

from bot.services.errors import Blocked, LimitReached
from bot.services.limits import LimitScope, LimitValues
from generation.errors import BrokenImage
from generation.ticket import JobTicket


async def test_commands_at_once_cannot_slip_under_a_limit(open_house, ann, here):
    """Two bots on one file, so that only the database can keep order between them."""
    houses = [await open_house(), await open_house()]

    outcomes = await asyncio.gather(
        *(houses[turn % 2].images.imagine(houses[0].request(), ann, at=here) for turn in range(12)),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, JobTicket) for outcome in outcomes) == 4
    assert sum(isinstance(outcome, LimitReached) for outcome in outcomes) == 8


async def test_a_place_is_free_again_when_a_job_is_done(house, ann, here):
    tickets = [await house.images.imagine(house.request(), ann, at=here) for _ in range(4)]
    with pytest.raises(LimitReached) as caught:
        await house.images.imagine(house.request(), ann, at=here)
    assert caught.value.limit == "jobs_at_once"

    house.worker.release(tickets[0].job.id)
    await tickets[0].result()

    await house.images.imagine(house.request(), ann, at=here)


async def test_the_day_starts_anew_at_midnight(house, ann, admin, here, clock):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, LimitValues(images_a_day=3))
    await house.drawn(ann, count=2)
    with pytest.raises(LimitReached) as caught:
        await house.images.imagine(house.request(count=2), ann, at=here)
    await house.images.imagine(house.request(count=1), ann, at=here)

    clock.now = caught.value.resets_at

    await house.images.imagine(house.request(count=3), ann, at=here)


async def test_a_cooldown_ends_to_the_second(house, ann, admin, here, clock):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, LimitValues(cooldown=60))
    await house.drawn(ann)

    clock.pass_(seconds=59.999)
    with pytest.raises(LimitReached):
        await house.images.imagine(house.request(), ann, at=here)

    clock.pass_(seconds=0.001)
    await house.images.imagine(house.request(), ann, at=here)


async def test_a_job_that_comes_to_nothing_does_not_count(house, ann, admin, here):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, LimitValues(images_a_day=1, cooldown=3600))
    cancelled = await house.images.imagine(house.request(), ann, at=here)
    await house.images.cancel(cancelled.job.id, ann)
    await cancelled.wait(5)
    failed = await house.images.imagine(house.request(), ann, at=here)
    house.worker.fail_next(BrokenImage())
    house.worker.release(failed.job.id)
    await failed.wait(5)

    await house.images.imagine(house.request(), ann, at=here)


async def test_a_members_own_limit_sets_them_apart(house, ann, bob, admin, here):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, LimitValues(most_steps=1))
    await house.admin.set_limits(admin, LimitScope.MEMBER, ann.id, LimitValues(most_steps=2))

    await house.images.imagine(house.request(steps=2), ann, at=here)
    with pytest.raises(LimitReached):
        await house.images.imagine(house.request(steps=2), bob, at=here)


async def test_a_blocked_member_is_told_why_and_is_let_in_again(house, ann, bob, admin, here):
    await house.admin.block(admin, ann.id, "spam")

    with pytest.raises(Blocked, match="spam"):
        await house.images.imagine(house.request(), ann, at=here)
    await house.images.imagine(house.request(), bob, at=here)

    await house.admin.unblock(admin, ann.id)
    await house.images.imagine(house.request(), ann, at=here)


async def test_a_rerun_is_held_to_the_limits_of_whoever_asks(house, ann, bob, admin, here):
    job_id = await house.drawn(ann)
    await house.admin.set_limits(admin, LimitScope.MEMBER, bob.id, LimitValues(images_a_day=0))

    with pytest.raises(LimitReached):
        await house.images.rerun(job_id, bob, at=here)
