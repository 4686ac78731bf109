# pyright: reportUnknownVariableType=false
"""Loading a compiled graph from its file, and comparing its answer with the eager call's."""

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from generation.diffusion.families.calls import Part

Call: TypeAlias = Callable[..., Tensor]

#: Largest relative root mean square difference to the eager call: rounding explains that much, a mistake makes more.
_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3}
_HALF_TOLERANCE = 0.05


def load_graph(path: Path, part: Part, device: torch.device) -> Call:
    """Load the graph of this file over the part's own weights. Raises what torch raises for a file it cannot use."""
    from torch._inductor import aoti_load_package

    index = -1 if device.type == "cpu" else device.index or 0
    return _LoadedGraph(aoti_load_package(str(path), run_single_threaded=True, device_index=index), part)


class _LoadedGraph:
    """A graph with the tensors that it only points to: they have to live as long as it does, and no longer."""

    def __init__(self, loaded: Any, part: Part) -> None:
        weights = part.weights
        mine = {name: weights[name] for name in loaded.get_constant_fqns()}
        loaded.load_constants(mine, check_full_update=True, user_managed=True)
        self._loaded = loaded
        weakref.finalize(self, _empty, tuple(mine.values())).atexit = False

    def __call__(self, *inputs: Tensor | None) -> Tensor:
        return self._loaded(*inputs)


@torch.inference_mode()
def _empty(tensors: Sequence[Tensor]) -> None:
    """Empty the tensors that AOTInductor keeps for ever, so that they let go of the network's memory."""
    for tensor in tensors:
        tensor.set_()  # pyright: ignore[reportArgumentType, reportCallIssue]


def compare(call: Call, part: Part, inputs: Sequence[Tensor | None]) -> None:
    """Raise ValueError if the graph's answer differs from the eager call's."""
    theirs = part.call(*inputs).float()
    difference = float((call(*inputs).float() - theirs).norm() / theirs.norm())
    if not difference <= _TOLERANCE.get(part.network.dtype, _HALF_TOLERANCE):  # NaN fails too
        raise ValueError(f"it differs from the eager call by {difference:.2g}")
