"""Compiled graphs: made beside the bot, taken up while it is idle, and saying what the eager call says."""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from diffusers import UNet2DConditionModel

from generation.diffusion.calls import Part, UnetCall, build_part, example_inputs, made_in, part_of
from generation.diffusion.engine import DiffusionEngine
from generation.diffusion.graph_key import BUCKETS, GraphKey, environment_of
from generation.diffusion.graphs import Graphs
from generation.diffusion.loading import graphs_for
from generation.diffusion.recording import Recorded
from generation.diffusion.sources import BUILTIN_FOLDER
from generation.errors import WorkerLost
from generation.events import JobFailed
from generation.workers.local import LocalWorker
from tests.generation.diffusion.conftest import load_tiny, make_job
from tests.generation.diffusion.tiny_models import make_pipeline

CPU = torch.device("cpu")
TWO_ROWS = GraphKey("unet", ((2, 4, 16, 16), (2,), (2, 77, 32), None, None, None))


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
    """Takes what a U-Net takes, at once."""

    config: ClassVar[dict[str, Any]] = {}
    dtype = torch.float32

    def forward(self, latents: torch.Tensor, timesteps: torch.Tensor, text: torch.Tensor, *_: None) -> torch.Tensor:
        return latents / 2 + timesteps.view(-1, 1, 1, 1) * text.mean()


