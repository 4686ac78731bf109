"""Who may draw on a server, where, and with which model; and what a channel takes where it is left open."""

import json
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import ModelReserved, NotAllowed, NotInThisChannel, RoleNeeded, TooNew
from bot.records import Change, Member, Place
from bot.services.access import AccessSettings
from bot.services.access_settings import MOST_CHANNELS, MOST_LISTED, ListChange
from bot.services.channel_defaults import DEFAULTS, filled
from generation.catalog import DrawingOptions, ModelCatalog, ModelSpec
from generation.errors import InvalidRequest, Refusal
from generation.request import SchedulerName

NOW = datetime(2030, 5, 17, 12, 0, tzinfo=UTC)
CHANNELS, ROLES, MODELS = ("5000", "5001", "5002"), ("7000", "7001", "7002"), ("tiny", "Large", "filler")

lists = st.none() | st.lists(st.sampled_from(CHANNELS + ROLES), unique=True, max_size=4).map(tuple)
role_lists = st.lists(st.sampled_from(ROLES), unique=True, max_size=3).map(tuple)
any_defaults = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from((*MODELS, "gone", "TINY")),
        "aspect": st.sampled_from(("1:1", "3:2", "9:1", "wide")),
        "steps": st.integers(-1, 200),
        "guidance": st.floats(-1, 40),
        "scheduler": st.sampled_from((*SchedulerName, "gone")),
        "count": st.integers(0, 6),
    },
)
settings = st.builds(
    AccessSettings,
    channels=lists,
    roles=lists,
    minimum_days=st.integers(0, 5),
    models=st.dictionaries(st.sampled_from(MODELS), role_lists),
    defaults=st.dictionaries(st.sampled_from(CHANNELS), any_defaults),
)
members = st.builds(
    Member,
    id=st.just("1"),
    name=st.just("Ann"),
    server=st.sampled_from(("9000", "9000", "9000", None)),
    channel=st.sampled_from(CHANNELS),
    parent=st.none() | st.sampled_from(CHANNELS),
    roles=role_lists,
    joined_at=st.none() | st.integers(0, 8).map(lambda days: NOW - timedelta(days=days)),
    is_admin=st.booleans(),
)


def may_draw(rules: AccessSettings, member: Member, model: str) -> bool:
    try:
        rules.check(member, model, NOW)
    except Refusal:
        return False
    return True


@given(settings, members, st.sampled_from(MODELS))
def test_a_member_may_draw_exactly_where_every_rule_lets_them(rules: AccessSettings, member: Member, model: str):
    here = rules.channels is None or member.channel in rules.channels or member.parent in rules.channels
    trusted = member.is_admin or (
        (rules.roles is None or any(role in rules.roles for role in member.roles))
        and (rules.minimum_days == 0 or (member.joined_at and (NOW - member.joined_at).days >= rules.minimum_days))
    )
    theirs = model not in rules.models or any(role in rules.models[model] for role in member.roles)
    assert may_draw(rules, member, model) == (member.server is None or bool(here and trusted and theirs))


@given(settings, members, st.sampled_from(MODELS), st.lists(st.sampled_from(CHANNELS + ROLES), max_size=6))
def test_nothing_that_is_deleted_lets_anybody_in(rules: AccessSettings, member: Member, model: str, gone: list[str]):
    after = rules
    for one in gone:
        after = after.without(channel=one) if one in CHANNELS else after.without(role=one)
    assert may_draw(rules, member, model) or not may_draw(after, member, model)
    for listed in (after.channels, after.roles, *after.models.values()):
        kind = CHANNELS if listed is after.channels else ROLES
        assert not set(listed or ()) & set(gone) & set(kind)


@given(settings)
def test_settings_are_read_back_as_they_were_stored(rules: AccessSettings):
    assert AccessSettings.of(json.loads(json.dumps(rules.to_data()))) == rules


def specs() -> list[ModelSpec]:
    small = {"source": "builtin", "native_size": 64, "size_multiple": 8, "min_size": 32, "max_size": 128}
    return [
        ModelSpec(name="tiny", **small),  # type: ignore[arg-type]
        ModelSpec(name="Large", source="x", default_steps=4),
        ModelSpec(name="filler", source="y", inpaints=True),
    ]


