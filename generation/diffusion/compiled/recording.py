"""Recorded: a call of many small kernels, recorded once and replayed by a single launch (CUDA graphs)."""

import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

_MOST_ROWS = 8  #: with more rows the device is slower than its launches, and a recording only holds memory
_WARM_UPS = 3


class Recording(Protocol):
    """Something that can record one call and play it again on the same memory."""

    def record(self, work: Callable[[], Tensor]) -> Tensor:
        """Run `work`, and return the tensor that it and every replay leave their answer in."""
        ...

    def replay(self) -> None:
        """Do the recorded work again, on what its memory holds now."""
        ...


class Recordings(Protocol):
    """The recordings of one model."""

    def new(self) -> Recording:
        """Make a recording that holds nothing yet."""
        ...

    def forget(self) -> None:
        """Let go of all memory that they hold; none of them is replayed again."""
        ...


class Recorded:
    """A call on fixed memory: it copies arguments in and the answer out."""

    def __init__(self, call: Callable[..., Tensor], inputs: Sequence[Tensor | None], recording: Recording) -> None:
        self.call = call  #: what was recorded
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


class CudaRecordings:
    """CUDA graphs that share a pool of memory and streams: they never run at once, and answers are copied out.

    When a graph is destroyed, torch clears the working memory that cuBLAS has for the stream it was recorded on, and
    other graphs of that stream would still write to it. So each model has streams of its own, and keeps all of its
    graphs, replayed or not, until it drops them together.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._streams: _Streams | None = None
        self._pool: Any = None
        self._graphs: list[Any] = []

    def new(self) -> Recording:
        """Make one more, in the same pool."""
        with torch.cuda.device(self._device):
            if self._streams is None:
                spare = _SPARE.setdefault(self._device, [])
                self._streams = spare.pop() if spare else (torch.cuda.Stream(), torch.cuda.Stream())
                weakref.finalize(self, spare.append, self._streams).atexit = False
            if self._pool is None:
                self._pool = torch.cuda.graph_pool_handle()
            graph = torch.cuda.CUDAGraph()
        self._graphs.append(graph)
        return _CudaRecording(self._device, graph, self._pool, self._streams)

    def forget(self) -> None:
        """Drop all of them, and the pool, whose handle is worth nothing without them."""
        if self._graphs:
            torch.cuda.synchronize(self._device)
            self._graphs.clear()
            self._pool = None


_Streams: TypeAlias = tuple[Any, Any]  #: to warm up on, and to record on

#: Streams whose model is gone. torch has 32 to give and then begins again: new ones would be some other model's.
_SPARE: dict[torch.device, list[_Streams]] = {}


class _CudaRecording:
    def __init__(self, device: torch.device, graph: Any, pool: Any, streams: _Streams) -> None:
        self._device = device
        self._graph = graph
        self._pool = pool
        self._warm_up, self._capture = streams

    def record(self, work: Callable[[], Tensor]) -> Tensor:
        """Warm up apart from the other work, as libraries set themselves up at the first calls, then record."""
        # The outermost stream is the one that is there already: a recording that fails may leave its own behind.
        with torch.cuda.device(self._device), torch.cuda.stream(torch.cuda.current_stream()):
            self._warm_up.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._warm_up):
                for _ in range(_WARM_UPS):
                    work()
            torch.cuda.current_stream().wait_stream(self._warm_up)
            # Other threads may use the device meanwhile, such as one that copies a picture.
            graph = torch.cuda.graph(
                self._graph, pool=self._pool, stream=self._capture, capture_error_mode="thread_local"
            )
            try:
                with graph:
                    return work()
            except Exception:
                # A recording that CUDA breaks off leaves the pool open, and torch could never give back memory again.
                with suppress(Exception):
                    end = torch._C._cuda_endAllocateToPool  # pyright: ignore[reportPrivateUsage]
                    end(torch.cuda.current_device(), self._pool)
                raise

    def replay(self) -> None:
        """Replay the graph on what the inputs hold now."""
        self._graph.replay()
