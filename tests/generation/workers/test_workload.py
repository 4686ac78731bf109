"""How much a worker takes on, and how long its thread may be silent over it."""

import pytest

from generation.job import Job
from generation.workers.stream import EventStream
from generation.workers.workload import FIRST_IMAGES, IMAGES_AT_ONCE, LOADING_PATIENCE, LiveJob, Workload
from tests.generation.diffusion.conftest import make_job


def take(work: Workload, job: Job, *, begun: bool = False) -> LiveJob:
    live = LiveJob(job, EventStream(on_close=lambda: None), job.request.count, begun=begun)
    work.jobs[job.id] = live
    return live


def fill(work: Workload, *, takes: int) -> list[int]:
    """Return the images in work after each tick of a device that draws `takes` at once, with a line of single ones."""
    counts: list[int] = []
    while len(counts) < 2 or counts[-1] != counts[-2]:
        while work.room(make_job().request) > 0:
            take(work, make_job())
        for live in list(work.jobs.values())[:takes]:
            live.begun = True
        counts.append(len(work.jobs))
    return counts


def test_a_large_device_is_full_within_a_few_ticks() -> None:
    assert fill(Workload(), takes=100) == [4, 6, 9, 13, IMAGES_AT_ONCE, IMAGES_AT_ONCE]


def test_little_waits_inside_a_small_device() -> None:
    assert fill(Workload(), takes=4)[-1] == 6
    assert fill(Workload(), takes=1)[-1] == FIRST_IMAGES


def test_room_is_for_whole_jobs_as_soon_as_one_image_fits() -> None:
    work = Workload()
    take(work, make_job(count=3))
    assert work.room(make_job(count=4).request) == 1
    take(work, make_job(count=4))
    assert work.room(make_job().request) == 0


def test_kinds_are_counted_apart_and_there_are_two_at_most() -> None:
    work = Workload()
    for width in (32, 64):
        take(work, make_job(width=width, count=4))
    assert work.room(make_job(width=96).request) == 0
    assert work.room(make_job(width=64, model="other").request) == 0
    assert work.room(make_job(width=64).request) == 0


def test_a_model_is_loaded_while_no_other_draws() -> None:
    loaded = {"tiny"}
    work = Workload(is_loaded=loaded.__contains__)
    drawing = take(work, make_job(), begun=True)
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
        take(work, make_job())
        assert work.budget() == 50.0
        work.learn(0.1)
        assert work.budget() == 10.0
        take(work, make_job(width=64))
        assert work.budget() == 50.0

    def test_a_kind_that_takes_long_gets_more_time(self) -> None:
        work = Workload(patience=10.0)
        take(work, make_job(count=2))
        work.learn(4.0)
        work.learn(2.0)
        assert work.budget() == pytest.approx(20 * 4.0)
        take(work, make_job(count=2))
        assert work.budget() == pytest.approx(20 * 8.0)

    def test_loading_a_model_is_not_hanging(self) -> None:
        work = Workload(patience=10.0, is_loaded=lambda model: False)
        take(work, make_job())
        assert work.budget() == LOADING_PATIENCE
