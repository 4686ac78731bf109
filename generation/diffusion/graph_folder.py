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

from generation.diffusion.graph_key import GraphKey, environment_of

log = logging.getLogger(__name__)

UNUSED_DAYS = 90


class GraphFolder:
    """A file's name says which call it is for, its time when it was used last."""

    def __init__(self, cache: Path, device: torch.device, parts: Mapping[str, Any]) -> None:
        """Below `cache`; `parts` describes the networks. Raises OSError.

        The files would all be others on another device or with another torch, and are in another folder then.
        """
        self.path = cache / "graphs" / environment_of(device, parts)
        self.path.mkdir(parents=True, exist_ok=True)
        self._tidy()

    def file(self, key: GraphKey) -> Path:
        """The graph's file, whether it is there or not."""
        return self.path / f"{key.name}.pt2"

    @staticmethod
    def marker(file: Path) -> Path:
        """What is there while a graph is loaded: one that brought the process down is not tried again."""
        return file.with_suffix(".loading")

    def made(self, most: int, parts: Collection[str]) -> tuple[list[GraphKey], set[GraphKey]]:
        """What an earlier life has made of these parts, the most recently used first, and which of it not to touch."""
        for marker in self.path.glob("*.loading"):
            log.warning("the process ended while it loaded a graph; to try that again, delete %s", marker)
        usable: list[GraphKey] = []
        feared: set[GraphKey] = set()
        for file in sorted(self.path.glob("*.pt2"), key=lambda file: -file.stat().st_mtime)[:most]:
            with suppress(ValueError):
                key = GraphKey.parse(file.stem)
                if self.marker(file).exists():
                    feared.add(key)
                elif key.part in parts:
                    usable.append(key)
        return usable, feared

    def note_use(self, key: GraphKey) -> None:
        """What is used does not expire; what is only loaded at every start does."""
        with suppress(OSError):
            os.utime(self.file(key))

    def _tidy(self) -> None:
        """Remove what nothing has used for long, such as the graphs of an older torch, and what a crash left."""
        now = time.time()
        for file in self.path.parent.glob("*/*.pt2"):
            if file.stat().st_mtime < now - UNUSED_DAYS * 86400:
                file.unlink(missing_ok=True)
        for scratch in self.path.parent.glob("*/making-*"):
            if scratch.stat().st_mtime < now - 86400:
                shutil.rmtree(scratch, ignore_errors=True)
