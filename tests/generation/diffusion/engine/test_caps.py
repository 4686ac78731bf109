"""The cap on rows: measured in idle time, remembered, lowered where memory ran out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from generation.diffusion.engine.caps import DAY, SHORTAGE, UNMEASURED, RowCaps
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.loading.model import LoadedModel
from generation.events import JobDone
from tests.generation.diffusion.conftest import load_tiny, make_job

NATIVE = ((4, 16, 16), 77)


class Device:
    """A device with memory for `most` rows, whose calls take time by their rows, on a clock of its own."""

    def __init__(self, model: LoadedModel, seconds: Callable[[int], float], *, most: int = 1000) -> None:
        self.now = 0.0
        self.calls: list[int] = []
        self.eager: list[bool] = []
        self.today = 0.0
        self.model: Any = model
        self._seconds = seconds
        self.most = most
        self._predict = model.predict_noise
        self.model.predict_noise = self.predict

    def predict(self, latents: Any, timesteps: Any, conditioning: Any, *, eager: bool = False) -> Any:
        rows = len(latents)
        self.eager.append(eager)
        self.calls.append(rows)
        if rows > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.now += self._seconds(rows)
        return self._predict(latents, timesteps, conditioning)

    def caps(self, cache: Path | None = None, *, most: int | None = 8) -> RowCaps:
        """Make caps that try up to `most` rows, as on a GPU."""
        return RowCaps(self.model, cache=cache, most=most, clock=lambda: self.now, now=lambda: self.today)


def measured(caps: RowCaps) -> RowCaps:
    while caps.measure():
        pass
    return caps


@pytest.mark.parametrize(
    ("seconds", "knee"),
    [
        (lambda rows: rows, 2),  # full with two rows already
        (lambda rows: max(rows, 4), 4),
        (lambda rows: max(rows, 4) ** 0.9, 4),  # 7 % more is not worth it
        (lambda rows: 1.0, 8),  # never full: as many as are tried here
        (lambda rows: 10 + rows, 8),
    ],
)
def test_the_knee_is_where_images_a_second_stop_rising(
    tiny_model: LoadedModel, seconds: Callable[[int], float], knee: int
) -> None:
    device = Device(tiny_model, seconds)
    caps = device.caps()
    assert caps.cap(NATIVE) == UNMEASURED
    assert measured(caps).cap(NATIVE) == knee
    assert max(device.calls) <= 8
    assert all(device.eager), "graphs, which some row counts have and others have not, are left out"


def test_on_a_gpu_many_rows_are_tried(tiny_model: LoadedModel) -> None:
    assert measured(Device(tiny_model, lambda rows: 1.0).caps(most=32)).cap(NATIVE) == 32


def test_on_a_cpu_nothing_is_measured_and_a_call_has_eight_rows(tiny_model: LoadedModel) -> None:
    device = Device(tiny_model, lambda rows: rows)
    caps = device.caps(most=None)
    caps.expect(NATIVE, tiny_model.encode("", "", guidance_scale=1.0, width=64, height=64).positive)
    assert not caps.measure()
    assert (caps.cap(NATIVE), device.calls) == (8, [])


def test_each_piece_of_measuring_is_one_call(tiny_model: LoadedModel) -> None:
    device = Device(tiny_model, lambda rows: 1.0)
    caps = device.caps()
    more, calls = True, 0
    while more:
        more = caps.measure()
        assert len(device.calls) <= calls + 1
        calls = len(device.calls)
    assert calls > 12


def test_a_kind_that_is_being_measured_is_not_measured_again(tiny_model: LoadedModel) -> None:
    device = Device(tiny_model, lambda rows: rows)
    caps = device.caps()
    assert caps.measure()
    caps.expect(NATIVE, tiny_model.encode("", "", guidance_scale=1.0, width=64, height=64).positive)
    measured(caps)
    assert device.calls == [2, 4] * 6


def test_first_calls_only_warm_up(tiny_model: LoadedModel) -> None:
    device = Device(tiny_model, lambda rows: rows if device.calls.count(rows) > 1 else 1000.0)
    assert measured(device.caps()).cap(NATIVE) == 2


def test_timings_that_spread_make_no_knee_and_are_taken_again_after_a_day(
    tiny_model: LoadedModel, tmp_path: Path
) -> None:
    """Now and then a call takes a fifth longer: somebody else's work."""
    slow = [1.2]
    device = Device(tiny_model, lambda rows: rows * (slow[0] if len(device.calls) % 5 == 0 else 1.0))
    caps = measured(device.caps(tmp_path))
    assert caps.cap(NATIVE) == UNMEASURED
    assert not list(tmp_path.iterdir())
    slow[0], device.today = 1.0, DAY - 1
    drawn = tiny_model.encode("", "", guidance_scale=1.0, width=32, height=32).positive
    caps.expect(NATIVE, drawn)
    assert measured(caps).cap(NATIVE) == UNMEASURED
    device.today = DAY
    caps.expect(NATIVE, drawn)
    assert measured(caps).cap(NATIVE) == 2


