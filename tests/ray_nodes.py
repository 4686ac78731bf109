"""A Ray cluster on this machine, for tests: its nodes have addresses of their own on the loopback interface."""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import pytest

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra `ray`")

ROOT = Path(__file__).parent.parent
STARTING = 90.0  #: seconds


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class RayNode:
    """One node, whose processes are children of one that was started here."""

    def __init__(self, address: str, folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
        self._log = folder / f"{address}.log"
        environment = environment | {"HOME": str(folder)}
        with self._log.open("w") as log:
            self._process = self._start(address, environment, arguments, log)

    @staticmethod
    def _start(
        address: str, environment: Mapping[str, str], arguments: Sequence[str], log: IO[str]
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                Path(sys.executable).with_name("ray"),
                "start",
                "--block",
                f"--node-ip-address={address}",
                "--num-cpus=1",
                "--object-store-memory=100000000",
                "--disable-usage-stats",
                *arguments,
            ],
            env=os.environ | {"RAY_worker_niceness": "0", "PYTHONPATH": str(ROOT), **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self) -> "RayNode":
        """Wait until it has started."""
        began = time.monotonic()
        while "Ray runtime started" not in self._log.read_text():
            if self._process.poll() is not None or time.monotonic() - began > STARTING:
                raise RuntimeError(self._log.read_text())
            time.sleep(0.1)
        return self

    def kill(self, what: str) -> None:
        """End one of its processes, such as `raylet`, at once."""
        os.kill(self._child(what), signal.SIGKILL)

    def kill_unseen(self, what: str) -> None:
        """The same, while the command that has started the node looks away: it would end the rest of it."""
        self._process.send_signal(signal.SIGSTOP)
        self.kill(what)

    def actors(self) -> list[int]:
        """The processes that draw."""
        raylet = self._child("raylet")
        children = Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
        return [int(child) for child in children if _program(child).startswith("ray::FarActor")]

    def close(self) -> None:
        """End it with all its processes."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _child(self, what: str) -> int:
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if re.search(rf"/{what}$", _program(child)):
                return int(child)
        raise LookupError(what)


class RayNodes:
    """The head and what has joined it."""

    def __init__(self, *, draws: bool = True, token: str | None = None) -> None:
        """`draws`: the head is a device too. `token`: nobody who does not know it may join."""
        port = free_port()
        self.address = f"127.0.0.2:{port}"
        self._temporary = tempfile.TemporaryDirectory(prefix="ray")  # a longer path is too long for Ray's sockets
        self._folder = folder = Path(self._temporary.name)
        self._number = 2
        #: what has to be in the environment of those who join
        self.environment = {} if token is None else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
        drawing = ['--resources={"imagine_bot": 1}'] if draws else []
        self.nodes = [
            RayNode(
                "127.0.0.2",
                folder,
                self.environment,
                "--head",
                f"--port={port}",
                "--include-dashboard=false",
                f"--temp-dir={folder}",
                *drawing,
            ).wait()
        ]

    def add(self, *arguments: str) -> RayNode:
        """Start one more node, which is a device unless other arguments are given, and wait for it."""
        self._number += 1
        address, which = f"127.0.0.{self._number}", arguments or ('--resources={"imagine_bot": 1}',)
        self.nodes.append(RayNode(address, self._folder, self.environment, f"--address={self.address}", *which))
        return self.nodes[-1].wait()

    def close(self) -> None:
        for node in reversed(self.nodes):
            node.close()
        self._temporary.cleanup()


def _program(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:  # it is gone
        return ""
