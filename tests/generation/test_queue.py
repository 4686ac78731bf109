"""The queue: whose turn it is."""

import uuid
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.errors import QueueFull
from generation.job import Job
from generation.queue import PASSING, FairQueue
from generation.request import GenerationRequest, SchedulerName


def job(requester: str, count: int = 1, weight: float = 1.0, model: str = "m") -> Job:
    request = GenerationRequest(
        prompt="x",
        model=model,
        width=64,
        height=64,
        steps=1,
        guidance_scale=1,
        scheduler=SchedulerName.DDIM,
        seed=0,
        count=count,
    )
    return Job(id=uuid.uuid4(), request=request, requester=requester, weight=weight)


def filled(*jobs: Job, capacity: int = 1000) -> FairQueue:
    queue = FairQueue(capacity=capacity)
    for one in jobs:
        queue.push(one)
    return queue


def requesters(queue: FairQueue) -> str:
    return "".join(one.requester for one in queue.in_order())


def test_a_members_second_job_waits_for_everyones_first() -> None:
    assert requesters(filled(job("a"), job("a"), job("a"), job("b"), job("c"), job("b"))) == "abcaba"


def test_a_members_second_job_waits_even_when_the_others_ask_for_more() -> None:
    assert requesters(filled(job("a"), job("a"), job("b", count=4))) == "aba"


def test_a_member_who_asks_for_more_waits_longer() -> None:
    queue = filled(*(job("big", count=4) for _ in range(3)), *(job("s") for _ in range(8)))
    assert requesters(queue).replace("big", "B") == "BssssBssssB"


def test_a_members_weight_is_their_share() -> None:
    queue = filled(*(job("v", weight=2) for _ in range(6)), *(job("n") for _ in range(6)))
    first_nine = requesters(queue)[:9]
    assert first_nine.count("v") == 6


def test_nobody_saves_up_turns() -> None:
    queue = filled(*(job("a") for _ in range(5)))
    for _ in range(4):
        queue.pop()
    late = [job("b"), job("b"), job("b")]
    for one in late:
        queue.push(one)
    assert requesters(queue)[:2] in ("ab", "ba")


def test_a_cancelled_job_leaves_its_place_to_the_next() -> None:
    first, second, third = job("a"), job("a"), job("b")
    queue = filled(first, second, third)
    assert [queue.place(one.id) for one in (first, third, second)] == [1, 2, 3]
    assert queue.cancel(third.id) is third
    assert queue.cancel(third.id) is None
    assert queue.place(second.id) == 2
    assert queue.place(third.id) is None


def test_a_cancelled_job_gives_the_turn_back() -> None:
    mine, again = job("a", count=4), job("a")
    queue = filled(mine, again, job("b"), job("b"))
    assert requesters(queue) == "abba"
    queue.cancel(mine.id)
    assert requesters(queue) == "abb"


def test_a_full_queue_refuses_jobs() -> None:
    queue = filled(job("a"), job("b"), capacity=2)
    with pytest.raises(QueueFull, match="capacity=2"):
        queue.push(job("c"))
    queue.pop()
    queue.push(job("c"))


def test_an_empty_queue_has_nobody() -> None:
    assert FairQueue().pop() is None
    assert list(FairQueue().may_go()) == []


def test_the_first_job_of_another_model_may_go_before() -> None:
    head, same, other, later = job("a"), job("b"), job("c", model="n"), job("d", model="n")
    queue = filled(head, same, other, later)
    assert list(queue.may_go()) == [head, other], "nobody passes one who waits for the same model"
    queue.take(other)
    assert queue.in_order() == (head, same, later)
    assert [queue.place(one.id) for one in (head, same, later)] == [1, 2, 3]


def test_nobody_is_passed_for_ever() -> None:
    head = job("a")
    queue = filled(head, *(job(f"b{number}", count=3, model="n") for number in range(9)))
    passed = 0.0
    while len(turns := list(queue.may_go())) > 1:
        passed += turns[1].cost
        queue.take(turns[1])
    assert passed == PASSING - PASSING % 3
    assert queue.pop() is head


