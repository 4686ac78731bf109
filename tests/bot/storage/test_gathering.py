"""Who is served together with whom, and who suffers from whose mistake."""

import asyncio

import pytest

from bot.errors import StorageFault
from bot.storage.gathering import Gathering, answer


class Counter:
    """Serves numbers by doubling them, one group at a time, each when it may."""

    def __init__(self, most: int = 10) -> None:
        self.line: Gathering[int, int] = Gathering(self.serve, most=most)
        self.groups: list[list[int]] = []
        self.may_serve = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_serve.set()
        self.may_answer.set()

    async def serve(self, board):
        await self.may_serve.wait()
        group = board()
        self.groups.append(list(group.values()))
        await self.may_answer.wait()
        if 13 in group.values():
            raise ValueError("13")
        if 99 in group.values():
            raise StorageFault(detail="disk full")
        answer(group, [2 * number for number in group.values()])


@pytest.fixture
async def counter():
    return Counter()


async def test_who_comes_while_a_group_is_served_is_in_the_next(counter):
    counter.may_answer.clear()
    first = [counter.line.join(number) for number in (1, 2)]
    await asyncio.sleep(0)
    later = [counter.line.join(number) for number in (3, 4, 5)]
    counter.may_answer.set()

    assert await asyncio.gather(*first, *later) == [2, 4, 6, 8, 10]
    assert counter.groups == [[1, 2], [3, 4, 5]]
    assert len(counter.line) == 0


async def test_a_group_has_an_end():
    counter = Counter(most=2)

    assert await asyncio.gather(*map(counter.line.join, range(5))) == [0, 2, 4, 6, 8]
    assert counter.groups == [[0, 1], [2, 3], [4]]


async def test_a_group_is_made_when_its_turn_comes_of_those_who_are_still_there(counter):
    counter.may_serve.clear()
    stays, leaves, is_cancelled = (counter.line.join(number) for number in (1, 2, 3))
    await asyncio.sleep(0)
    assert counter.line.leave(leaves)
    is_cancelled.cancel()
    comes = counter.line.join(4)
    counter.may_serve.set()

    assert await asyncio.gather(stays, comes) == [2, 8]
    assert counter.groups == [[1, 4]]
    assert not counter.line.leave(stays), "too late"


async def test_one_mistake_is_nobody_elses(counter):
    outcomes = await asyncio.gather(*map(counter.line.join, (1, 13, 2)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [int, ValueError, int]
    assert counter.groups == [[1, 13, 2], [1], [13], [2]]


async def test_a_disk_in_trouble_is_everybodys(counter):
    outcomes = await asyncio.gather(*map(counter.line.join, (1, 99)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [StorageFault, StorageFault]
    assert counter.groups == [[1, 99]], "once more for each would only take longer"
    assert await counter.line.join(3) == 6


async def test_closing_waits_for_the_last(counter):
    last = counter.line.join(1)
    await counter.line.close()

    assert last.result() == 2
    await counter.line.close()
