"""The budget of progress edits, on a clock that the test moves."""

import tracemalloc
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bot.discord_ui.delivery.pacing import EditPacer


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Simulation:
    """Posts that always have something new to show and ask as `JobPost` does."""

    def __init__(self, jobs: list[tuple[str, int]], seconds: float) -> None:
        clock = Clock()
        self.pacer = EditPacer(now=clock)
        self.edits: list[tuple[float, int]] = []
        due = {job: clock.now + 2.5 + job * 0.001 for job in range(len(jobs))}
        end = clock.now + seconds
        while due and min(due.values()) < end:
            job = min(due, key=lambda job: due[job])
            clock.now = due[job]
            channel, rank = jobs[job]
            wait = self.pacer.ask(job, channel, rank)
            if wait == 0:
                self.edits.append((clock.now, job))
            due[job] = clock.now + (wait or 2.5)
        self.channels = [channel for channel, _ in jobs]

    def most_in_a_second(self, channel: str | None = None) -> int:
        times = [at for at, job in self.edits if channel in (None, self.channels[job])]
        return max((sum(1 for other in times if at - 1 + 1e-9 < other <= at) for at in times), default=0)


def test_one_job_alone_is_shown_each_interval() -> None:
    simulation = Simulation([("a", 0)], seconds=26)
    assert len(simulation.edits) == 10


def test_ten_progress_edits_a_second_go_to_the_jobs_nearest_to_running() -> None:
    simulation = Simulation([(f"channel {rank}", rank) for rank in range(200)], seconds=30)
    assert simulation.most_in_a_second() == 10
    seen = Counter(job for _, job in simulation.edits)
    # 25 edits fit into one interval: those whose place is below 25.
    assert min(seen[job] for job in range(25)) >= 8
    assert sum(seen[job] for job in range(60, 200)) == 0 or max(seen[job] for job in range(60, 200)) <= 1


def test_one_progress_edit_a_second_goes_to_a_channel() -> None:
    simulation = Simulation([("busy", rank) for rank in range(20)] + [("quiet", 50)], seconds=30)
    assert simulation.most_in_a_second("busy") == 1
    seen = Counter(job for _, job in simulation.edits)
    assert seen[0] >= 8
    assert seen[20] >= 8  # the busy channel takes nothing from the quiet one


def test_running_jobs_of_one_channel_take_turns() -> None:
    simulation = Simulation([("busy", 0)] * 5, seconds=60)
    seen = Counter(job for _, job in simulation.edits)
    assert min(seen.values()) >= 5


def test_progress_waits_for_results_of_its_channel() -> None:
    clock = Clock()
    pacer = EditPacer(now=clock)
    with pacer.posting("a"):
        assert pacer.ask("job", "a", 0) > 0
        assert pacer.ask("other", "b", 0) == 0
    assert pacer.ask("job", "a", 0) == 0


def test_results_count_towards_the_budget_of_edits() -> None:
    clock = Clock()
    pacer = EditPacer(now=clock)
    for result in range(10):
        with pacer.posting(f"channel {result}"):
            pass
    assert pacer.ask("job", "elsewhere", 0) > 0
    clock.now += 1.0
    assert pacer.ask("job", "elsewhere", 0) == 0


def test_results_that_nobody_watched_are_not_remembered() -> None:
    clock = Clock()
    pacer = EditPacer(now=clock)
    tracemalloc.start()
    try:
        for _ in range(10_000):
            clock.now += 1.0
            with pacer.posting("a"):
                pass
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 20_000, "bytes; 10,000 moments take 300,000"


def test_who_leaves_stands_in_nobodys_way() -> None:
    clock = Clock()
    pacer = EditPacer(now=clock)
    assert pacer.ask("first", "a", 0) == 0
    assert pacer.ask("second", "a", 1) > 0
    assert pacer.ask("third", "a", 2) > 0
    clock.now += 1.0
    pacer.leave("second")
    assert pacer.ask("third", "a", 2) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), min_size=1, max_size=40))
def test_there_are_never_more_progress_edits_than_the_budget(jobs: list[tuple[str, int]]) -> None:
    simulation = Simulation(jobs, seconds=8)
    assert simulation.most_in_a_second() <= 10
    assert all(simulation.most_in_a_second(channel) <= 1 for channel in "abc")
    assert simulation.edits
