"""Brings the tables up to date, with the migrations that ship beside the bot."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def config() -> Config:
    """Alembic's settings, made here: there is no ini file to be found wherever the bot was started."""
    settings = Config()
    settings.set_main_option("script_location", "migrations:.")
    settings.set_main_option("path_separator", "os")
    return settings


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Migrate up to a revision, inside the transaction the connection is in."""
    command.upgrade(_on(connection), revision)


def downgrade(connection: Connection, revision: str = "base") -> None:
    """Migrate down to a revision, inside the transaction the connection is in."""
    command.downgrade(_on(connection), revision)


def _on(connection: Connection) -> Config:
    settings = config()
    settings.attributes["connection"] = connection
    return settings
