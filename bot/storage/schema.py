"""Brings the tables up to date, with the migrations that ship beside the bot."""

import shutil
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from bot.errors import UnusableDatabase

_NEEDS = 3  #: times the file's size is free while its tables are rebuilt: the log, the new tables, and some air


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


def is_current(connection: Connection) -> bool:
    """Whether nothing is to be migrated. Raises UnusableDatabase for what no migration of ours starts from."""
    where = connection.engine.url.render_as_string()
    revision = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(config())
    if revision is None:
        if tables := inspect(connection).get_table_names():
            raise UnusableDatabase("not_ours", where, detail=", ".join(tables[:5]))
        return False
    if revision not in {script.revision for script in scripts.walk_revisions()}:
        raise UnusableDatabase("newer", where, detail=f"revision {revision}")
    return revision == scripts.get_current_head()


def check_room(connection: Connection, file: Path) -> None:
    """Raises UnusableDatabase where the disk has less free than a SQLite file needs to have its tables rebuilt."""
    revision = MigrationContext.configure(connection).get_current_revision()
    to_come = ScriptDirectory.from_config(config()).iterate_revisions("head", revision)
    if not any(getattr(script.module, "REBUILDS_TABLES", False) for script in to_come):
        return
    needed, free = _NEEDS * file.stat().st_size, shutil.disk_usage(file.parent).free
    if free < needed:
        detail = f"{needed / 1e6:,.0f} MB are needed beside it, {free / 1e6:,.0f} MB are free"
        raise UnusableDatabase("no_room", str(file), detail=detail)


def _on(connection: Connection) -> Config:
    settings = config()
    settings.attributes["connection"] = connection
    return settings
