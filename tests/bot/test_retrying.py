"""Which faults are tried again, how often, and after how long."""

from types import SimpleNamespace

import aiohttp
import discord
import pytest

from bot.discord_ui.unsent import is_passing
from bot.errors import StorageFault, is_storage_fault
from bot.retrying import PATIENT, PROMPT, UNTIL_STOPPED, Passing, Policy, retried
from bot.storage.database import Database
from bot.turn import patience_with


def answered(status: int) -> discord.HTTPException:
    return discord.HTTPException(SimpleNamespace(status=status, reason="?"), {"code": 0, "message": "?"})  # type: ignore[arg-type]


PASSING = [answered(500), answered(503), answered(429), aiohttp.ServerDisconnectedError(), ConnectionResetError()]
LASTING = [answered(400), answered(403), answered(404), ValueError("a bug of ours"), StorageFault()]


class Request:
    """Fails so many times; remembers the pauses between."""

    def __init__(self, error: Exception, failures: int) -> None:
        self._error = error
        self._failures = failures
        self.pauses: list[float] = []

    async def __call__(self) -> str:
        if self._failures:
            self._failures -= 1
            raise self._error
        return "there"

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def tried(self, policy: Policy, passing: Passing = is_passing) -> str:
        return await retried(self, policy, passing=passing, doing="a test", pause=self.pause)


@pytest.mark.parametrize("error", PASSING, ids=repr)
async def test_what_passes_on_discord_is_tried_again(error: Exception) -> None:
    request = Request(error, failures=2)
    assert await request.tried(PROMPT) == "there"
    assert len(request.pauses) == 2


@pytest.mark.parametrize("error", LASTING, ids=repr)
async def test_what_lasts_on_discord_is_not_tried_again(error: Exception) -> None:
    request = Request(error, failures=1)
    with pytest.raises(type(error)):
        await request.tried(PROMPT)
    assert not request.pauses


async def test_a_storage_fault_is_tried_again_where_records_are_written() -> None:
    request = Request(StorageFault(), failures=3)
    assert await request.tried(PATIENT, is_storage_fault) == "there"


@pytest.mark.parametrize(("policy", "within"), [(PROMPT, 1.0), (PATIENT, 20.0)])
async def test_the_attempts_are_bounded_and_the_pauses_grow_by_chance(policy: Policy, within: float) -> None:
    requests = [Request(answered(503), failures=100) for _ in range(20)]
    for request in requests:
        with pytest.raises(discord.HTTPException):
            await request.tried(policy)
        assert len(request.pauses) == policy.attempts - 1
        assert sum(request.pauses) < within
        for number, seconds in enumerate(request.pauses):
            assert min(0.125 * 2**number, policy.longest / 2) <= seconds <= min(0.25 * 2**number, policy.longest)
    assert len({request.pauses[0] for request in requests}) > 1, "those who failed together do not come back together"


def test_a_database_server_that_is_away_is_waited_for_without_end_and_a_file_is_not() -> None:
    assert patience_with(Database("postgresql://somebody@127.0.0.1/bot")) is UNTIL_STOPPED
    assert patience_with(Database("sqlite:///bot.db")) is PATIENT
