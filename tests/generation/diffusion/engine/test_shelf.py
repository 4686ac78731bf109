"""Several models on one device: loaded on demand, put away for lack of memory, drawn with in turn."""

import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from generation.catalog import ModelSpec
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.engine.shelf import ModelShelf, file_bytes, free_memory, give_way, open_shelf, weight_bytes
from generation.diffusion.families.placement import Placement
from generation.diffusion.loading.loading import load_model
from generation.diffusion.loading.model import LoadedModel
from generation.diffusion.loading.sources import inspect_model
from generation.errors import ModelUnavailable, WorkerFault, WorkerLost
from generation.events import ImageReady, JobCancelled, JobDone, JobFailed, ModelLoading, WorkerEvent
from generation.job import JobId
from tests.generation.diffusion.conftest import load_tiny, make_job
from tests.generation.diffusion.tiny_models import save_folder

NAMES = ("a", "b", "c")


class Bench:
    """A shelf of tiny models under test, with a clock that moves only while a model is loaded."""

    def __init__(self, *, places: float = 3, rest_after: float | None = None) -> None:
        self.now = 0.0
        self.built: list[str] = []
        self.errors: dict[str, list[Exception]] = {}
        self.before_step: dict[str, Callable[[], None]] = {}
        self.upkeep: dict[str, Callable[[], bool]] = {}
        self.models: dict[str, weakref.ref[LoadedModel]] = {}
        self.placement: Callable[[str], Placement] = lambda name: Placement()
        specs = [ModelSpec(name=name, source=name) for name in NAMES]
        one = weight_bytes(load_tiny("epsilon"))
        self.shelf = ModelShelf(
            specs, self._build, memory=int(places * one), rest_after=rest_after, clock=lambda: self.now
        )

    def _build(self, spec: ModelSpec) -> DiffusionEngine:
        self.built.append(spec.name)
        self.now += 1000.0
        if self.errors.get(spec.name):
            error = self.errors[spec.name].pop(0)
            raise ModelUnavailable(spec.name, detail=repr(error)) from error
        bench = self

        class Engine(DiffusionEngine):
            def step(self) -> list[WorkerEvent]:
                bench.before_step.get(spec.name, lambda: None)()
                return super().step()

            def idle(self) -> bool:
                return bench.upkeep.get(spec.name, super().idle)()

        model = load_tiny("epsilon")
        model.placement = self.placement(spec.name)
        self.models[spec.name] = weakref.ref(model)
        return Engine(model, clock=lambda: self.now)

    def admit(self, model: str, **wishes: Any) -> JobId:
        job = make_job(model=model, **wishes)
        self.shelf.admit(job)
        return job.id

    def load(self, model: str) -> None:
        """Load a model by drawing a job with it."""
        self.admit(model)
        self.drain()

    def drain(self) -> list[WorkerEvent]:
        events: list[WorkerEvent] = []
        while self.shelf.busy:
            events += self.shelf.step()
        return events


def ends(events: list[WorkerEvent]) -> dict[JobId, WorkerEvent]:
    return {event.job_id: event for event in events if isinstance(event, JobDone | JobFailed | JobCancelled)}


def test_the_first_model_is_loaded_at_the_start_and_another_on_demand() -> None:
    bench = Bench()
    assert bench.shelf.loaded == {"a"}
    job = bench.admit("b")
    assert bench.shelf.step() == [ModelLoading(job_id=job)]
    assert bench.shelf.loaded == {"a"}, "first it is told, then it is loaded"
    done = ends(bench.drain())[job]
    assert bench.shelf.loaded == {"a", "b"}
    assert isinstance(done, JobDone)
    assert done.device_seconds == 0.0, "loading is not charged; the clock moves only while loading"
    bench.admit("b")
    assert not any(isinstance(event, ModelLoading) for event in bench.drain())
    assert bench.built == ["a", "b"]


def test_a_first_model_that_cannot_be_loaded_raises() -> None:
    def build(spec: ModelSpec) -> DiffusionEngine:
        raise ModelUnavailable(spec.name, detail="no file")

    with pytest.raises(ModelUnavailable, match="no file"):
        ModelShelf([ModelSpec(name="a", source="a")], build, memory=1)


def test_the_least_recently_used_model_makes_room() -> None:
    bench = Bench(places=2.5)
    for name in ("b", "a", "c"):
        bench.load(name)
    assert bench.shelf.loaded == {"a", "c"}
    bench.load("b")
    assert bench.shelf.loaded == {"b", "c"}


def test_a_model_that_is_put_away_is_freed() -> None:
    bench = Bench(places=1)
    model = bench.models["a"]
    unet = weakref.ref(model().family.parts.denoiser)  # type: ignore[union-attr]
    bench.admit("a")
    bench.admit("b")
    bench.drain()
    assert (model(), unet()) == (None, None)
    assert bench.shelf.loaded == {"b"}


