"""What admins set and see, and the trail it leaves."""

from dataclasses import replace
from datetime import date
from uuid import uuid4

import pytest
from sqlalchemy import update

from bot.errors import NotAllowed, UnknownJob, WordRefused
from bot.records import Change, LimitRow, LimitScope
from bot.storage import jobs, servers
from bot.storage.tables import JOBS
from generation.errors import BrokenImage, InvalidRequest, QueueFull
from generation.job import JobStatus


async def test_only_those_who_manage_the_server_get_in(house, ann, admin):
    in_a_direct_message = replace(admin, server=None)
    for member in (ann, in_a_direct_message):
        for asking in (
            house.admin.limits(member),
            house.admin.set_limits(member, LimitScope.SERVER, None, {"cooldown": 1}),
            house.admin.reset_limits(member, LimitScope.SERVER, None),
            house.admin.stats(member),
            house.admin.block(member, "1", None),
            house.admin.unblock(member, "1"),
            house.admin.audit(member),
            house.admin.quarantined(member),
            house.admin.release(member, uuid4()),
        ):
            with pytest.raises(NotAllowed, match="manage_server"):
                await asking


async def test_limits_add_up_and_are_listed(house, admin, stranger):
    await house.admin.set_limits(admin, LimitScope.MEMBER, "1001", {"most_steps": 50})
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"images_a_day": 10})

    now = await house.admin.set_limits(admin, LimitScope.SERVER, None, {"cooldown": 5})

    of_the_server = LimitRow(scope=LimitScope.SERVER, subject=None, values={"images_a_day": 10, "cooldown": 5})
    assert now.rows == (of_the_server,)
    assert (await house.admin.limits(admin)).rows == (
        of_the_server,
        LimitRow(scope=LimitScope.MEMBER, subject="1001", values={"most_steps": 50}),
    )
    assert (await house.admin.limits(stranger)).rows == ()


async def test_reset_forgets_one_place_only(house, admin):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"cooldown": 5})
    await house.admin.set_limits(admin, LimitScope.ROLE, "9000", {"cooldown": 1})  # @everyone has its server's id

    assert await house.admin.reset_limits(admin, LimitScope.ROLE, "9000") is True
    assert await house.admin.reset_limits(admin, LimitScope.ROLE, "9000") is False

    (left,) = (await house.admin.limits(admin)).rows
    assert left.scope is LimitScope.SERVER


async def test_nonsense_is_refused_by_name(house, admin):
    with pytest.raises(InvalidRequest, match=r"most_steps.*given=151 least=1 most=150"):
        await house.admin.set_limits(admin, LimitScope.SERVER, None, {"most_steps": 151})
    with pytest.raises(InvalidRequest, match=r"limit.*missing.*images_a_day"):
        await house.admin.set_limits(admin, LimitScope.SERVER, None, {})
    with pytest.raises(InvalidRequest, match="weight"):
        await house.admin.set_limits(admin, LimitScope.SERVER, None, {"weight": 2})
    with pytest.raises(InvalidRequest, match="role"):
        await house.admin.set_limits(admin, LimitScope.ROLE, None, {"cooldown": 1})
    with pytest.raises(InvalidRequest, match="reason"):
        await house.admin.block(admin, "1001", "x" * 501)
    with pytest.raises(InvalidRequest, match="days"):
        await house.admin.stats(admin, days=0)

    assert await house.admin.audit(admin) == ()


async def test_each_change_leaves_an_audit_row(house, admin, clock):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"cooldown": 5})
    clock.pass_(minutes=1)
    await house.admin.set_limits(admin, LimitScope.SERVER, None, {"cooldown": 9, "most_steps": 30})
    clock.pass_(minutes=1)
    await house.admin.reset_limits(admin, LimitScope.SERVER, None)
    clock.pass_(minutes=1)
    await house.admin.block(admin, "1001", "spam")
    clock.pass_(minutes=1)
    await house.admin.unblock(admin, "1001")
    await house.admin.unblock(admin, "1001")  # changes nothing, leaves nothing

    unblocked, blocked, reset, changed, first = await house.admin.audit(admin)

    assert (first.action, first.actor, first.actor_name) == ("limits.set", admin.id, admin.name)
    assert first.changes == (Change(field="cooldown", before=None, after=5),)
    assert set(changed.changes) == {
        Change(field="cooldown", before=5, after=9),
        Change(field="most_steps", before=None, after=30),
    }
    assert (reset.action, len(reset.changes)) == ("limits.reset", 2)
    assert (blocked.action, blocked.scope, blocked.subject) == ("block", LimitScope.MEMBER, "1001")
    assert Change(field="reason", before=None, after="spam") in blocked.changes
    assert (unblocked.action, unblocked.at) == ("unblock", clock.now)


