"""What members keep, and what is noted for a server's gallery."""

import asyncio
from dataclasses import replace

import pytest

from bot.errors import NotAllowed, UnknownJob
from bot.records import Change, Gallery, LimitScope, Member, Place
from bot.services.stars import A_PAGE, LOOKED_AFTER
from generation.errors import InvalidRequest
from generation.job import JobStatus

GALLERY = Gallery(channel="5500", stars=2)


@pytest.fixture
async def job(house, ann, admin):
    """A posted result of Ann's on a server with a gallery."""
    await house.admin.set_gallery(admin, GALLERY)
    return await house.drawn(ann)


async def test_favourites_are_the_latest_star_first_in_pages_both_ways(house, ann, bob, clock):
    job_ids = [await house.drawn(ann, seed=number) for number in range(2 * A_PAGE + 1)]
    for job_id in reversed(job_ids):
        clock.pass_(seconds=1)
        await house.stars.star(job_id, bob.id)

    first = await house.stars.favourites(bob)
    second = await house.stars.favourites(bob, first.older)
    third = await house.stars.favourites(bob, second.older)

    pages = [[star.job.id for star in page.stars] for page in (first, second, third)]
    assert pages == [job_ids[:A_PAGE], job_ids[A_PAGE : 2 * A_PAGE], job_ids[2 * A_PAGE :]]
    assert (first.newer, third.older) == (None, None)
    assert (await house.stars.favourites(bob, third.newer)) == second
    assert (await house.stars.favourites(bob, second.newer)) == first


async def test_stars_of_the_same_moment_are_each_on_one_page(house, ann, bob):
    job_ids = {await house.drawn(ann) for _ in range(A_PAGE + 2)}
    for job_id in job_ids:
        await house.stars.star(job_id, bob.id)

    first = await house.stars.favourites(bob)
    second = await house.stars.favourites(bob, first.older)

    shown = [star.job.id for star in (*first.stars, *second.stars)]
    assert sorted(shown) == sorted(job_ids)


async def test_a_page_whose_end_is_starred_no_more_still_leads_on(house, ann, bob, clock):
    job_ids = [await house.drawn(ann) for _ in range(A_PAGE + 2)]
    for job_id in job_ids:
        clock.pass_(seconds=1)
        await house.stars.star(job_id, bob.id)
    first = await house.stars.favourites(bob)
    await house.stars.unstar(first.stars[-1].job.id, bob.id)

    assert [star.job.id for star in (await house.stars.favourites(bob, first.older)).stars] == job_ids[1::-1]
    for job_id in job_ids[:2]:
        await house.stars.unstar(job_id, bob.id)
    left = await house.stars.favourites(bob, first.older)
    assert len(left.stars) == A_PAGE - 1, "where nothing follows any more the first page is shown"


async def test_a_member_sees_what_they_starred_on_that_server_and_of_their_own(house, ann, bob, stranger):
    here, theirs = await house.drawn(ann), await house.drawn(stranger)
    own = await house.drawn(replace(bob, server=None, channel="5700"))
    for job_id in (here, theirs, own):
        await house.stars.star(job_id, bob.id)

    async def seen(member: Member) -> set:
        return {star.job.id for star in (await house.stars.favourites(member)).stars}

    assert await seen(bob) == {here, own}
    assert await seen(replace(bob, server="9999")) == {theirs, own}
    assert await seen(replace(bob, server=None, channel="5700")) == {own}
    assert await seen(ann) == set()


async def test_a_star_is_kept_once_and_can_be_taken_off(house, ann, bob, clock):
    job_id = await house.drawn(ann)
    await house.stars.star(job_id, bob.id)
    (first,) = (await house.stars.favourites(bob)).stars
    clock.pass_(hours=1)
    await house.stars.star(job_id, bob.id)
    assert (await house.stars.favourites(bob)).stars == (first,)
    for _ in range(2):
        await house.stars.unstar(job_id, bob.id)
        assert (await house.stars.favourites(bob)).stars == ()


async def test_deleted_jobs_are_no_favourites_and_cannot_be_starred(house, ann, bob):
    job_id = await house.drawn(ann)
    await house.stars.star(job_id, bob.id)
    await house.images.delete(job_id, ann)
    assert (await house.stars.favourites(bob)).stars == ()
    with pytest.raises(UnknownJob):
        await house.stars.star(job_id, bob.id)


async def test_a_copy_is_noted_when_enough_others_have_starred_and_only_once(house, job, ann, bob, clock):
    assert not await house.stars.star(job, ann.id, copy_to="5500"), "the requester's own does not count"
    assert not await house.stars.star(job, bob.id, copy_to="5500")
    assert not await house.stars.star(job, bob.id, copy_to="5500"), "one member counts once"
    assert await house.stars.star(job, "1006", copy_to="5500")
    assert not await house.stars.star(job, "1007", copy_to="5500")
    copy = await house.stars.copy_of(job)
    assert (copy.channel, copy.message, copy.at) == ("5500", None, clock.now)
    assert await house.stars.copies_to_post() == (job,)

    await house.stars.copied(job, "6500")
    assert await house.stars.copies_to_post() == ()
    for member in (bob.id, "1006", "1007"):
        await house.stars.unstar(job, member)
        assert not await house.stars.star(job, member, copy_to="5500"), "it was there once"


