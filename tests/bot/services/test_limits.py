"""The rules alone: no database, no clock, no Discord."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import LimitReached
from bot.records import DayUse, LimitRow, LimitScope, LimitValues, Member
from bot.services.limits import LIMIT_KINDS, Limits, check_ranges, day_start, next_day, parse_limits
from generation.errors import InvalidRequest
from generation.request import GenerationRequest, SchedulerName

NOW = datetime(2030, 5, 17, 23, 59, 30, tzinfo=UTC)
SECONDS = 20.0  #: what each request here is estimated to take
ANN = Member(id="1", name="Ann", server="9", channel="5", roles=("9", "70", "71"))
RULES = Limits()

at_leisure = settings(deadline=None)  # how fast a loaded machine is says nothing about the rules

moments = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1970 < moment.year < 9999)
zones = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))


def request_of(**changes: object) -> GenerationRequest:
    values = {"width": 512, "height": 512, "steps": 20, "count": 1, **changes}
    return GenerationRequest(
        prompt="x",
        model="tiny",
        guidance_scale=7,
        scheduler=SchedulerName.DDIM,
        seed=0,
        **values,  # type: ignore[arg-type]
    )


def server(**values: int) -> LimitRow:
    return LimitRow(scope=LimitScope.SERVER, subject=None, values=values)


def role(subject: str, **values: int) -> LimitRow:
    return LimitRow(scope=LimitScope.ROLE, subject=subject, values=values)


def member(subject: str, **values: int) -> LimitRow:
    return LimitRow(scope=LimitScope.MEMBER, subject=subject, values=values)


def verdict(values: LimitValues, use: DayUse, request: GenerationRequest, now: datetime = NOW) -> LimitReached | None:
    """The refusal, or None, on a server that has set these limits."""
    row = LimitRow(scope=LimitScope.SERVER, subject=None, values=values)
    try:
        RULES.check(RULES.effective([row], ANN), use, [(request, SECONDS)], now)
    except LimitReached as error:
        return error
    return None


def refusal(use: DayUse | None = None, limits: LimitValues | None = None, **request: object) -> LimitReached:
    error = verdict(limits or {}, use or DayUse(), request_of(**request))
    assert error is not None
    return error


class TestWhoseSettingHolds:
    def test_a_fresh_server_lets_four_jobs_be_at_once_and_limits_nothing_else(self):
        limits = RULES.effective((), ANN)

        assert {name: limit.value for name, limit in limits.items()} == {
            "images_a_day": None,
            "device_seconds_a_day": None,
            "jobs_at_once": 4,
            "largest_size": None,
            "most_steps": None,
            "cooldown": None,
            "weight": 1,
        }
        assert limits["jobs_at_once"].scope is None

    def test_the_member_goes_before_roles_and_roles_before_the_server(self):
        rows = [server(images_a_day=1), role("70", images_a_day=2), member("1", images_a_day=0)]

        assert RULES.effective(rows, ANN)["images_a_day"].value == 0
        assert RULES.effective(rows[:2], ANN)["images_a_day"].value == 2
        assert RULES.effective(rows[:1], ANN)["images_a_day"].value == 1

    def test_each_limit_is_decided_for_itself(self):
        limits = RULES.effective([server(images_a_day=10, most_steps=30), member("1", most_steps=50)], ANN)

        assert (limits["images_a_day"].value, limits["images_a_day"].scope) == (10, LimitScope.SERVER)
        assert (limits["most_steps"].value, limits["most_steps"].scope) == (50, LimitScope.MEMBER)

    def test_of_several_roles_the_most_generous_holds(self):
        rows = [role("70", images_a_day=5, cooldown=60), role("71", images_a_day=9, cooldown=90)]

        limits = RULES.effective(rows, ANN)

        assert (limits["images_a_day"].value, limits["images_a_day"].subject) == (9, "71")
        assert (limits["cooldown"].value, limits["cooldown"].subject) == (60, "70")

    def test_settings_for_others_do_not_matter(self):
        rows = [role("99", images_a_day=1), member("2", images_a_day=1)]

        assert RULES.effective(rows, ANN) == RULES.effective((), ANN)

    @at_leisure
    @given(values=st.lists(st.integers(0, 100), min_size=1), others=st.integers(0, 100))
    def test_a_further_role_never_takes_anything_away(self, values, others):
        roles = [role("70", images_a_day=value, cooldown=value) for value in values]
        before = RULES.effective(roles, ANN)
        after = RULES.effective([*roles, role("71", images_a_day=others, cooldown=others)], ANN)

        assert after["images_a_day"].value >= before["images_a_day"].value
        assert after["cooldown"].value <= before["cooldown"].value


class TestRefusals:
    def test_a_day_that_is_used_up_frees_up_at_the_next_midnight_of_utc(self):
        error = refusal(limits={"images_a_day": 10}, use=DayUse(images=9), count=2)

        assert (error.limit, error.value) == ("images_a_day", 10)
        assert error.resets_at == datetime(2030, 5, 18, tzinfo=UTC)

    def test_more_than_a_whole_days_worth_never_frees_up(self):
        assert refusal(limits={"images_a_day": 3}, count=4).resets_at is None
        assert refusal(limits={"images_a_day": 0}).resets_at is None

    def test_what_comes_together_is_one_job_at_once_and_all_pictures_of_the_day(self):
        rows = [LimitRow(scope=LimitScope.SERVER, subject=None, values={"images_a_day": 4, "jobs_at_once": 1})]
        limits = RULES.effective(rows, ANN)
        batch = [(request_of(count=2), 1.0)] * 2
        RULES.check(limits, DayUse(), batch, NOW)
        with pytest.raises(LimitReached) as reached:
            RULES.check(limits, DayUse(images=1), batch, NOW)
        assert (reached.value.limit, reached.value.asked) == ("images_a_day", 4)

    def test_a_cooldown_frees_up_that_long_after_the_last_job(self):
        error = refusal(limits={"cooldown": 60}, use=DayUse(last_accepted_at=NOW - timedelta(seconds=20)))

        assert (error.limit, error.value) == ("cooldown", 60)
        assert error.resets_at == NOW + timedelta(seconds=40)

    def test_jobs_at_once_free_up_when_one_is_done(self):
        error = refusal(use=DayUse(waiting_or_running=4))

        assert (error.limit, error.value, error.resets_at) == ("jobs_at_once", 4, None)

    @pytest.mark.parametrize("sides", [{"width": 768}, {"height": 768}])
    def test_the_longer_side_counts_for_the_largest_size(self, sides):
        error = refusal(limits={"largest_size": 640}, **sides)

        assert (error.limit, error.value) == ("largest_size", 640)

    def test_more_steps_than_the_limit_are_refused(self):
        error = refusal(limits={"most_steps": 19})

        assert (error.limit, error.value) == ("most_steps", 19)

    def test_what_time_cannot_mend_is_said_first(self):
        limits = {"images_a_day": 0, "cooldown": 60, "most_steps": 1}

        assert refusal(DayUse(waiting_or_running=9, last_accepted_at=NOW), limits).limit == "most_steps"


limit_values = st.fixed_dictionaries(
    {},
    optional={
        "images_a_day": st.integers(0, 20),
        "device_seconds_a_day": st.integers(0, 60),
        "jobs_at_once": st.integers(0, 5),
        "largest_size": st.sampled_from([256, 512, 1024]),
        "most_steps": st.integers(1, 150),
        "cooldown": st.integers(0, 3600),
    },
)
timed_limits = st.fixed_dictionaries(
    {"images_a_day": st.integers(4, 20), "device_seconds_a_day": st.integers(20, 60), "cooldown": st.integers(1, 3600)}
)
uses = st.builds(
    DayUse,
    images=st.integers(0, 25),
    device_seconds=st.floats(0, 80),
    waiting_or_running=st.integers(0, 6),
    last_accepted_at=st.none() | st.timedeltas(timedelta(), timedelta(hours=2)).map(lambda ago: NOW - ago),
)
requests = st.builds(
    request_of, count=st.integers(1, 4), steps=st.integers(1, 150), width=st.sampled_from([256, 512, 1024])
)


@at_leisure
@given(values=limit_values, use=uses, request=requests)
def test_what_is_let_through_keeps_every_limit(values, use, request):
    if verdict(values, use, request) is not None:
        return

    assert use.waiting_or_running < values.get("jobs_at_once", 4)
    assert use.images + request.count <= values.get("images_a_day", 100)
    assert use.device_seconds + SECONDS <= values.get("device_seconds_a_day", 200)
    assert max(request.width, request.height) <= values.get("largest_size", 1024)
    assert request.steps <= values.get("most_steps", 150)
    since = NOW - (use.last_accepted_at or datetime.min.replace(tzinfo=UTC))
    assert since >= timedelta(seconds=values.get("cooldown", 0))


@at_leisure
@given(values=limit_values, use=uses, request=requests)
def test_a_refusal_says_which_limit_and_its_value(values, use, request):
    error = verdict(values, use, request)

    assert error is None or error.value == {"jobs_at_once": 4, **values}[error.limit]


@at_leisure
@given(values=timed_limits, use=uses, request=requests)
def test_the_time_in_a_refusal_is_when_that_limit_lets_go(values, use, request):
    error = verdict(values, use, request)
    if error is None or error.resets_at is None:
        return
    assert error.resets_at > NOW

    later = replace(use, images=0, device_seconds=0.0) if error.limit.endswith("a_day") else use
    another = verdict(values, later, request, error.resets_at)

    assert another is None or another.limit != error.limit


@at_leisure
@given(moments, zones)
def test_the_day_is_utcs(moment, zone):
    now = moment.astimezone(zone)

    assert day_start(now) <= now < next_day(now)
    assert next_day(now) - day_start(now) == timedelta(days=1)
    assert (day_start(now).tzinfo, day_start(now).hour) == (UTC, 0)


@pytest.mark.parametrize("kind", LIMIT_KINDS, ids=lambda kind: kind.name)
def test_a_limit_out_of_its_range_is_refused_by_name(kind):
    check_ranges({kind.name: kind.least})
    check_ranges({kind.name: kind.most})

    for value in (kind.least - 1, kind.most + 1, float("nan")):
        with pytest.raises(InvalidRequest) as refused:
            check_ranges({kind.name: value})
        assert (refused.value.field, refused.value.least, refused.value.most) == (kind.name, kind.least, kind.most)


def test_a_limit_nobody_knows_is_refused_with_those_there_are():
    with pytest.raises(InvalidRequest) as refused:
        check_ranges({"cats_a_day": 1})
    assert refused.value.choices == tuple(kind.name for kind in LIMIT_KINDS)


def test_a_weight_is_for_roles_and_members_only():
    check_ranges({"weight": 2}, LimitScope.ROLE)
    check_ranges({"weight": 2}, LimitScope.MEMBER)
    with pytest.raises(InvalidRequest) as refused:
        check_ranges({"weight": 2}, LimitScope.SERVER)
    assert refused.value.choices == ("member", "role")


def test_of_several_roles_the_greatest_weight_wins_and_in_direct_messages_it_is_1():
    rows = [role("70", weight=0.5), role("71", weight=3)]

    assert RULES.effective(rows, ANN)["weight"].value == 3
    assert RULES.effective(rows[:1], ANN)["weight"].value == 0.5
    assert RULES.effective((), replace(ANN, server=None))["weight"].value == 1


class TestTheOperatorsCeiling:
    CEILING = Limits({"images_a_day": 50, "cooldown": 10, "jobs_at_once": 2})

    def test_the_ceiling_holds_where_nothing_is_set_and_in_direct_messages(self):
        limits = self.CEILING.effective((), replace(ANN, server=None))

        assert {name: limits[name].value for name in ("images_a_day", "cooldown", "jobs_at_once")} == {
            "images_a_day": 50,
            "cooldown": 10,
            "jobs_at_once": 2,
        }

    def test_the_ceiling_caps_what_a_server_sets_beyond_it_and_says_from_what(self):
        limits = self.CEILING.effective([server(images_a_day=100), member("1", cooldown=0)], ANN)

        assert (limits["images_a_day"].value, limits["images_a_day"].capped_from) == (50, 100)
        assert (limits["cooldown"].value, limits["cooldown"].capped_from) == (10, 0)

    def test_the_ceiling_leaves_what_is_stricter(self):
        limits = self.CEILING.effective([server(images_a_day=5, cooldown=60)], ANN)

        assert (limits["images_a_day"].value, limits["images_a_day"].scope) == (5, LimitScope.SERVER)
        assert (limits["cooldown"].value, limits["cooldown"].capped_from) == (60, None)

    def test_the_ceiling_is_read_from_one_line(self):
        assert parse_limits(" images_a_day=50, device_seconds_a_day = 600,") == {
            "images_a_day": 50,
            "device_seconds_a_day": 600,
        }
        assert parse_limits("") == {}

    @pytest.mark.parametrize(
        "text", ["cats=1", "images_a_day", "images_a_day=many", "images_a_day=-1", "weight=9", "weight=0.5"]
    )
    def test_a_ceiling_that_makes_no_sense_is_refused(self, text):
        with pytest.raises(InvalidRequest):
            parse_limits(text)


def test_device_seconds_are_judged_by_the_estimate_and_by_what_is_spent():
    limits = {"device_seconds_a_day": 60}

    assert verdict(limits, DayUse(device_seconds=60 - SECONDS), request_of()) is None
    error = refusal(DayUse(device_seconds=60.1 - SECONDS), limits)
    assert (error.limit, error.asked) == ("device_seconds_a_day", SECONDS)
    assert error.resets_at == datetime(2030, 5, 18, tzinfo=UTC)


def test_a_used_up_day_refuses_a_job_whose_cost_nobody_can_estimate():
    limits = RULES.effective([server(device_seconds_a_day=60)], ANN)

    RULES.check(limits, DayUse(device_seconds=59.9), [(request_of(), 0.0)], NOW)
    with pytest.raises(LimitReached):
        RULES.check(limits, DayUse(device_seconds=60), [(request_of(), 0.0)], NOW)
