"""Several processes learn what one does. Apart from the others: each process imports this file anew."""

import atexit
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.multiprocessing import ProcessRaisedException

from generation.training.crew import Crew, run_crew
from generation.training.learner import Learner, LearnerSettings
from generation.training.pace import Budget


class Line(Learner):
    """Fits a line; the shortest of all runs."""

    def __init__(self, crew: Crew) -> None:
        torch.manual_seed(0)
        self.line = torch.nn.Linear(3, 1)
        super().__init__(
            LearnerSettings(budget=Budget(steps=4), batch=8, peak_rate=0.1), crew, list(self.line.parameters())
        )

    def error(self) -> Tensor:
        points = torch.randn(self.settings.batch, 3, generator=self.generator())[self.crew.share(self.settings.batch)]
        return (self.line(points)[:, 0] - points.sum(1)).square().mean()

    def look(self, path: Path) -> None:
        """A line has nothing to show."""


def learn(crew: Crew, folder: Path) -> None:
    run = Line(crew)
    run.seconds = 7.0 if crew.leads else 1e9  # only the leader's clock counts
    while run.progress < 1:
        run.learn()
    torch.save({"weight": run.line.weight.detach(), "seconds": run.seconds}, folder / f"{crew.rank}-of-{crew.size}.pt")


def test_two_processes_learn_what_one_does(tmp_path: Path):
    run_crew(2, tmp_path, learn, tmp_path)
    run_crew(1, tmp_path, learn, tmp_path)
    first, second, alone = (torch.load(tmp_path / f"{name}.pt") for name in ("0-of-2", "1-of-2", "0-of-1"))
    assert torch.equal(first["weight"], second["weight"])
    assert torch.allclose(first["weight"], alone["weight"], atol=1e-5)
    assert first["seconds"] == second["seconds"] < 100
    assert not list(tmp_path.glob("meeting*"))


def work_whose_process_ends_badly(crew: Crew, folder: Path) -> None:
    atexit.register(os.abort)
    (folder / str(crew.rank)).touch()


def test_how_a_process_ends_does_not_matter_once_its_work_is_done(tmp_path: Path):
    """Once gloo's threads said "terminate called without an active exception" when all was learnt and saved."""
    run_crew(2, tmp_path, work_whose_process_ends_badly, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}


def work_that_fails(crew: Crew) -> None:
    raise ValueError(f"{crew.rank} cannot")


def test_a_failure_in_a_crew_is_raised(tmp_path: Path):
    with pytest.raises(ProcessRaisedException, match="cannot"):
        run_crew(2, tmp_path, work_that_fails)


def test_a_crew_shares_every_row_once():
    rows = list(range(7))
    assert sorted(rows[Crew(rank=0, size=2).share(7)] + rows[Crew(rank=1, size=2).share(7)]) == rows
