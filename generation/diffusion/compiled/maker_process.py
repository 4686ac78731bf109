"""MakerProcess: the bot's end of the process that compiles graphs. One runs at a time, and none outlives the bot."""

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import generation

log = logging.getLogger(__name__)

_MOST_WORKERS = 4  #: processes that it may compile kernels with; each takes a few hundred MB
_LAST_WORDS = 2000  #: characters of its output that the log gets when it fails

#: Of the environment, what interpreters and compilers look at.
_NEEDED = re.compile(
    "PATH|HOME|USER|LOGNAME|LANG|TMPDIR|TEMP|TMP|SYSTEMROOT|USERPROFILE|APPDATA|LOCALAPPDATA|VIRTUAL_ENV"
    "|LD_LIBRARY_PATH|LIBRARY_PATH|CPATH|CC|CXX|INCLUDE|LIB"
    "|(LC_|PYTHON|CUDA|NVIDIA_|TORCH|PYTORCH_|TRITON_|AOT_INDUCTOR_|OMP_|MKL_).*"
)


class Maker(Protocol):
    """Makes graphs somewhere else."""

    @property
    def busy(self) -> bool:
        """Whether an order is under way."""
        ...

    def make(self, order: Mapping[str, Any]) -> None:
        """Start on an order, as `Graphs.order_for` writes it. Raises OSError if nothing can be made here."""
        ...

    def close(self) -> None:
        """Give up the order that is under way, if any. May be called twice."""
        ...


class MakerProcess:
    """Runs `generation.diffusion.compiled.graph_maker`."""

    def __init__(self, folder: Path) -> None:
        """Scratch files lie below `folder`, and go away with the process."""
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._work: Path | None = None
        self._net: weakref.finalize[..., Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether an order is under way. Logs why one has failed, once."""
        if self._process is None:
            return False
        status = self._process.poll()
        if status is None:
            return True
        if status:
            log.warning("compiling ended with status %d; drawing goes on without:\n%s", status, self._last_words())
        self.close()
        return False

    def make(self, order: Mapping[str, Any]) -> None:
        """Start on an order. Raises RuntimeError while another is under way, OSError if no process can be started."""
        if self.busy:
            raise RuntimeError("one order at a time")
        self._work = work = Path(tempfile.mkdtemp(prefix="making-", dir=self._folder))
        (work / "order.json").write_text(json.dumps({**order, "work": str(work)}), "utf-8")
        # Found from any folder, whether the project is installed or not.
        paths = [str(Path(generation.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
        workers = str(min(_MOST_WORKERS, max(1, (os.cpu_count() or 1) // 2)))
        settings = {
            "TORCHINDUCTOR_COMPILE_THREADS": os.environ.get("TORCHINDUCTOR_COMPILE_THREADS", workers),
            "TORCHINDUCTOR_CACHE_DIR": str(work / "inductor"),
            "TRITON_CACHE_DIR": str(work / "triton"),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        with (work / "output").open("wb") as output:
            self._process = process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "generation.diffusion.compiled.graph_maker", str(work / "order.json")],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**_inherited(), **_toolkit(), **settings},
                start_new_session=True,
            )
        self._net = weakref.finalize(self, _end, process, work)

    def close(self) -> None:
        """End the process, with the compilers it has started. May be called twice."""
        if self._net is not None:
            self._net()
        self._process = self._work = self._net = None

    def _last_words(self) -> str:
        if self._work is None:
            return ""
        return (self._work / "output").read_text("utf-8", errors="replace")[-_LAST_WORDS:]


def _inherited() -> dict[str, str]:
    """Return the variables that a compiler needs, and no others: the bot's token is among them."""
    return {name: value for name, value in os.environ.items() if _NEEDED.fullmatch(name)}


def _toolkit() -> dict[str, str]:
    """Find CUDA's toolkit unless the environment names it: the linker needs its stub of the driver's library."""
    nvcc = shutil.which("nvcc")
    folder = Path(nvcc).resolve().parent.parent if nvcc else Path("/usr/local/cuda")
    return {"CUDA_HOME": str(folder)} if "CUDA_HOME" not in os.environ and folder.is_dir() else {}


def _end(process: subprocess.Popen[bytes], work: Path) -> None:
    if process.stdin is not None:
        process.stdin.close()
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
    shutil.rmtree(work, ignore_errors=True)
