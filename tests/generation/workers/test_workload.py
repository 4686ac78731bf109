"""How much a worker takes on, and how long its thread may be silent over it."""

import pytest

from generation.job import Job
from generation.workers.stream import EventStream
from generation.workers.workload import LOADING_PATIENCE, LiveJob, Workload, standing_bytes
from tests.generation.diffusion.conftest import make_job


def take(work: Workload, job: Job) -> LiveJob:
    live = LiveJob(job, EventStream(on_close=lambda: None), job.request.count)
    work.jobs[job.id] = live
    return live


def test_images_are_taken_on_while_there_is_memory_for_them() -> None:
    one = standing_bytes(make_job().request)
    work = Workload(memory=5 * one)
    assert work.room(make_job(count=4).request) == 4
    take(work, make_job(count=4))
    assert work.room(make_job(count=4).request) == 1, "a whole job is taken on as soon as one image fits"
    take(work, make_job(count=4))
    assert work.room(make_job().request) == 0


def test_a_larger_picture_takes_more_memory() -> None:
    assert standing_bytes(make_job(width=1024, height=1024).request) >= 4 * 128 * 128 * 4 * 2, "latents, twice"
    work = Workload(memory=standing_bytes(make_job().request))
    assert work.room(make_job(width=1024, height=1024).request) == 1, "alone there is always room for one"
    take(work, make_job())
    assert work.room(make_job(width=1024, height=1024).request) == 0


def test_a_usual_machine_has_room_for_the_images_of_the_largest_call() -> None:
    work = Workload()
    for _ in range(16):  # with guidance 32 rows, the knee of a large GPU
        assert work.room(make_job(width=1024, height=1024).request) == 1
        take(work, make_job(width=1024, height=1024))


def test_a_model_is_loaded_while_no_other_draws() -> None:
    loaded = {"tiny"}
    work = Workload(is_loaded=loaded.__contains__)
    drawing = take(work, make_job())
    assert work.room(make_job(model="other").request) == 0
    assert not work.loading
    del work.jobs[drawing.job.id]
    take(work, make_job(model="other"))
    assert work.loading
    assert work.room(make_job().request) == 0, "those who were first are not kept waiting for their model"
    assert work.room(make_job(model="other").request) == 1
    loaded.add("other")
    assert work.room(make_job().request) == 1, "loaded models are drawn with side by side"


class TestBudget:
    def test_no_work_has_no_budget(self) -> None:
        assert Workload().budget() is None

    def test_a_job_that_is_over_needs_no_time(self) -> None:
        """Its stream stays open for as long as the journal takes, but the thread is done with it."""
        work = Workload(patience=10.0, is_loaded=lambda model: False)
        take(work, make_job()).over = True
        assert work.budget() is None
        assert not work.loading

    def test_a_kind_that_was_never_drawn_gets_more_time(self) -> None:
        work = Workload(patience=10.0)
        job = take(work, make_job()).job
        assert work.budget() == 50.0
        work.learn(0.1, {job.id: 1})
        assert work.budget() == 10.0
        take(work, make_job(width=64))
        assert work.budget() == 50.0

    def test_a_kind_that_takes_long_gets_more_time(self) -> None:
        work = Workload(patience=10.0)
        job = take(work, make_job(count=2)).job
        work.learn(4.0, {job.id: 2})
        work.learn(2.0, {job.id: 2})
        assert work.budget() == pytest.approx(20 * 4.0)
        take(work, make_job(count=2))
        assert work.budget() == pytest.approx(20 * 8.0)

    def test_what_stands_makes_no_step_look_faster(self) -> None:
        work = Workload(patience=10.0)
        drawn = take(work, make_job()).job
        standing = take(work, make_job(count=3)).job
        work.learn(4.0, {drawn.id: 1})
        del work.jobs[standing.id]
        assert work.budget() == pytest.approx(20 * 4.0)

    def test_loading_a_model_is_not_hanging(self) -> None:
        work = Workload(patience=10.0, is_loaded=lambda model: False)
        take(work, make_job())
        assert work.budget() == LOADING_PATIENCE