chosen = st.builds(
    DrawingOptions,
    prompt=st.just("a cat"),
    seed=st.just(7),
    aspect=st.none() | st.sampled_from(("2:1", "1:2")),
    steps=st.none() | st.integers(1, 150),
    guidance=st.none() | st.floats(0, 30),
    scheduler=st.none() | st.sampled_from(SchedulerName),
    count=st.none() | st.integers(1, 4),
    model=st.none() | st.sampled_from(MODELS),
    source=st.none() | st.just("a" * 64),
)


@given(chosen, any_defaults, st.sets(st.sampled_from(MODELS)), st.permutations(specs()))
def test_defaults_change_nothing_that_was_chosen_and_never_spoil_a_request(
    options: DrawingOptions, defaults: dict, allowed: set[str], order: list[ModelSpec]
):
    catalog = ModelCatalog(order)
    done = filled(options, defaults, catalog, lambda model: model in allowed)
    for name in DEFAULTS:
        if (own := getattr(options, name)) is not None:
            assert getattr(done.options, name) == own
    try:
        catalog.request(options)
    except InvalidRequest:
        return
    request = catalog.request(done.options)
    drawing = {spec.name for spec in order if not spec.inpaints}
    if options.model is None and allowed & drawing:
        assert request.model in allowed


@pytest.mark.parametrize(
    ("options", "defaults", "expected"),
    [
        ({}, {"model": "large", "steps": 8}, {"model": "Large", "steps": 8}),
        ({"model": "tiny"}, {"model": "large", "steps": 8, "count": 2}, {"model": "tiny", "steps": 25, "count": 2}),
        ({"model": "tiny"}, {"steps": 8}, {"model": "tiny", "steps": 8}),
        ({"steps": 3}, {"steps": 8, "guidance": 2.5}, {"steps": 3, "guidance_scale": 2.5}),
        ({"aspect": "1:1"}, {"aspect": "2:1"}, {"width": 64, "height": 64}),
        ({}, {"aspect": "2:1"}, {"width": 96, "height": 48}),
        ({"source": "a" * 64}, {"aspect": "2:1"}, {"width": 64, "height": 64}),
        ({"scheduler": "LCM"}, {"steps": 100}, {"scheduler": "LCM", "steps": 25}),
    ],
    ids=str,
)
def test_what_is_left_open_is_taken_from_the_channel(options, defaults, expected):
    catalog = ModelCatalog(specs())
    done = filled(DrawingOptions(prompt="a cat", **options), defaults, catalog, lambda _: True)
    request = catalog.request(done.options)
    assert {name: getattr(request, name) for name in expected} == expected
    assert done.not_taken == ()


@pytest.mark.parametrize(("name", "value"), [("model", "gone"), ("scheduler", "gone"), ("steps", 151), ("aspect", "9")])
def test_a_default_that_no_model_takes_is_left_out_and_named(name, value):
    options = DrawingOptions(prompt="a cat")
    done = filled(options, {name: value, "count": 2}, ModelCatalog(specs()), lambda _: True)
    assert done.options == replace(options, count=2)
    assert done.not_taken == (name,)


def test_a_model_that_is_not_theirs_is_no_default_for_a_member():
    catalog = ModelCatalog(specs())
    options = DrawingOptions(prompt="a cat")
    assert filled(options, {"model": "tiny"}, catalog, {"Large", "filler"}.__contains__).options.model == "Large"
    assert filled(options, {"model": "tiny"}, catalog, {"filler"}.__contains__).options.model is None


# On a database


async def ask(house, member: Member):
    return await house.images.imagine(house.request(), member, at=Place(channel=member.channel))


async def allow(house, admin: Member, roles: Iterable[str] = (), channels: Iterable[str] = ()) -> None:
    for role in roles:
        await house.access.change_roles(admin, ListChange(add=role))
    for channel in channels:
        await house.access.change_channels(admin, ListChange(add=channel))


