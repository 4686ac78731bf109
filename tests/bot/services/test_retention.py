"""Old pictures make room for new ones; what somebody is still owed stays."""

import pytest

from bot.errors import StorageFault
from bot.storage.inspection import inspect


@pytest.fixture
async def kept_and_posted(house, ann, here):
    """A picture that nobody could be given, and then one that was posted."""
    ticket = await house.images.imagine(house.request(), ann, at=here)
    house.worker.release(ticket.job.id)
    await ticket.result()
    await house.images.keep(ticket.job.id, "discord_50007")
    return ticket.job.id, await house.drawn(ann)


async def agree(house) -> bool:
    return (await inspect(house.database, house.folder / "images")).agree


async def test_without_a_bound_nothing_is_removed(house, ann, clock):
    await house.drawn(ann)
    clock.pass_(days=10_000)
    assert await house.retention().sweep() == 0
    assert len(house.pictures_on_disk()) == 1


async def test_what_is_too_old_goes_and_its_row_stays(house, ann, clock):
    old = await house.drawn(ann, count=2)
    clock.pass_(days=20)
    young = await house.drawn(ann)
    clock.pass_(days=20)

    assert await house.retention(days=30).sweep() == 2

    assert len(house.pictures_on_disk()) == 1
    assert all(image.removed_at == clock.now for image in (await house.images.job(old)).images)
    assert len(await house.images.pictures(await house.images.job(young))) == 1
    assert await agree(house)
    assert await house.retention(days=30).sweep() == 0


async def test_the_oldest_go_until_the_rest_fits(house, ann, clock):
    jobs = []
    for _ in range(3):
        jobs.append(await house.drawn(ann))
        clock.pass_(hours=1)
    size = (await house.images.job(jobs[0])).images[0].size

    assert await house.retention(gigabytes=2.5 * size / 10**9).sweep() == 1

    gone = [bool((await house.images.job(job_id)).images[0].removed_at) for job_id in jobs]
    assert gone == [True, False, False]
    assert await agree(house)


async def test_what_is_still_owed_never_goes(house, kept_and_posted, clock):
    kept, posted = kept_and_posted
    clock.pass_(days=10_000)

    assert await house.retention(days=1, gigabytes=1e-9).sweep() == 1

    assert (await house.images.job(posted)).images[0].removed_at
    assert len(await house.images.pictures(await house.images.job(kept))) == 1


async def test_a_file_that_cannot_be_removed_does_not_stop_the_others(house, ann, monkeypatch):
    await house.drawn(ann, count=2)
    delete, refused = house.files.delete, []

    async def stubborn(name):
        if not refused:
            refused.append(name)
            raise StorageFault(detail="read-only file system")
        await delete(name)

    monkeypatch.setattr(house.files, "delete", stubborn)
    assert await house.retention(gigabytes=1e-9).sweep() == 2
    assert [path.name for path in house.pictures_on_disk()] == [refused[0].rpartition("/")[2]]
    assert (await inspect(house.database, house.folder / "images")).orphans == tuple(refused)
