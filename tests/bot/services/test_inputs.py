"""Pictures to begin with: written before the job, drawn from, kept as long as they are needed and no longer."""

import asyncio
import io
from contextlib import ExitStack

import pytest
from PIL import Image

from bot.errors import LimitReached, Quarantined, TooBusy
from bot.records import Place
from bot.services.inputs import MOST_COMING, MOST_WAITING
from bot.storage.backup import backup
from bot.storage.database import Database
from bot.storage.inspection import inspect_inputs, repair_inputs
from generation.errors import BadPicture, InputGone
from generation.inputs import InputPicture


def picture(colour: str = "red", size: tuple[int, int] = (64, 64)) -> InputPicture:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return InputPicture.decode(out.getvalue())


async def asked_for(house, member, *pictures, **changes):
    """The ticket of a job that begins with the first picture, under the second as a mask."""
    named = dict(zip(("source", "mask"), (one.sha256 for one in pictures), strict=False))
    request = house.request(**named, **changes)
    return await house.images.imagine(request, member, at=Place(channel=member.channel), pictures=pictures)


async def drawn_from(house, member, *pictures):
    ticket = await asked_for(house, member, *pictures)
    house.worker.release(ticket.job.id)
    await ticket.result()
    await house.images.posted(ticket.job.id, message="61")
    return ticket.job.id


def kept(house) -> set[str]:
    return {file.name for file in (house.folder / "inputs").iterdir()}


async def test_a_job_is_drawn_from_the_very_pictures(house, ann):
    red, white = picture("red"), picture("white")
    ticket = await asked_for(house, ann, red, white)
    inputs = ticket.job.inputs()
    assert (inputs.source, inputs.mask) == (red.png, white.png)
    assert kept(house) == {red.sha256, white.sha256}


async def test_a_job_from_before_a_restart_has_its_pictures(house, ann, open_house):
    red = picture()
    await asked_for(house, ann, red)
    (resumed,) = (await (await open_house()).restart.recover()).resumed
    assert resumed.ticket.job.inputs().source == red.png


async def test_a_rerun_begins_with_the_same_picture(house, ann, bob):
    red = picture()
    first = await drawn_from(house, ann, red)
    again = await house.images.rerun(first, bob, at=Place(channel=bob.channel))
    assert again.job.inputs().source == red.png
    record = await house.images.job(again.job.id)
    assert (record.parent, record.action) == (first, "rerun")


async def test_a_rerun_says_that_the_picture_is_gone_and_leaves_nothing(house, ann):
    red = picture()
    first = await drawn_from(house, ann, red)
    (house.folder / "inputs" / red.sha256).unlink()
    with pytest.raises(InputGone) as gone:
        await house.images.rerun(first, ann, at=Place(channel=ann.channel))
    assert gone.value.role == "image"
    assert await house.images.live_jobs(ann) == ()


async def test_a_job_whose_picture_was_scribbled_over_fails_and_draws_nothing(house, ann):
    red = picture()
    ticket = await asked_for(house, ann, red)
    (house.folder / "inputs" / red.sha256).write_bytes(b"scribbled over")
    with pytest.raises(InputGone):
        ticket.job.inputs()


async def test_the_picture_of_a_refused_job_goes_at_once(open_house, ann):
    house = await open_house(ceiling={"images_a_day": 0})
    with pytest.raises(LimitReached):
        await asked_for(house, ann, picture())
    await house.images.close()
    assert kept(house) == set()


async def test_the_same_picture_is_kept_once_and_until_the_last_job_is_deleted(house, ann, bob):
    red = picture()
    first, second = await drawn_from(house, ann, red), await drawn_from(house, bob, red)
    assert kept(house) == {red.sha256}
    await house.images.delete(first, ann)
    assert kept(house) == {red.sha256}
    await house.images.delete(second, bob)
    assert kept(house) == set()


async def test_deleting_does_not_take_the_picture_of_a_job_that_waits(house, ann, bob):
    red = picture()
    first = await drawn_from(house, ann, red)
    waits = await asked_for(house, bob, red)
    await house.images.delete(first, ann)
    assert waits.job.inputs().source == red.png


