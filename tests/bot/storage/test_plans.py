"""No statement that is made often reads a whole table: nothing may grow with history."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, create_engine, event

from bot.records import Decision, ImageRecord
from bot.storage import history, holds, inputs, jobs, pictures, reviews, schema, servers, stars, unfinished, usage
from bot.storage.inspection import remove_leftovers
from generation.job import JobStatus
from tests.bot.storage.conftest import NOON

JOB = UUID(int=1)
#: These indexes hold only the pictures that have a file, or that wait for somebody: they may be read from end to end.
OF_FEW = ("ix_images_on_disk", "ix_images_waiting")
IMAGE = ImageRecord(id=JOB, index=0, seed=1, width=64, height=64, file="1.png", sha256="0" * 64, size=1, score=0.9)
ACCOUNTS = {("1001", "9000"), ("1001", None)}
WEEK_AGO = NOON - timedelta(days=7)
WORKS: dict[str, Callable[[Connection], Any]] = {
    "reviews kept back": lambda c: reviews.kept_back(c, WEEK_AGO, 100),
    "review told": lambda c: reviews.told(c, JOB, NOON),
    "get": lambda c: jobs.get(c, JOB),
    "shown as": lambda c: jobs.shown_as(c, "5000", "6000"),
    "live": jobs.live,
    "live of a member": lambda c: jobs.live_of(c, "1001", None),
    "live of a server": lambda c: jobs.live_of(c, "1001", "9000"),
    "live servers": jobs.live_servers,
    "start": lambda c: jobs.start(c, JOB),
    "render": lambda c: jobs.render(c, JOB, NOON, 1.0, ()),
    "finish": lambda c: jobs.finish(c, JOB, JobStatus.FAILED, NOON),
    "show as": lambda c: jobs.show_as(c, JOB, "6000", None),
    "delete": lambda c: jobs.delete(c, JOB, NOON),
    "unposted": unfinished.unposted,
    "untold": lambda c: unfinished.untold(c, WEEK_AGO),
    "messages left": lambda c: unfinished.with_messages_left(c, WEEK_AGO),
    "results": lambda c: unfinished.results_of(c, "1001", 25),
    "quarantined": lambda c: unfinished.quarantined(c, "9000"),
    "used": lambda c: usage.of_members(c, ACCOUNTS, NOON, NOON),
    "measured": lambda c: usage.measured(c, 500),
    "days": lambda c: usage.by_day(c, "9000", NOON.date(), 7),
    "members": lambda c: usage.by_member(c, "9000", NOON.date(), 25),
    "limits shown": lambda c: servers.limits_of(c, "9000", 100),
    "limits that concern": lambda c: servers.limits_that_concern(c, ACCOUNTS),
    "blocks": lambda c: servers.blocks_of(c, ACCOUNTS),
    "audit": lambda c: servers.audit_of(c, "9000"),
    "audit of one kind": lambda c: servers.audit_of(c, "9000", action="block"),
    "bytes on disk": pictures.bytes_on_disk,
    "oldest pictures": lambda c: pictures.oldest(c, 200, WEEK_AGO),
    "old pictures": lambda c: pictures.oldest(c, 200, WEEK_AGO, WEEK_AGO),
    "to clear": lambda c: pictures.to_clear(c, 200),
    "inputs needed": lambda c: inputs.needed(c, ["0" * 64]),
    "inputs named": lambda c: inputs.named(c, ["0" * 64]),
    "inputs of results": lambda c: inputs.of_images(c, {JOB}),
    "history": lambda c: history.newest(c, "1001", 6),
    "older history": lambda c: history.older(c, "1001", NOON, JOB, 6),
    "newer history": lambda c: history.newer(c, "1001", NOON, JOB, 6),
    "star": lambda c: stars.put(c, JOB, "1001", NOON),
    "unstar": lambda c: stars.remove(c, JOB, "1001"),
    "stars": lambda c: stars.count(c, JOB, but="1001"),
    "favourites": lambda c: stars.newest(c, "1001", "9000", 6),
    "older favourites": lambda c: stars.older(c, "1001", "9000", 6, than=(NOON, JOB)),
    "newer favourites": lambda c: stars.newer(c, "1001", "9000", 6, than=(NOON, JOB)),
    "gallery": lambda c: stars.gallery_of(c, "9000"),
    "gallery set": lambda c: stars.put_gallery(c, "9000", None),
    "copy noted": lambda c: stars.copy_of(c, JOB),
    "copy shown": lambda c: stars.show_copy_as(c, JOB, "6000"),
    "copy forgotten": lambda c: stars.forget_copy(c, JOB),
    "copies to post": lambda c: stars.to_post(c, WEEK_AGO, 100),
    "copies to remove": lambda c: stars.to_remove(c, WEEK_AGO, 100),
    "held picture": lambda c: holds.image(c, JOB),
    "judged": lambda c: holds.judge(c, [IMAGE]),
    "decided": lambda c: holds.decide(c, JOB, Decision.APPROVED, "1001", NOON),
    "waiting": lambda c: holds.waiting(c, "9000", 10),
    "waiting in direct messages": lambda c: holds.waiting(c, None, 10),
    "to show": lambda c: holds.to_show(c, "9000", "5009", 100),
    "overdue": lambda c: holds.overdue(c, NOON, 100),
    "to give": lambda c: holds.to_give(c, WEEK_AGO, 100),
    "given": lambda c: holds.given(c, [JOB], NOON),
    "strikes": lambda c: holds.strikes(c, ACCOUNTS, WEEK_AGO, NOON),
    "unwanted": lambda c: holds.unwanted(c, "9000"),
    "wanted again": lambda c: holds.remove_unwanted(c, "9000", "0" * 64),
    "review": lambda c: holds.review_of(c, JOB),
    "review shown": lambda c: holds.show_review_as(c, JOB, "6000"),
    "settings of servers": lambda c: servers.settings_of_all(c, {"9000"}, "safety"),
    "reviews of deleted jobs": lambda c: reviews.of_deleted(c, WEEK_AGO, 100),
    "review forgotten": lambda c: reviews.forget(c, JOB),
    "give up": lambda c: pictures.give_up(c, {JOB}, NOON),
}


@pytest.fixture
def plans(tmp_path: Path) -> Iterator[tuple[Connection, list[str]]]:
    """A connection, and the steps by which SQLite answers what is asked on it."""
    engine = create_engine(f"sqlite:///{tmp_path / 'bot.db'}")
    steps: list[str] = []
    with engine.begin() as connection:
        schema.upgrade(connection)

        def explain(_: Connection, cursor: Any, statement: str, values: Any, *__: object) -> None:
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            steps.extend(step for *_, step in plan)

        event.listen(engine, "before_cursor_execute", explain)
        yield connection, steps
    engine.dispose()


@pytest.mark.parametrize("name", WORKS)
def test_what_is_asked_often_is_found_by_an_index(plans: tuple[Connection, list[str]], name: str) -> None:
    connection, steps = plans
    WORKS[name](connection)
    assert steps
    scans = [step for step in steps if "SCAN" in step and not any(index in step for index in OF_FEW)]
    assert scans == []


@pytest.mark.parametrize("name", [name for name in WORKS if "history" in name])
def test_a_page_of_history_is_never_sorted(plans: tuple[Connection, list[str]], name: str) -> None:
    connection, steps = plans
    WORKS[name](connection)
    assert len([step for step in steps if "ix_jobs_requester_accepted_at_id" in step]) == 1
    assert not [step for step in steps if "TEMP B-TREE" in step]


def test_what_a_member_has_live_is_counted_without_reading_all_they_ever_asked_for(
    plans: tuple[Connection, list[str]],
) -> None:
    connection, steps = plans
    WORKS["used"](connection)
    searches = [step for step in steps if "SEARCH" in step]
    assert all("accepted_at>? AND accepted_at<?" in step or "requester=? AND status=?" in step for step in searches)


async def test_what_a_crash_left_is_looked_up_by_name(database, tmp_path: Path, new_record) -> None:
    await database.write(lambda transaction: jobs.insert(transaction, new_record(status=JobStatus.STARTED)))
    (tmp_path / "images").mkdir()
    (tmp_path / "images/left.png").write_bytes(b"of a crash")
    scans: list[str] = []

    def explain(_: Connection, cursor: Any, statement: str, values: Any, *__: object) -> None:
        if statement.startswith("SELECT"):
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            scans.extend(step for *_, step in plan if "SCAN" in step)

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        assert await remove_leftovers(database, tmp_path / "images") == 1
    finally:
        event.remove(Engine, "before_cursor_execute", explain)
    assert scans == []
