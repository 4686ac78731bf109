"""Which processes of this machine count as the bot's workers, and that none but these is ever ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bot.playground import Actors, PlaygroundServer
from bot.playground.keeper import BotKeeper
from bot.playground.workers import actors_of
from tests.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are found in /proc")

OURS, THEIRS = "127.0.0.9:6379", "127.0.0.9:63791"
TITLES = ("ray::FarActor", "ray::FarActor.reports", "ray::FarActorOfOthers", "ray::IDLE", "python")


@contextmanager
def node(address: str, called: str = "/usr/lib/ray/raylet") -> Iterator[list[int]]:
    """Processes that look like a node of a Ray cluster; yields those that it has started, in the order of TITLES."""
    started = "".join(f"(exec -a {title} sleep 60) & echo $!; " for title in TITLES)
    raylet = subprocess.Popen(
        [called, "-c", f"{started} echo; wait", "-", f"--gcs-address={address}"],
        executable="/bin/bash",
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert raylet.stdout is not None
        yield [int(line) for line in iter(raylet.stdout.readline, b"\n")]
    finally:
        os.killpg(raylet.pid, signal.SIGKILL)
        raylet.communicate()


async def found(count: int) -> list[int] | None:
    """The actors of our cluster, once there are so many."""
    ours = Actors(kind="FarActor", address=OURS)
    await until(lambda: len(actors_of(ours) or ()) == count, within=10)
    return actors_of(ours)


async def test_actors_are_known_by_their_title_and_by_the_cluster_of_the_node_that_has_started_them() -> None:
    actors = Actors(kind="FarActor", address=OURS)
    assert actors_of(actors) is None
    with node(THEIRS), node(OURS, called="/usr/bin/not-a-raylet"):
        assert actors_of(actors) is None, "no node of this cluster is on this machine"
        with node(OURS) as first, node(OURS) as second:
            assert set(await found(4) or ()) == {*first[:2], *second[:2]}
            os.kill(first[0], signal.SIGKILL)
            assert set(await found(3) or ()) == {first[1], *second[:2]}


def keeper_of(server: PlaygroundServer, address: str) -> BotKeeper:
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    return server.keep(sleeping, {}, announce=lambda _: None, actors=Actors(kind="FarActor", address=address))


async def test_the_page_ends_an_actor_of_the_bots_cluster_and_of_no_other_one(server: PlaygroundServer) -> None:
    with node(THEIRS) as others, node(OURS) as processes:
        await found(2)
        keeper = keeper_of(server, OURS)
        running = asyncio.create_task(keeper.run())
        await until(lambda: keeper.workers == 2, within=10)
        for left in (1, 0):
            await keeper.kill_worker()
            await found(left)
            assert server.bot()["workers"] == left
        await keeper.kill_worker()
        assert [title for title, pid in zip(TITLES, processes, strict=True) if is_alive(pid)] == list(TITLES[2:])
        assert all(map(is_alive, others))
        await keeper.stop()
        await running


async def test_the_page_has_no_such_button_where_no_node_of_the_cluster_is_on_this_machine(
    server: PlaygroundServer,
) -> None:
    with node(THEIRS):
        keeper_of(server, OURS)
        assert server.bot()["workers"] is None


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