async def test_members_who_star_at_once_have_one_copy_noted(house, job):
    noted = await asyncio.gather(*(house.stars.star(job, str(number), copy_to="5500") for number in range(1010, 1020)))
    assert sum(noted) == 1


@pytest.mark.parametrize("copy_to", [None, "5501"])
async def test_nothing_is_noted_for_a_channel_that_is_not_the_gallery(house, job, copy_to):
    for member in ("1006", "1007", "1008"):
        assert not await house.stars.star(job, member, copy_to=copy_to)
    assert await house.stars.copy_of(job) is None


async def test_a_result_in_the_gallery_itself_is_not_copied(house, ann, admin):
    await house.admin.set_gallery(admin, Gallery(channel=ann.channel, stars=1))
    assert not await house.stars.star(await house.drawn(ann), "1006", copy_to=ann.channel)


async def test_a_copy_waits_for_its_result_to_be_posted(house, ann, admin):
    await house.admin.set_gallery(admin, GALLERY)
    ticket = await house.images.imagine(house.request(), ann, at=Place(channel=ann.channel))
    house.worker.release(ticket.job.id)
    await ticket.result()
    for member in ("1006", "1007"):
        noted = await house.stars.star(ticket.job.id, member, copy_to="5500")
    assert noted
    assert (await house.images.job(ticket.job.id)).status is JobStatus.RENDERED
    assert await house.stars.copies_to_post() == ()
    await house.images.posted(ticket.job.id, message="6001")
    assert await house.stars.copies_to_post() == (ticket.job.id,)


async def test_a_copy_goes_nowhere_while_the_gallery_is_off_or_elsewhere(house, job, admin):
    for member in ("1006", "1007"):
        await house.stars.star(job, member, copy_to="5500")
    for gallery in (None, Gallery(channel="5501", stars=2)):
        await house.admin.set_gallery(admin, gallery)
        assert await house.stars.copies_to_post() == ()
    await house.admin.set_gallery(admin, GALLERY)
    assert await house.stars.copies_to_post() == (job,)


async def test_copies_that_wait_on_one_server_keep_no_other_servers_waiting(house, ann, admin, stranger, monkeypatch):
    monkeypatch.setattr("bot.services.stars.MOST_AT_ONCE", 1)
    await house.admin.set_gallery(admin, Gallery(channel="5500", stars=1))
    await house.admin.set_gallery(stranger, Gallery(channel="5600", stars=1))
    first, second, elsewhere = [await house.drawn(member) for member in (ann, ann, stranger)]
    for job_id, channel in ((first, "5500"), (second, "5500"), (elsewhere, "5600")):
        assert await house.stars.star(job_id, "1006", copy_to=channel)
        house.clock.pass_(minutes=1)
    assert await house.stars.copies_to_post() == (first, elsewhere)
    for job_id, member in ((first, ann), (second, ann), (elsewhere, stranger)):
        await house.images.delete(job_id, member)
    assert elsewhere in await house.stars.copies_to_remove()


async def test_a_copy_of_a_deleted_job_is_to_be_removed_until_it_is_gone(house, job, ann):
    for member in ("1006", "1007"):
        await house.stars.star(job, member, copy_to="5500")
    assert await house.stars.copies_to_remove() == ()
    await house.images.delete(job, ann)
    assert await house.stars.copies_to_post() == ()
    assert await house.stars.copies_to_remove() == (job,)
    await house.stars.uncopied(job)
    assert await house.stars.copies_to_remove() == ()


async def test_what_could_not_be_posted_or_removed_for_days_is_left_alone(house, job, ann, clock):
    for member in ("1006", "1007"):
        await house.stars.star(job, member, copy_to="5500")
    clock.now += LOOKED_AFTER
    assert await house.stars.copies_to_post() == (job,)
    clock.pass_(seconds=1)
    assert await house.stars.copies_to_post() == ()
    await house.images.delete(job, ann)
    clock.now += LOOKED_AFTER
    assert await house.stars.copies_to_remove() == (job,)
    clock.pass_(seconds=1)
    assert await house.stars.copies_to_remove() == ()


async def test_setting_the_gallery_leaves_an_audit_row(house, admin, clock):
    for gallery in (GALLERY, GALLERY, replace(GALLERY, stars=5), None, None):
        await house.admin.set_gallery(admin, gallery)
        clock.pass_(minutes=1)
    off, changed, on = await house.admin.audit(admin)
    assert (on.action, on.scope, on.actor, on.subject) == ("gallery", LimitScope.SERVER, admin.id, None)
    assert on.changes == (
        Change(field="channel", before=None, after="5500"),
        Change(field="stars", before=None, after=2),
    )
    assert changed.changes == (Change(field="stars", before=2, after=5),)
    assert off.changes == (
        Change(field="channel", before="5500", after=None),
        Change(field="stars", before=5, after=None),
    )


async def test_only_admins_set_the_gallery_and_only_sensibly(house, admin, moderator):
    with pytest.raises(NotAllowed):
        await house.admin.set_gallery(moderator, GALLERY)
    for stars in (0, 101):
        with pytest.raises(InvalidRequest, match=f"stars.*given={stars} least=1 most=100"):
            await house.admin.set_gallery(admin, Gallery(channel="5500", stars=stars))
    assert await house.admin.audit(admin) == ()