def test_a_member_whose_job_goes_before_saves_no_turn() -> None:
    """A job that passes is charged like any other: the member's next one waits as if it had passed nobody."""
    queue = filled(job("a"), job("b", count=4, model="n"))
    queue.take(list(queue.may_go())[1])
    queue.push(job("b", model="n"))
    queue.push(job("c"))
    assert requesters(queue) == "acb"


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 4), st.sampled_from("mn")), min_size=1, max_size=40),
    st.data(),
)
def test_no_job_is_passed_by_more_than_the_bound(asked: list[tuple[str, int, str]], data: st.DataObject) -> None:
    queue = filled(*(job(who, count, model=model) for who, count, model in asked))
    passed = {one.id: 0.0 for one in queue.in_order()}
    while turns := list(queue.may_go()):
        taken = data.draw(st.sampled_from(turns))
        before = queue.in_order()[: queue.in_order().index(taken)]
        for one in before:
            passed[one.id] += taken.cost
        assert all(one.request.model != taken.request.model for one in before)
        queue.take(taken)
    assert len(queue) == 0
    assert max(passed.values()) <= PASSING


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 4)), max_size=40), st.data())
def test_pops_follow_the_shown_order_whatever_is_cancelled(asked: list[tuple[str, int]], data: st.DataObject) -> None:
    jobs = [job(who, count) for who, count in asked]
    queue = filled(*jobs)
    for gone in data.draw(st.lists(st.sampled_from(jobs), unique=True)) if jobs else []:
        assert queue.cancel(gone.id) is gone
    shown = queue.in_order()
    assert tuple(queue.pop() for _ in range(len(queue))) == shown
    for who in "abcd":
        mine = [one for one in shown if one.requester == who]
        assert mine == [one for one in jobs if one in mine], "arrival order within one requester"


@given(st.lists(st.sampled_from("abc"), min_size=10, max_size=60))
def test_served_images_stay_within_one_job_of_each_other(asked: list[str]) -> None:
    """Among requesters who always have something waiting, nobody is served two images more than another."""
    queue = filled(*(job(who) for who in asked))
    served = dict.fromkeys(asked, 0)
    while all(any(one.requester == who for one in queue.in_order()) for who in served):
        nxt = queue.pop()
        assert nxt is not None
        served[nxt.requester] += 1
        assert max(served.values()) - min(served.values()) <= 1


def of_group(requester: str, weight: float, group: str = "g") -> Job:
    return replace(job(requester, weight=weight), group=group)


def test_within_a_group_a_weight_is_a_share() -> None:
    queue = filled(*(one for _ in range(6) for one in (of_group("v", 2), of_group("n", 1))))
    assert requesters(queue)[:9].count("v") == 6


def test_a_group_gains_nothing_by_giving_all_its_requesters_a_great_weight() -> None:
    greedy = [of_group(who, 4, "greedy") for _ in range(4) for who in "ab"]
    modest = [of_group(who, 1, "modest") for _ in range(4) for who in "cd"]
    queue = filled(*(one for pair in zip(greedy, modest, strict=True) for one in pair))
    assert sorted(requesters(queue)[:4]) == sorted(requesters(queue)[4:8]) == ["a", "b", "c", "d"]


def test_a_lone_requester_of_a_great_weight_goes_before_nobody() -> None:
    queue = filled(*(of_group("a", 4, "one") for _ in range(3)), *(of_group("b", 0.25, "other") for _ in range(3)))
    assert requesters(queue) == "ababab"


def test_weights_are_balanced_anew_when_a_requester_has_no_more_work() -> None:
    great, small = of_group("v", 4), of_group("n", 1)
    queue = filled(great, small)
    assert (queue.weight_of(great), queue.weight_of(small)) == (1.6, 0.4)
    queue.take(great)
    assert queue.weight_of(small) == 0.4, "what runs is work as well"
    queue.leave(great)
    assert queue.weight_of(small) == 1
    queue.cancel(small.id)
    assert queue.weight_of(of_group("x", 3)) == 3, "nobody is left to be balanced against"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([0.25, 1, 2, 4])), min_size=1, max_size=20))
def test_those_of_a_group_who_have_work_have_weight_1_on_average(asked: list[tuple[str, float]]) -> None:
    jobs = [of_group(who, weight) for who, weight in asked]
    queue = filled(*jobs)
    weights = {one.requester: queue.weight_of(one) for one in jobs}
    assert sum(weights.values()) / len(weights) == pytest.approx(1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0.5, 1, 4]), st.booleans()), max_size=25))
def test_each_job_leaves_the_queue_once_however_the_weights_change(steps: list[tuple[str, float, bool]]) -> None:
    queue, waiting, gone = FairQueue(), [], []
    for who, weight, and_take in steps:
        waiting.append(of_group(who, weight))
        queue.push(waiting[-1])
        if and_take and (taken := queue.pop()) is not None:
            gone.append(taken)
            queue.leave(taken)
    while (taken := queue.pop()) is not None:
        gone.append(taken)
    assert sorted(one.id for one in gone) == sorted(one.id for one in waiting)
    for who in "abc":
        mine = [one.id for one in waiting if one.requester == who]
        assert [one.id for one in gone if one.requester == who] == mine, "a requester's own jobs keep their order"