async def test_without_its_audit_row_there_is_no_change(house, admin, monkeypatch):
    def fails(*_: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(servers, "note", fails)
    with pytest.raises(RuntimeError):
        await house.admin.set_limits(admin, LimitScope.SERVER, None, {"cooldown": 5})
    monkeypatch.undo()

    assert (await house.admin.limits(admin)).rows == ()


async def test_a_second_block_changes_the_reason(house, admin, clock):
    await house.admin.block(admin, "1001", "spam")
    clock.pass_(minutes=1)
    await house.admin.block(admin, "1001", "much spam")

    assert (await house.admin.audit(admin, most=1))[0].changes == (
        Change(field="reason", before="spam", after="much spam"),
    )


async def test_stats_by_day_and_by_member(house, ann, bob, admin, stranger, here, clock):
    await house.drawn(bob, count=2)
    clock.pass_(days=1)
    await house.drawn(ann, count=4)
    failed = await house.images.imagine(house.request(), ann, at=here)
    house.worker.fail_next(BrokenImage())
    house.worker.release(failed.job.id)
    await failed.wait(5)
    await house.drawn(stranger)

    stats = await house.admin.stats(admin, days=3)

    assert [(day.day, day.jobs, day.images, day.failures, day.device_seconds) for day in stats.by_day] == [
        (date(2030, 5, 16), 0, 0, 0, 0.0),
        (date(2030, 5, 17), 1, 2, 0, 1.0),
        (date(2030, 5, 18), 2, 4, 1, 2.5),
    ]
    assert [(one.member, one.name, one.jobs, one.images, one.failures) for one in stats.by_member] == [
        (ann.id, "Ann", 2, 4, 1),
        (bob.id, "Bob", 1, 2, 0),
    ]


async def test_a_block_without_a_reason_keeps_the_one_there_was(house, admin):
    for reason in ("spam", None):
        await house.admin.block(admin, "1001", reason)
        house.clock.pass_(seconds=1)
    block = await house.database.read(lambda transaction: servers.block_of(transaction, "9000", "1001"))
    assert block.reason == "spam"
    assert (await house.admin.audit(admin))[0].changes == ()


@pytest.fixture
async def quarantined(house, ann, here):
    """A job of Ann's that was running in two crashes, as its row has it."""
    ticket = await house.images.imagine(house.request(), ann, at=here)
    await house.dispatcher.cancel(ticket.job.id)
    await ticket.wait(5)
    aside = update(JOBS).values(status=JobStatus.FAILED, error_code="quarantined", crashes=1, told_at=house.clock.now)
    await house.database.write(lambda transaction: transaction.execute(aside).rowcount)
    return ticket.job.id


async def test_a_job_in_quarantine_is_seen_and_released_by_its_own_server_only(house, quarantined, admin, stranger):
    assert [job.id for job in await house.admin.quarantined(admin)] == [quarantined]
    assert await house.admin.quarantined(stranger) == ()
    with pytest.raises(UnknownJob):
        await house.admin.release(stranger, quarantined)

    resumed = await house.admin.release(admin, quarantined)

    assert (resumed.job.status, resumed.job.error_code, resumed.job.crashes) == (JobStatus.ACCEPTED, None, 1)
    assert await house.admin.quarantined(admin) == ()
    with pytest.raises(UnknownJob):
        await house.admin.release(admin, quarantined)
    (note,) = await house.admin.audit(admin)
    assert (note.action, note.changes) == (
        "quarantine.release", (Change(field="job", before=None, after=str(quarantined)),),
    )  # fmt: skip
    house.worker.release()
    assert len((await resumed.ticket.result()).images) == 1


async def test_what_the_words_of_the_server_refuse_by_now_stays_in_quarantine(house, quarantined, admin):
    await house.words.add(admin, ["heart"])
    with pytest.raises(WordRefused):
        await house.admin.release(admin, quarantined)
    assert [job.id for job in await house.admin.quarantined(admin)] == [quarantined]
    assert house.dispatcher.waiting() == ()
    await house.words.remove(admin, ["heart"])
    assert (await house.admin.release(admin, quarantined)).job.id == quarantined


async def test_a_full_queue_keeps_nobody_in_quarantine(house, quarantined, admin, monkeypatch):
    # private: a queue that fills up between a crash and the release would take a thousand jobs
    monkeypatch.setattr(house.dispatcher._queue, "capacity", 0)
    with pytest.raises(QueueFull):
        house.dispatcher.check_room()

    resumed = await house.admin.release(admin, quarantined)

    house.worker.release()
    assert len((await resumed.ticket.result()).images) == 1


async def test_a_job_whose_model_is_gone_stays_in_quarantine(open_house, house, quarantined, admin):
    later = await open_house(model="another")

    with pytest.raises(InvalidRequest, match="model"):
        await later.admin.release(admin, quarantined)

    assert [job.id for job in await later.admin.quarantined(admin)] == [quarantined]
    assert await later.admin.audit(admin) == ()


async def test_a_released_job_that_crashes_the_bot_again_is_set_aside_again(open_house, house, quarantined, admin):
    await house.admin.release(admin, quarantined)
    await house.database.write(lambda transaction: jobs.start(transaction, quarantined))

    recovery = await (await open_house()).restart.recover()

    assert [job.id for job in recovery.ended] == [quarantined]
