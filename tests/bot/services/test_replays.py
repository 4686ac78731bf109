"""A replay is the same job once more, and says whether the same came out."""

import pytest

from bot.errors import Blocked, UnknownJob
from bot.services.replays import Replays
from generation.result import NOT_KNOWN, DrawnWith

CARD = DrawnWith(model_hash="0123456789", torch="2.1", diffusers="0.30", device="Card", dtype="float16", rows=8)


@pytest.fixture
def replays(house) -> Replays:
    return Replays(house.images)


async def finished(house, ticket):
    """The record of a job that is drawn now."""
    house.worker.release(ticket.job.id)
    return await ticket.result()


async def remade(house, member, here, parent, **changes):
    """A replay that asks for something else than its parent, as after a change of the program."""
    request = house.request(**changes)
    return await finished(house, await house.images.imagine(request, member, at=here, parent=parent, action="replay"))


async def test_a_replay_is_a_job_of_whoever_asks_with_the_same_seeds(house, replays, ann, bob, here):
    first = await house.drawn(ann, count=2)
    replay = await finished(house, await replays.draw(first, bob, at=here))
    original = await house.images.job(first)
    assert replay.request == original.request
    assert (replay.parent, replay.action, replay.requester) == (first, "replay", bob.id)
    assert (await house.images.usage(bob)).images == 2


async def test_the_same_pictures_are_exactly_equal(house, replays, ann, here):
    first = await house.drawn(ann, count=2)
    verdict = await replays.verdict(await finished(house, await replays.draw(first, ann, at=here)))
    assert (verdict.equal, verdict.changes) == ((True, True), ())


async def test_pixels_are_compared_and_not_files(house, replays, ann, here):
    first = await house.drawn(ann)
    replay = await remade(house, ann, here, first, prompt="another text in the file")
    verdict = await replays.verdict(replay)
    assert verdict.equal == (True,)
    assert [change.field for change in verdict.changes] == ["prompt"]


async def test_each_picture_is_compared_with_its_own(house, replays, ann, here):
    first = await house.drawn(ann, seed=7, count=2)
    verdict = await replays.verdict(await remade(house, ann, here, first, seed=8, count=2))
    assert verdict.equal == (False, False), "the second one's seed is the first one's of before"


async def test_what_has_changed_since_is_named_as_far_as_it_is_known(house, replays, ann, here):
    house.worker.drawn_with = CARD
    first = await house.drawn(ann)
    house.worker.drawn_with = DrawnWith(model_hash="", torch="2.2", diffusers="0.30", device="Card", rows=2)
    verdict = await replays.verdict(await finished(house, await replays.draw(first, ann, at=here)))
    assert verdict.is_known
    assert [(one.field, one.first, one.second) for one in verdict.changes] == [("torch", "2.1", "2.2"), ("rows", 8, 2)]


async def test_nothing_is_said_to_have_changed_since_a_job_of_an_earlier_version(house, replays, ann, here):
    house.worker.drawn_with = NOT_KNOWN
    first = await house.drawn(ann)
    house.worker.drawn_with = CARD
    verdict = await replays.verdict(await finished(house, await replays.draw(first, ann, at=here)))
    assert (verdict.is_known, verdict.changes) == (False, ())


async def test_without_the_first_pictures_nothing_can_be_told(house, replays, ann, here):
    gone, deleted = await house.drawn(ann), await house.drawn(ann)
    of_gone = await finished(house, await replays.draw(gone, ann, at=here))
    of_deleted = await finished(house, await replays.draw(deleted, ann, at=here))
    record = await house.images.job(gone)
    (house.folder / "images" / record.images[0].file).unlink()
    await house.images.delete(deleted, ann)
    assert (await replays.verdict(of_gone)).equal is None
    assert (await replays.verdict(of_deleted)).equal is None


async def test_other_jobs_have_no_verdict(house, replays, ann, here):
    first = await house.drawn(ann)
    assert await replays.verdict(await house.images.job(first)) is None
    rerun = await finished(house, await house.images.rerun(first, ann, at=here))
    assert await replays.verdict(rerun) is None


async def test_replays_are_refused_as_reruns_are(house, replays, ann, bob, stranger, admin, here):
    first = await house.drawn(ann)
    with pytest.raises(UnknownJob):
        await replays.draw(first, stranger, at=here)
    await house.images.delete(first, ann)
    with pytest.raises(UnknownJob):
        await replays.draw(first, ann, at=here)
    second = await house.drawn(ann)
    await house.admin.block(admin, bob.id, None)
    with pytest.raises(Blocked):
        await replays.draw(second, bob, at=here)
