"""What members, admins and restarts need of the record, once more on a real PostgreSQL."""
# ruff: noqa: F403 - the same tests, with another database

import pytest

from tests.bot.services.test_admin import *
from tests.bot.services.test_history import *
from tests.bot.services.test_recovery import *
from tests.bot.services.test_reservations import *
from tests.bot.services.test_results import *
from tests.bot.services.test_retention import *
from tests.bot.services.test_stars import *
from tests.bot.services.test_stopping import *


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """The server's, in place of SQLite's."""
    return postgres_url
