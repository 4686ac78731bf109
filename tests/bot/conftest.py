"""For all tests of the bot."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends with the test what is entered in its middle."""
    with ExitStack() as stack:
        yield stack
