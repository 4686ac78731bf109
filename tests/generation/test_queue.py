"""The queue: whose turn it is."""

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.errors import QueueFull
from generation.job import Job
from generation.queue import PASSING, FairQueue
from generation.request import GenerationRequest, SchedulerName


def job(requester: str, count: int = 1, *, model: str = "m", steps: int = 1) -> Job:
    request = GenerationRequest(
        prompt="x",
        model=model,
        width=64,
        height=64,
        steps=steps,
        guidance_scale=1,
        scheduler=SchedulerName.DDIM,
        seed=0,
        count=count,
    )
    return Job(id=uuid.uuid4(), request=request, requester=requester)


def filled(*jobs: Job, capacity: int = 1000) -> FairQueue:
    queue = FairQueue(capacity=capacity)
    for one in jobs:
        queue.push(one)
    return queue


def requesters(queue: FairQueue) -> str:
    return "".join(one.requester for one in queue.in_order())


def test_jobs_are_in_the_order_of_equal_shares() -> None:
    assert requesters(filled(job("a"), job("a"), job("a"), job("b"), job("c"), job("b"))) == "abcaba"


def test_a_job_that_a_worker_has_keeps_its_rank_among_the_others() -> None:
    long, short = job("a", steps=100), job("b", steps=10)
    queue = filled(long)
    queue.take(long)
    queue.push(short)
    assert queue.in_order() == (short, long)
    assert [queue.waits(one.id) for one in (short, long)] == [True, False]
    assert [queue.ahead(one) for one in (short, long)] == [0, 1]
    assert list(queue.may_go()) == [short]
    assert len(queue) == 1


def test_what_was_done_counts() -> None:
    long, middle = job("a", steps=100), job("b", steps=30)
    queue = filled(long)
    queue.take(long)
    queue.advance(long, 0.8)
    queue.push(middle)
    assert queue.in_order() == (long, middle)


def test_new_costs_make_a_new_order() -> None:
    costs = {"a": 1.0, "b": 2.0}
    queue = FairQueue(cost=lambda job: costs[job.requester])
    for who in "ab":
        queue.push(job(who))
    assert requesters(queue) == "ab"
    costs["a"] = 3.0
    assert requesters(queue) == "ab", "the order stays until somebody says so"
    queue.costs_changed()
    assert requesters(queue) == "ba"


def test_an_image_takes_no_more_than_its_place() -> None:
    queue = filled(job("a", steps=20), job("b", count=4, steps=12))
    assert requesters(queue) == "ab"
    queue.draw_at_once(4)
    assert requesters(queue) == "ba"


def test_a_cancelled_job_leaves_its_place_to_the_next() -> None:
    first, second, third = job("a"), job("a"), job("b")
    queue = filled(first, second, third)
    assert queue.in_order() == (first, third, second)
    assert queue.cancel(third.id) is third
    assert queue.cancel(third.id) is None
    assert queue.in_order() == (first, second)
    queue.take(first)
    assert queue.cancel(first.id) is None, "a worker has it"


def test_the_same_order_is_the_same_object() -> None:
    """A thousand posts ask for their places."""
    one = job("a")
    queue = filled(one, job("b"))
    before = queue.in_order()
    queue.take(one)
    queue.advance(one, 0.5)
    assert queue.in_order() is before


def test_a_full_queue_refuses_jobs() -> None:
    first = job("a")
    queue = filled(first, job("b"), capacity=2)
    with pytest.raises(QueueFull, match="capacity=2"):
        queue.push(job("c"))
    queue.take(first)
    queue.push(job("c"))
    with pytest.raises(QueueFull):
        queue.push(job("d"))
    queue.push(job("d"), beyond_capacity=True)
    queue.leave(first, done=1.0)
    queue.leave(first, done=1.0)
    assert len(queue) == 3


def test_an_empty_queue_has_nobody() -> None:
    assert list(FairQueue().may_go()) == []
    assert FairQueue().in_order() == ()


def test_the_first_job_of_another_model_may_go_before() -> None:
    head, same, other, later = job("a"), job("b"), job("c", model="n"), job("d", model="n")
    queue = filled(head, same, other, later)
    assert list(queue.may_go()) == [head, other], "nobody passes one who waits for the same model"
    queue.take(other)
    assert list(queue.may_go()) == [head, later]
    assert len(queue) == 3


def test_nobody_is_passed_for_ever() -> None:
    head = job("a")
    queue = filled(head, *(job(f"b{number}", count=3, model="n") for number in range(9)))
    passed = 0.0
    while len(turns := list(queue.may_go())) > 1:
        passed += turns[1].request.count
        queue.take(turns[1])
    assert passed == PASSING - PASSING % 3
    assert list(queue.may_go()) == [head]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 4), st.sampled_from("mn")), min_size=1, max_size=40),
    st.data(),
)
def test_no_job_is_passed_by_more_than_the_bound(asked: list[tuple[str, int, str]], data: st.DataObject) -> None:
    queue = filled(*(job(who, count, model=model) for who, count, model in asked))
    passed = {one.id: 0 for one in queue.in_order()}
    while turns := list(queue.may_go()):
        taken = data.draw(st.sampled_from(turns))
        before = [one for one in queue.in_order()[: queue.in_order().index(taken)] if queue.waits(one.id)]
        for one in before:
            passed[one.id] += taken.request.count
        assert all(one.request.model != taken.request.model for one in before)
        queue.take(taken)
    assert len(queue) == 0
    assert max(passed.values()) <= PASSING
