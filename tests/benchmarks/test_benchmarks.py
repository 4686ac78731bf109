"""The benchmarks themselves: a broken one would be found on the day a device is lent."""

import json
from pathlib import Path

import pytest

from tests.benchmarks import gpu
from tests.benchmarks.figures import Figure, keep
from tests.benchmarks.gpu_start import time_start


def test_every_gpu_part_runs_at_toy_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["gpu", "--smoke"])
    monkeypatch.setattr("tests.benchmarks.gpu.time_start", lambda mode, *, smoke: 1.0)  # processes; see below
    assert gpu.main() == 0
    written = json.loads((tmp_path / ".bench/gpu-smoke.json").read_text())
    assert written["device"] == "CPU, toy size"
    assert set(gpu.PARTS) - {"H13"} <= set(written), "H13 needs a GPU's profiler"
    assert "reached" in capsys.readouterr().out


def test_a_cold_start_makes_its_graphs_and_draws() -> None:
    assert time_start("compiled", smoke=True) > 0


def test_figures_are_kept_as_plain_numbers(tmp_path: Path) -> None:
    figure = Figure(name="C1", meaning="throughput", value=1.7, bar=1.5, stretch=2.0, unit="", lower_is_better=False)
    keep([figure], tmp_path / "cpu.json")
    assert json.loads((tmp_path / "cpu.json").read_text()) == {"C1": {"value": 1.7, "bar": 1.5, "stretch": 2.0}}
    assert figure.reached
