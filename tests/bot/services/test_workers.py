"""What is remembered of each worker's pace, and for how long."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

from bot.records import Member
from bot.services.workers import Workers
from generation.catalog import DrawingOptions, ModelSpec
from generation.dispatcher import Dispatcher
from generation.job import Job
from generation.journal import MemoryJournal
from generation.supervisor import Supervisor
from tests.bot.cluster import Cluster, all_ready

OPERATOR = Member(id="1", name="olga", server=None, channel="3", is_operator=True)
SPEC = ModelSpec(name="tiny", source="builtin", native_size=64)


async def test_the_pace_of_a_device_that_has_left_its_cluster_is_forgotten() -> None:
    cluster = Cluster()
    dispatcher = Dispatcher([], MemoryJournal())
    supervisor = Supervisor(dispatcher, {}, [cluster])
    workers = Workers(
        dispatcher=dispatcher,
        supervisor=supervisor,
        clock=lambda: datetime.now(UTC),
    )

    async def drawn_by(device: str) -> None:
        cluster.has(device)
        await all_ready(supervisor, device)
        request = SPEC.request(DrawingOptions(prompt="a cat", steps=2))
        await dispatcher.submit(Job(id=uuid4(), request=request, requester="2")).result()

    await dispatcher.start()
    running = asyncio.create_task(supervisor.run())
    await drawn_by("one")
    assert None not in [state.pace for state in workers.all(OPERATOR)]
    await drawn_by("another")
    cluster.has("one")
    await all_ready(supervisor, "one")
    assert [state.pace for state in workers.all(OPERATOR)] == [None]
    running.cancel()
    await dispatcher.close()
