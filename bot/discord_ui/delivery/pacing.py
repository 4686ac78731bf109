"""Decides whose progress may be shown now. Pure decisions over a clock, no I/O and no timers.

All jobs share one budget of edits. A post asks when it has something new to show; the answer is "now", and the budget
is spent, or how long to wait before it asks again. When more posts ask than the budget holds, those nearest to running
get it; the others keep what they show. Results ask nobody, and progress makes room for them.
"""

import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from dataclasses import dataclass

EDITS_A_SECOND = 10  #: over all jobs; Discord allows 50 requests a second for everything a bot does
CHANNEL_INTERVAL = 1.0  #: seconds between progress edits in one channel; its bucket holds 5 in 5 seconds
MESSAGE_INTERVAL = 2.5  #: seconds between progress edits of one message
_INSTANT = 1e-6  #: seconds; sums of floats that differ by less are the same moment


def monotonic() -> float:
    """The clock that pacing uses unless it is given another."""
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class _Ask:
    rank: int
    channel: str
    at: float


class EditPacer:
    """The budget of progress edits that all posts share. A rank is a place in line, 0 for what runs already."""

    def __init__(
        self,
        *,
        now: Callable[[], float] = monotonic,
        edits_a_second: int = EDITS_A_SECOND,
        channel_interval: float = CHANNEL_INTERVAL,
        message_interval: float = MESSAGE_INTERVAL,
    ) -> None:
        self.message_interval = message_interval
        self._now = now
        self._edits_a_second = edits_a_second
        self._channel_interval = channel_interval
        self._everywhere = int(edits_a_second * message_interval)  #: edits one interval has room for
        self._in_channel = max(1, int(message_interval / channel_interval))
        self._spent: deque[float] = deque()  #: when edits were made, the last second of them
        self._channels: dict[str, float] = {}  #: when progress was last shown there
        self._asks: dict[Hashable, _Ask] = {}  #: who asked within the last interval, the oldest first
        self._ranks: list[int] = []  #: of those, sorted
        self._posting: dict[str, int] = {}  #: results on their way, by channel

    def ask(self, post: Hashable, channel: str, rank: int) -> float:
        """0: show it now, the budget is spent. Otherwise the seconds after which to ask again."""
        now = self._now()
        self._forget(now)
        self._note(post, _Ask(rank, channel, now))
        if self._posting.get(channel):
            return self._channel_interval
        if self._ahead_everywhere(rank) >= self._everywhere or self._ahead_in(channel, rank) >= self._in_channel:
            return self.message_interval
        wait = self._channels.get(channel, -self._channel_interval) + self._channel_interval - now
        if len(self._spent) >= self._edits_a_second:
            wait = max(wait, self._spent[0] + 1.0 - now)
        if wait > _INSTANT:
            return wait
        self._spent.append(now)
        self._channels[channel] = now
        self._drop(post)
        return 0.0

    def leave(self, post: Hashable) -> None:
        """The post has no more progress to show."""
        self._drop(post)

    @contextmanager
    def posting(self, channel: str) -> Generator[None, None, None]:
        """A result is on its way to this channel: its progress waits, and the edit counts."""
        now = self._now()
        self._forget(now)
        self._spent.append(now)
        self._posting[channel] = self._posting.get(channel, 0) + 1
        try:
            yield
        finally:
            self._posting[channel] -= 1
            if not self._posting[channel]:
                del self._posting[channel]

    def _ahead_everywhere(self, rank: int) -> int:
        return bisect_left(self._ranks, rank)

    def _ahead_in(self, channel: str, rank: int) -> int:
        return sum(1 for ask in self._asks.values() if ask.channel == channel and ask.rank < rank)

    def _note(self, post: Hashable, ask: _Ask) -> None:
        self._drop(post)
        self._asks[post] = ask
        insort(self._ranks, ask.rank)

    def _drop(self, post: Hashable) -> None:
        ask = self._asks.pop(post, None)
        if ask is not None:
            del self._ranks[bisect_left(self._ranks, ask.rank)]

    def _forget(self, now: float) -> None:
        """What lies further back than the budget looks."""
        while self._spent and self._spent[0] <= now - 1.0 + _INSTANT:
            self._spent.popleft()
        while self._asks:
            post, ask = next(iter(self._asks.items()))
            if ask.at > now - self.message_interval * 1.1:
                break
            self._drop(post)
        if len(self._channels) > 1000:
            self._channels = {
                channel: at for channel, at in self._channels.items() if at > now - self._channel_interval
            }
