"""Watchdog notices a thread that hangs: busy, and without a sign of life for longer than its work can take."""

import asyncio
import time
from collections.abc import Callable

LOOKS = 4  #: in the time of one budget; silence is counted from look to look


class Watchdog:
    """Looks after a thread from the event loop, by a timer that runs only while there is something to look after.

    Silence counts at most one interval a look: a machine that slept, a stopped process or an event loop that was late
    is no thread that hangs. The clock is not the loop's, which a test may wind forward.
    """

    def __init__(
        self,
        budget: Callable[[], float | None],
        bark: Callable[[float], None],
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`budget`: seconds of silence that are fine now, None when nothing runs. `bark` is told how long it was."""
        self._budget = budget
        self._bark = bark
        self._clock = clock
        self._beats = 0  #: signs of life so far
        self._heard = 0  #: of them, at the last look
        self._looked = 0.0
        self._silence = 0.0
        self._interval = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def beat(self) -> None:
        """Give a sign of life. The one method that the thread calls."""
        self._beats += 1

    def watch(self) -> None:
        """Watch the thread, because it has work. Called again when the budget may have shrunk."""
        if self._timer is None:
            self._silence = 0.0
            self._arm()
        elif (budget := self._budget()) is not None and budget / LOOKS < self._interval:
            self._timer.cancel()
            self.look()

    def rest(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self) -> None:
        """Count the silence, and bark when it is too long; the timer calls this."""
        self._timer = None
        budget = self._budget()
        if budget is None:
            return
        if self._heard != self._beats:
            self._silence = 0.0
        else:
            self._silence += min(self._clock() - self._looked, self._interval)
        if self._silence >= budget:
            self._bark(self._silence)
        else:
            self._arm()

    def _arm(self) -> None:
        if (budget := self._budget()) is not None:
            self._heard, self._looked, self._interval = self._beats, self._clock(), budget / LOOKS
            self._timer = asyncio.get_running_loop().call_later(self._interval, self.look)
