"""Device: one that is there to draw on, as whoever runs the bot sees it. Plain data."""

from dataclasses import dataclass
from enum import StrEnum

from generation.workers.base import Worker


class DeviceState(StrEnum):
    """What a device is doing."""

    STARTING = "starting"
    READY = "ready"
    LOST = "lost"  #: its worker is gone, or did not start; another one follows
    LEAVING = "leaving"  #: it finishes what it draws and is given nothing more
    DRAINED = "drained"  #: it is left alone until it is taken back


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """A moment of it."""

    name: str
    state: DeviceState = DeviceState.STARTING
    since: float = 0.0  #: seconds, of the supervisor's clock: when it came into this state
    losses: int = 0  #: workers of it that were lost or did not start
    worker: Worker | None = None  #: that draws on it now, or is being started
    may_leave: bool = True  #: whether it can be drained; one in this process cannot
