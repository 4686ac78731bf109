"""Alembic's way in: a connection handed over by the bot, an address on the command line, or no database at all."""

from typing import Literal

from alembic import context
from sqlalchemy import Connection, create_engine

from bot.storage.addresses import current_url
from bot.storage.tables import METADATA, UtcDateTime


def render_type(kind: str, item: object, context: object) -> str | Literal[False]:
    """A new migration names the database's types only: ours may have changed by the time it runs."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def migrate(connection: Connection) -> None:
    """Run the migrations on this connection; whoever opened a transaction on it ends it."""
    # Batch mode: SQLite alters a table by building it anew.
    context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True, render_item=render_type)
    with context.begin_transaction():
        context.run_migrations()


def migrate_address(url: str) -> None:
    """Run the migrations on the database at a URL: for developers, from the command line."""
    engine = create_engine(current_url(url))
    try:
        with engine.begin() as connection:
            migrate(connection)
    finally:
        engine.dispose()


def write_script() -> None:
    """Write the migrations as SQL instead of running them, for those who review it first."""
    dialect = context.get_x_argument(as_dictionary=True).get("dialect", "postgresql")
    context.configure(dialect_name=dialect, target_metadata=METADATA, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    write_script()
elif "connection" in context.config.attributes:
    migrate(context.config.attributes["connection"])
else:
    migrate_address(context.get_x_argument(as_dictionary=True)["url"])
