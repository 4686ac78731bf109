"""Whether there are graphs here at all: the device, the disk, the compiler, and what the last run said of them."""

import logging
import os
import shutil
from pathlib import Path

from generation.diffusion.compiled.distrust import distrust_file
from generation.diffusion.compiled.graphs import Graphs
from generation.diffusion.compiled.maker_process import MakerProcess
from generation.diffusion.compiled.recording import CudaRecordings
from generation.diffusion.families.base import Parts
from generation.diffusion.families.calls import part_of
from generation.diffusion.families.placement import room_to_compile

log = logging.getLogger(__name__)


def graphs_for(parts: Parts, cache: Path) -> Graphs | None:
    """Make the graphs of a model's denoiser and decoder, or None where the device rules them out."""
    device = parts.device
    if device.type not in ("cuda", "cpu"):
        log.info("no compiled graphs on %s", device)
        return None
    try:
        if (file := distrust_file(cache, device)).exists():
            log.warning("no graphs: the device was lost while they were in use; to try them again, delete %s", file)
            return None
    except OSError as error:
        log.warning("no compiled graphs: %s", error)
        return None
    can_compile = any(shutil.which(name) for name in (os.environ.get("CXX", "c++"), "g++", "clang++"))
    if not can_compile:
        log.warning("no graphs are compiled: there is no C++ compiler here")
    try:
        return Graphs(
            {name: part_of(name, getattr(parts, name)) for name in ("denoiser", "vae")},
            cache,
            device=device,
            maker=MakerProcess if can_compile else None,
            recordings=CudaRecordings(device) if device.type == "cuda" else None,
            room=lambda: room_to_compile(parts),
        )
    except OSError as error:
        log.warning("no compiled graphs: %s", error)
        return None
