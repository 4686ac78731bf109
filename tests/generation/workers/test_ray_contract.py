"""What every worker must do, over a RayLink: the suite of test_contract.py, with an actor of a Ray cluster."""

import inspect
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from generation.job import JobId
from generation.workers.base import Worker
from generation.workers.messages import Make
from generation.workers.ray_link import RayCluster, RayLink
from generation.workers.remote import RemoteWorker
from tests.generation.workers import test_contract
from tests.generation.workers.far_end import FarEnd
from tests.generation.workers.test_contract import MEMORY, ROOM, PipeBench
from tests.ray_nodes import RayNodes, needs_ray

pytestmark = [
    needs_ray,
    pytest.mark.cluster,
    pytest.mark.xdist_group("ray"),
    pytest.mark.asyncio(loop_scope="module"),
]

BENCHES = {"bench", "started_bench", "idle_bench", "shelf_bench"}
globals().update(
    {
        name: test
        for name, test in vars(test_contract).items()
        if name.startswith("test_") and BENCHES & set(inspect.signature(test).parameters)
    }
)


class RayBench(PipeBench):
    """A RemoteWorker under test: a FakeWorker in an actor."""

    def __init__(self, cluster: "OneDevice", loaded: str | None = None) -> None:
        self.far = FarEnd(room=ROOM, loaded=loaded)
        self.worker = cluster.worker(self.far.make)


class KilledRayBench(RayBench):
    """The same, lost by SIGKILL."""

    def lose(self) -> None:
        self.far.kill()

    lose_idle = lose


class OneDevice:
    """A cluster with one device, joined."""

    def __init__(self, address: str) -> None:
        self.cluster = RayCluster(address, self._make)
        self._far = Make(function="")
        self._devices = self.cluster.devices()

    async def open(self) -> None:
        (self._start,) = (await anext(self._devices)).values()

    def worker(self, far: Make) -> RemoteWorker:
        self._far = far
        worker = self._start()
        assert isinstance(worker, RemoteWorker)
        return worker

    def _make(self, link: RayLink, name: str, gpu: bool) -> Worker:
        return RemoteWorker(link, self._far, name=name, memory=MEMORY)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[OneDevice]:
    nodes = RayNodes()
    one = OneDevice(nodes.address)
    await one.open()
    yield one
    await one.cluster.close()
    nodes.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is lost is lost in two ways."""
    if "far_kind" in metafunc.fixturenames:
        kinds = [RayBench, KilledRayBench] if "lost" in metafunc.function.__name__ else [RayBench]
        metafunc.parametrize("far_kind", kinds, ids=lambda kind: kind.__name__)


@pytest_asyncio.fixture(loop_scope="module")
async def made(cluster: OneDevice, far_kind: type[RayBench]) -> AsyncIterator[RayBench]:
    bench = far_kind(cluster)
    yield bench
    bench.release()
    await bench.close()


@pytest_asyncio.fixture(loop_scope="module")
async def bench(made: RayBench) -> RayBench:
    await made.worker.start()
    return made


@pytest_asyncio.fixture(loop_scope="module")
async def idle_bench(bench: RayBench) -> RayBench:
    return bench


@pytest_asyncio.fixture(loop_scope="module")
async def started_bench(made: RayBench) -> tuple[RayBench, list[frozenset[JobId]]]:
    said: list[frozenset[JobId]] = []
    await made.worker.start(said.append)
    return made, said


@pytest_asyncio.fixture(loop_scope="module")
async def shelf_bench(cluster: OneDevice) -> AsyncIterator[RayBench]:
    bench = RayBench(cluster, loaded="tiny")
    await bench.worker.start()
    yield bench
    bench.release()
    await bench.close()
