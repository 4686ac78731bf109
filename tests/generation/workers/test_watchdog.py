"""When silence is too long, and when it only seems so."""

from generation.workers.watchdog import LOOKS, Watchdog


class Yard:
    """A watchdog with a clock that is wound by hand."""

    def __init__(self, budget: float | None = 100.0) -> None:
        self.now = 0.0
        self.budget = budget
        self.barks: list[float] = []
        self.dog = Watchdog(lambda: self.budget, self.barks.append, clock=lambda: self.now)

    @property
    def armed(self) -> bool:
        return self.dog._timer is not None

    def look_after(self, seconds: float) -> None:
        """What the timer does, so many seconds after the last time."""
        self.now += seconds
        self.dog.look()


async def test_it_barks_once_when_the_budget_is_spent() -> None:
    yard = Yard()
    yard.dog.watch()
    for _ in range(LOOKS - 1):
        yard.look_after(25)
        assert yard.barks == []
    yard.look_after(25)
    assert yard.barks == [100.0]
    assert not yard.armed


async def test_a_sign_of_life_starts_the_count_again() -> None:
    yard = Yard()
    yard.dog.watch()
    for _ in range(20):
        yard.look_after(25)
        yard.look_after(25)
        yard.dog.beat()
    assert yard.barks == []
    yard.dog.rest()


async def test_a_machine_that_slept_is_no_thread_that_hangs() -> None:
    yard = Yard()
    yard.dog.watch()
    yard.look_after(3600)
    assert yard.barks == []
    yard.dog.rest()


async def test_a_loop_whose_time_is_wound_forward_is_none_either() -> None:
    yard = Yard()
    yard.dog.watch()
    for _ in range(1000):
        yard.look_after(0.001)
    assert yard.barks == []
    yard.dog.rest()


async def test_there_is_no_timer_while_nothing_runs() -> None:
    yard = Yard(budget=None)
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
