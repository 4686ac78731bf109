"""Device seconds a day: estimated while a job lives, spent when it has ended, and who pays for a stopped one."""

import pytest

from bot.discord_ui.words.errors import end_in_row, member_words
from bot.errors import LimitReached
from bot.records import LimitScope, Place
from bot.services import images
from generation.errors import BrokenImage, Cancelled, LoraUnavailable
from generation.job import JobStatus


async def seconds_of(house, member) -> float:
    return (await house.images.usage(member)).device_seconds


async def stopped_after_it_began(house, ticket, by) -> None:
    """The member or moderator cancels a job on which two seconds were spent."""
    house.worker.seconds_when_cancelled = 2.0
    await house.images.cancel(ticket.job.id, by)
    with pytest.raises(Cancelled):
        await ticket.result()


async def test_a_live_job_counts_as_estimated_and_an_ended_one_as_spent(house, ann, here):
    await house.drawn(ann, count=2)  # half a second a picture: now there is something to judge by
    assert await seconds_of(house, ann) == 1.0

    ticket = await house.images.imagine(house.request(count=4), ann, at=here)
    assert (await house.images.job(ticket.job.id)).estimated_seconds == pytest.approx(2.0)
    assert await seconds_of(house, ann) == pytest.approx(3.0)

    house.worker.release()
    await ticket.result()
    assert await seconds_of(house, ann) == pytest.approx(3.0)


async def test_the_estimate_is_reserved_so_that_two_commands_at_once_cannot_both_slip_under_the_limit(
    house, ann, admin, here
):
    await house.drawn(ann)
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"device_seconds_a_day": 2})
    await house.images.imagine(house.request(count=2), ann, at=here)

    with pytest.raises(LimitReached) as refused:
        await house.images.imagine(house.request(count=2), ann, at=here)

    assert (refused.value.limit, refused.value.asked, refused.value.used) == ("device_seconds_a_day", 1.0, 1.5)
    await house.images.imagine(house.request(), ann, at=here)


async def test_the_member_who_stops_a_job_that_has_begun_pays_its_seconds_and_no_picture(house, ann, here):
    ticket = await house.images.imagine(house.request(), ann, at=here)

    await stopped_after_it_began(house, ticket, by=ann)

    usage = await house.images.usage(ann)
    assert (usage.images, usage.device_seconds) == (0, 2.0)
    record = await house.images.job(ticket.job.id)
    assert (record.status, record.ended_by) == (JobStatus.CANCELLED, ann.id)


async def test_stopping_again_and_again_does_not_walk_around_the_limit(house, ann, admin, here):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"device_seconds_a_day": 3})
    for _ in range(2):
        await stopped_after_it_began(house, await house.images.imagine(house.request(), ann, at=here), by=ann)

    with pytest.raises(LimitReached):
        await house.images.imagine(house.request(), ann, at=here)


async def test_a_job_deleted_before_its_device_notices_costs_its_member_what_it_cost(house, ann, here, monkeypatch):
    async def notices_nothing(_):
        pass

    monkeypatch.setattr(images, "STOPS_WITHIN", 0)
    monkeypatch.setattr(house.worker, "cancel", notices_nothing)
    ticket = await house.images.imagine(house.request(), ann, at=here)
    await house.images.delete(ticket.job.id, ann)
    assert await seconds_of(house, ann) == 0

    house.worker.release()
    with pytest.raises(Cancelled):
        await ticket.result()
    assert await seconds_of(house, ann) == 0.5


async def test_what_a_moderator_stops_counts_nothing(house, ann, moderator, here):
    ticket = await house.images.imagine(house.request(), ann, at=here)

    await stopped_after_it_began(house, ticket, by=moderator)

    assert await seconds_of(house, ann) == 0
    assert (await house.images.job(ticket.job.id)).ended_by == moderator.id


async def test_what_waited_when_it_was_stopped_counts_nothing(house, ann, here):
    house.worker.places = 0
    ticket = await house.images.imagine(house.request(), ann, at=here)
    await house.images.cancel(ticket.job.id, ann)

    assert await seconds_of(house, ann) == 0


async def test_what_failed_counts_nothing(house, ann, here):
    house.worker.fail_next(BrokenImage())
    ticket = await house.images.imagine(house.request(), ann, at=here)
    house.worker.release()
    with pytest.raises(BrokenImage):
        await ticket.result()

    assert await seconds_of(house, ann) == 0
    assert (await house.images.job(ticket.job.id)).device_seconds == 0.5, "it is written down all the same"


@pytest.mark.parametrize(("reason", "ends"), [("gone", "interrupted"), ("replaced", "interrupted"), ("dora", "failed")])
async def test_a_lora_that_vanished_interrupts_its_jobs_and_gives_them_back(house, ann, here, reason, ends):
    house.worker.fail_next(LoraUnavailable("chalk", reason))
    ticket = await house.images.imagine(house.request(), ann, at=here)
    house.worker.release()
    with pytest.raises(LoraUnavailable, match=reason):
        await ticket.result()

    record = await house.images.job(ticket.job.id)
    assert (record.status, record.error_code) == (JobStatus(ends), "lora_unavailable")
    used = await house.images.usage(ann)
    assert (used.images, used.device_seconds) == (0, 0)
    assert "LoRA" in end_in_row(record)

    house.worker.fail_next(LoraUnavailable("chalk", reason))
    again = await house.images.rerun(record.id, ann, at=here)
    house.worker.release()
    with pytest.raises(LoraUnavailable) as failure:
        await again.result()
    assert member_words(failure.value).startswith("The LoRA chalk is ")


async def test_the_weight_of_the_moment_is_kept_for_the_next_run(open_house, ann, admin, here):
    house = await open_house()
    await house.admin.set_limits(admin, LimitScope.ROLE, "7001", {"weight": 2.5})
    ticket = await house.images.imagine(house.request(), ann, at=here)
    assert (ticket.job.weight, ticket.job.group) == (2.5, ann.server)

    (resumed,) = (await (await open_house()).restart.recover()).resumed
    assert (resumed.ticket.job.weight, resumed.ticket.job.group) == (2.5, ann.server)


async def test_in_direct_messages_the_weight_is_1_and_nobody_shares_it(house, ann):
    alone = type(ann)(id=ann.id, name=ann.name, server=None, channel="77")
    ticket = await house.images.imagine(house.request(), alone, at=Place(channel="77"))

    assert (ticket.job.weight, ticket.job.group) == (1, None)


async def test_the_operators_ceiling_holds_in_direct_messages(open_house, ann):
    house = await open_house(ceiling={"images_a_day": 1})
    alone = type(ann)(id=ann.id, name=ann.name, server=None, channel="77")
    await house.drawn(alone)

    with pytest.raises(LimitReached):
        await house.images.imagine(house.request(), alone, at=Place(channel="77"))
