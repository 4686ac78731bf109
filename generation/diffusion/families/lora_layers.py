# pyright: reportPrivateImportUsage=false
"""Several LoRAs side by side in the layers of one network, each row of a call with a weight of its own for each.

A layer computes y = base(x) + (w * x D) U. The first halves D [C, in] and the second ones U [C, out] of all LoRAs in
use stand one below the other, each LoRA in as many of the C columns as it has ranks, and w [R, C] holds each row's
weights on the columns of its LoRAs and zeros elsewhere. So rows of any choice share a call, for two thin products a
layer. Layers keep their names and weights: what is added comes by hooks, and is not there in a call without LoRAs.
"""

from collections import OrderedDict
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

_STEP = 16  #: columns that a call takes at a time, and buffers grow by twice as many


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraLayer:
    """The two halves for one layer, with alpha / rank in the second one."""

    down: Tensor  #: [r, in], or [r, in, kh, kw] of a convolution
    up: Tensor  #: [r, out]


Layers: TypeAlias = Mapping[str, LoraLayer]  #: by the names of a network's modules


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Adapter:
    """A LoRA in main memory, in the model's number format."""

    name: str
    sha256: str
    rank: int
    denoiser: Layers
    text_encoders: tuple[Layers, ...]  #: one for each encoder of the model

    @property
    def nbytes(self) -> int:
        """What it takes."""
        parts = (self.denoiser, *self.text_encoders)
        return sum(layer.down.nbytes + layer.up.nbytes for layers in parts for layer in layers.values())


