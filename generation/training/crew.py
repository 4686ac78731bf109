# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false
"""Several processes that train one model: each takes its share of every batch, and they agree on the mean gradient.

On CPUs this beats one process with several threads. Threads meet at the end of every layer, hundreds of times a
step, and all wait for the one whose core another program borrowed; processes meet once a step.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch import multiprocessing


@dataclass(frozen=True, kw_only=True)
class Crew:
    """This process's place among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process keeps the clock, the checkpoints and the grids."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return this process's rows of a batch of `count`."""
        return slice(self.rank, count, self.size)

    def agree(self, parameters: Sequence[torch.nn.Parameter], clock: float) -> float:
        """Replace each gradient by its mean over all processes; returns the leader's clock."""
        if self.size == 1:
            return clock
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients] + [torch.tensor([clock if self.leads else 0.0])])
        dist.all_reduce(flat)
        parts = flat[:-1].div_(self.size).split([g.numel() for g in gradients])
        for gradient, mean in zip(gradients, parts, strict=True):
            gradient.copy_(mean.view_as(gradient))
        return float(flat[-1])


def _member(rank: int, size: int, meeting: str, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    work(Crew(rank=rank, size=size), *arguments)
    # All is done and saved. To end in order is a race of gloo's threads, which now and then aborts the process.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def run_crew(size: int, folder: Path, work: Callable[..., None], *arguments: Any) -> None:
    """Call `work(crew, *arguments)` in `size` processes of one thread each, or right here if size is 1."""
    if size == 1:
        work(Crew(), *arguments)
        return
    folder.mkdir(parents=True, exist_ok=True)
    meeting = folder / f"meeting-{os.getpid()}"
    meeting.unlink(missing_ok=True)
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        members = (size, str(meeting.resolve()), work, arguments)
        multiprocessing.spawn(_member, args=members, nprocs=size, daemon=True)
    finally:
        signal.signal(signal.SIGTERM, before)
        meeting.unlink(missing_ok=True)


def _leave(number: int, frame: FrameType | None) -> None:
    """Turn a request to end into an ordinary exit, which ends the daemonic members too."""
    raise SystemExit(128 + number)
