"""A small model draws with one thread, a large one with all; each step sets it, since it counts for the process."""

from collections.abc import Iterator

import pytest
import torch

from generation.diffusion import threads
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.threads import SMALL, threads_for
from tests.generation.diffusion.conftest import load_tiny, make_job

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def net_of(parameters: int) -> torch.nn.Module:
    return torch.nn.Linear(parameters // 1000, 1000, bias=False, device="meta")


@pytest.mark.parametrize(
    ("parameters", "device", "number"),
    [(SMALL - 1000, CPU, 1), (SMALL, CPU, 6), (SMALL - 1000, torch.device("cuda"), 6)],
)
def test_only_a_small_model_on_a_cpu_draws_with_one_thread(
    parameters: int, device: torch.device, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "ALL", 6)
    assert threads_for(net_of(parameters), device) == number


def test_each_step_and_each_upkeep_sets_the_models_number_of_threads() -> None:
    small, large = load_tiny("epsilon"), load_tiny("epsilon")
    large.threads = 2
    engines = [DiffusionEngine(small, max_rows=2), DiffusionEngine(large, max_rows=2)]
    for engine in engines:
        engine.admit(make_job(steps=2))
    numbers: list[int] = []
    for tick in (DiffusionEngine.step, DiffusionEngine.idle):
        for engine in engines:
            tick(engine)
            numbers.append(torch.get_num_threads())
    assert numbers == [1, 2, 1, 2]
