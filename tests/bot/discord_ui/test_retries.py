"""Which faults are tried again, how often, and after how long."""

from types import SimpleNamespace

import aiohttp
import discord
import pytest

from bot.discord_ui.retries import through_dropped_connections


def answered(status: int) -> discord.HTTPException:
    return discord.HTTPException(SimpleNamespace(status=status, reason="?"), {"code": 0, "message": "?"})  # type: ignore[arg-type]


PASSING = [answered(500), answered(503), answered(429), aiohttp.ServerDisconnectedError(), ConnectionResetError()]
LASTING = [answered(400), answered(403), answered(404), ValueError("a bug of ours")]


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


@pytest.mark.parametrize("error", PASSING, ids=repr)
async def test_what_passes_is_tried_again(error: Exception) -> None:
    request = Request(error, failures=2)
    assert await through_dropped_connections(request, attempts=3, pause=request.pause) == "there"
    assert len(request.pauses) == 2


@pytest.mark.parametrize("error", LASTING, ids=repr)
async def test_what_lasts_is_not(error: Exception) -> None:
    request = Request(error, failures=1)
    with pytest.raises(type(error)):
        await through_dropped_connections(request, attempts=3, pause=request.pause)
    assert not request.pauses


async def test_the_attempts_are_bounded_and_the_pauses_grow_by_chance() -> None:
    requests = [Request(answered(503), failures=100) for _ in range(20)]
    for request in requests:
        with pytest.raises(discord.HTTPException):
            await through_dropped_connections(request, attempts=7, pause=request.pause)
        assert len(request.pauses) == 6
        for number, seconds in enumerate(request.pauses):
            assert 0.125 * 2**number <= seconds <= 0.25 * 2**number
    assert len({request.pauses[0] for request in requests}) > 1, "those who failed together do not come back together"
