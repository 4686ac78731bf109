"""Filling a call up to the row count of a ready graph: never more than a fifth of all rows."""

import random

import pytest
import torch

from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.loading.model import LoadedModel
from tests.generation.diffusion.conftest import load_tiny, make_job
from tests.generation.diffusion.engine.test_equals_diffusers import crowd, latents_in_a_crowd


class Calls:
    """Gives a model graphs for these row counts; notes the calls, and predicts cheaply."""

    def __init__(self, model: LoadedModel, monkeypatch: pytest.MonkeyPatch, buckets: tuple[int, ...]) -> None:
        self.rows: list[int] = []
        self.shapes: set[tuple[object, ...]] = set()
        monkeypatch.setattr(model, "row_buckets", self._buckets)
        monkeypatch.setattr(model, "predict_noise", self._predict)
        self._ready = buckets

    def _buckets(self, shape: tuple[tuple[int, int, int], int]) -> tuple[int, ...]:
        self.shapes.add(shape)
        return self._ready

    def _predict(self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: object) -> torch.Tensor:
        assert latents.shape[:1] == timesteps.shape
        self.rows.append(len(latents))
        return latents * 0.1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("buckets", [(2, 4, 8), (8,), (1, 2, 4, 6, 8), (3, 16)])
def test_padding_is_at_no_time_more_than_a_fifth_of_the_rows(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch, buckets: tuple[int, ...], seed: int
) -> None:
    chance = random.Random(seed)
    calls = Calls(tiny_model, monkeypatch, buckets)
    engine = DiffusionEngine(tiny_model, max_rows=chance.choice((8, 16)))
    padded_calls = 0
    for _ in range(60):
        for _ in range(chance.choice((0, 0, 1, 2))):
            guidance = chance.choice((1.0, 5.0))
            engine.admit(make_job(steps=chance.randint(1, 12), guidance_scale=guidance, seed=chance.randrange(99)))
        padded = engine.padded_rows
        engine.step()
        padded_calls += engine.padded_rows > padded
        assert engine.padded_rows <= engine.rows / 5
    assert engine.rows == sum(calls.rows)
    assert calls.shapes == {((4, 16, 16), 77)}
    if buckets != (3, 16):
        assert padded_calls > 0


def test_three_rows_go_as_four_where_full_calls_have_earned_it(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(tiny_model, monkeypatch, (2, 4, 8))
    engine = DiffusionEngine(tiny_model)
    engine.admit(make_job(steps=6))
    engine.admit(make_job(steps=6, guidance_scale=1.0))
    for _ in range(6):
        engine.step()
    # 3 rows earn 3; from then on a padded call of four costs 5 - 4 = 1.
    assert calls.rows == [3, 4, 4, 4, 3, 4]


def test_long_full_times_earn_a_bounded_amount_of_padding(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(tiny_model, monkeypatch, (8,))
    engine = DiffusionEngine(tiny_model)
    for _ in range(4):
        engine.admit(make_job(steps=100))
    for _ in range(99):
        engine.step()
    engine.admit(make_job(steps=150, guidance_scale=1.0))
    for _ in range(100):
        engine.step()
    assert calls.rows[:99] == [8] * 99
    assert calls.rows[-1] == 1
    assert engine.padded_rows <= 7 * 15, "though a fifth of all rows would be 178"


def test_without_graphs_nothing_is_padded(tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(tiny_model, monkeypatch, ())
    engine = DiffusionEngine(tiny_model)
    engine.admit(make_job(steps=3, guidance_scale=1.0))
    for _ in range(3):
        engine.step()
    assert calls.rows == [1, 1, 1]
    assert engine.padded_rows == 0


def test_a_fixed_number_of_rows_is_not_padded_to_a_graph(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(tiny_model, monkeypatch, (2, 4))
    engine = DiffusionEngine(tiny_model, max_rows=6, reproducible=True)
    engine.admit(make_job(steps=5))
    for _ in range(5):
        engine.step()
    assert calls.rows == [6] * 5


def test_padding_changes_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_tiny("epsilon", torch.float64)
    jobs = crowd()
    bare = latents_in_a_crowd(model, jobs)
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(model, "row_buckets", lambda shape: asked.append(shape) or (2, 4, 8))
    padded = latents_in_a_crowd(model, jobs)
    assert asked
    assert max((bare[seed] - padded[seed]).abs().max().item() for seed in bare) <= 1e-10
