"""Recorded: a call of many small kernels, recorded once and replayed by a single launch (CUDA graphs)."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

_MOST_ROWS = 8  #: with more rows the device is slower than its launches, and a recording only holds memory
_WARM_UPS = 3


class Recording(Protocol):
    """Something that can record one call and play it again on the same memory."""

    def record(self, work: Callable[[], Tensor]) -> Tensor:
        """Run `work`, and give the tensor that it and every replay leave their answer in."""
        ...

    def replay(self) -> None: ...


class Recorded:
    """A call on fixed memory: arguments are copied in, the answer is copied out."""

    def __init__(self, call: Callable[..., Tensor], inputs: Sequence[Tensor | None], recording: Recording) -> None:
        self._inputs = [None if tensor is None else tensor.clone() for tensor in inputs]
        self._recording = recording
        self._answer = recording.record(lambda: call(*self._inputs))

    def __call__(self, *inputs: Tensor | None) -> Tensor:
        for mine, given in zip(self._inputs, inputs, strict=True):
            if mine is not None and given is not None:
                mine.copy_(given)
        self._recording.replay()
        return self._answer.clone()

    @staticmethod
    def pays(rows: int) -> bool:
        """Whether a call of so many rows is bound by its launches."""
        return rows <= _MOST_ROWS


class CudaRecording:
    """A CUDA graph. All of a model share a pool of memory: they never run at once, and answers are copied out."""

    def __init__(self, device: torch.device, pool: Any) -> None:
        self._device = device
        self._pool = pool
        self._graph = torch.cuda.CUDAGraph()

    def record(self, work: Callable[[], Tensor]) -> Tensor:
        """Warm up apart from the other work, as libraries set themselves up at the first calls, then record."""
        with torch.cuda.device(self._device):
            stream: Any = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    work()
            torch.cuda.current_stream().wait_stream(stream)
            # Other threads may use the device meanwhile, such as one that copies a picture.
            with torch.cuda.graph(self._graph, pool=self._pool, capture_error_mode="thread_local"):
                return work()

    def replay(self) -> None:
        """Do it again, on what the inputs hold now."""
        self._graph.replay()


def cuda_recordings(device: torch.device) -> Callable[[], Recording]:
    """Makes recordings that share their memory."""
    pool: list[Any] = []

    def new() -> Recording:
        if not pool:
            pool.append(torch.cuda.graph_pool_handle())
        return CudaRecording(device, pool[0])

    return new
