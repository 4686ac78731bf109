"""Old pictures make room for new ones; what somebody is still owed stays."""

import asyncio
from pathlib import Path

import pytest

from bot.clock import ClockCheck
from bot.errors import PictureGone
from bot.storage.clearing import clear_rest
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
    assert len(await house.pictures(young)) == 1
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


@pytest.mark.parametrize("bounds", [{"days": 30}, {"gigabytes": 1e-9}])
async def test_nothing_goes_by_a_clock_that_is_a_year_ahead(house, ann, clock, caplog, bounds):
    await house.drawn(ann)
    house.clock_check = ClockCheck(clock=clock, monotonic=lambda: 0)
    house.clock_check.hear("Fri, 17 May 2030 12:00:00 GMT")
    clock.pass_(days=365)
    assert await house.retention(**bounds).sweep() == 0
    assert len(house.pictures_on_disk()) == 1
    assert "8760.0 hours ahead of Discord's: no picture is removed" in caplog.text


async def test_a_wrong_clock_is_said_though_nothing_is_to_be_removed(house, clock, caplog):
    house.clock_check = ClockCheck(clock=clock, monotonic=lambda: 0)
    house.clock_check.hear("Fri, 17 May 2030 12:00:00 GMT")
    clock.pass_(days=1)
    assert await house.retention().sweep() == 0
    assert "24.0 hours ahead of Discord's" in caplog.text


async def test_a_bot_that_was_off_for_a_month_sweeps_as_usual(house, ann, clock):
    await house.drawn(ann)
    clock.pass_(days=31)
    house.clock_check = ClockCheck(clock=clock, monotonic=lambda: 0)
    house.clock_check.hear("Mon, 17 Jun 2030 12:00:00 GMT")
    assert await house.retention(days=30).sweep() == 1


async def test_what_is_still_owed_never_goes(house, kept_and_posted, clock):
    kept, posted = kept_and_posted
    clock.pass_(days=10_000)

    assert await house.retention(days=1, gigabytes=1e-9).sweep() == 1

    assert (await house.images.job(posted)).images[0].removed_at
    assert len(await house.pictures(kept)) == 1


async def test_a_file_that_cannot_be_removed_does_not_stop_the_others(house, ann, monkeypatch):
    await house.drawn(ann, count=2)
    unlink, refused = Path.unlink, []

    def stubborn(path, missing_ok=False):
        if not refused:
            refused.append(path)
            raise OSError("read-only file system")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", stubborn)
    assert await house.retention(gigabytes=1e-9).sweep() == 2
    assert house.pictures_on_disk() == refused
    assert len((await inspect(house.database, house.folder / "images")).orphans) == 1

    assert await house.retention(gigabytes=1e-9).sweep() == 0
    assert house.pictures_on_disk() == [], "the next sweep tries it again"


async def test_what_a_crash_left_of_a_deletion_or_a_sweep_goes_at_the_next_start(house, ann, clock, monkeypatch):
    """Killed after the rows said so and before the files went."""
    old = await house.drawn(ann, count=2)
    clock.pass_(days=2)
    deleted, young = await house.drawn(ann, count=2), await house.drawn(ann)

    async def killed(*_):
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(house.files, "delete", killed)
        for work in (house.retention(days=1).sweep(), house.images.delete(deleted, ann)):
            with pytest.raises(asyncio.CancelledError):
                await work
    assert len(house.pictures_on_disk()) == 5

    assert await clear_rest(house.database, house.files, clock.now) == 4

    assert len(house.pictures_on_disk()) == 1
    assert await agree(house)
    assert len(await house.pictures(young)) == 1
    with pytest.raises(PictureGone):
        await house.pictures(old)
    assert await clear_rest(house.database, house.files, clock.now) == 0
