"""GraphKey: which call a compiled graph stands for, also as a file name; and the row counts worth a graph."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import diffusers
import torch
from torch import Tensor

from generation.diffusion.families.calls import Shape
from generation.diffusion.threads import ALL

#: Rows of a denoiser's call that graphs are made for. Guided images take two each, and waste a fifth of a bucket's rows
#: at the very most.
BUCKETS = (1, 2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 56, 64)
_FORMAT = 2  #: of the files; another number makes all of them anew


@dataclass(frozen=True, slots=True)
class GraphKey:
    """A part ("denoiser" or "vae") and the shapes of all its arguments, None for those it is not given."""

    part: str
    shapes: tuple[Shape | None, ...]

    @classmethod
    def of(cls, part: str, inputs: Sequence[Tensor | None]) -> "GraphKey":
        """Make the key of a call with these arguments."""
        return cls(part, tuple(None if tensor is None else tuple(tensor.shape) for tensor in inputs))

    @classmethod
    def parse(cls, name: str) -> "GraphKey":
        """Read what `name` wrote. Raises ValueError for anything else."""
        part, *shapes = name.split("_")
        if part not in ("denoiser", "vae") or not shapes:
            raise ValueError(f"{name!r} names no graph")
        return cls(part, tuple(None if s == "none" else tuple(int(n) for n in s.split("x")) for s in shapes))

    @property
    def name(self) -> str:
        """The key as a file name, such as "denoiser_2x4x64x64_2_2x77x768_none_none_none"."""
        shapes = ("none" if shape is None else "x".join(map(str, shape)) for shape in self.shapes)
        return "_".join((self.part, *shapes))

    @property
    def rows(self) -> int:
        """How many rows its call takes."""
        return (self.shapes[0] or (0,))[0]

    @property
    def row(self) -> tuple[Shape | None, ...]:
        """The shapes of one row: what calls of any number of rows have in common."""
        return tuple(None if shape is None else shape[1:] for shape in self.shapes)

    def padded(self) -> "GraphKey | None":
        """Return the key of the bucket that these rows belong to; None above the largest."""
        rows = next((bucket for bucket in BUCKETS if bucket >= self.rows), None)
        if rows is None:
            return None
        return replace(self, shapes=tuple(None if shape is None else (rows, *shape[1:]) for shape in self.shapes))


def environment_of(device: torch.device, parts: Mapping[str, Any]) -> str:
    """Return a hash of 16 hex digits of all else that a graph depends on: libraries, device, geometry, dtype."""
    if device.type == "cuda":
        machine = [torch.cuda.get_device_name(device), *torch.cuda.get_device_capability(device), torch.version.cuda]
    else:
        machine = [platform.machine(), torch.backends.cpu.get_cpu_capability(), ALL]
    known: list[Any] = [_FORMAT, torch.__version__, diffusers.__version__, device.type, machine, parts]
    return hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()[:16]
