"""`python -m generation.workers.ray_driver HOST:PORT`: the process that has joined a Ray cluster.

Ray does things to a process that the bot's must not have done to it: it ends it a minute after the cluster's head is
lost, and takes its signals. So this is a process of its own, which carries frames between the bot and the actors.
"""

# pyright: basic, reportMissingImports=false
# Ray is an extra, and says little about its types.

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from generation.errors import WorkerLost
from generation.workers.cluster_messages import Begin, Broken, Carried, Carry, End, Node, Nodes, ToCluster
from generation.workers.messages import Lost
from generation.workers.pipes import Outlet, reader_of, take_pipes
from generation.workers.ray_actor import FarActor
from generation.workers.wire import read

LOOK = 2.0  #: seconds between two looks at which machines there are
RESOURCE = "imagine_bot"  #: a machine without a GPU that has it draws on its processor
REACHING = 5.0  #: seconds
_DETAIL = 300  #: characters of Ray's own words


class Actors:
    """The actors of this process, by the numbers of their links."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._actors: dict[int, Any] = {}
        self._sent: dict[int, int] = {}  #: orders
        self._tasks: set[asyncio.Task[None]] = set()

    def obey(self, message: ToCluster) -> None:
        """Do what is asked for."""
        match message:
            case Begin():
                self._begin(message)
            case Carry():
                if (actor := self._actors.get(message.link)) is not None:
                    actor.obey.remote(self._sent[message.link], message.frame)
                    self._sent[message.link] += 1
            case End():
                self._spawn(self._end(message.link))

    def _begin(self, message: Begin) -> None:
        kind: Any = ray.remote(FarActor)
        self._actors[message.link] = actor = kind.options(
            num_cpus=0,
            num_gpus=1 if message.gpu else 0,
            resources=None if message.gpu else {RESOURCE: 1},
            max_concurrency=1000,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=message.node, soft=False),
        ).remote()
        self._sent[message.link] = 0
        self._spawn(self._listen(message, actor))

    async def _listen(self, begun: Begin, actor: Any) -> None:
        """Pass on what an actor says, until it is gone."""
        try:
            async for reference in actor.reports.options(num_returns="streaming").remote():
                number, frame = await reference
                await asyncio.to_thread(self._outlet.say, Carried(link=begun.link, frame=frame))
                if number:
                    actor.heard.remote(number)
            error = WorkerLost(detail="it ended without being asked to", died=False)
        except RayError as fault:
            died = not isinstance(fault, ActorUnavailableError) and await asyncio.to_thread(_is_there, begun.node)
            error = WorkerLost(detail=" ".join(str(fault).split())[:_DETAIL], died=died)
        await self._end(begun.link)
        await asyncio.to_thread(self._outlet.say, Broken(link=begun.link, error=error))

    async def _end(self, link: int) -> None:
        if (actor := self._actors.pop(link, None)) is not None:
            with suppress(RayError, ValueError):
                await asyncio.to_thread(ray.kill, actor, no_restart=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _nodes() -> tuple[Node, ...]:
    found: list[Node] = []
    for node in ray.nodes():
        if node["Alive"]:
            resources = node["Resources"]
            found.append(
                Node(
                    id=node["NodeID"],
                    host=node["NodeManagerHostname"],
                    gpus=int(resources.get("GPU", 0)),
                    draws_without=resources.get(RESOURCE, 0) >= 1,
                )
            )
    return tuple(sorted(found, key=lambda node: node.id))


def _is_there(node: str) -> bool:
    return any(one.id == node for one in _nodes())


async def _look(outlet: Outlet) -> None:
    """Say which machines there are, each time that it has changed."""
    known: tuple[Node, ...] | None = None
    while True:
        nodes = await asyncio.to_thread(_nodes)
        if nodes != known:
            known = nodes
            await asyncio.to_thread(outlet.say, Nodes(nodes=nodes))
        await asyncio.sleep(LOOK)


async def _join(address: str) -> None:
    """Join the cluster at this address and no other. Raises WorkerLost."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(REACHING):  # Ray itself would try for minutes
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.close()
        await _join_what_is_there(address)
    except Exception as error:  # of many kinds: another version of Ray or Python, no token, no such machine
        raise WorkerLost(detail=f"{type(error).__name__}: {error}"[:_DETAIL], died=False) from error


async def _join_what_is_there(address: str) -> None:
    try:
        # In a thread of its own Ray leaves the signals alone.
        await asyncio.to_thread(ray.init, address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise ConnectionError(f"{error}, though something answers there: is it Ray, with the same token?") from error


async def _drive(address: str, inlet: int, outlet: Outlet) -> None:
    reader = await reader_of(inlet)
    try:
        await _join(address)
    except WorkerLost as error:
        outlet.say(Lost(error=error))
        return
    actors = Actors(outlet)
    looking = asyncio.create_task(_look(outlet))
    while not looking.done():
        reading = asyncio.ensure_future(read(reader))
        await asyncio.wait({reading, looking}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            try:
                actors.obey(reading.result())
            except asyncio.IncompleteReadError:
                os._exit(0)  # nobody is there whom to work for
    outlet.say(Lost(error=WorkerLost(detail=repr(looking.exception())[:_DETAIL], died=False)))


def main() -> None:
    """Carry frames for the process that started this one. Its end is that of all its actors."""
    inlet, outlet = take_pipes()
    asyncio.run(_drive(sys.argv[1], inlet, outlet))
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
