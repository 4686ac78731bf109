"""A member's own results: the kept ones first, and nobody else's."""

from dataclasses import replace

import pytest

from bot.errors import NoResult, UnknownJob
from bot.services.policies import Where
from generation.job import JobStatus


@pytest.fixture
async def kept(house, ann, here):
    """A result of Ann's that could not be delivered."""
    ticket = await house.images.imagine(house.request(), ann, at=here)
    house.worker.release(ticket.job.id)
    await ticket.result()
    await house.images.keep(ticket.job.id, "discord_50007")
    return ticket.job.id


async def test_what_could_not_be_delivered_comes_first_then_the_newest(house, kept, ann, clock):
    clock.pass_(hours=1)
    older = await house.drawn(ann)
    clock.pass_(hours=1)
    newer = await house.drawn(ann)

    assert [record.id for record in await house.results.of(ann)] == [kept, newer, older]
    assert (await house.results.one(None, ann)).id == kept


async def test_what_was_kept_is_counted_and_reaches_its_good_end_when_it_is_fetched(house, kept, ann, open_house):
    assert (await house.images.usage(ann)).images == 1
    record = await house.results.one(kept, ann)
    assert (record.status, record.error_code, record.place.token) == (
        JobStatus.RENDERED, "discord_50007", None,
    )  # fmt: skip
    assert (await (await open_house()).restart.recover()).rendered == (), "no start tries it again in vain"

    shown = await house.images.pictures.shown(record, Where.of(ann))
    await house.results.fetched(shown)

    record = await house.results.one(kept, ann)
    assert (record.status, record.error_code) == (JobStatus.POSTED, None)
    await house.results.fetched(replace(shown, job=record))  # fetching a posted one changes nothing
    assert await house.results.one(kept, ann) == record


async def test_results_of_other_members_are_unknown(house, kept, bob, ann, here):
    with pytest.raises(UnknownJob):
        await house.results.one(kept, bob)
    with pytest.raises(NoResult):
        await house.results.one(None, bob)
    waiting = await house.images.imagine(house.request(), bob, at=here)
    with pytest.raises(NoResult):
        await house.results.one(waiting.job.id, bob)


async def test_a_result_that_is_fetched_and_one_that_is_deleted_before_it_is_posted_are_told_as_ended(house, ann, here):
    drawn = []
    for _ in range(2):
        ticket = await house.images.imagine(house.request(), ann, at=here)
        house.worker.release(ticket.job.id)
        drawn.append((await ticket.result()).id)
    await house.images.keep(drawn[0], "discord_50007")
    shown = await house.images.pictures.shown(await house.images.job(drawn[0]), Where.of(ann))
    for _ in range(2):
        await house.results.fetched(shown)
        await house.images.delete(drawn[1], ann)
    assert house.ended == [JobStatus.POSTED, JobStatus.CANCELLED]