class Bench:
    """Graphs of a small part with a fake maker, whose graphs are the eager call, counted."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        unet = SmallUnet()
        self.part = Part(network=unet, call=unet)
        self.graph_calls: list[int] = []
        self.fault: Exception | None = None
        self.graphs = Graphs(
            {"unet": self.part}, folder, device=CPU, **{"maker": self._hire, "load": self._load, **settings}
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
        key = GraphKey("unet", tuple(s and (rows, *s[1:]) for s in TWO_ROWS.shapes))
        inputs = example_inputs(key.shapes, device=CPU, dtype=torch.float32)
        return [self.graphs.call("unet", inputs) for _ in range(times)][-1]

    @torch.inference_mode()
    def idle(self) -> bool:
        return self.graphs.idle()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class TestKeys:
    def test_a_name_says_all(self) -> None:
        assert TWO_ROWS.name == "unet_2x4x16x16_2_2x77x32_none_none_none"
        assert GraphKey.parse(TWO_ROWS.name) == TWO_ROWS
        for nonsense in ("", "unet", "lora_2", "unet_axb"):
            with pytest.raises(ValueError, match=r"."):
                GraphKey.parse(nonsense)

    def test_buckets_waste_a_fifth_of_the_rows_at_most(self) -> None:
        for images in range(1, BUCKETS[-1] // 2 + 1):
            rows = 2 * images
            bucket = next(bucket for bucket in BUCKETS if bucket >= rows)
            assert (bucket - rows) / bucket <= 0.2
        too_many = GraphKey("unet", ((BUCKETS[-1] + 1, 4, 8, 8),))
        assert too_many.padded() is None

    def test_a_graph_of_another_model_format_or_device_is_another_file(self) -> None:
        tiny, xl = (make_pipeline(kind).unet.config for kind in ("epsilon", "xl"))
        names = {
            environment_of(CPU, {"unet": {"config": dict(tiny), "dtype": "float32"}}),
            environment_of(CPU, {"unet": {"config": dict(tiny), "dtype": "bfloat16"}}),
            environment_of(CPU, {"unet": {"config": dict(xl), "dtype": "float32"}}),
        }
        assert len(names) == 3


class TestTakingUp:
    def test_what_is_drawn_often_is_made_and_taken_up_when_idle(self, bench: Bench) -> None:
        bench.draw(2, times=19)
        assert not bench.maker.orders
        bench.draw(2)
        (order,) = bench.maker.orders
        assert [graph["inputs"] for graph in order["graphs"]] == [TWO_ROWS.shapes]
        assert bench.idle(), "there will be more: the maker is busy"
        bench.draw(2)
        bench.maker.finish()
        bench.draw(2)
        assert not bench.graph_calls, "nothing is taken up while pictures are drawn"
        assert not bench.idle()
        bench.graph_calls.clear()
        bench.draw(2)
        assert bench.graph_calls == [2]
        assert bench.graphs.rows((4, 16, 16), 77) == (2,)
        assert bench.graphs.rows((4, 8, 8), 77) == bench.graphs.rows((4, 16, 16), 154) == ()

    def test_once_all_shapes_are_known_nothing_is_compiled(self, bench: Bench) -> None:
        for _ in range(4):
            bench.draw(2, times=30), bench.draw(4, times=30)
            while bench.maker.busy:
                bench.maker.finish()
                bench.idle()
        assert bench.graphs.ordered == len(bench.maker.orders) == 2
        assert bench.graphs.waiting == 0

    def test_odd_rows_ask_for_their_bucket(self, bench: Bench) -> None:
        bench.draw(7, times=20)
        bench.maker.finish()
        bench.idle()
        assert bench.graphs.rows((4, 16, 16), 77) == (8,)
        bench.draw(7)
        assert 7 not in bench.graph_calls, "a graph is right for its own number of rows only"

    def test_a_restart_takes_up_what_is_there(self, bench: Bench, tmp_path: Path) -> None:
        bench.draw(2, times=20)
        bench.maker.finish()
        again = Bench(tmp_path)
        again.idle()
        again.draw(2)
        assert again.graph_calls[-1] == 2
        assert again.graphs.ordered == 0

    def test_one_at_a_time(self, bench: Bench) -> None:
        for rows in (2, 4, 6):
            bench.graphs.want("unet", [s and (rows, *s[1:]) for s in TWO_ROWS.shapes])
        assert len(bench.maker.orders) == 1
        bench.maker.finish()
        ready = [(bench.idle(), len(bench.graphs.rows((4, 16, 16), 77)))]
        assert ready == [(True, 1)]
        bench.maker.finish()
        assert (bench.idle(), len(bench.graphs.rows((4, 16, 16), 77))) == (True, 2)

    def test_a_broken_file_is_made_again_once(self, bench: Bench) -> None:
        bench.draw(2, times=20)
        for orders in (1, 2):
            bench.maker.finish()
            (file,) = bench.maker.folder.glob("*.pt2")
            file.write_bytes(b"garbage")
            bench.idle()
            assert not file.exists()
            assert len(bench.maker.orders) == min(orders + 1, 2)
        bench.idle()
        bench.draw(2, times=50)
        assert len(bench.maker.orders) == 2, "twice is enough"

    def test_a_graph_that_says_something_else_is_not_used(self, tmp_path: Path) -> None:
        def wrong(path: Path, part: Part, device: torch.device) -> Callable[..., torch.Tensor]:
            return lambda *inputs: part.call(*inputs) * 1.01

        bench = Bench(tmp_path, load=wrong)
        bench.draw(2, times=20)
        bench.maker.finish()
        bench.idle()
        assert bench.graphs.rows((4, 16, 16), 77) == ()

    @pytest.mark.parametrize(
        ("words", "failures"),
        [
            ("the graph is broken", 1),
            ("run_func_ API call failed", 4),  # torch 2.11 says no more, and at first it is taken for too little memory
        ],
    )
    def test_a_graph_that_fails_is_dropped_and_the_call_made_eagerly(
        self, bench: Bench, words: str, failures: int
    ) -> None:
        expected = bench.draw(2, times=20)
        bench.maker.finish()
        bench.idle()
        bench.fault = RuntimeError(words)
        for _ in range(failures):
            assert bench.graphs.rows((4, 16, 16), 77) == (2,)
            assert torch.equal(bench.draw(2), expected)
        assert bench.graphs.rows((4, 16, 16), 77) == ()
        bench.fault = None
        bench.graph_calls.clear()
        bench.draw(2, times=50)
        assert not bench.graph_calls
        assert bench.graphs.ordered == 1

    @pytest.mark.parametrize(
        "fault",
        [
            torch.OutOfMemoryError("CUDA out of memory"),
            RuntimeError("run_func_(...) API call failed at model_container_runner.cpp"),  # older torch's word for it
        ],
    )
    def test_a_graph_without_memory_for_a_call_is_used_again(self, bench: Bench, fault: RuntimeError) -> None:
        expected = bench.draw(2, times=20)
        bench.maker.finish()
        bench.idle()
        bench.fault = fault
        assert torch.equal(bench.draw(2), expected)
        bench.fault = None
        bench.graph_calls.clear()
        bench.draw(2)
        assert bench.graph_calls == [2]

    def test_one_that_cannot_even_be_tried_is_given_up(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        bench.draw(2, times=20), bench.draw(4, times=20)
        bench.maker.finish()
        bench.idle()
        bench.maker.finish()

        def full(*_: Any, **__: Any) -> None:
            raise OSError("No space left on device")

        monkeypatch.setattr(Path, "touch", full)
        assert not bench.idle()
        assert bench.graphs.waiting == 0

    def test_a_file_that_brought_the_process_down_is_left_alone(self, bench: Bench, tmp_path: Path) -> None:
        bench.draw(2, times=20)
        bench.maker.finish()
        (bench.maker.folder / f"{TWO_ROWS.name}.loading").touch()
        again = Bench(tmp_path)
        again.idle()
        again.draw(2, times=50)
        assert not again.graph_calls
        assert not again.maker.orders

    def test_strange_files_in_the_folder_do_not_matter(self, bench: Bench, tmp_path: Path) -> None:
        for name in ("readme.txt", "x.pt2", "unet_1x.pt2", "y.loading"):
            (bench.maker.folder / name).touch()
        assert Bench(tmp_path).graphs.waiting == 0

    def test_graphs_of_an_older_torch_go_in_the_end(self, bench: Bench, tmp_path: Path) -> None:
        old = tmp_path / "graphs" / "0123456789abcdef" / "unet_1.pt2"
        old.parent.mkdir()
        old.touch()
        Bench(tmp_path)
        assert old.exists()
        os.utime(old, (0, 0))
        Bench(tmp_path)
        assert not old.exists()

    def test_what_is_only_taken_up_at_each_start_expires(self, bench: Bench, tmp_path: Path) -> None:
        bench.draw(2, times=20)
        bench.maker.finish()
        (file,) = bench.maker.folder.glob("*.pt2")
        os.utime(file, (10, 10))
        bench.idle()
        assert file.stat().st_mtime == 10
        bench.draw(2)
        assert file.stat().st_mtime > 10

    def test_when_there_are_too_many_the_least_used_goes(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("generation.diffusion.graphs.MOST", 2)
        for rows, times in ((2, 30), (4, 21), (6, 20)):
            bench.draw(rows, times=times)
        assert {key.rows for key in bench.graphs._wanted} == {2, 4}
        bench.draw(6, times=20)
        assert {key.rows for key in bench.graphs._wanted} == {2, 6}
        while bench.maker.busy:
            bench.maker.finish()
            while bench.idle() and not bench.maker.busy:
                pass
        assert bench.graphs.rows((4, 16, 16), 77) == (2, 6)

    def test_without_memory_to_spare_it_waits(self, tmp_path: Path) -> None:
        room = [False]
        bench = Bench(tmp_path, room=lambda: room[0])
        bench.draw(2, times=20)
        assert not bench.maker.orders
        room[0] = True
        bench.idle()
        assert len(bench.maker.orders) == 1

    def test_forgotten_graphs_are_taken_up_again(self, bench: Bench) -> None:
        bench.draw(2, times=20)
        bench.maker.finish()
        bench.idle()
        bench.graphs.forget()
        assert bench.graphs.rows((4, 16, 16), 77) == ()
        bench.idle()
        assert bench.graphs.rows((4, 16, 16), 77) == (2,)
        assert bench.graphs.ordered == 1
        bench.graphs.close()
        assert bench.maker.closed


class FakeRecording:
    """Plays a call again on the same memory, as a CUDA graph does."""

    def record(self, work: Callable[[], torch.Tensor]) -> torch.Tensor:
        self._work, self._answer = work, work()
        return self._answer

    def replay(self) -> None:
        self._answer.copy_(self._work())


class FakeRecordings:
    """Makes them, and counts."""

    def __init__(self, new: Callable[[], FakeRecording] = FakeRecording) -> None:
        self.made: list[FakeRecording] = []
        self.forgotten = 0
        self._new = new

    def new(self) -> FakeRecording:
        self.made.append(self._new())
        return self.made[-1]

    def forget(self) -> None:
        self.forgotten += 1


class TestRecording:
    @torch.inference_mode()
    def test_arguments_are_copied_in_and_answers_out(self) -> None:
        call = Recorded(lambda x, t, none: x * 2 + t, [torch.ones(2), torch.ones(2), None], FakeRecording())
        first = call(torch.tensor([1.0, 2.0]), torch.zeros(2), None)
        second = call(torch.tensor([5.0, 6.0]), torch.ones(2), None)
        assert first.tolist() == [2, 4]
        assert second.tolist() == [11, 13]

    def test_graphs_of_few_rows_are_recorded(self, tmp_path: Path) -> None:
        recordings = FakeRecordings()
        bench = Bench(tmp_path, recordings=recordings)
        expected = bench.draw(2, times=20), bench.draw(12, times=20)
        for _ in range(2):
            bench.maker.finish()
            bench.idle()
        assert len(recordings.made) == 1
        assert all(torch.equal(bench.draw(rows), answer) for rows, answer in zip((2, 12), expected, strict=True))
        assert bench.graphs.called == 2

    def test_the_eager_call_is_recorded_until_its_graph_is_made(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, recordings=FakeRecordings())
        expected = bench.draw(2, times=20)
        assert bench.idle()
        assert bench.graphs.rows((4, 16, 16), 77) == (2,)
        assert torch.equal(bench.draw(2), expected)
        assert (bench.graphs.called, bench.graph_calls) == (1, [])
        bench.maker.finish()
        bench.idle()
        bench.graph_calls.clear()
        assert torch.equal(bench.draw(2), expected)
        assert bench.graph_calls == [2]

    def test_it_stays_where_no_graph_comes(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, recordings=FakeRecordings())
        bench.draw(2, times=20)
        bench.idle()
        for _ in range(3):
            bench.maker.busy = False  # ended without a file
            bench.idle()
        assert bench.graphs.ordered == 2
        assert bench.graphs.waiting == 0
        assert bench.graphs.rows((4, 16, 16), 77) == (2,)

    def test_a_device_that_cannot_record_draws_eagerly(self, tmp_path: Path) -> None:
        class Broken(FakeRecording):
            def record(self, work: Callable[[], torch.Tensor]) -> torch.Tensor:
                raise RuntimeError("operation not permitted when stream is capturing")

        bench = Bench(tmp_path, recordings=FakeRecordings(Broken))
        bench.draw(2, times=20)
        bench.idle()
        assert bench.graphs.rows((4, 16, 16), 77) == ()
        bench.maker.finish()
        for life in (bench, Bench(tmp_path, recordings=FakeRecordings(Broken))):
            life.idle()
            assert life.graphs.rows((4, 16, 16), 77) == (2,), "the graph itself needs no recording"

    def test_without_memory_for_one_the_others_are_recorded(self, tmp_path: Path) -> None:
        class Large(FakeRecording):
            def record(self, work: Callable[[], torch.Tensor]) -> torch.Tensor:
                if len(answer := super().record(work)) > 2:
                    raise torch.OutOfMemoryError("CUDA out of memory")
                return answer

        bench = Bench(tmp_path, maker=None, recordings=FakeRecordings(Large))
        for rows in (4, 2):
            bench.draw(rows, times=20)
        while bench.idle():
            pass
        assert bench.graphs.rows((4, 16, 16), 77) == (2,)

    def test_what_they_hold_is_given_back_when_memory_runs_out(self, tmp_path: Path) -> None:
        recordings = FakeRecordings()
        bench = Bench(tmp_path, recordings=recordings)
        bench.draw(4, times=20)
        bench.maker.finish()
        bench.idle()
        bench.draw(2, times=20)
        bench.idle()
        assert bench.graphs.rows((4, 16, 16), 77) == (2, 4)
        bench.graphs.drop_recordings()
        assert recordings.forgotten == 1
        assert bench.graphs.rows((4, 16, 16), 77) == (4,), "the compiled one is called without its recording"
        bench.idle()
        assert bench.graphs.rows((4, 16, 16), 77) == (2, 4)

    def test_they_go_together(self, tmp_path: Path) -> None:
        recordings = FakeRecordings()
        bench = Bench(tmp_path, recordings=recordings)
        bench.draw(2, times=20)
        bench.idle()
        bench.graphs.forget()
        assert recordings.forgotten == 1
        bench.idle()
        assert len(recordings.made) == 2

    def test_decoders_are_not_recorded(self, tmp_path: Path) -> None:
        part = part_of("vae", make_pipeline("epsilon").vae)
        recordings = FakeRecordings()
        graphs = Graphs({"vae": part}, tmp_path, device=CPU, maker=None, recordings=recordings)
        graphs.want("vae", [(1, 4, 8, 8)])
        graphs.idle()
        assert recordings.made == []


def unet_of(kind: str) -> Any:
    if kind == "builtin":
        return UNet2DConditionModel.from_pretrained(BUILTIN_FOLDER / "unet", local_files_only=True).eval()
    if kind != "distilled":
        return make_pipeline(kind).unet
    config = {name: value for name, value in make_pipeline("epsilon").unet.config.items() if not name.startswith("_")}
    return UNet2DConditionModel(**config | {"time_cond_proj_dim": 8}).eval()


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("epsilon", TWO_ROWS.shapes),
        ("xl", ((2, 4, 16, 16), (2,), (2, 77, 64), (2, 32), (2, 6), None)),
        ("distilled", ((2, 4, 16, 16), (2,), (2, 77, 32), None, None, (2, 8))),
        ("builtin", ((2, 4, 16, 16), (2,), (2, 77, 128), None, None, None)),
    ],
)
def test_each_kind_of_unet_can_be_exported_whole(kind: str, shapes: Any) -> None:
    """What is exported says what the U-Net says, depends on no constant but its weights, and is built from JSON."""
    import json

    network = unet_of(kind)
    config = json.loads(json.dumps(part_of("unet", network).config))
    twin = build_part("unet", config, device=CPU, dtype=torch.float32)
    inputs = example_inputs(shapes, device=CPU, dtype=torch.float32)
    with torch.no_grad():
        program = torch.export.export(twin.call, inputs)
        twin.network.load_state_dict(network.state_dict())  # the program shares its weights
        assert torch.allclose(program.module()(*inputs), UnetCall(network)(*inputs), atol=1e-5)
        assert set(program.state_dict) == set(part_of("unet", network).weights)
        assert not program.constants


class TestDistrust:
    """After a device was lost with graphs in use the next run goes without: round in circles else."""

    def test_after_a_device_was_lost_over_them_there_are_none(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        pipeline = make_pipeline("epsilon")
        bench = Bench(tmp_path, recordings=FakeRecordings())
        bench.draw(2, times=20)
        bench.idle()
        assert graphs_for(pipeline, CPU, cache=tmp_path, wish="on") is not None
        bench.graphs.distrust()
        assert graphs_for(pipeline, CPU, cache=tmp_path, wish="on") is None
        (file,) = (tmp_path / "graphs").glob("*.txt")
        assert torch.__version__ in file.name, "another torch has another file"
        assert f"delete {file}" in caplog.text
        file.unlink()
        assert graphs_for(pipeline, CPU, cache=tmp_path, wish="on") is not None

    def test_graphs_that_were_not_in_use_are_not_blamed(self, bench: Bench, tmp_path: Path) -> None:
        bench.draw(2, times=20)
        bench.graphs.distrust()
        assert not list(tmp_path.rglob("*.txt"))

    @pytest.mark.parametrize("when", ["drawing", "idle"])
    async def test_a_worker_that_is_lost_distrusts_them(
        self, tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_device() -> torch.Tensor:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

        class Deadly(FakeRecording):
            def record(self, work: Callable[[], torch.Tensor]) -> torch.Tensor:
                return no_device() if when == "idle" else super().record(work)

        def build() -> DiffusionEngine:
            model = load_tiny("epsilon")
            parts = {"unet": part_of("unet", model.unet)}
            model.graphs = Graphs(parts, tmp_path, device=CPU, maker=None, recordings=FakeRecordings(Deadly))
            model.graphs.want("unet", TWO_ROWS.shapes)
            engine = DiffusionEngine(model, max_rows=2)
            if when == "drawing":
                engine.idle()
                engine._calls.predict = lambda *_: no_device()  # pyright: ignore[reportAttributeAccessIssue]
            return engine

        monkeypatch.setattr("generation.workers.local.UPKEEP_PAUSE", 0.001)
        worker = LocalWorker(build)
        await worker.start()
        if when == "idle":
            await asyncio.to_thread(worker._thread.join)
        async with aclosing(worker.draw(make_job())) as stream:
            (failed,) = [event async for event in stream]
        assert isinstance(failed, JobFailed)
        assert isinstance(failed.error, WorkerLost)
        assert graphs_for(make_pipeline("epsilon"), CPU, cache=tmp_path, wish="on") is None
        await worker.close()


class TestChoosing:
    def test_only_where_it_pays_or_is_wished_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pipeline = make_pipeline("epsilon")
        assert graphs_for(pipeline, CPU, cache=tmp_path, wish="auto") is None
        assert graphs_for(pipeline, CPU, cache=tmp_path, wish="off") is None
        assert graphs_for(pipeline, CPU, cache=None, wish="on") is None
        assert graphs_for(pipeline, torch.device("mps"), cache=tmp_path, wish="on") is None
        monkeypatch.setattr("shutil.which", lambda name: None)
        without = graphs_for(pipeline, CPU, cache=tmp_path, wish="on")
        assert without is not None
        without.want("unet", TWO_ROWS.shapes)
        assert not without.idle()
        assert (without.ordered, without.ready) == (0, ())

    def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(self, tmp_path: Path) -> None:
        (tmp_path / "graphs").write_text("a file in the way")
        assert graphs_for(make_pipeline("epsilon"), CPU, cache=tmp_path, wish="on") is None


def test_what_is_made_in_half_precision_was_never_larger() -> None:
    with made_in(torch.bfloat16):
        assert torch.nn.Linear(2, 2).weight.dtype is torch.bfloat16
    assert torch.nn.Linear(2, 2).weight.dtype is torch.float32
