"""The database's URL: what operators wrote for earlier versions, and paths with any characters."""

import importlib.util
from pathlib import Path

import pytest
from sqlalchemy import make_url

from bot.storage.addresses import current_url, say_if_former, sqlite_url


@pytest.fixture
def with_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra were installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("sqlite:///data/bot.db", "sqlite:///data/bot.db"),
        ("sqlite+aiosqlite:////srv/bot.db", "sqlite:////srv/bot.db"),
        ("postgresql://bot@db/bot", "postgresql+psycopg://bot@db/bot"),
        ("postgresql+psycopg://bot:a%40b@db:5433/bot", "postgresql+psycopg://bot:a%40b@db:5433/bot"),
        ("postgresql+asyncpg://db/bot?ssl=require", "postgresql+psycopg://db/bot?sslmode=require"),
        ("postgresql+asyncpg://db/bot?ssl=true&statement_cache_size=0", "postgresql+psycopg://db/bot?sslmode=require"),
        ("postgresql+asyncpg://db/bot?prepared_statement_cache_size=500", "postgresql+psycopg://db/bot"),
    ],
)
@pytest.mark.usefixtures("with_postgres")
def test_a_url_of_an_earlier_version_is_taken_as_todays(written: str, taken: str) -> None:
    assert make_url(current_url(written)) == make_url(taken)


@pytest.mark.parametrize("url", ["mysql://db/bot", "bot.db", "postgresql://db:port/bot", "sqlite+pysqlcipher:///x"])
@pytest.mark.usefixtures("with_postgres")
def test_what_is_no_url_of_ours_is_said_in_words(url: str) -> None:
    with pytest.raises(ValueError, match=r"must start with|is no URL"):
        current_url(url)


def test_postgresql_without_its_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"imagine-bot\[postgres\]"):
        current_url("postgresql://db/bot")


def test_a_former_driver_is_said_in_one_line_and_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    say_if_former("sqlite:///x.db")
    assert not caplog.records
    say_if_former("postgresql+asyncpg://bot:s3cret@db/bot")
    (line,) = caplog.records
    assert "postgresql+psycopg://" in line.getMessage()
    assert "s3cret" not in line.getMessage()


@pytest.mark.parametrize("folder", ["my%20bot", "what?", "a#b", "ünï cödé", "at@home"])
def test_any_path_leads_to_its_file(tmp_path: Path, folder: str) -> None:
    file = tmp_path / folder / "bot.db"
    assert make_url(current_url(sqlite_url(file))).database == str(file)
