"""Graphs: compiled calls of a model's parts, each for one set of shapes, taken up while nothing is being drawn.

At first all calls are eager. A process beside the bot compiles the shapes that are drawn often, and its graphs are
taken up between jobs, one at a time, so nobody waits for a compiler. A graph holds no weights: it shares those of the
network it stands for. A graph compiles nothing itself, so that compiling ends once all shapes in use are known;
`ordered` counts the graphs that were ordered. Where calls can be recorded (CUDA), an eager call of a few rows is
recorded until its compiled graph is there, or for good where none will be.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from generation.diffusion.compiled.distrust import distrust_file, write_distrust
from generation.diffusion.compiled.graph_file import Call, compare, load_graph
from generation.diffusion.compiled.graph_folder import GraphFolder
from generation.diffusion.compiled.graph_key import GraphKey
from generation.diffusion.compiled.maker_process import Maker
from generation.diffusion.compiled.recording import Recorded, Recordings
from generation.diffusion.failures import attempt, gives_no_cause, is_device_lost, is_out_of_memory
from generation.diffusion.families.calls import Part, Shape, example_inputs

log = logging.getLogger(__name__)

Loader: TypeAlias = Callable[[Path, Part, torch.device], Call]

OFTEN = {"denoiser": 20, "vae": 2}  #: calls after which a shape is worth a graph: one or two pictures
MOST = 32  #: graphs of a model
AT_ONCE = 4  #: graphs of one order; what is asked for meanwhile comes with the next
_BELIEVED = 3  #: failures of a graph without a cause that are taken for too little memory
_NOTE_EVERY = 1000  #: calls of a graph: its use is written down


class Graphs:
    """The graphs of one model on one device. Only the worker's thread calls it."""

    def __init__(
        self,
        parts: Mapping[str, Part],
        folder: Path,
        *,
        device: torch.device,
        maker: Callable[[Path], Maker] | None,
        load: Loader = load_graph,
        recordings: Recordings | None = None,
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        """Graphs are kept below `folder`. `room` says whether the device has memory for compiling just now.

        Without `maker` none are compiled. With `recordings` small calls of the denoiser are replayed, see `Recorded`.
        """
        self._parts = dict(parts)
        self._device = device
        self._described = {
            name: {"config": part.config, "dtype": str(part.network.dtype).removeprefix("torch.")}
            for name, part in self._parts.items()
        }
        self._files = GraphFolder(folder, device, self._described)
        self.folder = self._files.path
        self._maker = None if maker is None else maker(self.folder)
        self._load = load
        self._recordings = recordings
        self._can_record = recordings is not None
        self._distrust = distrust_file(folder, device)
        self._tried = False  #: whether any graph was loaded or recorded
        self._unrecorded: set[GraphKey] = set()  #: what there was no memory to record
        self._room = room
        self._calls: Counter[GraphKey] = Counter()  #: in this life, those that a graph answered and others
        self._noted: set[GraphKey] = set()  #: whose use is written down
        self._ready: dict[GraphKey, Call] = {}
        #: Not taken up yet: being made, still to be made, or made; and what is not to be tried any more.
        self._wanted, self._hopeless = self._files.made(MOST, self._parts)
        self._tries: Counter[GraphKey] = Counter()  #: orders that a shape was part of
        self._unexplained: Counter[GraphKey] = Counter()  #: failures without a cause
        self._hinted = False
        self.ordered = 0  #: graphs that were given to be compiled, in this life
        self.called = 0  #: calls that a graph has answered

    def call(self, part: str, inputs: Sequence[Tensor | None]) -> Tensor:
        """Call the part, by its graph where there is one, else eagerly. Shapes as in `families.calls`."""
        key = GraphKey.of(part, inputs)
        if key not in self._ready:
            self._ask(key)
            return self._parts[part].call(*inputs)
        fitting = tuple(self._fit(part, tensor) for tensor in inputs)
        answer = attempt(lambda: self._ready[key](*fitting), caught=lambda error: self._caught(key, error))
        if answer is None:
            return self._parts[part].call(*inputs)
        self._calls[key] += 1
        if key not in self._noted or self._calls[key] % _NOTE_EVERY == 0:
            self._files.note_use(key)
            self._noted.add(key)
        self.called += 1
        return answer

    def _caught(self, key: GraphKey, error: Exception) -> bool:
        """Note why a graph failed: the eager call tells a fault of the graph from one of the device."""
        if self._may_be_memory(key, error):
            log.info("no memory for a call of graph %s", key.name)
        else:
            log.warning("graph %s failed and is not used again: %s", key.name, repr(error))
            self._ready.pop(key)
            self._give_up(key)
        return True

    def _may_be_memory(self, key: GraphKey, error: Exception) -> bool:
        """Whether memory has run out. A failure without a cause is taken for that, but not for ever."""
        self._unexplained[key] += gives_no_cause(error)
        return is_out_of_memory(error) or (gives_no_cause(error) and self._unexplained[key] <= _BELIEVED)

    def _fit(self, part: str, tensor: Tensor | None) -> Tensor | None:
        """Give the tensor the number format and strides that the graph was made for, which it does not check itself."""
        if tensor is None or tensor.dim() == 1:
            return tensor
        return tensor.to(self._parts[part].network.dtype).contiguous()

    def rows(self, latent: Shape, tokens: int) -> tuple[int, ...]:
        """Return the row counts with a graph of the denoiser, at this latent shape and text length, smallest first."""
        return tuple(
            sorted(
                key.rows
                for key in self._ready
                if key.part == "denoiser" and key.row[0] == latent and (key.row[2] or (0,))[0] == tokens
            )
        )

    def want(self, part: str, inputs: Sequence[Shape | None]) -> None:
        """Have a graph made for these shapes, without waiting until they are drawn often."""
        key = GraphKey(part, tuple(inputs)).padded()
        if key is not None:
            self._want(key)

    @property
    def ready(self) -> tuple[GraphKey, ...]:
        """The graphs in use."""
        return tuple(self._ready)

    @property
    def compiled(self) -> tuple[GraphKey, ...]:
        """The compiled ones among them; the others are eager calls that were recorded."""
        return tuple(key for key, call in self._ready.items() if not self._is_eager(key, call))

    @property
    def waiting(self) -> int:
        """How many graphs are wanted and not ready."""
        return len(self._wanted)

    def order_for(self, keys: Iterable[GraphKey]) -> dict[str, Any]:
        """Write the order that tells a maker to make these graphs."""
        graphs = [{"part": key.part, "inputs": key.shapes, "path": str(self._files.file(key))} for key in keys]
        threads = torch.get_num_threads()  # written into a CPU's graph
        return {"device": str(self._device), "threads": threads, "parts": self._described, "graphs": graphs}

    def idle(self) -> bool:
        """Take up one graph that has been made, or have more made; return whether there is more to come."""
        made = [key for key in self._wanted if self._files.file(key).exists()]
        eager = [key for key in self._wanted if key not in self._ready and key not in made and self._may_record(key)]
        for key in [*made, *eager][:1]:
            self._tried = True
            try:
                (self._take_up if made else self._record)(key)
            except Exception as error:
                if is_device_lost(error):
                    raise
                log.warning("there will be no graph %s: %s", key.name, repr(error))
                self._give_up(key)
        self._order()
        return len(made) + len(eager) > 1 or self._compiling

    @property
    def _compiling(self) -> bool:
        return self._maker is not None and self._maker.busy

    def drop_recordings(self) -> None:
        """Give back the memory that recordings hold; calls go without recordings until `idle` makes them anew."""
        for key, recorded in [(key, call) for key, call in self._ready.items() if isinstance(call, Recorded)]:
            if not self._is_eager(key, recorded):
                self._ready[key] = recorded.call
                continue
            del self._ready[key]
            if key not in self._wanted:
                self._wanted.append(key)
        self._forget_recordings()

    def _is_eager(self, key: GraphKey, call: Call) -> bool:
        return isinstance(call, Recorded) and call.call is self._parts[key.part].call

    def _forget_recordings(self) -> None:
        if self._recordings is not None:
            self._recordings.forget()

    def close(self) -> None:
        """End the compiling, if any, and let go of all graphs. May be called twice."""
        if self._maker is not None:
            self._maker.close()
        self._ready.clear()
        self._wanted.clear()
        self._forget_recordings()

    def distrust(self) -> None:
        """Have the next run go without graphs, after a device was lost: a graph in use may be the cause."""
        if not self._tried:
            return
        self._tried = False  # once is enough
        log.error("the device was lost with graphs in use; from now on there are none, see %s", self._distrust)
        with suppress(OSError):
            write_distrust(self._distrust)

    # wanting and making

    def _ask(self, key: GraphKey) -> None:
        bucket = key.padded()
        if bucket is None or bucket in self._ready or (key.part == "vae" and key.rows > 1):
            return
        self._calls[bucket] += 1
        if self._calls[bucket] % OFTEN[key.part] == 0:
            self._want(bucket)

    def _want(self, key: GraphKey) -> None:
        if key in self._ready or key in self._wanted or key in self._hopeless:
            return
        known = dict.fromkeys([*self._ready, *self._wanted])
        if len(known) >= MOST:
            least = min(known, key=self._calls.__getitem__)
            if self._calls[least] >= self._calls[key]:
                return
            self._let_go(least)
        self._wanted.append(key)
        self._order()

    def _let_go(self, key: GraphKey) -> None:
        """Stop using a graph, because others are drawn more often. Its file stays for a while."""
        self._ready.pop(key, None)
        if key in self._wanted:
            self._wanted.remove(key)

    def _order(self) -> None:
        """Give what is wanted and not made to the maker, unless it is busy."""
        if self._maker is None or self._maker.busy:
            return
        missing = [key for key in self._wanted if not self._files.file(key).exists()]
        for key in [key for key in missing if self._tries[key] >= 2]:
            self._give_up(key)
            missing.remove(key)
        if not missing:
            return
        if not self._room():
            if not self._hinted:
                log.info("no graphs for now: the device has no memory to spare for compiling")
                self._hinted = True
            return
        now = missing[:AT_ONCE]
        self._tries.update(now)
        self.ordered += len(now)
        log.info("compiling %d graphs: %s", len(now), ", ".join(key.name for key in now))
        try:
            self._maker.make(self.order_for(now))
        except OSError as error:
            log.warning("graphs cannot be compiled here: %s", error)
            for key in missing:
                self._give_up(key)

    def _give_up(self, key: GraphKey) -> None:
        self._hopeless.add(key)
        if key in self._wanted:
            self._wanted.remove(key)

    # taking up

    def _take_up(self, key: GraphKey) -> None:
        path, part = self._files.file(key), self._parts[key.part]
        started = time.perf_counter()
        # A graph that brought the process down is not tried again after the restart.
        marker = self._files.marker(path)
        marker.touch()
        try:
            call = self._load(path, part, self._device)
            inputs = example_inputs(key.shapes, device=self._device, dtype=part.network.dtype)
            compare(call, part, inputs)
            call = self._recorded(key, call, inputs)
        except Exception as error:
            if is_device_lost(error):
                raise
            if self._may_be_memory(key, error):
                log.info("no memory for graph %s", key.name)
                self._give_up(key)
            else:
                log.warning("graph %s cannot be used: %s", key.name, repr(error))
                path.unlink(missing_ok=True)  # and it is made once more
            return
        finally:
            marker.unlink(missing_ok=True)
        self._wanted.remove(key)
        self._ready[key] = call
        log.info("graph %s is in use (taken up in %.1f s)", key.name, time.perf_counter() - started)

    def _may_record(self, key: GraphKey) -> bool:
        """Whether to record: only the denoiser, since a decoder is called once a picture and holds the most memory."""
        return self._can_record and key.part == "denoiser" and Recorded.pays(key.rows) and key not in self._unrecorded

    def _record(self, key: GraphKey) -> None:
        """Record the eager call, until there is a compiled graph."""
        part = self._parts[key.part]
        inputs = example_inputs(key.shapes, device=self._device, dtype=part.network.dtype)
        call = self._recorded(key, part.call, inputs)
        if call is not part.call:
            self._ready[key] = call

    def _recorded(self, key: GraphKey, call: Call, inputs: Sequence[Tensor | None]) -> Call:
        """Record the call where that pays and works; otherwise return it as it is."""
        if self._recordings is not None and self._may_record(key):
            try:
                return Recorded(call, inputs, self._recordings.new())
            except Exception as error:
                if is_device_lost(error):
                    raise
                if self._may_be_memory(key, error):
                    log.info("no memory to record %s", key.name)
                    self._unrecorded.add(key)
                else:
                    log.warning("calls cannot be recorded: %s", repr(error))
                    self._can_record = False
        return call
