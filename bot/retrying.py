"""Three policies for trying again: while somebody waits for an answer, for what must not be lost, and for ever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random_exponential,
)

log = logging.getLogger(__name__)

T = TypeVar("T")
Pause: TypeAlias = Callable[[float], Awaitable[None]]  #: waits so many seconds
Passing: TypeAlias = Callable[[BaseException], bool]  #: whether the same may well succeed in a moment


@dataclass(frozen=True, slots=True)
class Policy:
    """Pauses double from a quarter of a second."""

    attempts: int
    longest: float  #: seconds of one pause


PROMPT = Policy(attempts=3, longest=0.5)  #: Discord waits 3 seconds for a first answer, not longer
PATIENT = Policy(attempts=7, longest=8.0)  #: about 15 seconds of pauses, beside what each attempt itself waits
UNTIL_STOPPED = Policy(attempts=10**9, longest=15.0)


async def retried(
    work: Callable[[], Awaitable[T]],
    policy: Policy,
    *,
    passing: Passing,
    doing: str,
    pause: Pause = asyncio.sleep,
) -> T:
    """What the work returns in the end. Raises what the last attempt raised, and at once what will not pass."""

    def say(state: RetryCallState) -> None:
        log.warning("%s: %s; trying again", doing, state.outcome and repr(state.outcome.exception()))

    retrying = AsyncRetrying(
        retry=retry_if_exception(passing),
        stop=stop_after_attempt(policy.attempts),
        # Half of each pause is chance, so that those who failed together do not come back together.
        wait=wait_exponential(multiplier=0.125, max=policy.longest / 2)
        + wait_random_exponential(multiplier=0.125, max=policy.longest / 2),
        before_sleep=say,
        sleep=pause,
        reraise=True,
    )
    async for attempt in retrying:
        with attempt:
            return await work()
    raise AssertionError("tenacity raises when attempts run out")
