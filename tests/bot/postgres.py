"""A PostgreSQL server of the tests' own, on 127.0.0.1, from Debian's package where that is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from bot.storage.addresses import current_url

PLACES = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/bin")]


@dataclass
class Server:
    """One server, started and stopped at will."""

    binaries: Path
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return current_url(f"postgresql://postgres@127.0.0.1:{self.port}/postgres")

    def new_database(self) -> str:
        """The URL of an empty one."""
        name = f"bot_{uuid4().hex}"
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.url.removesuffix("/postgres") + f"/{name}"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self.run("pg_ctl", "-D", str(self.folder), "-w", "-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder), "-w", "-m", "immediate", "stop")

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments]
        if os.getuid() == 0:  # the server refuses to be root's
            command = ["su", "postgres", "-s", "/bin/sh", "-c", " ".join(f"'{part}'" for part in command)]
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd="/")


@contextmanager
def running_server() -> Iterator[Server]:
    """A fresh server; skips the test, with the reason, where there can be none."""
    binaries = next((place for place in PLACES if (place / "initdb").exists() and (place / "pg_ctl").exists()), None)
    if binaries is None:
        pytest.skip("PostgreSQL is not installed here (Debian's package postgresql)")
    if find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed here (the extra postgres)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="bot-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    server = Server(binaries, folder / "data", port)
    try:
        server.run("initdb", "-D", str(server.folder), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8")
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
