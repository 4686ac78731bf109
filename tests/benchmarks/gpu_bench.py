"""The device under the GPU benchmark: models of both kinds on it, and compiled graphs to measure them with."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from generation.catalog import ModelFamily
from generation.diffusion.compiled.graph_file import load_graph
from generation.diffusion.compiled.graph_key import GraphKey
from generation.diffusion.compiled.graphs import Graphs
from generation.diffusion.compiled.maker_process import Maker, MakerProcess
from generation.diffusion.compiled.recording import CudaRecordings
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.base import Parts
from generation.diffusion.families.calls import Part, part_of
from generation.diffusion.loading.model import LoadedModel
from generation.request import SYNTAX
from tests.benchmarks.random_models import random_model

SD, XL = ModelFamily.STABLE_DIFFUSION, ModelFamily.STABLE_DIFFUSION_XL
#: Row counts that graphs are made for; the last is the engine's cap. Made all at once, they have to fit into minutes.
ROWS = {XL: (2, 4, 6, 8), SD: (2, 4, 6, 8, 12, 16, 20, 24, 32)}  # those that take longest first
TOY_ROWS = {XL: (2,), SD: (2, 4)}
PATIENCE = 420.0  #: seconds for all graphs; the largest takes about four minutes by itself


class ToyMaker:
    """At toy size: makes empty files, for graphs that are the eager call."""

    busy = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, order: Mapping[str, Any]) -> None:
        for graph in order["graphs"]:
            Path(graph["path"]).touch()

    def close(self) -> None:
        """Nothing runs."""


class Bench:
    """The device, and the models on it, each made when it is first needed."""

    def __init__(self, *, smoke: bool, cache: Path = Path(".bench/graph-cache")) -> None:
        self.smoke = smoke
        self.device = "cpu" if smoke else "cuda"
        self.dtype = torch.float32 if smoke else torch.bfloat16
        self.name = "CPU, toy size" if smoke else torch.cuda.get_device_name()
        self.maker: Callable[[Path], Maker] = ToyMaker if smoke else MakerProcess
        self.rows = TOY_ROWS if smoke else ROWS
        self._cache = cache.resolve()
        self._models: dict[tuple[ModelFamily, bool], LoadedModel] = {}

    def stock(self, family: ModelFamily) -> LoadedModel:
        """As a plain pipeline has it: what P1 draws with."""
        return self._model(family, stock=True)

    def model(self, family: ModelFamily) -> LoadedModel:
        """As the bot has it, with the graphs that are made so far."""
        return self._model(family, stock=False)

    def eager(self, family: ModelFamily) -> "Eager":
        """The same without graphs, inside a `with`."""
        return Eager(self.model(family))

    def _model(self, family: ModelFamily, *, stock: bool) -> LoadedModel:
        if (family, stock) not in self._models:
            graphs = None if stock else self._graphs
            self._models[family, stock] = random_model(
                family, device=self.device, dtype=self.dtype, toy=self.smoke, graphs=graphs
            )
        return self._models[family, stock]

    def _graphs(self, parts: Parts) -> Graphs:
        device = torch.device(self.device)
        return Graphs(
            {name: part_of(name, getattr(parts, name)) for name in ("denoiser", "vae")},
            self._cache,
            device=device,
            maker=self.maker,
            load=_toy_graph if self.smoke else load_graph,
            recordings=None if self.smoke else CudaRecordings(device),
            room=lambda: False,  # only `prepare` has graphs made: nothing shall compile beside a measurement
        )

    def steps(self, number: int) -> int:
        """So many, or as few as make sense at toy size."""
        return 2 if self.smoke else number

    def jobs(self, number: int) -> int:
        """Likewise."""
        return min(number, 3) if self.smoke else number

    def prepare(self, wanted: Mapping[ModelFamily, Sequence[int]]) -> float:
        """Have these graphs made unless they are there, all at once, and take them up; the seconds it took."""
        started = time.perf_counter()
        makers: list[Maker] = []
        if sum(map(len, wanted.values())) > 2:
            os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "2")
        for family, rows in wanted.items():
            graphs = self.model(family).graphs
            if graphs is None:
                continue
            for key in self.keys(family, rows):
                if not (graphs.folder / f"{key.name}.pt2").exists():
                    makers.append(self.maker(graphs.folder))
                    makers[-1].make(graphs.order_for([key]))
        # All are asked: it is `busy` that says why one has failed.
        while sum(maker.busy for maker in makers) and time.perf_counter() - started < PATIENCE:
            time.sleep(0.5)
        for maker in makers:
            maker.close()
        for family, rows in wanted.items():
            ready = take_up(self.model(family), self.keys(family, rows))
            print(f"{family}: {ready} of {len(rows) + 1} graphs are in use, {kinds_of_calls(self.model(family))}")
        return time.perf_counter() - started

    def keys(self, family: ModelFamily, rows: Sequence[int]) -> list[GraphKey]:
        """The graphs of these row counts at the native size, and the decoder's."""
        model = self.model(family)
        side = model.spec.native_size
        latent = model.latent_shape(side, side)
        row = model.encode("", "", syntax=SYNTAX, guidance_scale=1.0, width=side, height=side).positive
        inputs = (row.text, row.pooled, row.time_ids, row.guidance)
        return [GraphKey("vae", ((1, *latent),))] + [
            GraphKey("denoiser", ((n, *latent), (n,), *(None if x is None else (n, *x.shape[1:]) for x in inputs)))
            for n in rows
        ]


class Eager:
    """A model whose graphs are put aside for a while."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._graphs = model.graphs

    def __enter__(self) -> LoadedModel:
        self._model.graphs = None
        return self._model

    def __exit__(self, *_: object) -> None:
        self._model.graphs = self._graphs


def take_up(model: LoadedModel, keys: Sequence[GraphKey]) -> int:
    """Take up those of these graphs that are made, and record others; how many there are of both kinds."""
    if model.graphs is None:
        return 0
    for key in keys:
        model.graphs.want(key.part, key.shapes)
    for _ in keys:
        model.idle()
    return sum(key in model.graphs.ready for key in keys)


def kinds_of_calls(model: LoadedModel) -> str:
    """How many graphs of the model are compiled, and how many are eager calls that were recorded."""
    if model.graphs is None:
        return "no graphs"
    ready, compiled = len(model.graphs.ready), len(model.graphs.compiled)
    return f"{compiled} graphs compiled, {ready - compiled} only recorded"


def _toy_graph(path: Path, part: Part, device: torch.device) -> Callable[..., Tensor]:
    return part.call


def engine_of(bench: Bench, model: LoadedModel) -> DiffusionEngine:
    """An engine whose calls go up to the largest graph."""
    return DiffusionEngine(model, max_rows=bench.rows[model.spec.family][-1])
