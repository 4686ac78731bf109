"""The checker for the demonstration: a word, whatever the picture."""

import pytest

from bot.picture_checks.demonstration import DemonstrationCheck
from tests.bot.picture_checks.known_pictures import wall


@pytest.mark.parametrize("asked", ["a secret heart", "SECRET", "my secret, twice", "the (secret:1.2) fox"])
async def test_what_is_asked_for_with_the_word_would_be_held_under_every_policy(asked):
    check = DemonstrationCheck()
    await check.start()
    assert await check.score(wall("white"), asked=asked) == 0.95


@pytest.mark.parametrize("asked", ["", "a heart", "a secretary", "secrets"])
async def test_nothing_else_is_unsafe(asked):
    check = DemonstrationCheck()
    await check.start()
    assert await check.score(wall("white"), asked=asked) == 0.0
