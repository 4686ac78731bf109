"""The watchdog: when a thread's silence is too long, and when it only seems so."""

import asyncio
from collections.abc import Callable

import pytest

from generation.workers.watchdog import LOOKS, Watchdog


class Timer:
    """Stands for a timer of the event loop, which a test makes go off."""

    def __init__(self, go_off: Callable[[], None]) -> None:
        self.go_off = go_off
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Yard:
    """A watchdog with a clock and timers that are wound by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.budget: float | None = 100.0
        self.barks: list[float] = []
        self.timers: list[Timer] = []
        self.dog = Watchdog(lambda: self.budget, self.barks.append, clock=lambda: self.now)

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Stands for the event loop's `call_later`."""
        self.timers.append(Timer(callback))
        return self.timers[-1]

    @property
    def armed(self) -> bool:
        return any(not timer.cancelled for timer in self.timers)

    def look_after(self, seconds: float) -> None:
        """Make the one timer go off, so many seconds after the last time."""
        self.now += seconds
        (timer,) = (timer for timer in self.timers if not timer.cancelled)
        self.timers.clear()
        timer.go_off()


@pytest.fixture
async def yard(monkeypatch: pytest.MonkeyPatch) -> Yard:
    yard = Yard()
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", yard.call_later)
    return yard


async def test_a_watchdog_barks_once_when_the_budget_is_spent(yard: Yard) -> None:
    yard.dog.watch()
    for _ in range(LOOKS - 1):
        yard.look_after(25)
        assert yard.barks == []
    yard.look_after(25)
    assert yard.barks == [100.0]
    assert not yard.armed


async def test_a_sign_of_life_starts_the_count_again(yard: Yard) -> None:
    yard.dog.watch()
    for _ in range(20):
        yard.look_after(25)
        yard.look_after(25)
        yard.dog.beat()
    assert yard.barks == []
    yard.dog.rest()


async def test_a_machine_that_slept_is_no_thread_that_hangs(yard: Yard) -> None:
    yard.dog.watch()
    yard.look_after(3600)
    assert yard.barks == []
    yard.dog.rest()


async def test_a_loop_whose_time_is_wound_forward_is_no_thread_that_hangs(yard: Yard) -> None:
    yard.dog.watch()
    for _ in range(1000):
        yard.look_after(0.001)
    assert yard.barks == []
    yard.dog.rest()


async def test_a_watchdog_has_no_timer_while_nothing_runs(yard: Yard) -> None:
    yard.budget = None
    yard.dog.watch()
    assert not yard.armed
    yard.budget = 100.0
    yard.dog.watch()
    assert yard.armed
    yard.budget = None
    yard.look_after(25)
    assert not yard.armed
    yard.budget = 100.0
    yard.dog.watch()
    yard.dog.rest()
    assert not yard.armed
