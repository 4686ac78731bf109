"""The branch that services grow onto the error tree."""

import pickle
from datetime import UTC, datetime

import pytest

from bot.services.errors import AlreadyOver, Blocked, LimitReached, NotAllowed, StorageFault, UnknownJob
from generation.errors import KnownError, Refusal

REFUSALS = [
    LimitReached("cooldown", 60, datetime(2030, 1, 1, tzinfo=UTC), name="cooldown", advice="Wait a little."),
    Blocked("spam"),
    NotAllowed("Not yours."),
    UnknownJob(),
    AlreadyOver(),
]


@pytest.mark.parametrize("error", [*REFUSALS, StorageFault(detail="disk full")], ids=lambda error: error.code)
def test_each_error_survives_pickling(error):
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(again) is type(error)
    assert (again.user_text, again.detail) == (error.user_text, error.detail)


def test_codes_tell_them_apart():
    assert all(isinstance(error, Refusal) for error in REFUSALS)
    assert isinstance(StorageFault(), KnownError)
    assert len({error.code for error in REFUSALS}) == len(REFUSALS)


def test_people_do_not_see_what_operators_see():
    assert "disk" not in StorageFault(detail="disk full").user_text


def test_the_second_a_limit_names_is_never_too_early():
    error = LimitReached("cooldown", 1, datetime(2030, 1, 1, 0, 0, 0, 1, tzinfo=UTC), name="cooldown", advice="Wait.")

    assert "<t:1893456001:R>" in error.user_text