async def test_only_those_who_manage_the_server_set_it(house, ann, admin):
    change = ListChange(add="5000")
    for member in (ann, replace(admin, server=None)):
        for asking in (
            house.access.show(member),
            house.access.change_channels(member, change),
            house.access.change_roles(member, change),
            house.access.set_minimum(member, 3),
            house.access.change_model(member, "tiny", change),
            house.access.set_defaults(member, "5000", {"steps": 3}),
            house.access.clear_defaults(member, "5000"),
            house.access.forget(member, channel="5000"),
        ):
            with pytest.raises(NotAllowed, match="manage_server"):
                await asking
    assert await house.admin.audit(admin) == ()


async def test_members_draw_in_listed_channels_and_their_threads_only(house, ann, admin, stranger):
    await allow(house, admin, channels=("5000", "5001"))
    await ask(house, ann)
    await ask(house, replace(ann, channel="6000", parent="5001"))
    for where in ({"channel": "5002"}, {"channel": "6000", "parent": "5002"}, {"channel": "6000"}):
        with pytest.raises(NotInThisChannel) as refused:
            await ask(house, replace(ann, **where))
        assert refused.value.channels == ("5000", "5001")
    with pytest.raises(NotInThisChannel):
        await ask(house, replace(admin, channel="5002"))
    await ask(house, stranger)
    await ask(house, replace(ann, server=None, channel="8000"))


async def test_members_with_a_listed_role_draw_and_those_who_manage_the_server(house, ann, bob, admin):
    await allow(house, admin, roles=("7001",))
    await ask(house, ann)
    await ask(house, admin)
    with pytest.raises(RoleNeeded) as refused:
        await ask(house, bob)
    assert refused.value.roles == ("7001",)


async def test_a_member_draws_from_the_second_on_that_they_have_been_there_for_the_minimum(house, clock, ann, admin):
    came = clock.now - timedelta(days=2)
    await ask(house, ann)  # nobody asks for a time
    await house.access.set_minimum(admin, 3)
    with pytest.raises(TooNew) as unknown:
        await ask(house, ann)
    assert unknown.value.until is None
    clock.pass_(hours=23, minutes=59, seconds=59)
    with pytest.raises(TooNew) as refused:
        await ask(house, replace(ann, joined_at=came))
    assert refused.value.until == came + timedelta(days=3)
    clock.pass_(seconds=1)
    await ask(house, replace(ann, joined_at=came))
    await ask(house, admin)


async def test_a_reserved_model_is_refused_to_all_without_the_role_by_every_way(house, ann, bob, admin):
    drawn = await house.drawn(bob)
    await house.access.change_model(admin, "TINY", ListChange(add="7001"))
    await ask(house, ann)
    for member in (bob, admin):
        with pytest.raises(ModelReserved) as refused:
            await ask(house, member)
        assert (refused.value.model, refused.value.roles) == ("tiny", ("7001",))
    with pytest.raises(ModelReserved):
        await house.images.rerun(drawn, bob, at=Place(channel=bob.channel))


async def test_a_list_whose_last_entry_was_deleted_stays_closed_and_one_that_was_emptied_by_hand_opens(
    house, ann, admin
):
    await allow(house, admin, roles=("7001",), channels=("5000",))
    await house.access.change_model(admin, "tiny", ListChange(add="7001"))
    await house.access.forget(admin, channel="5000")
    await house.access.forget(admin, role="7001")
    now = await house.access.show(admin)
    assert (now.channels, now.roles, dict(now.models)) == ((), (), {"tiny": ()})
    with pytest.raises(NotInThisChannel, match="not_in_this_channel"):
        await ask(house, ann)

    await house.access.change_channels(admin, ListChange(remove="5000"))  # not listed: it opens nothing
    assert (await house.access.show(admin)).channels == ()
    await allow(house, admin, channels=("5000",))
    assert (await house.access.change_channels(admin, ListChange(remove="5000"))).channels is None
    assert (await house.access.change_roles(admin, ListChange(lift=True))).roles is None
    assert (await house.access.change_model(admin, "tiny", ListChange(lift=True))).models == {}
    await ask(house, ann)


async def test_what_nobody_has_said_anything_of_leaves_no_trace_when_it_is_deleted(house, admin):
    await house.access.forget(admin, channel="5000")
    await house.access.forget(admin, role="7001")
    assert await house.admin.audit(admin) == ()


