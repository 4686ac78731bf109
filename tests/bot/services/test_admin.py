"""What admins set and see, and the trail it leaves."""

from dataclasses import replace
from datetime import date

import pytest

from bot.services.errors import NotAllowed
from bot.services.limits import LimitRow, LimitScope, LimitValues
from bot.storage import servers
from bot.storage.records import Change
from generation.errors import BrokenImage, InvalidRequest


async def test_nobody_else_gets_in(house, ann, admin):
    in_a_direct_message = replace(admin, server=None)
    for member in (ann, in_a_direct_message):
        for asking in (
            house.admin.limits(member),
            house.admin.set_limits(member, LimitScope.SERVER, None, LimitValues(cooldown=1)),
            house.admin.reset_limits(member, LimitScope.SERVER, None),
            house.admin.stats(member),
            house.admin.block(member, "1", None),
            house.admin.unblock(member, "1"),
            house.admin.audit(member),
        ):
            with pytest.raises(NotAllowed, match="Manage Server"):
                await asking


async def test_limits_add_up_and_are_listed(house, admin, stranger):
    await house.admin.set_limits(admin, LimitScope.MEMBER, "1001", LimitValues(most_steps=50))
    await house.admin.set_limits(admin, LimitScope.SERVER, None, LimitValues(images_a_day=10))

    now = await house.admin.set_limits(admin, LimitScope.SERVER, None, LimitValues(cooldown=5))

    assert now == LimitValues(images_a_day=10, cooldown=5)
    assert await house.admin.limits(admin) == (
        LimitRow(scope=LimitScope.SERVER, subject=None, values=now),
        LimitRow(scope=LimitScope.MEMBER, subject="1001", values=LimitValues(most_steps=50)),
    )
    assert await house.admin.limits(stranger) == ()


async def test_reset_forgets_one_place_only(house, admin):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, LimitValues(cooldown=5))
    await house.admin.set_limits(
        admin, LimitScope.ROLE, "9000", LimitValues(cooldown=1)
    )  # @everyone has its server's id

    assert await house.admin.reset_limits(admin, LimitScope.ROLE, "9000") is True
    assert await house.admin.reset_limits(admin, LimitScope.ROLE, "9000") is False

    (left,) = await house.admin.limits(admin)
    assert left.scope is LimitScope.SERVER


async def test_nonsense_is_refused_in_words(house, admin):
    with pytest.raises(InvalidRequest, match=r"most steps.*from 1 to 150.*151"):
        await house.admin.set_limits(admin, LimitScope.SERVER, None, LimitValues(most_steps=151))
    with pytest.raises(InvalidRequest, match="at least one of images a day"):
        await house.admin.set_limits(admin, LimitScope.SERVER, None, LimitValues())
    with pytest.raises(InvalidRequest, match="role"):
        await house.admin.set_limits(admin, LimitScope.ROLE, None, LimitValues(cooldown=1))
    with pytest.raises(InvalidRequest, match="reason"):
        await house.admin.block(admin, "1001", "x" * 501)
    with pytest.raises(InvalidRequest, match="days"):
        await house.admin.stats(admin, days=0)

    assert await house.admin.audit(admin) == ()


async def test_each_change_leaves_an_audit_row(house, admin, clock):
    await house.admin.set_limits(admin, LimitScope.SERVER, None, LimitValues(cooldown=5))
    clock.pass_(minutes=1)
    await house.admin.set_limits(admin, LimitScope.SERVER, None, LimitValues(cooldown=9, most_steps=30))
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
    async def fails(*_: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(servers, "note", fails)
    with pytest.raises(RuntimeError):
        await house.admin.set_limits(admin, LimitScope.SERVER, None, LimitValues(cooldown=5))
    monkeypatch.undo()

    assert await house.admin.limits(admin) == ()


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