def test_a_knee_is_measured_again_after_a_day_and_holds_until_then(tiny_model: LoadedModel, tmp_path: Path) -> None:
    measured(Device(tiny_model, lambda rows: max(rows, 4)).caps(tmp_path))
    device = Device(tiny_model, lambda rows: rows)
    device.today = DAY
    caps = device.caps(tmp_path)
    assert caps.cap(NATIVE) == 4
    assert measured(caps).cap(NATIVE) == 2


def test_a_knee_is_measured_once_in_all_starts(tmp_path: Path) -> None:
    first = Device(load_tiny("epsilon"), lambda rows: max(rows, 4))
    assert measured(first.caps(tmp_path / "cache")).cap(NATIVE) == 4
    second = Device(load_tiny("epsilon"), lambda rows: 1.0)
    caps = second.caps(tmp_path / "cache")
    assert caps.cap(NATIVE) == 4
    assert not measured(caps).measure()
    assert second.calls == []


def test_another_dtype_or_model_is_measured_anew(tmp_path: Path) -> None:
    measured(Device(load_tiny("epsilon"), lambda rows: max(rows, 4)).caps(tmp_path))
    for model in (load_tiny("epsilon", torch.float64), load_tiny("xl")):
        assert Device(model, lambda rows: 1.0).caps(tmp_path).cap(NATIVE) == UNMEASURED


