"""Which job is next, and which of several workers draws it."""

from dataclasses import replace

from generation.fleet import Fleet
from generation.job import Job
from generation.queue import PASSING, FairQueue
from generation.workers.fake import FakeWorker
from tests.generation.dispatching import job


def of_model(model: str, requester: str) -> Job:
    plain = job(requester)
    return replace(plain, request=replace(plain.request, model=model))


def test_a_job_whose_model_is_being_loaded_keeps_no_worker_from_others() -> None:
    """Its own worker is on its way; until then it may be passed, more often than a job that waits for its turn."""
    loading, idle = FakeWorker(0, loaded="small"), FakeWorker(loaded="small")
    fleet, queue = Fleet(lambda jobs: None), FairQueue()
    fleet.ready += [loading, idle]
    first = of_model("large", "first")
    queue.push(first)
    queue.take(first)
    fleet.running[first.id] = (first, loading)
    waiting = of_model("large", "waiting")
    queue.push(waiting)
    for number in range(2 * PASSING):
        queue.push(of_model("small", str(number)))
        turn = fleet.next_turn(queue, worth=0.0)
        assert turn is not None
        assert turn[1] is idle
        queue.take(turn[0])
        queue.leave(turn[0], done=1.0)
    fleet.ready.remove(loading)
    del fleet.running[first.id]
    queue.leave(first, done=1.0)
    assert fleet.next_turn(queue, worth=0.0) == (waiting, idle), "the load came to nothing, and it is its turn"
