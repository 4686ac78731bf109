"""A run's state on disk, whole or not at all, so that a run can be stopped anywhere and go on."""

import os
from pathlib import Path
from typing import Any

import torch


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write beside the file, then put it in place: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Load the state on the CPU; None where a run begins. Tensors and plain values only: no code is run."""
    if not path.is_file():
        return None
    return torch.load(path, map_location="cpu", weights_only=True)