@pytest.mark.parametrize(
    "damage",
    [
        lambda written: "",
        lambda written: written[: len(written) // 2],
        lambda written: "[" * 100_000,
        lambda written: "[]",
        lambda written: json.dumps({**json.loads(written), "limits": [{"latents": [4, 16], "tokens": 77}]}),
        lambda written: written.replace('"tokens": 77', '"tokens": Infinity'),
        lambda written: written.replace('"knee": 4', '"knee": 0'),
        lambda written: written.replace('"knee": 4', '"knee": "many"'),
        lambda written: written.replace('"model": "tiny"', '"model": "another"'),
    ],
)
def test_a_knee_whose_file_is_of_no_use_is_measured_again(tmp_path: Path, damage: Callable[[str], str]) -> None:
    measured(Device(load_tiny("epsilon"), lambda rows: max(rows, 4)).caps(tmp_path))
    (file,) = tmp_path.iterdir()
    file.write_text(damage(file.read_text()))
    device = Device(load_tiny("epsilon"), lambda rows: 1.0)
    caps = device.caps(tmp_path)
    assert caps.cap(NATIVE) == UNMEASURED
    assert measured(caps).cap(NATIVE) == 8
    assert Device(load_tiny("epsilon"), lambda rows: 1.0).caps(tmp_path).cap(NATIVE) == 8


def test_caps_do_without_a_folder_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    assert measured(Device(load_tiny("epsilon"), lambda rows: rows).caps(tmp_path / "cache")).cap(NATIVE) == 2
    assert "cannot be written" in caplog.text


def test_memory_that_runs_out_ends_the_measuring(tiny_model: LoadedModel, tmp_path: Path) -> None:
    device = Device(tiny_model, lambda rows: 1.0, most=4)
    assert measured(device.caps(tmp_path)).cap(NATIVE) == 4
    assert device.calls.count(8) == 1
    assert device.caps(tmp_path).cap(NATIVE) == 4
    device.today += SHORTAGE
    again = device.caps(tmp_path)
    assert again.cap(NATIVE) == UNMEASURED
    device.most = 1000
    assert measured(again).cap(NATIVE) == 8, "somebody else had the memory"


def test_a_shortage_of_memory_is_forgotten_after_some_days(tiny_model: LoadedModel, tmp_path: Path) -> None:
    device = Device(tiny_model, lambda rows: 1.0)
    caps = device.caps(tmp_path)
    caps.lower(NATIVE, 2)
    device.today += SHORTAGE - 1
    assert caps.cap(NATIVE) == device.caps(tmp_path).cap(NATIVE) == 2
    device.today += 1
    assert caps.cap(NATIVE) == device.caps(tmp_path).cap(NATIVE) == UNMEASURED


def test_a_device_that_is_lost_while_measuring_is_not_hidden(tiny_model: LoadedModel) -> None:
    def die(rows: int) -> float:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(torch.AcceleratorError):
        Device(tiny_model, die).caps().measure()


def test_an_error_while_measuring_ends_it_for_this_run_only(tiny_model: LoadedModel, tmp_path: Path) -> None:
    def stumble(rows: int) -> float:
        raise RuntimeError("a kernel tripped")

    caps = measured(Device(tiny_model, stumble).caps(tmp_path))
    assert caps.cap(NATIVE) == UNMEASURED
    assert list(tmp_path.iterdir()) == []


def test_rows_that_ran_out_of_memory_are_not_tried_after_a_restart(tmp_path: Path) -> None:
    jobs = [make_job(seed=seed, steps=2) for seed in range(4)]
    device = Device(load_tiny("epsilon"), lambda rows: 1.0, most=5)
    drive(DiffusionEngine(device.model, cache=tmp_path), jobs)
    assert device.calls[:3] == [8, 4, 4]
    after = Device(load_tiny("epsilon"), lambda rows: 1.0, most=5)
    drive(DiffusionEngine(after.model, cache=tmp_path), jobs)
    assert max(after.calls) == 4


def test_what_is_drawn_is_measured_beside_the_native_size(tiny_model: LoadedModel, tmp_path: Path) -> None:
    device = Device(tiny_model, lambda rows: rows)
    caps = device.caps(tmp_path)
    caps.expect(((4, 16, 32), 77), tiny_model.encode("", "", guidance_scale=1.0, width=64, height=32).positive)
    measured(caps)
    (file,) = tmp_path.iterdir()
    known = json.loads(file.read_text())["limits"]
    assert {(tuple(kind["latents"]), kind["tokens"]) for kind in known if kind["knee"]} == {((4, 16, 32), 77), NATIVE}


@pytest.mark.parametrize(("settings", "rows"), [({"max_rows": 6}, 6), ({"reproducible": True}, UNMEASURED)])
def test_a_fixed_number_of_rows_is_not_measured(tiny_model: LoadedModel, settings: dict[str, Any], rows: int) -> None:
    device = Device(tiny_model, lambda rows: rows)
    engine = DiffusionEngine(tiny_model, **settings)
    assert not engine.idle()
    assert device.calls == []
    drive(engine, [make_job(seed=seed, steps=1) for seed in range(5)])
    assert max(device.calls) == rows


def drive(engine: DiffusionEngine, jobs: list[Any]) -> None:
    for job in jobs:
        engine.admit(job)
    events: list[Any] = []
    while engine.busy:
        events += engine.step()
    assert sum(isinstance(event, JobDone) for event in events) == len(jobs)
