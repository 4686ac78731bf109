"""GraphFolder: where the compiled graphs of one model on one device are kept, and what their files tell."""

import logging
import os
import shutil
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from generation.diffusion.compiled.graph_key import GraphKey, environment_of

log = logging.getLogger(__name__)

UNUSED_DAYS = 90


class GraphFolder:
    """A folder of graphs. A file's name says which call it is for, its time when it was used last."""

    def __init__(self, cache: Path, device: torch.device, parts: Mapping[str, Any]) -> None:
        """The folder lies below `cache`; `parts` describes the networks. Raises OSError.

        Another device or another torch has another folder, since all its files would differ.
        """
        self.path = cache / "graphs" / environment_of(device, parts)
        self.path.mkdir(parents=True, exist_ok=True)
        self._tidy()

    def file(self, key: GraphKey) -> Path:
        """Return the path of the graph's file, whether it is there or not."""
        return self.path / f"{key.name}.pt2"

    @staticmethod
    def marker(file: Path) -> Path:
        """Return the path of the mark of a graph that is being loaded; one that brings the process down leaves it."""
        return file.with_suffix(".loading")

    def made(self, most: int, parts: Collection[str]) -> tuple[list[GraphKey], set[GraphKey]]:
        """Return the graphs of earlier runs for these parts, the last used first, and those that ended the process."""
        for marker in self.path.glob("*.loading"):
            log.warning("the process ended while it loaded a graph; to try that again, delete %s", marker)
        usable: list[GraphKey] = []
        feared: set[GraphKey] = set()
        for file in sorted(self.path.glob("*.pt2"), key=_last_used, reverse=True)[:most]:
            with suppress(ValueError):
                key = GraphKey.parse(file.stem)
                if self.marker(file).exists():
                    feared.add(key)
                elif key.part in parts:
                    usable.append(key)
        return usable, feared

    def note_use(self, key: GraphKey) -> None:
        """Renew the file's time: a graph that is used does not expire, one that is only loaded at every start does."""
        with suppress(OSError):
            os.utime(self.file(key))

    def _tidy(self) -> None:
        """Remove graphs that were not used for long, such as those of an older torch, and what a crash left."""
        now = time.time()
        for file in self.path.parent.glob("*/*.pt2"):
            if _last_used(file) < now - UNUSED_DAYS * 86400:
                with suppress(OSError):
                    file.unlink()
        for scratch in self.path.parent.glob("*/making-*"):
            if _last_used(scratch) < now - 86400:
                shutil.rmtree(scratch, ignore_errors=True)


def _last_used(file: Path) -> float:
    """Return the file's time in seconds since 1970; long ago for one that cannot be looked at, and is as if absent."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
