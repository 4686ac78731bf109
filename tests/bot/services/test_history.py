"""A member's own jobs in pages, and what a job was made from."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from bot.errors import UnknownJob
from bot.records import JobRecord, Place
from bot.services.history import MOST_PARENTS, PAGE
from bot.services.policies import Where
from bot.services.stars import Position
from bot.storage import jobs


@pytest.fixture
def make(house, clock):
    """Makes records of Ann's, a second apart unless they say otherwise."""
    made: list[JobRecord] = []

    async def records(count: int, **changes: object) -> list[JobRecord]:
        new = [
            JobRecord(
                id=uuid4(),
                request=house.request(),
                requester="1001",
                requester_name="Ann",
                server="9000",
                place=Place(channel="5000", message="1"),
                accepted_at=clock() + timedelta(seconds=len(made) + number),
            )
            for number in range(count)
        ]
        new = [replace(record, **changes) for record in new]
        made.extend(new)
        if new:
            await house.database.write(lambda transaction: jobs.insert(transaction, *new))
        return new

    return records


async def walked(house, member, towards, page):
    """The ids on all pages in one direction, that one included."""
    pages = [page]
    while (position := getattr(pages[-1], towards)) is not None:
        pages.append(await house.history.page(member, position))
    return [[record.id for record in page.jobs] for page in pages]


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + 2])
async def test_the_pages_hold_each_job_once_the_newest_first(house, ann, make, count):
    ids = [record.id for record in reversed(await make(count))]
    pages = await walked(house, ann, "older", await house.history.page(ann))
    assert [job_id for page in pages for job_id in page] == ids
    assert all(len(page) == PAGE for page in pages[:-1])


async def test_jobs_of_the_same_moment_are_not_lost_between_pages(house, ann, make, clock):
    ids = {record.id for record in await make(3 * PAGE + 1, accepted_at=clock())}
    pages = await walked(house, ann, "older", await house.history.page(ann))
    seen = [job_id for page in pages for job_id in page]
    assert (len(seen), set(seen)) == (len(ids), ids)


async def test_the_way_back_ends_at_a_full_first_page(house, ann, make):
    ids = [record.id for record in reversed(await make(3 * PAGE + 2))]
    page = await house.history.page(ann)
    while page.older is not None:
        page = await house.history.page(ann, page.older)
    *_, first = await walked(house, ann, "newer", page)
    assert first == ids[:PAGE]


async def test_pages_have_neither_others_jobs_nor_deleted_ones(house, ann, bob, stranger, make):
    mine, deleted = await make(2)
    await make(3, requester=bob.id)
    await house.images.delete(deleted.id, ann)
    elsewhere = replace(ann, server="9999", channel="5999")
    assert [record.id for record in (await house.history.page(elsewhere)).jobs] == [mine.id]
    assert (await house.history.page(stranger)).jobs == ()


@pytest.mark.parametrize("goes_older", [True, False])
@pytest.mark.parametrize("seconds", [-1e9, 0.5, 1e9])
async def test_a_made_up_position_leads_to_own_jobs_only(house, ann, bob, make, clock, goes_older, seconds):
    own = {record.id for record in await make(2)}
    theirs = await make(2, requester=bob.id)
    at = clock() + timedelta(seconds=seconds)
    page = await house.history.page(ann, Position(at=at, job=theirs[0].id, goes_older=goes_older))
    assert page.jobs
    assert {record.id for record in page.jobs} <= own


async def test_the_line_of_parents_says_what_was_done_to_each(house, ann, make):
    (first,) = await make(1)
    (second,) = await make(1, parent=first.id, action="edit")
    (third,) = await make(1, parent=second.id, action="upscale_2x")
    lineage = await house.history.lineage(third.id, ann)
    assert [(parent.action, parent.job.id) for parent in lineage.parents] == [
        ("upscale_2x", second.id),
        ("edit", first.id),
    ]
    assert not lineage.more
    assert (await house.history.lineage(first.id, ann)).parents == ()


@pytest.mark.parametrize(("length", "more"), [(MOST_PARENTS, False), (MOST_PARENTS + 1, True)])
async def test_a_long_line_of_parents_is_cut(house, ann, make, length, more):
    (last,) = await make(1)
    for _ in range(length):
        (last,) = await make(1, parent=last.id, action="rerun")
    lineage = await house.history.lineage(last.id, ann)
    assert (len(lineage.parents), lineage.more) == (MOST_PARENTS, more)


async def test_the_line_goes_on_behind_a_job_that_may_not_be_seen(house, ann, bob, make):
    (first,) = await make(1)
    (deleted,) = await make(1, parent=first.id, action="edit")
    (hidden,) = await make(1, parent=deleted.id, action="rerun", requester=bob.id, server="9999")
    (last,) = await make(1, parent=hidden.id, action="use_as_image")
    await house.images.delete(deleted.id, ann)
    lineage = await house.history.lineage(last.id, ann)
    assert [parent.job and parent.job.id for parent in lineage.parents] == [None, None, first.id]


async def test_others_jobs_are_seen_where_they_were_asked_for(house, ann, bob, stranger, make):
    (job,) = await make(1)
    (private,) = await make(1, server=None, place=Place(channel="7000"))
    assert (await house.history.one(job.id, bob)).id == job.id
    assert (await house.history.one(private.id, ann)).id == private.id
    for job_id, member in ((job.id, stranger), (private.id, bob), (UUID(int=0), ann)):
        with pytest.raises(UnknownJob):
            await house.history.one(job_id, member)


async def test_a_picture_that_cannot_be_read_is_none(house, ann):
    job = await house.history.one(await house.drawn(ann), ann)
    where = Where.of(ann)
    assert (await house.images.pictures.first(job, where)).png.startswith(b"\x89PNG")
    (file,) = house.pictures_on_disk()
    file.unlink()
    assert await house.images.pictures.first(job, where) is None