async def test_retention_removes_a_picture_with_its_last_result(house, ann, clock):
    old, new = picture("red"), picture("blue")
    await drawn_from(house, ann, old)
    clock.pass_(days=8)
    await drawn_from(house, ann, new)
    await house.retention(days=7).sweep()
    assert kept(house) == {new.sha256}


async def test_the_room_that_pictures_to_begin_with_take_counts(house, ann, clock):
    """A result of the fake worker takes a few hundred bytes; the picture it began with takes thousands."""
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    out = io.BytesIO()
    noise.save(out, "PNG")
    large = InputPicture.decode(out.getvalue())
    await drawn_from(house, ann, large)
    clock.pass_(minutes=1)
    await drawn_from(house, ann)
    assert await house.retention(gigabytes=(len(large.png) - 1) / 1e9).sweep() == 1, "it takes its result along"
    assert kept(house) == set()


async def test_a_sweep_removes_what_no_job_needs_even_where_everything_is_kept(house, ann):
    failed = await asked_for(house, ann, picture())
    await house.images.fail(failed.job.id, "broken_image")
    orphan = picture("blue")
    await house.input_files.write([orphan])
    await house.retention().sweep()
    assert kept(house) == set()


async def test_a_sweep_leaves_what_is_about_to_be_accepted(house):
    arriving = picture()
    with house.input_files.hold([arriving.sha256]):
        await house.input_files.write([arriving])
        await house.retention().sweep()
        assert kept(house) == {arriving.sha256}


async def test_a_job_that_was_set_aside_keeps_its_picture(house, ann):
    red = picture()
    ticket = await asked_for(house, ann, red)
    await house.images.fail(ticket.job.id, Quarantined.code)
    await house.retention().sweep()
    assert kept(house) == {red.sha256}


async def test_check_names_what_is_lost_and_what_is_nobodys_and_repair_mends_it(house, ann):
    lost, damaged = picture("red"), picture("blue")
    first, second = await drawn_from(house, ann, lost), await drawn_from(house, ann, damaged)
    folder = house.folder / "inputs"
    (folder / lost.sha256).unlink()
    (folder / damaged.sha256).write_bytes(b"scribbled over")
    (folder / "nobodys").write_bytes(b"")

    findings = await inspect_inputs(house.database, folder)
    assert findings.missing == ((first, lost.sha256),)
    assert findings.damaged == ((second, damaged.sha256),)
    assert findings.orphans == ("nobodys",)

    await repair_inputs(house.database, folder, findings)
    assert (await inspect_inputs(house.database, folder)).agree
    assert (await house.images.job(first)).images, "its results are still there"


async def test_a_backup_takes_them_along(house, ann, tmp_path):
    red = picture()
    await drawn_from(house, ann, red)
    copy, data = tmp_path / "copy.db", house.folder
    await backup(f"sqlite:///{data / 'bot.db'}", copy, images=data / "images", inputs=data / "inputs")
    assert (tmp_path / "copy.db.inputs" / red.sha256).read_bytes() == red.png
    copied = Database(f"sqlite:///{copy}")
    assert (await inspect_inputs(copied, tmp_path / "copy.db.inputs")).agree
    await copied.close()


async def test_what_is_no_picture_is_refused(house):
    with pytest.raises(BadPicture):
        await house.inputs.decode(b"<html>", role="mask")


async def test_a_crowd_of_pictures_is_refused_and_not_held_in_memory(house):
    data = picture().png
    outcomes = await asyncio.gather(
        *(house.inputs.decode(data) for _ in range(MOST_WAITING + 3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes].count(TooBusy) == 3
    assert await house.inputs.decode(data) == InputPicture.decode(data)


async def test_only_so_many_members_files_are_held_in_memory_at_once(house):
    with ExitStack() as coming:
        for _ in range(MOST_COMING):
            coming.enter_context(house.inputs.room())
        with pytest.raises(TooBusy), house.inputs.room():
            pass
    with house.inputs.room():
        pass
