"""The benchmarks themselves: a broken one would be found on the day a device is lent."""

import json
from pathlib import Path

import pytest

from tests.benchmarks import gpu
from tests.benchmarks.exactness import measure_graphs, measure_padding
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


def test_padding_stays_below_its_bar() -> None:
    """C7; the row counts that go unpadded are what keeps it there."""
    figure = measure_padding()
    assert figure.name == "C7_padding"
    assert 0 < figure.value <= figure.bar


def test_after_warm_up_nothing_is_compiled() -> None:
    figure = measure_graphs()
    assert figure.name == "C7_graphs"
    assert figure.value == 0


def test_some_figures_can_be_renewed(tmp_path: Path) -> None:
    def figure(name: str, value: float) -> Figure:
        return Figure(name=name, meaning="", value=value, bar=1.0, unit="")

    keep([figure("C1", 1.0), figure("C2", 2.0)], tmp_path / "cpu.json")
    keep([figure("C2", 3.0)], tmp_path / "cpu.json", add=True)
    written = json.loads((tmp_path / "cpu.json").read_text())
    assert {name: entry["value"] for name, entry in written.items()} == {"C1": 1.0, "C2": 3.0}
    keep([figure("C3", 1.0)], tmp_path / "cpu.json")
    assert list(json.loads((tmp_path / "cpu.json").read_text())) == ["C3"]


def test_figures_are_kept_as_plain_numbers(tmp_path: Path) -> None:
    figure = Figure(name="C1", meaning="throughput", value=1.7, bar=1.5, stretch=2.0, unit="", lower_is_better=False)
    keep([figure], tmp_path / "cpu.json")
    assert json.loads((tmp_path / "cpu.json").read_text()) == {
        "C1": {"value": 1.7, "bar": 1.5, "better": "higher", "stretch": 2.0}
    }
    assert figure.reached