def test_a_model_that_draws_is_not_put_away() -> None:
    bench = Bench(places=1)
    first, second = bench.admit("a", steps=5), bench.admit("b")
    events = bench.drain()
    order = [event.job_id for event in events if isinstance(event, JobDone)]
    assert order == [first, second]
    loading = events.index(ModelLoading(job_id=second))
    assert events.index(next(event for event in events if isinstance(event, JobDone))) < loading


def test_a_model_larger_than_the_budget_is_loaded_alone() -> None:
    bench = Bench(places=0.1)
    job = bench.admit("b")
    assert isinstance(ends(bench.drain())[job], JobDone)
    assert bench.shelf.loaded == {"b"}


def test_a_model_that_cannot_be_loaded_fails_its_own_jobs_only() -> None:
    bench = Bench()
    bench.errors["b"] = [OSError("no such file")]
    bad, good, worse = bench.admit("b"), bench.admit("a"), bench.admit("b")
    unknown = bench.admit("nobody-has-it")
    found = ends(bench.drain())
    for job in (bad, worse, unknown):
        failed = found[job]
        assert isinstance(failed, JobFailed)
        assert isinstance(failed.error, ModelUnavailable)
        assert failed.error.__cause__ is None
    assert isinstance(found[good], JobDone)
    again = bench.admit("b")
    assert isinstance(ends(bench.drain())[again], JobDone), "the file is back"


def test_a_model_without_memory_beside_the_others_is_loaded_without_them() -> None:
    bench = Bench()
    bench.errors["b"] = [torch.OutOfMemoryError("CUDA out of memory")]
    job = bench.admit("b")
    assert isinstance(ends(bench.drain())[job], JobDone)
    assert bench.built == ["a", "b", "b"]
    assert bench.shelf.loaded == {"b"}


def test_a_device_that_is_lost_while_loading_is_no_fault_of_the_model() -> None:
    bench = Bench()
    bench.errors["b"] = [torch.AcceleratorError("CUDA error: an illegal memory access was encountered")]
    bench.admit("b")
    with pytest.raises(WorkerLost):
        bench.drain()


def test_the_model_of_the_first_job_in_the_order_draws_first() -> None:
    bench = Bench()
    bench.load("b")
    steps: list[str] = []
    bench.before_step = {"a": lambda: steps.append("a"), "b": lambda: steps.append("b")}
    jobs = [make_job(model=name, steps=5) for name in "ab"]
    for job in jobs:
        bench.shelf.admit(job)
    for _ in range(4):
        bench.shelf.step()
    assert steps == ["a", "b", "a", "b"], "in turns without an order"
    bench.shelf.reorder([jobs[1].id, jobs[0].id])
    for _ in range(3):
        bench.shelf.step()
    assert steps[4:] == ["b", "b", "b"]


def test_pictures_in_turns_equal_what_each_model_draws_alone() -> None:
    def pictures(*models: str) -> list[bytes]:
        bench = Bench()
        for name in models:
            bench.load(name)
        for name in models:
            bench.admit(name, seed=NAMES.index(name))
        return sorted(event.image.png for event in bench.drain() if isinstance(event, ImageReady))

    together = pictures("b", "c")
    assert len(together) == 2
    assert together == sorted(pictures("b") + pictures("c"))


def test_a_cancelled_job_loads_no_model() -> None:
    bench = Bench()
    job = make_job(model="b")
    bench.shelf.admit(job, cancelled=lambda: True)
    assert bench.drain() == [JobCancelled(job_id=job.id, device_seconds=0.0)]
    assert bench.built == ["a"]


def test_abort_fails_the_jobs_of_all_models() -> None:
    bench = Bench()
    jobs = {bench.admit("a"), bench.admit("b")}
    events = bench.shelf.abort(WorkerFault("ref"))
    assert {event.job_id for event in events} == jobs
    assert all(isinstance(event, JobFailed) for event in events)
    assert not bench.shelf.busy


def test_abort_says_what_the_failed_tick_had_to_say() -> None:
    bench = Bench()
    bench.admit("a")
    gone = make_job(model="b")
    bench.shelf.admit(gone, cancelled=lambda: True)

    def fail() -> None:
        raise RuntimeError("boom")

    bench.before_step["a"] = fail
    with pytest.raises(RuntimeError):
        bench.shelf.step()
    assert isinstance(ends(bench.shelf.abort(WorkerFault("ref")))[gone.id], JobCancelled)


def test_a_model_that_would_be_slow_beside_others_is_loaded_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    returned: list[set[str]] = []
    monkeypatch.setattr("gc.collect", lambda: returned.append(set(bench.shelf.loaded)))
    crowded = Placement(decode_in_tiles=True)
    bench.placement = lambda name: crowded if bench.shelf.loaded else Placement()
    job = bench.admit("b")
    assert isinstance(ends(bench.drain())[job], JobDone)
    assert bench.built == ["a", "b", "b"]
    assert bench.shelf.loaded == {"b"}
    assert returned[0] == {"a"}, "spare memory is given back first"
    bench.placement = lambda name: crowded  # one that is larger than the device
    for name in ("c", "a", "c"):
        bench.load(name)
    assert bench.built == ["a", "b", "b", "c", "c", "a", "a", "c"], "the third time it is known"


