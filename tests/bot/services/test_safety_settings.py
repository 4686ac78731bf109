"""What admins set about unsafe pictures, and the trail it leaves."""

from dataclasses import replace

import pytest

from bot.errors import NotAllowed
from bot.records import Change
from bot.services.policies import Policy, SafetySettings, Where
from bot.services.safety_settings import DEFAULT, RANGES, ServerSafety
from generation.errors import InvalidRequest


@pytest.fixture
def safety(house):
    return ServerSafety(database=house.database, clock=house.clock)


async def test_only_those_who_manage_the_server_see_and_change_what_is_set(safety, ann, moderator, admin):
    for member in (ann, moderator, replace(admin, server=None)):
        for asking in (
            safety.show(member),
            safety.set(member, {"strikes": 1}),
            safety.set_review_channel(member, "5001"),
            safety.forget_channel(member, "5001"),
        ):
            with pytest.raises(NotAllowed, match="manage_server"):
                await asking


async def test_a_server_that_has_set_nothing_has_the_safe_defaults(safety, admin):
    shown = await safety.show(admin)
    assert shown == SafetySettings()
    assert shown.policy_in(Where(server="9000", channel="5000")) is Policy.WITHHOLD
    assert shown.policy_in(Where(server="9000", channel="5000", is_restricted=True)) is Policy.SPOILER


async def test_what_is_left_out_stays_as_it_is(safety, admin, stranger):
    await safety.set(admin, {"strikes": 5}, policy="spoiler")
    await safety.set(admin, {"hold_from": 0.9}, policy="review", channel="5001")
    await safety.set_review_channel(admin, "5002")
    assert await safety.of("9000") == SafetySettings(
        policy=Policy.SPOILER, channels={"5001": Policy.REVIEW}, strikes=5, hold_from=0.9, review_channel="5002"
    )
    assert await safety.show(stranger) == SafetySettings()


async def test_default_takes_a_policy_back_for_one_channel_or_for_all(safety, admin):
    await safety.set(admin, {}, policy="off")
    await safety.set(admin, {}, policy="review", channel="5001")
    assert (await safety.set(admin, {}, policy=DEFAULT, channel="5001")).channels == {}
    assert await safety.set(admin, {}, policy=DEFAULT) == SafetySettings()


@pytest.mark.parametrize(
    ("numbers", "more", "field", "rule"),
    [
        ({}, {}, "setting", "missing"),
        ({}, {"channel": "5001"}, "channel", "together"),
        ({"strikes": 1}, {"channel": "5001"}, "channel", "together"),
        ({}, {"policy": "strict"}, "policy", "choice"),
        ({"hold_from": 0.3}, {}, "hold_from", "range"),
        ({"spoiler_from": 0.81}, {}, "hold_from", "range"),
        *(({name: most + 1}, {}, name, "range") for name, (_, most) in RANGES.items()),
        *(({name: least - 1}, {}, name, "range") for name, (least, _) in RANGES.items()),
        *(({name: float("nan")}, {}, name, "range") for name in RANGES),
    ],
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(house, safety, admin, numbers, more, field, rule):
    with pytest.raises(InvalidRequest) as refusal:
        await safety.set(admin, numbers, **more)
    assert (refusal.value.field, refusal.value.rule) == (field, rule)
    assert await safety.show(admin) == SafetySettings()
    assert not await house.admin.audit(admin)


async def test_each_change_is_in_the_audit_and_what_changes_nothing_is_not(house, safety, admin):
    for _ in range(2):
        await safety.set(admin, {"strikes": 5}, policy="review", channel="5001")
        await safety.set_review_channel(admin, "5002")
    house.clock.pass_(hours=1)
    await safety.forget_channel(admin, "5001")
    await safety.forget_channel(admin, "5003")
    gone, *set_ = await house.admin.audit(admin)
    assert (gone.action, gone.changes) == ("safety.set", (Change(field="channel 5001", before="review", after=None),))
    assert {(record.action, record.changes) for record in set_} == {
        (
            "safety.set",
            (
                Change(field="strikes", before=3, after=5),
                Change(field="channel 5001", before=None, after="review"),
            ),
        ),
        ("safety.review", (Change(field="review_channel", before=None, after="5002"),)),
    }
    assert {(record.actor, record.subject, record.server) for record in (gone, *set_)} == {("1004", None, "9000")}
