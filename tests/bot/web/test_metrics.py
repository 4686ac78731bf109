"""What is counted, and how it reads."""

import asyncio
import re
from uuid import UUID, uuid4

import pytest

from bot.errors import LimitReached
from bot.web.metrics import Metrics, Watched
from generation.catalog import DrawingOptions, ModelSpec
from generation.dispatcher import Dispatcher
from generation.errors import DoesNotFit, KnownError, WorkerFault
from generation.job import Job, JobStatus
from generation.journal import MemoryJournal
from generation.result import DrawnWith
from generation.supervisor import Supervisor
from generation.workers.fake import FakeWorker
from tests.bot.cluster import Cluster, all_ready

TELLING = "a dragon that nobody may hear of"
REQUESTER = "184467440737095516"


class Bot:
    """The parts of one that are watched, on a clock that is moved by hand."""

    def __init__(self, *clusters: Cluster) -> None:
        """With clusters, their devices draw; without one, a worker in this process."""
        self.now = 0.0
        self.line = 0.0
        self.worker = FakeWorker(hold=True)
        self.worker.drawn_with = DrawnWith(device="none", rows=6)
        inside = {} if clusters else {"cpu": self.worker}
        self.dispatcher = Dispatcher(tuple(inside.values()), MemoryJournal(), clock=lambda: self.now)
        self.supervisor = Supervisor(self.dispatcher, {}, clusters, inside=inside)
        watched = Watched(
            dispatcher=self.dispatcher,
            supervisor=self.supervisor,
            own=inside,
            seconds_in_line=lambda: self.line,
        )
        self.metrics = Metrics(watched)
        self.dispatcher.listen(self.metrics)

    def job(self, **changes: object) -> Job:
        spec = ModelSpec(name="tiny", source="builtin", native_size=64)
        request = spec.request(DrawingOptions(**{"prompt": TELLING, "steps": 2, **changes}))
        return Job(id=uuid4(), request=request, requester=REQUESTER)

    async def drawn(self, **changes: object) -> UUID:
        ticket = self.dispatcher.submit(self.job(**changes))
        self.worker.release(ticket.job.id)
        await ticket.result()
        return ticket.job.id

    def value(self, name: str) -> float:
        """A figure of the page by its name and labels, as they are written there."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.metrics.page().decode(), re.MULTILINE)
        assert found is not None, f"{name} is not on the page"
        return float(found[1])

    def workers(self) -> set[str]:
        """What the page calls the devices."""
        return set(re.findall(r'worker="([^"]*)"', self.metrics.page().decode()))


@pytest.fixture
async def bot():
    bot = Bot()
    await bot.dispatcher.start()
    await bot.dispatcher.ready()
    running = asyncio.create_task(bot.supervisor.run())
    await asyncio.sleep(0)
    yield bot
    running.cancel()
    await bot.dispatcher.close()


async def test_a_jobs_life_is_counted_by_where_it_is_and_how_it_ends(bot: Bot) -> None:
    drawing = [bot.dispatcher.submit(bot.job(count=4)) for _ in range(2)]
    waiting = [bot.dispatcher.submit(bot.job(count=3)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert bot.value('imagine_jobs{state="drawing"}') == 2
    assert bot.value('imagine_jobs{state="waiting"}') == 2
    assert bot.value("imagine_queue_images") == 6
    await bot.dispatcher.cancel(waiting[1].job.id)
    await bot.dispatcher.cancel(drawing[1].job.id)
    bot.worker.release()
    for ticket in (drawing[0], waiting[0]):
        await ticket.result()
    bot.metrics.ended(JobStatus.POSTED)
    assert bot.value('imagine_jobs{state="waiting"}') == 0
    assert bot.value("imagine_jobs_rendered_total") == 2
    assert bot.value('imagine_jobs_ended_total{end="posted"}') == 1
    assert bot.value('imagine_jobs_ended_total{end="cancelled"}') == 2
    assert bot.value('imagine_jobs_ended_total{end="failed"}') == 0


async def test_errors_are_counted_by_their_codes_of_jobs_and_of_what_members_were_told(bot: Bot) -> None:
    bot.worker.fail_next(DoesNotFit(64, 64))
    with pytest.raises(KnownError):
        await bot.drawn()
    bot.worker.fail_next(WorkerFault("a0b1c2d3", detail=TELLING))
    with pytest.raises(KnownError):
        await bot.drawn()
    bot.metrics.told(LimitReached("images_a_day", 1, 1))
    bot.metrics.told(ValueError(TELLING))
    assert bot.value('imagine_errors_total{code="out_of_memory"}') == 1
    assert bot.value('imagine_errors_total{code="worker_fault"}') == 1
    assert bot.value('imagine_errors_total{code="limit_reached"}') == 1
    assert bot.value('imagine_errors_total{code="unexpected"}') == 1
    assert bot.value('imagine_jobs_ended_total{end="failed"}') == 2


async def test_a_wait_ends_with_the_first_row_and_device_seconds_and_rows_are_the_workers(bot: Bot) -> None:
    bot.worker.stands = True
    ticket = bot.dispatcher.submit(bot.job(count=2))
    bot.now += 42
    bot.worker.give_rows(ticket.job.id)
    bot.worker.release(ticket.job.id)
    await ticket.result()
    assert bot.value("imagine_job_wait_seconds_sum") == 42
    assert bot.value("imagine_job_wait_seconds_count") == 1
    assert bot.value('imagine_worker_device_seconds_total{worker="cpu"}') == 1.0
    assert bot.value('imagine_worker_rows_per_call_sum{worker="cpu"}') == 6
    assert bot.value('imagine_worker_state{state="ready",worker="cpu"}') == 1
    assert bot.value('imagine_worker_state{state="lost",worker="cpu"}') == 0


async def test_the_storages_line_and_the_loops_lag_are_on_the_page(bot: Bot) -> None:
    bot.line = 0.25
    bot.metrics.late(0.02)
    assert bot.value("imagine_storage_line_seconds") == 0.25
    assert bot.value('imagine_event_loop_lag_seconds_bucket{le="0.025"}') == 1
    assert bot.value('imagine_event_loop_lag_seconds_bucket{le="0.01"}') == 0


async def test_no_prompt_no_name_and_no_id_is_on_the_page(bot: Bot) -> None:
    job_id = await bot.drawn()
    bot.worker.fail_next(WorkerFault("a0b1c2d3", detail=TELLING))
    with pytest.raises(KnownError):
        await bot.drawn(negative_prompt=TELLING)
    page = bot.metrics.page().decode()
    labels = dict(re.findall(r'(\w+)="([^"]*)"', page))
    assert set(labels) == {"state", "worker", "end", "code", "le", "version"} - {"version"}
    for secret in (TELLING, "dragon", REQUESTER, str(job_id), job_id.hex, "a0b1c2d3", "tiny"):
        assert secret not in page


async def test_a_clusters_devices_are_numbered_and_what_was_counted_of_one_that_is_gone_is_forgotten() -> None:
    cluster = Cluster()
    bot = Bot(cluster)
    await bot.dispatcher.start()
    running = asyncio.create_task(bot.supervisor.run())
    first, second, third = (f"GPU 1 of secret-host, node {node}" for node in ("a1b2c3", "d4e5f6", "0789ab"))

    async def has(*devices: str) -> None:
        cluster.has(*devices)
        await all_ready(bot.supervisor, *devices)

    await has(first)
    await bot.dispatcher.submit(bot.job()).result()
    assert bot.value('imagine_worker_device_seconds_total{worker="ray 1"}') == 0.5
    await has(first, second)
    assert bot.workers() == {"ray 1", "ray 2"}
    await has(second)
    assert bot.workers() == {"ray 2"}
    await has(second, third)
    assert bot.workers() == {"ray 1", "ray 2"}
    for number in range(20):
        await has(f"GPU 1 of secret-host, node {number:06x}")
        await bot.dispatcher.submit(bot.job()).result()  # nobody looks at the page meanwhile
    assert bot.workers() == {"ray 1"}
    assert bot.value('imagine_worker_device_seconds_total{worker="ray 1"}') == 0.5, "of the last one alone"
    for secret in ("secret-host", "node", "000013"):
        assert secret not in bot.metrics.page().decode()
    running.cancel()
    await bot.dispatcher.close()


async def test_a_job_that_begins_again_after_a_loss_has_waited_once() -> None:
    bot = Bot()
    children = [FakeWorker(hold=True), FakeWorker()]
    for child in children:
        child.in_this_process = False
    await bot.dispatcher.start()
    await bot.dispatcher.ready()
    await bot.dispatcher.remove(bot.worker, 0.0)
    await bot.dispatcher.add(children[0])
    ticket = bot.dispatcher.submit(bot.job())
    await asyncio.sleep(0)
    bot.now += 5
    await bot.dispatcher.add(children[1])
    children[0].lose()
    await ticket.result()
    assert [job.id for job in children[1].drawn] == [ticket.job.id]
    assert bot.value("imagine_job_wait_seconds_count") == 1
    assert bot.value("imagine_job_wait_seconds_sum") == 0
    await bot.dispatcher.close()
