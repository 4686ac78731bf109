"""What every picture check keeps to."""

import pytest

from bot.errors import CheckFault
from bot.picture_checks.base import SafetyCheck
from bot.picture_checks.demonstration import DemonstrationCheck
from bot.picture_checks.opennsfw import OpenNsfwCheck
from tests.bot.picture_checks.known_pictures import GRID, wall
from tests.pictures import png_of

CHECKS = [DemonstrationCheck, OpenNsfwCheck]


@pytest.fixture(params=CHECKS, ids=lambda kind: kind.__name__)
async def check(request):
    check: SafetyCheck = request.param()
    await check.start()
    yield check
    await check.close()


async def test_a_harmless_picture_is_safe(check):
    assert 0.0 <= await check.score(png_of(GRID[0]), asked="a red heart") < 0.5


async def test_the_same_picture_has_the_same_score(check):
    assert len({await check.score(wall("teal"), asked="a teal wall") for _ in range(3)}) == 1


async def test_a_picture_from_outside_was_asked_for_with_no_words(check):
    assert 0.0 <= await check.score(wall("white"), asked="") < 0.5


async def test_before_the_start_nothing_is_known(check):
    with pytest.raises(CheckFault):
        await type(check)().score(wall("white"), asked="a white wall")


async def test_what_is_asked_after_the_end_is_a_fault_and_no_score(check):
    await check.close()
    with pytest.raises(CheckFault):
        await check.score(wall("white"), asked="a white wall")


async def test_it_may_be_closed_twice_and_without_a_start(check):
    await check.close()
    await check.close()
    await type(check)().close()
