"""What a restart finds, and whom it owes an answer."""

from generation.job import JobStatus


async def test_a_restart_tells_what_was_not_drawn_and_delivers_what_was(open_house, house, ann, bob, here, clock):
    held = await house.images.imagine(house.request(), ann, at=here)
    drawn = await house.images.imagine(house.request(), bob, at=here)
    house.worker.release(drawn.job.id)
    await drawn.result()
    await house.drawn(ann)  # and posted: nothing is owed for this one
    clock.pass_(hours=1)

    restarted = await open_house()
    recovery = await restarted.images.recover()

    (interrupted,) = recovery.interrupted
    assert interrupted.id == held.job.id
    assert interrupted.interaction_token == "secret"  # to answer with, if it has not expired
    stored = await restarted.images.job(held.job.id)
    assert (stored.status, stored.error_code) == (JobStatus.INTERRUPTED, "interrupted")
    assert (stored.ended_at, stored.interaction_token) == (clock.now, None)
    assert (interrupted.status, interrupted.ended_at) == (stored.status, stored.ended_at)

    (rendered,) = recovery.rendered
    assert rendered.id == drawn.job.id
    assert len(await restarted.images.pictures(rendered.id)) == 1


async def test_an_interruption_is_told_once_and_not_counted(open_house, house, ann, here):
    await house.images.imagine(house.request(), ann, at=here)
    restarted = await open_house()
    await restarted.images.recover()

    assert (await restarted.images.recover()).interrupted == ()
    assert (await restarted.images.usage(ann)).jobs == 0


async def test_what_was_deleted_is_not_delivered(open_house, house, ann, here):
    ticket = await house.images.imagine(house.request(), ann, at=here)
    house.worker.release()
    await ticket.result()
    await house.images.delete(ticket.job.id, ann)

    assert (await (await open_house()).images.recover()).rendered == ()


async def test_the_first_end_wins(open_house, house, ann, here):
    """A job that a restart called interrupted stays so, though its old worker finishes it."""
    ticket = await house.images.imagine(house.request(), ann, at=here)
    await (await open_house()).images.recover()

    house.worker.release()
    await ticket.wait(5)
    await house.images.posted(ticket.job.id, "6000")

    assert (await house.images.job(ticket.job.id)).status is JobStatus.INTERRUPTED
    assert house.pictures_on_disk() == []


async def test_whoever_could_not_be_told_is_told_by_a_later_start(open_house, house, ann, here, clock):
    """The first start after the crash may fail before it can say a word: no network, a wrong token, no model."""
    ticket = await house.images.imagine(house.request(), ann, at=here)
    await house.images.answered(ticket.job.id, "6000")
    await (await open_house()).images.recover()

    clock.pass_(hours=1)
    later = (await open_house()).images
    (untold,) = (await later.recover()).interrupted
    assert (untold.id, untold.message) == (ticket.job.id, "6000")

    await later.told(untold.id)
    assert (await later.recover()).interrupted == ()


async def test_after_a_week_it_is_no_news(open_house, house, ann, here, clock):
    ticket = await house.images.imagine(house.request(), ann, at=here)
    await house.images.answered(ticket.job.id, "6000")
    await (await open_house()).images.recover()
    clock.pass_(days=8)
    assert (await (await open_house()).images.recover()).interrupted == ()
