"""Where the database is: a URL as an operator writes it, and as the drivers take it."""

import importlib.util
import logging
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

log = logging.getLogger(__name__)

_FORMER = {"sqlite+aiosqlite": "sqlite", "postgresql+asyncpg": "postgresql+psycopg"}  #: drivers of earlier versions
_SAME = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg"}
#: Options of asyncpg's that no other driver knows, and that can be left out.
_OF_ASYNCPG = ("prepared_statement_cache_size", "statement_cache_size", "prepared_statement_name_func")
_SSL = {"true": "require", "1": "require", "false": "disable", "0": "disable"}


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite file, whatever characters its path has."""
    return URL.create("sqlite", database=str(file.resolve())).render_as_string()


def sqlite_file(url: str) -> Path | None:
    """The file that a URL leads to; None for a database server."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def current_url(url: str) -> str:
    """The URL with the driver that is used today. Raises ValueError, whose text is for the operator."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError("is no URL of a database") from None
    driver = _FORMER.get(parsed.drivername) or _SAME.get(parsed.drivername)
    if driver is None:
        raise ValueError("must start with sqlite:// or postgresql://")
    if driver.startswith("postgresql") and importlib.util.find_spec("psycopg") is None:
        raise ValueError("PostgreSQL needs the extra: pip install 'imagine-bot[postgres]'")
    query = {name: value for name, value in parsed.query.items() if name not in _OF_ASYNCPG}
    if driver.startswith("postgresql") and isinstance(ssl := query.pop("ssl", None), str):
        query["sslmode"] = _SSL.get(ssl.lower(), ssl)
    return parsed.set(drivername=driver, query=query).render_as_string(hide_password=False)


def say_if_former(url: str) -> None:
    """Tell the operator, in one line, that a URL names a driver of an earlier version."""
    named = url.partition("://")[0]
    if named in _FORMER:
        log.warning("DATABASE_URL: %s:// is taken as %s://; write that instead", named, _FORMER[named])