class Columns:
    """The columns of one network. Only the thread of its device calls it."""

    def __init__(self, network: nn.Module, *, most: int, device: torch.device, dtype: torch.dtype) -> None:
        """There are `most` columns at most; memory is taken as it is needed."""
        self._network = network
        self._most = most
        self._device = device
        self._dtype = dtype
        self._capacity = 0
        self._hooks: dict[str, _Hook] = {}
        self._call = _Call()
        self._taken: OrderedDict[str, list[int]] = OrderedDict()  #: by sha256, the least recently used first
        self._placed: frozenset[str] = frozenset()

    @property
    def most(self) -> int:
        """The number of columns."""
        return self._most

    def place(self, adapters: Sequence[Adapter], *, all_columns: bool = False) -> None:
        """Have these stand side by side for the next calls; together they have no more ranks than there are columns.

        What is in its place already stays there, and others only leave where there is no room. With `all_columns` a
        call takes all of them, whatever LoRAs there are: kernels then always meet the same shapes.
        """
        wanted = {adapter.sha256: adapter for adapter in adapters}
        for sha256, adapter in wanted.items():
            if sha256 not in self._taken:
                self._write(adapter, self._free(adapter.rank, wanted))
            self._taken.move_to_end(sha256)
        if self._placed != wanted.keys():
            self._placed = frozenset(wanted)
            for path, hook in self._hooks.items():
                hook.used = any(path in adapter.denoiser for adapter in wanted.values())
        used = [column for sha256 in wanted for column in self._taken[sha256]]
        if all_columns:
            self._grow(self._most)
            self._call.columns = slice(0, self._most)
        elif used:
            first, end = min(used) // _STEP * _STEP, -(-(max(used) + 1) // _STEP) * _STEP
            self._call.columns = slice(first, min(end, self._capacity))

    def weights(self, rows: Sequence[Mapping[str, float]]) -> Tensor:
        """Return w [R, C] for rows that each want these weights, by sha256, of what was placed last."""
        weights = torch.zeros(len(rows), self._capacity, dtype=self._dtype)
        for number, row in enumerate(rows):
            for sha256, weight in row.items():
                weights[number, self._taken[sha256]] = weight
        return weights[:, self._call.columns].to(self._device)

    @contextmanager
    def applied(self, weights: Tensor | None) -> Generator[None]:
        """Have the network's calls add the LoRAs by these weights [R, C]; None: as if there were none."""
        self._call.weights = weights
        self._call.zero = None if weights is None else weights == 0
        try:
            yield
        finally:
            self._call.weights = self._call.zero = None

    def _free(self, rank: int, wanted: Mapping[str, Adapter]) -> list[int]:
        """Return so many free columns, the first ones there are; where all are taken, others make room."""
        taken = {column for columns in self._taken.values() for column in columns}
        while len(taken) + rank > self._most:
            oldest = next(sha256 for sha256 in self._taken if sha256 not in wanted)
            taken -= set(self._taken.pop(oldest))
        free = [column for column in range(self._most) if column not in taken][:rank]
        self._grow(free[-1] + 1)
        return free

    def _grow(self, columns: int) -> None:
        if columns > self._capacity:
            self._capacity = min(-(-columns // (2 * _STEP)) * 2 * _STEP, self._most)
            for hook in self._hooks.values():
                hook.grow(self._capacity)

    def _write(self, adapter: Adapter, columns: list[int]) -> None:
        for path in adapter.denoiser:
            if path not in self._hooks:
                module: Any = self._network.get_submodule(path)
                hook = self._hooks[path] = _Hook(module, self._call, self._device, self._dtype)
                hook.grow(self._capacity)
                module.register_forward_hook(hook)
        self._placed = frozenset()
        where = torch.tensor(columns, device=self._device)
        for path, hook in self._hooks.items():
            hook.write(where, adapter.denoiser.get(path))
        self._taken[adapter.sha256] = columns


class _Call:
    """What the layers of a network share during a call."""

    def __init__(self) -> None:
        self.weights: Tensor | None = None  #: [R, C]
        self.zero: Tensor | None = None  #: [R, C], where the weights are none
        self.columns = slice(0, 0)


class _Hook:
    """What is added to one Linear or Conv2d."""

    def __init__(self, base: Any, call: _Call, device: torch.device, dtype: torch.dtype) -> None:
        self._call = call
        self._down = torch.zeros(0, *base.weight.shape[1:], device=device, dtype=dtype)
        self._up = torch.zeros(0, base.weight.shape[0], device=device, dtype=dtype)
        self.used = False  #: by any LoRA that is placed

    def grow(self, capacity: int) -> None:
        self._down, self._up = (
            torch.cat([half, half.new_zeros(capacity - len(half), *half.shape[1:])]) for half in (self._down, self._up)
        )

    def write(self, columns: Tensor, layer: LoraLayer | None) -> None:
        self._down[columns] = 0
        self._up[columns] = 0
        if layer is not None:
            self._down[columns[: len(layer.down)]] = layer.down.to(self._down.device)
            self._up[columns[: len(layer.up)]] = layer.up.to(self._up.device)

    def __call__(self, base: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        call = self._call
        if not self.used or call.weights is None or call.zero is None:
            return None
        # A row that does not want a LoRA gets nothing of it, not even of what overflows in its first half.
        down, up = self._down[call.columns], self._up[call.columns]
        if isinstance(base, nn.Conv2d):
            thin = _thin(base, inputs[0], down)
            thin = (thin * call.weights[:, :, None, None]).masked_fill_(call.zero[:, :, None, None], 0)
            return output + functional.conv2d(thin, up.t()[:, :, None, None].contiguous())
        thin = functional.linear(inputs[0], down)
        rows = thin.view(len(call.weights), -1, thin.shape[-1])
        rows = rows.mul_(call.weights[:, None]).masked_fill_(call.zero[:, None], 0)
        output.view(-1, output.shape[-1]).addmm_(rows.view(-1, rows.shape[-1]), up)
        return None


@contextmanager
def added(network: nn.Module, wanted: Sequence[tuple[Layers, float]], device: torch.device) -> Generator[None]:
    """Have the network's calls add these LoRAs, with one weight each for all rows."""
    with ExitStack() as hooks:
        for path in {path for layers, _ in wanted for path in layers}:
            halves = [(layers[path], weight) for layers, weight in wanted if path in layers]
            down = torch.cat([layer.down for layer, _ in halves]).to(device)
            up = torch.cat([layer.up * weight for layer, weight in halves]).to(device)
            module: Any = network.get_submodule(path)
            hooks.callback(module.register_forward_hook(_adding(down, up)).remove)
        yield


def _adding(down: Tensor, up: Tensor) -> Any:
    def hook(base: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output + functional.linear(inputs[0], down) @ up

    return hook


def _thin(base: nn.Conv2d, value: Tensor, down: Tensor) -> Tensor:
    return functional.conv2d(value, down, None, base.stride, base.padding, base.dilation)
