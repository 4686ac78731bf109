"""The clock of the whole application. Parts are given one, so that tests can set the time."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]  #: says the time, in UTC


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)