async def test_each_change_leaves_an_audit_row_and_none_where_nothing_changed(house, admin, clock):
    await house.access.change_channels(admin, ListChange(add="5000"))
    await house.access.change_channels(admin, ListChange(add="5000"))
    clock.pass_(seconds=1)
    await house.access.change_model(admin, "tiny", ListChange(add="7001"))
    clock.pass_(seconds=1)
    await house.access.set_defaults(admin, "5000", {"steps": 3, "scheduler": "euler A"})
    clock.pass_(seconds=1)
    await house.access.forget(admin, channel="5000")
    assert [(row.action, row.changes) for row in await house.admin.audit(admin)] == [
        (
            "access.gone",
            (
                Change(field="channels", before="5000", after="nobody"),
                Change(field="defaults 5000", before="steps 3, scheduler Euler a", after=None),
            ),
        ),
        ("access.defaults", (Change(field="defaults 5000", before=None, after="steps 3, scheduler Euler a"),)),
        ("access.model", (Change(field="model tiny", before=None, after="7001"),)),
        ("access.channels", (Change(field="channels", before=None, after="5000"),)),
    ]


async def test_nonsense_is_refused_by_name(house, admin):
    for change, field in (
        (ListChange(), "change"),
        (ListChange(add="1", lift=True), "everybody"),
        (ListChange(remove="1", lift=True), "everybody"),
    ):
        with pytest.raises(InvalidRequest, match=field):
            await house.access.change_roles(admin, change)
    for days in (-1, 366):
        with pytest.raises(InvalidRequest, match="days"):
            await house.access.set_minimum(admin, days)
    with pytest.raises(InvalidRequest, match="model"):
        await house.access.change_model(admin, "nope", ListChange(add="7001"))
    for values, field in (
        ({}, "default"),
        ({"steps": 151}, "steps"),
        ({"model": "x"}, "model"),
        ({"aspect": "x"}, "aspect"),
    ):
        with pytest.raises(InvalidRequest, match=field):
            await house.access.set_defaults(admin, "5000", values)
    assert await house.access.show(admin) == AccessSettings()


async def test_lists_and_defaults_are_bounded(house, admin):
    await allow(house, admin, channels=map(str, range(MOST_LISTED)))
    with pytest.raises(InvalidRequest, match="most=100"):
        await house.access.change_channels(admin, ListChange(add="5000"))
    for channel in range(MOST_CHANNELS):
        await house.access.set_defaults(admin, str(channel), {"count": 2})
    with pytest.raises(InvalidRequest, match="most=100"):
        await house.access.set_defaults(admin, "5000", {"count": 2})
    await house.access.clear_defaults(admin, "7")
    await house.access.set_defaults(admin, "5000", {"count": 2})


async def test_a_thread_takes_its_own_defaults_or_those_of_its_channel(house, ann, admin):
    await house.access.set_defaults(admin, "5000", {"steps": 3})
    await house.access.set_defaults(admin, "5000", {"count": 2})
    await house.access.set_defaults(admin, "6000", {"steps": 9})
    options = DrawingOptions(prompt="a cat")
    for where, taken in (
        (ann, replace(options, steps=3, count=2)),
        (replace(ann, channel="6001", parent="5000"), replace(options, steps=3, count=2)),
        (replace(ann, channel="6000", parent="5000"), replace(options, steps=9)),
        (replace(ann, channel="5001"), options),
        (replace(ann, server="9999"), options),
        (replace(ann, server=None), options),
    ):
        assert await house.access.filled(options, where) == taken


async def test_a_default_of_a_model_that_went_is_ignored_with_one_log_line(open_house, ann, admin, caplog):
    first = await open_house(model="old")
    await first.access.set_defaults(admin, "5000", {"model": "old", "steps": 3, "count": 2})
    second = await open_house(model="new")
    options = DrawingOptions(prompt="a cat")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert await second.access.filled(options, ann) == replace(options, count=2)
    assert [record.message for record in caplog.records if "default" in record.message] == [
        "the default model of channel 5000 is ignored, no model takes it: 'old'"
    ]
