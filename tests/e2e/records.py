"""What a bot in another process has written, looked up by SQL, on SQLite and on PostgreSQL."""

from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool


def rows(url: str, query: str, **values: object) -> list[tuple[Any, ...]]:
    """What a query finds."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), values)]
