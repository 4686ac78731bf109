"""The virtual world: what it serves, and that the order it gives is fair to everybody."""

import uuid
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.equal_shares import EqualShares
from generation.job import JobId
from tests.benchmarks.fair_hour import FairOrder, busy_hour, equal_sharing, measure_fairness, replay

LATE = 150  #: ticks; how much later than by true sharing a job may be


class Line:
    """Jobs by short names in a virtual world. The first letter of a name is whose it is."""

    def __init__(self, places: int = 1) -> None:
        self.shares = EqualShares()
        self.shares.places = places
        self._added = 0
        self._names: dict[JobId, str] = {}
        self._ids: dict[str, JobId] = {}

    def add(
        self, name: str, work: float = 1.0, *, images: int = 1, weight: float = 1.0, group: str | None = None
    ) -> None:
        self._ids[name] = uuid.UUID(int=len(self._ids))
        self._names[self._ids[name]] = name
        self.shares.add(self._ids[name], name[0], work=work, images=images, weight=weight, group=group)

    def end(self, name: str, *, done: float = 1.0) -> None:
        self.shares.end(self._ids[name], done=done)

    def estimate(self, name: str, work: float) -> None:
        self.shares.estimate(self._ids[name], work)

    @property
    def order(self) -> str:
        return " ".join(self._names[job_id] for job_id in self.shares.order())

    @property
    def served(self) -> int:
        """How many of the jobs are done in the virtual world: a job of next to nothing comes right after these."""
        self.add("?", 1e-6)
        place = self.order.split().index("?")
        self.end("?", done=0.0)
        return place


def line_of(*names: str, work: float = 1.0) -> Line:
    line = Line()
    for name in names:
        line.add(name, work)
    return line


def test_a_second_job_waits_for_everyones_first() -> None:
    assert line_of("a1", "a2", "a3", "b1", "c1", "b2").order == "a1 b1 c1 a2 b2 a3"


def test_a_short_job_passes_somebody_elses_long_one() -> None:
    line = Line()
    line.add("a", 600, images=4)
    line.add("b", 40, images=2)
    assert line.order == "b a"
    line.shares.advance(530)
    assert line.order == "b a", "done in the virtual world by now, and not in this one: it keeps its rank"
    line.add("c", 40)
    assert line.order == "b c a"


def test_a_job_that_is_nearly_done_is_not_passed() -> None:
    line = Line()
    line.add("a", 100)
    line.shares.advance(90)
    line.add("b", 20)
    assert line.order == "a b"


def test_who_asks_for_much_cannot_hurry() -> None:
    line = line_of(*(f"a{number}" for number in range(4)), work=20)
    line.add("b", 30)
    assert line.order == "a0 b a1 a2 a3"


def test_what_the_idle_device_did_for_somebody_is_charged_while_they_have_more_work() -> None:
    line = line_of("a1", "a2", work=10)
    line.add("b", 12)
    line.shares.advance(10)  # all of it for a1, which is done at half of that in the virtual world
    line.end("a1")
    line.add("c", 8)
    assert line.order == "b c a2"


def test_nobody_is_charged_for_what_they_drew_while_nobody_else_was_there() -> None:
    line = line_of("a1", work=100)
    line.shares.advance(100)
    line.end("a1")
    line.add("a2")
    line.add("b1")
    assert line.order == "a2 b1"


def test_a_cancelled_job_gives_its_turn_back() -> None:
    line = line_of("a1", "a2", "b1", "b2", work=4)
    assert line.order == "a1 b1 a2 b2"
    line.end("a1", done=0.0)
    assert line.order == "a2 b1 b2"


def test_what_was_drawn_of_a_cancelled_job_is_paid_for() -> None:
    line = line_of("a1", "a2", work=10)
    line.add("b", 12)
    line.shares.advance(8)
    line.end("a1", done=0.8)
    assert line.order == "b a2", "four of the eight are still to be served"


def test_a_job_takes_no_more_than_its_images_can_fill() -> None:
    line = Line(places=4)
    line.add("a", 20)  # one image: it takes a quarter of the device at most, though half would be its share
    line.add("b", 50, images=4)
    assert line.order == "b a"


def test_a_new_estimate_moves_what_is_left() -> None:
    line = line_of("a", "b", work=10)
    line.shares.advance(4)
    line.estimate("a", 100)
    assert line.order == "b a"


def test_a_weight_is_a_share() -> None:
    line = Line()
    for number in range(6):
        line.add(f"v{number}", weight=2.0)
        line.add(f"n{number}")
    assert [name[0] for name in line.order.split()[:9]].count("v") == 6


def test_a_group_gains_nothing_by_giving_all_its_members_a_great_weight() -> None:
    line = Line()
    for number in range(4):
        for who in "ab":
            line.add(f"{who}{number}", weight=4.0, group="greedy")
        for who in "cd":
            line.add(f"{who}{number}", weight=1.0, group="modest")
    assert line.order == " ".join(f"{who}{number}" for number in range(4) for who in "abcd")


def test_weights_are_balanced_anew_when_a_member_has_no_more_work() -> None:
    line = Line()
    line.add("v", 1.6, weight=4.0, group="g")
    line.add("n", 10.0, weight=1.0, group="g")
    line.add("x", 11.0)
    line.shares.advance(3.0)
    line.end("v")
    assert line.order == "n x", "alone of its group it has weight 1, no longer 0.4"


jobs_asked = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.floats(0.5, 200), st.integers(1, 4), st.sampled_from([0.5, 1, 4])),
    min_size=1,
    max_size=30,
)


def filled(asked: list[tuple[str, float, int, float]], places: int) -> Line:
    line = Line(places)
    for number, (who, work, images, weight) in enumerate(asked):
        line.add(f"{who}{number}", work, images=images, weight=weight, group="g")
    return line


