"""A database whose writer is busy, and what is sent to one: for the tests of storage, services and front end."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from bot.storage.database import Database, Transaction


@asynccontextmanager
async def busy(database: Database) -> AsyncIterator[None]:
    """Somebody writes all the time, so that everybody else waits for their turn."""
    begun, goes_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(transaction: Transaction) -> None:
        loop.call_soon_threadsafe(begun.set)
        goes_on.wait(10)

    held = asyncio.create_task(database.write(hold, alone=True))
    await begun.wait()
    try:
        yield
    finally:
        goes_on.set()
        await held


@contextmanager
def sent_statements() -> Iterator[list[str]]:
    """What is sent to any database meanwhile; a transaction that changes something ends with COMMIT or ROLLBACK."""
    sent: list[str] = []

    def executes(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
        sent.append(statement)

    def commits(connection: Connection) -> None:
        sent.append("COMMIT")

    event.listen(Engine, "before_cursor_execute", executes)
    event.listen(Engine, "commit", commits)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", executes)
        event.remove(Engine, "commit", commits)