def test_a_model_that_was_never_loaded_is_judged_by_its_files(tmp_path: Path) -> None:
    """A model whose files are too large for the room beside the first one is not tried beside it."""
    folder = save_folder("epsilon", tmp_path / "b")
    specs = [ModelSpec(name="a", source="a"), ModelSpec(name="b", source=str(folder))]
    assert file_bytes(specs[0]) == 0
    memory = weight_bytes(load_tiny("epsilon")) + file_bytes(specs[1]) // 2
    beside: list[set[str]] = []

    def build(spec: ModelSpec) -> DiffusionEngine:
        beside.append(set(shelf.loaded) if beside else set())
        return DiffusionEngine(load_tiny("epsilon"))

    shelf = ModelShelf(specs, build, memory=memory)
    shelf.admit(make_job(model="b"))
    while shelf.busy:
        shelf.step()
    assert beside == [set(), set()]
    assert shelf.loaded == {"b"}


def test_a_model_that_nobody_uses_is_put_away_and_loaded_again_for_the_next_job() -> None:
    bench = Bench(rest_after=300.0)
    bench.load("b")
    bench.now += 200
    bench.load("a")
    bench.now += 100
    bench.shelf.idle()
    assert bench.shelf.loaded == {"a"}, "b had no job for 300 seconds"
    bench.admit("a", steps=50)
    bench.shelf.step()
    bench.now += 300
    bench.shelf.idle()
    assert bench.shelf.loaded == {"a"}, "a model that draws is not idle"
    bench.drain()
    bench.now += 300
    bench.shelf.idle()
    assert bench.shelf.loaded == set()
    job = bench.admit("a")
    assert isinstance(ends(bench.drain())[job], JobDone)
    assert bench.built == ["a", "b", "a"]


def test_models_stay_unless_it_is_said_when_they_rest() -> None:
    bench = Bench()
    bench.now += 1e9
    bench.shelf.idle()
    assert bench.shelf.loaded == {"a"}


def test_an_idle_shelf_gives_spare_memory_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.load("a")
    returned: list[float] = []
    monkeypatch.setattr("gc.collect", lambda: returned.append(bench.now))
    started = bench.now
    for second in range(0, 600, 10):
        bench.now = started + second
        bench.shelf.idle()
    assert returned == [started + 60]


def test_upkeep_is_done_for_every_model() -> None:
    bench = Bench()
    bench.load("b")
    kept: list[str] = []

    def keep_up(name: str, *, more: bool) -> bool:
        kept.append(name)
        return more

    bench.upkeep = {"a": lambda: keep_up("a", more=True), "b": lambda: keep_up("b", more=False)}
    assert bench.shelf.idle()
    assert kept == ["a", "b"]


def test_upkeep_that_fails_for_one_model_goes_on_for_the_others() -> None:
    bench = Bench()
    bench.load("b")

    def fail() -> bool:
        raise OSError("No space left on device")

    bench.upkeep = {"a": fail, "b": lambda: True}
    assert bench.shelf.idle()


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux has a thread a priority of its own")
def test_a_thread_that_draws_on_the_cpu_gives_way_to_the_others() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def draw() -> int:
        give_way("cpu")
        return niceness()

    before = niceness()
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(draw).result() > before
    assert niceness() == before


@pytest.mark.parametrize(("graphs", "said"), [(False, 1), (True, 0)])
def test_a_start_on_a_gpu_says_once_that_graphs_are_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, graphs: bool, said: int
) -> None:
    where = "generation.diffusion.engine.shelf."
    monkeypatch.setattr(where + "choose_device", lambda name: torch.device("cuda"))
    wished: list[bool] = []

    def load(spec: ModelSpec, **settings: Any) -> LoadedModel:
        wished.append(settings["graphs"])
        return load_tiny("epsilon")

    monkeypatch.setattr(where + "load_model", load)
    with caplog.at_level(logging.INFO):
        shelf = open_shelf([ModelSpec(name=name, source=name) for name in "ab"], memory=10**9, graphs=graphs)
        shelf.admit(make_job(model="b"))
        while shelf.busy:
            shelf.step()
    assert wished == [graphs, graphs]
    assert sum("graphs are off" in record.message for record in caplog.records) == said


def test_the_builtin_model_on_a_shelf_is_weighed() -> None:
    spec = inspect_model("builtin")
    assert open_shelf([spec], device="cpu").loaded == {"builtin"}
    model = load_model(spec, device="cpu")
    assert file_bytes(spec) <= weight_bytes(model) <= 4 * file_bytes(spec), "float32, of files in half precision"
    assert free_memory(model.device) > weight_bytes(model)
