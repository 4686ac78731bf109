"""Limits on a real database: the accepted row is the reservation, and nobody slips under."""

import asyncio

import pytest

from bot.errors import Blocked, LimitReached, TooBusy
from bot.records import LimitScope, Member
from bot.services import reservations
from bot.services.limits import KINDS
from generation.errors import BrokenImage
from generation.ticket import JobTicket
from tests.bot.busy_database import busy, sent_statements


async def test_commands_at_once_cannot_slip_under_a_limit(open_house, ann, here):
    """Two bots on one file, so that only the database can keep order between them."""
    houses = [await open_house(), await open_house()]

    outcomes = await asyncio.gather(
        *(houses[turn % 2].images.imagine(houses[0].request(), ann, at=here) for turn in range(12)),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, JobTicket) for outcome in outcomes) == 4
    assert sum(isinstance(outcome, LimitReached) for outcome in outcomes) == 8


async def test_those_who_ask_at_the_same_moment_share_a_transaction(house, here, monkeypatch, stack):
    """However many they are, wherever they ask: as many statements as one of them would take."""
    people = [
        Member(id=str(2000 + number), name="N", server=None if number % 3 == 0 else f"9{number % 3}", channel="5000")
        for number in range(60)
    ]
    # private: what the jobs' starts write would stand among the statements
    monkeypatch.setattr(house.dispatcher, "_hand_out", lambda: None)
    async with busy(house.database):
        asked = [asyncio.create_task(house.images.imagine(house.request(), one, at=here)) for one in people]
        await asyncio.sleep(0)
        sent = stack.enter_context(sent_statements())
    tickets = await asyncio.gather(*asked)

    assert len({ticket.job.id for ticket in tickets}) == 60
    # Blocks, limits, what was used and what is live; and the rows.
    words = [statement.split()[0] for statement in sent if "SAVEPOINT" not in statement]
    assert words[-5:] == [*["SELECT"] * 3, "INSERT", "COMMIT"]
    assert (await house.images.usage(people[0])).waiting_or_running == 1


@pytest.mark.parametrize(
    ("limits", "accepted"), [({"images_a_day": 5}, 2), ({"jobs_at_once": 3}, 3), ({"cooldown": 60}, 1), ({}, 4)]
)
async def test_of_one_members_commands_at_the_same_moment_each_counts_for_the_next(
    house, ann, bob, admin, here, limits, accepted
):
    if limits:
        await house.admin.set_limits(admin, LimitScope.MEMBER, ann.id, limits)
    async with busy(house.database):
        asked = [
            asyncio.create_task(house.images.imagine(house.request(count=2), who, at=here)) for who in [ann] * 5 + [bob]
        ]
        await asyncio.sleep(0)
    *anns, bobs = await asyncio.gather(*asked, return_exceptions=True)

    assert [isinstance(outcome, JobTicket) for outcome in anns] == [True] * accepted + [False] * (5 - accepted)
    assert all(isinstance(outcome, LimitReached) for outcome in anns[accepted:])
    assert isinstance(bobs, JobTicket)


async def test_a_member_who_comes_when_the_line_is_too_long_is_refused_at_once(house, ann, bob, here, monkeypatch):
    monkeypatch.setattr(reservations, "MOST_WAITING", 1)
    async with busy(house.database):
        first = asyncio.create_task(house.images.imagine(house.request(), ann, at=here))
        await asyncio.sleep(0)
        with pytest.raises(TooBusy):
            await house.images.imagine(house.request(), bob, at=here)
    await first
    await house.images.imagine(house.request(), bob, at=here)


async def test_a_place_is_free_again_when_a_job_is_done(house, ann, here):
    tickets = [await house.images.imagine(house.request(), ann, at=here) for _ in range(4)]
    with pytest.raises(LimitReached) as caught:
        await house.images.imagine(house.request(), ann, at=here)
    assert caught.value.limit == "jobs_at_once"

    house.worker.release(tickets[0].job.id)
    await tickets[0].result()

    await house.images.imagine(house.request(), ann, at=here)


async def test_the_day_starts_anew_at_midnight(house, ann, admin, here, clock):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"images_a_day": 3})
    await house.drawn(ann, count=2)
    with pytest.raises(LimitReached) as caught:
        await house.images.imagine(house.request(count=2), ann, at=here)
    await house.images.imagine(house.request(count=1), ann, at=here)

    clock.now = caught.value.resets_at

    await house.images.imagine(house.request(count=3), ann, at=here)


async def test_a_cooldown_ends_to_the_second(house, ann, admin, here, clock):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"cooldown": 60})
    await house.drawn(ann)

    clock.pass_(seconds=59.999)
    with pytest.raises(LimitReached):
        await house.images.imagine(house.request(), ann, at=here)

    clock.pass_(seconds=0.001)
    await house.images.imagine(house.request(), ann, at=here)


async def test_the_longest_cooldown_that_can_be_set_is_kept_to_its_end(house, ann, admin, here, clock):
    longest = KINDS["cooldown"].most
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"cooldown": longest})
    await house.drawn(ann)

    clock.pass_(seconds=longest - 0.001)
    with pytest.raises(LimitReached):
        await house.images.imagine(house.request(), ann, at=here)


async def test_what_a_clock_that_was_ahead_has_written_holds_for_no_year(house, ann, admin, here, clock):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"images_a_day": 1, "cooldown": 3600})
    clock.pass_(days=365)
    await house.drawn(ann)
    clock.pass_(days=-365)

    await house.drawn(ann)
    with pytest.raises(LimitReached) as caught:
        await house.images.imagine(house.request(), ann, at=here)
    assert caught.value.limit == "images_a_day"


async def test_a_job_that_comes_to_nothing_does_not_count(house, ann, admin, here):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"images_a_day": 1, "cooldown": 3600})
    cancelled = await house.images.imagine(house.request(), ann, at=here)
    await house.images.cancel(cancelled.job.id, ann)
    await cancelled.wait(5)
    failed = await house.images.imagine(house.request(), ann, at=here)
    house.worker.fail_next(BrokenImage())
    house.worker.release(failed.job.id)
    await failed.wait(5)

    await house.images.imagine(house.request(), ann, at=here)


async def test_a_members_own_limit_goes_before_the_servers(house, ann, bob, admin, here):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"most_steps": 1})
    await house.admin.set_limits(admin, LimitScope.MEMBER, ann.id, {"most_steps": 2})

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


async def test_a_rerun_is_held_to_the_limits_of_the_member_who_asks(house, ann, bob, admin, here):
    job_id = await house.drawn(ann)
    await house.admin.set_limits(admin, LimitScope.MEMBER, bob.id, {"images_a_day": 0})

    with pytest.raises(LimitReached):
        await house.images.rerun(job_id, bob, at=here)