@given(jobs_asked, st.integers(1, 16), st.floats(0.01, 0.999))
def test_the_virtual_world_serves_as_much_as_the_device_has_done(
    asked: list[tuple[str, float, int, float]], places: int, part: float
) -> None:
    line, total = filled(asked, places), sum(work for _, work, _, _ in asked)
    line.shares.advance(part * total)
    assert line.served < len(asked)
    line.shares.advance((1 - part) * total * (1 + 1e-6))
    assert line.served == len(asked)


@given(jobs_asked, st.integers(1, 16), st.lists(st.floats(0, 100), max_size=10))
def test_the_order_does_not_change_while_nobody_comes_or_goes(
    asked: list[tuple[str, float, int, float]], places: int, done: list[float]
) -> None:
    line, looked_at = filled(asked, places), filled(asked, places)
    before = line.order
    for work in done:
        line.shares.advance(work)
        looked_at.shares.advance(work)
        assert looked_at.order == before, "looking changes nothing either"
    assert line.order == before
    for who in "abcdef":
        mine = [name for name in before.split() if name[0] == who]
        if all(images == 1 for _, _, images, _ in asked) and places == 1:
            assert mine == sorted(mine, key=lambda name: int(name[1:])), "one's own jobs keep their order"


class Device:
    """Draws one step of so many images a tick, by the order. Its members ask for more whenever they like."""

    def __init__(self, places: int) -> None:
        self.line = Line(places)
        self._places = places
        self._asked = 0
        self._left: dict[str, list[int]] = {}
        self.got: Counter[str] = Counter()

    def ask(self, who: str, steps: int, *, images: int = 1, weight: float = 1.0) -> None:
        self._asked += 1
        name = f"{who}{self._asked}"
        self._left[name] = [steps] * images
        self.line.add(name, steps * images, images=images, weight=weight)

    def has(self, who: str) -> int:
        """The jobs of a member that are not done."""
        return sum(name[0] == who for name in self._left)

    def tick(self) -> None:
        standing = ((name, image) for name in self.line.order.split() for image in range(len(self._left[name])))
        drawn = list(islice(((name, image) for name, image in standing if self._left[name][image]), self._places))
        self.line.shares.advance(len(drawn))
        for name, image in drawn:
            self.got[name[0]] += 1
            self._left[name][image] -= 1
        for name in {name for name, _ in drawn if not any(self._left[name])}:
            del self._left[name]
            self.line.end(name)


@settings(deadline=None, max_examples=10)
@given(
    st.integers(1, 8),
    st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=2, max_size=4),
    st.lists(st.integers(2, 10), min_size=1, max_size=4),
)
def test_what_members_get_converges_to_their_weights_within_5_percent(
    places: int, weights: list[float], steps: list[int]
) -> None:
    """Members who ask for more and more get steps of the real device in proportion to their weights."""
    device, asked = Device(places), 0
    ticks = round(40 * max(steps) * sum(weights) / min(weights) / places)  # forty jobs of everybody
    for _ in range(ticks):
        for who, weight in zip("abcd", weights, strict=False):
            while device.has(who) < 2 * places:  # enough to fill the device alone, and more in line
                device.ask(who, steps[asked % len(steps)], weight=weight)
                asked += 1
        device.tick()
    for who, weight in zip("abcd", weights, strict=False):
        assert device.got[who] == pytest.approx(ticks * places * weight / sum(weights), rel=0.05)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 30), st.integers(1, 4), st.integers(20, 60))
def test_nobody_starves(places: int, others: int, short: int, images: int, steps: int) -> None:
    """A long job beside members who ask for short ones without an end is done about when true sharing would end it."""
    device = Device(places)
    device.ask("a", steps, images=images)
    ticks = 0
    while device.has("a"):
        for who in "bcdefghi"[:others]:
            while device.has(who) < 2:
                device.ask(who, short)
        device.tick()
        ticks += 1
        assert ticks <= steps * images / min(images, places / (others + 1)) + LATE


def test_on_one_place_no_job_is_later_than_by_true_sharing() -> None:
    for seed in range(5):
        jobs = busy_hour(seed, 1, hour=2000)
        done, shared = replay(jobs, 1, FairOrder(1)), equal_sharing(jobs, 1)
        assert max(mine - theirs for mine, theirs in zip(done, shared, strict=True)) <= 1


def test_a_busy_hour_is_faster_and_fairer_than_by_admission() -> None:
    """C11."""
    assert [figure.name for figure in measure_fairness() if not figure.reached] == []


def test_of_a_thousand_who_come_at_once_only_the_newest_few_wait_for_their_place():
    """A short job stands at the end of a long line for as many arrivals as a 64th of it, and no longer."""
    shares, long, short = EqualShares(), range(640), uuid.UUID(int=9999)
    for number in long:
        shares.add(uuid.UUID(int=number), f"member {number}", work=10.0, images=1)
    assert len(shares.order()) == 640
    shares.add(short, "in a hurry", work=1.0, images=1)
    assert shares.order()[-1] == short
    for number in range(1000, 1009):
        shares.add(uuid.UUID(int=number), f"member {number}", work=10.0, images=1)
    assert shares.order().index(short) == 640
    shares.add(uuid.UUID(int=1009), "member 1009", work=10.0, images=1)
    assert shares.order()[0] == short


def test_in_a_long_line_everybody_finds_their_place_when_a_job_is_over():
    shares, short = EqualShares(), uuid.UUID(int=9999)
    for number in range(640):
        shares.add(uuid.UUID(int=number), f"member {number}", work=10.0, images=1)
    shares.order()
    shares.add(short, "in a hurry", work=1.0, images=1)
    shares.end(uuid.UUID(int=7))
    assert shares.order()[0] == short
