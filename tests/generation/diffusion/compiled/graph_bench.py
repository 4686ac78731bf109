"""Graphs of a small part, with a maker and a loader that only pretend to compile and load."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch

from generation.diffusion.compiled.graph_key import GraphKey
from generation.diffusion.compiled.graphs import Graphs
from generation.diffusion.families.base import Parts
from generation.diffusion.families.calls import Part, example_inputs
from tests.generation.diffusion.conftest import load_tiny

CPU = torch.device("cpu")
TWO_ROWS = GraphKey("denoiser", ((2, 4, 16, 16), (2,), (2, 77, 32), None, None, None))


class FakeMaker:
    """Keeps the orders; `finish` writes what was ordered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.orders: list[Mapping[str, Any]] = []
        self.busy = False
        self.closed = False

    def make(self, order: Mapping[str, Any]) -> None:
        self.orders.append(order)
        self.busy = True

    def finish(self) -> None:
        for graph in self.orders[-1]["graphs"]:
            Path(graph["path"]).write_bytes(b"a graph")
        self.busy = False

    def close(self) -> None:
        self.closed = True


class SmallUnet(torch.nn.Module):
    """Takes a U-Net's arguments, and answers at once."""

    config: ClassVar[dict[str, Any]] = {}
    dtype = torch.float32

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, text: torch.Tensor, *_: None) -> torch.Tensor:
        return latents / 2 + timesteps.view(-1, 1, 1, 1) * text.mean()


def parts() -> Parts:
    """Make the parts of a tiny model."""
    return load_tiny("epsilon").family.parts


class Bench:
    """Graphs of a small part with a fake maker, whose graphs are the eager call, counted."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        unet = SmallUnet()
        self.part = Part(network=unet, call=unet)
        self.graph_calls: list[int] = []
        self.fault: Exception | None = None
        self.graphs = Graphs(
            {"denoiser": self.part}, folder, device=CPU, **{"maker": self._hire, "load": self._load, **settings}
        )

    def _hire(self, folder: Path) -> FakeMaker:
        self.maker = FakeMaker(folder)
        return self.maker

    def _load(self, path: Path, part: Part, device: torch.device) -> Callable[..., torch.Tensor]:
        if path.read_bytes() != b"a graph":
            raise RuntimeError("no graph")

        def call(*inputs: Any) -> torch.Tensor:
            if self.fault is not None:
                raise self.fault
            self.graph_calls.append(len(inputs[0]))
            return part.call(*inputs)

        return call

    @torch.inference_mode()
    def draw(self, rows: int, times: int = 1) -> torch.Tensor:
        key = GraphKey("denoiser", tuple(s and (rows, *s[1:]) for s in TWO_ROWS.shapes))
        inputs = example_inputs(key.shapes, device=CPU, dtype=torch.float32)
        return [self.graphs.call("denoiser", inputs) for _ in range(times)][-1]

    @torch.inference_mode()
    def idle(self) -> bool:
        return self.graphs.idle()


class FakeRecording:
    """Plays a call again on the same memory, as a CUDA graph does."""

    def record(self, work: Callable[[], torch.Tensor]) -> torch.Tensor:
        self._work, self._answer = work, work()
        return self._answer

    def replay(self) -> None:
        self._answer.copy_(self._work())


class FakeRecordings:
    """Makes fake recordings, and keeps them."""

    def __init__(self, new: Callable[[], FakeRecording] = FakeRecording) -> None:
        self.made: list[FakeRecording] = []
        self.forgotten = 0
        self._new = new

    def new(self) -> FakeRecording:
        self.made.append(self._new())
        return self.made[-1]

    def forget(self) -> None:
        self.forgotten += 1
