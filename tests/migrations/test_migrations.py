"""The migrations: up, down, equal to the tables, and good for PostgreSQL too."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from bot.storage import schema
from bot.storage.database import Database
from bot.storage.tables import METADATA


@pytest.fixture
def new_engine(tmp_path: Path) -> Iterator[Callable[[str], Engine]]:
    engines: list[Engine] = []

    def made(name: str) -> Engine:
        engines.append(create_engine(f"sqlite:///{tmp_path / name}"))
        return engines[-1]

    yield made
    for engine in engines:
        engine.dispose()


@pytest.fixture
def engine(new_engine: Callable[[str], Engine]) -> Engine:
    return new_engine("migrated.db")


INDEXES = text("SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL")


def table_names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def constraints(connection: Connection) -> dict[str, object]:
    """All that alembic's comparison leaves out: names of keys and checks, and what the checks say."""
    look = inspect(connection)
    return {
        name: (
            look.get_pk_constraint(name),
            sorted((check["name"], check["sqltext"]) for check in look.get_check_constraints(name)),
            sorted((unique["name"], *unique["column_names"]) for unique in look.get_unique_constraints(name)),
            sorted(map(str, look.get_foreign_keys(name))),
            sorted(sql for (sql,) in connection.execute(INDEXES, {"table": name})),
        )
        for name in table_names(connection)
    }


def test_migrations_up_equal_the_tables(new_engine):
    with new_engine("migrated.db").begin() as connection:
        schema.upgrade(connection)
        difference = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA)
        migrated = constraints(connection)
    with new_engine("created.db").begin() as connection:
        METADATA.create_all(connection)
        created = constraints(connection)

    assert difference == []
    assert migrated == created


def test_migrations_down_leave_nothing_and_up_again_work(engine):
    with engine.begin() as connection:
        schema.upgrade(connection)
        schema.downgrade(connection)
        assert table_names(connection) == set()
        schema.upgrade(connection)
        assert table_names(connection) == set(METADATA.tables)


def test_each_migration_can_be_undone_alone(engine):
    revisions = [script.revision for script in ScriptDirectory.from_config(schema.config()).walk_revisions()]
    with engine.begin() as connection:
        for revision in reversed(revisions):
            schema.upgrade(connection, revision)
            before = constraints(connection)
            schema.downgrade(connection, "-1")
            schema.upgrade(connection, revision)
            assert constraints(connection) == before


def test_bad_ends_from_before_the_migration_count_as_told(engine):
    row = (
        "INSERT INTO jobs (id, requester, requester_name, channel, prompt, negative_prompt, model, width, height,"
        " steps, guidance_scale, scheduler, seed, count, status, accepted_at, ended_at, starts, cost, device_seconds) "
        "VALUES (:id, '1', 'ann', '2', 'a cat', '', 'builtin', 64, 64, 5, 1, 'ddim', 1, 1, :status, "
        ":then, :then, 1, 1, 1)"
    )
    then = "2026-01-01 00:00:00.000000"
    ends = ["posted", "failed", "cancelled", "interrupted"]
    with engine.begin() as connection:
        schema.upgrade(connection, "0001")
        for number, status in enumerate(ends):
            connection.execute(text(row), {"id": f"{number:032x}", "status": status, "then": then})
        schema.upgrade(connection)
        told = connection.execute(text("SELECT status, told_at FROM jobs")).all()
    assert dict(map(tuple, told)) == {"posted": None, "failed": then, "cancelled": then, "interrupted": None}


def test_migrations_have_no_branches():
    assert len(ScriptDirectory.from_config(schema.config()).get_heads()) == 1


async def test_the_database_migrates_itself_wherever_it_is_started(tmp_path, monkeypatch, engine):
    monkeypatch.chdir(tmp_path)

    database = Database(f"sqlite:///{tmp_path / 'migrated.db'}")
    await database.open()
    await database.close()

    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0008"


def test_postgresql_takes_the_migrations():
    script = io.StringIO()
    settings = schema.config()
    settings.output_buffer = script

    command.upgrade(settings, "head", sql=True)

    for fragment in (
        "id UUID NOT NULL",
        "accepted_at TIMESTAMP WITH TIME ZONE NOT NULL",
        "seed BIGINT NOT NULL",
        "device_seconds DOUBLE PRECISION NOT NULL",
        "CONSTRAINT ck_jobs_status CHECK (status IN ('accepted',",
    ):
        assert fragment in script.getvalue()


@pytest.mark.parametrize("table", METADATA.sorted_tables, ids=lambda table: table.name)
def test_every_table_compiles_for_both_databases_with_every_constraint_named(table):
    for dialect in (postgresql.dialect(), sqlite.dialect()):
        assert str(CreateTable(table).compile(dialect=dialect))
        assert all(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
    assert all(constraint.name for constraint in table.constraints)
    for column in table.columns:
        assert not column.type.__module__.startswith("sqlalchemy.dialects")
