"""Compiled graphs: made beside the bot, taken up while it is idle, and answering as the eager call does."""

import os
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from generation.diffusion.compiled.graph_key import BUCKETS, GraphKey, environment_of
from generation.diffusion.compiled.graphs import Graphs
from generation.diffusion.compiled.offer import graphs_for
from generation.diffusion.engine.loop import DiffusionEngine
from generation.diffusion.families.calls import Part, part_of
from generation.errors import WorkerLost
from generation.events import JobFailed
from generation.workers.local import LocalWorker
from tests.generation.diffusion.compiled.graph_bench import CPU, TWO_ROWS, Bench, FakeRecording, FakeRecordings, parts
from tests.generation.diffusion.conftest import load_tiny, make_job
from tests.generation.diffusion.tiny_models import make_pipeline
from tests.generation.workers.threads import thread_has_ended


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class TestKeys:
    def test_a_graphs_name_says_all_of_its_key(self) -> None:
        assert TWO_ROWS.name == "denoiser_2x4x16x16_2_2x77x32_none_none_none"
        assert GraphKey.parse(TWO_ROWS.name) == TWO_ROWS
        for nonsense in ("", "denoiser", "lora_2", "denoiser_axb"):
            with pytest.raises(ValueError, match=r"."):
                GraphKey.parse(nonsense)

    def test_buckets_waste_a_fifth_of_the_rows_at_most(self) -> None:
        for images in range(1, BUCKETS[-1] // 2 + 1):
            rows = 2 * images
            bucket = next(bucket for bucket in BUCKETS if bucket >= rows)
            assert (bucket - rows) / bucket <= 0.2
        too_many = GraphKey("denoiser", ((BUCKETS[-1] + 1, 4, 8, 8),))
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
    def test_a_shape_that_is_drawn_often_gets_a_graph_when_idle(self, bench: Bench) -> None:
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

    def test_odd_row_counts_ask_for_the_graph_of_their_bucket(self, bench: Bench) -> None:
        bench.draw(7, times=20)
        bench.maker.finish()
        bench.idle()
        assert bench.graphs.rows((4, 16, 16), 77) == (8,)
        bench.draw(7)
        assert 7 not in bench.graph_calls, "a graph is right for its own number of rows only"

    def test_a_restart_takes_up_the_graphs_that_are_there(self, bench: Bench, tmp_path: Path) -> None:
        bench.draw(2, times=20)
        bench.maker.finish()
        again = Bench(tmp_path)
        again.idle()
        again.draw(2)
        assert again.graph_calls[-1] == 2
        assert again.graphs.ordered == 0

    def test_graphs_are_ordered_and_taken_up_one_at_a_time(self, bench: Bench) -> None:
        for rows in (2, 4, 6):
            bench.graphs.want("denoiser", [s and (rows, *s[1:]) for s in TWO_ROWS.shapes])
        assert len(bench.maker.orders) == 1
        bench.maker.finish()
        ready = [(bench.idle(), len(bench.graphs.rows((4, 16, 16), 77)))]
        assert ready == [(True, 1)]
        bench.maker.finish()
        assert (bench.idle(), len(bench.graphs.rows((4, 16, 16), 77))) == (True, 2)

    def test_a_broken_graph_file_is_made_again_once(self, bench: Bench) -> None:
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

    def test_a_graph_with_another_answer_is_not_used(self, tmp_path: Path) -> None:
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

    def test_a_graph_that_cannot_be_tried_is_given_up(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        bench.draw(2, times=20), bench.draw(4, times=20)
        bench.maker.finish()
        bench.idle()
        bench.maker.finish()

        def full(*_: Any, **__: Any) -> None:
            raise OSError("No space left on device")

        monkeypatch.setattr(Path, "touch", full)
        assert not bench.idle()
        assert bench.graphs.waiting == 0

    def test_a_graph_that_brought_the_process_down_is_left_alone(self, bench: Bench, tmp_path: Path) -> None:
        bench.draw(2, times=20)
        bench.maker.finish()
        (bench.maker.folder / f"{TWO_ROWS.name}.loading").touch()
        again = Bench(tmp_path)
        again.idle()
        again.draw(2, times=50)
        assert not again.graph_calls
        assert not again.maker.orders

    def test_strange_files_among_the_graphs_do_not_matter(self, bench: Bench, tmp_path: Path) -> None:
        for name in ("readme.txt", "x.pt2", "denoiser_1x.pt2", "y.loading"):
            (bench.maker.folder / name).touch()
        assert Bench(tmp_path).graphs.waiting == 0

    def test_graphs_of_an_older_torch_expire(self, bench: Bench, tmp_path: Path) -> None:
        old = tmp_path / "graphs" / "0123456789abcdef" / "denoiser_1.pt2"
        old.parent.mkdir()
        old.touch()
        Bench(tmp_path)
        assert old.exists()
        os.utime(old, (0, 0))
        Bench(tmp_path)
        assert not old.exists()

    def test_a_graph_that_is_loaded_and_never_called_expires(self, bench: Bench, tmp_path: Path) -> None:
        bench.draw(2, times=20)
        bench.maker.finish()
        (file,) = bench.maker.folder.glob("*.pt2")
        os.utime(file, (10, 10))
        bench.idle()
        assert file.stat().st_mtime == 10
        bench.draw(2)
        assert file.stat().st_mtime > 10

    @pytest.mark.parametrize(("more", "kept"), [(0, (2, 4)), (20, (2, 6))])
    def test_the_least_used_graph_goes_when_there_are_too_many(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, more: int, kept: tuple[int, ...]
    ) -> None:
        monkeypatch.setattr("generation.diffusion.compiled.graphs.MOST", 2)
        for rows, times in ((2, 30), (4, 21), (6, 20 + more)):
            bench.draw(rows, times=times)
        assert bench.graphs.waiting == 2
        while bench.maker.busy:
            bench.maker.finish()
            while bench.idle() and not bench.maker.busy:
                pass
        assert bench.graphs.rows((4, 16, 16), 77) == kept
        assert bench.graphs.ordered == 2, "what was let go was never compiled"

    def test_compiling_waits_for_spare_memory(self, tmp_path: Path) -> None:
        room = [False]
        bench = Bench(tmp_path, room=lambda: room[0])
        bench.draw(2, times=20)
        assert not bench.maker.orders
        room[0] = True
        bench.idle()
        assert len(bench.maker.orders) == 1

    def test_closed_graphs_are_let_go_of(self, bench: Bench) -> None:
        bench.draw(2, times=20)
        bench.maker.finish()
        bench.idle()
        for _ in range(2):
            bench.graphs.close()
            assert (bench.graphs.ready, bench.graphs.waiting) == ((), 0)
        assert bench.maker.closed


class TestDistrust:
    """After a device was lost with graphs in use the next run goes without: else it might be lost again and again."""

    def test_a_device_lost_with_graphs_in_use_gets_none_in_the_next_run(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench = Bench(tmp_path, recordings=FakeRecordings())
        bench.draw(2, times=20)
        bench.idle()
        assert graphs_for(parts(), tmp_path) is not None
        bench.graphs.distrust()
        assert graphs_for(parts(), tmp_path) is None
        (file,) = (tmp_path / "graphs").glob("*.txt")
        assert torch.__version__ in file.name, "another torch has another file"
        assert f"delete {file}" in caplog.text
        file.unlink()
        assert graphs_for(parts(), tmp_path) is not None

    def test_graphs_that_were_not_in_use_are_not_blamed(self, bench: Bench, tmp_path: Path) -> None:
        bench.draw(2, times=20)
        bench.graphs.distrust()
        assert not list(tmp_path.rglob("*.txt"))

    @pytest.mark.parametrize("when", ["drawing", "idle"])
    async def test_a_worker_that_is_lost_distrusts_its_graphs(
        self, tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_device() -> torch.Tensor:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

        class Deadly(FakeRecording):
            def record(self, work: Callable[[], torch.Tensor]) -> torch.Tensor:
                return no_device() if when == "idle" else super().record(work)

        def build() -> DiffusionEngine:
            model = load_tiny("epsilon")
            drawing = {"denoiser": part_of("denoiser", model.family.parts.denoiser)}
            model.graphs = Graphs(drawing, tmp_path, device=CPU, maker=None, recordings=FakeRecordings(Deadly))
            model.graphs.want("denoiser", TWO_ROWS.shapes)
            engine = DiffusionEngine(model, max_rows=2)
            if when == "drawing":
                engine.idle()
                monkeypatch.setattr(model, "predict_noise", lambda *_: no_device())
            return engine

        monkeypatch.setattr("generation.workers.local.UPKEEP_PAUSE", 0.001)
        worker = LocalWorker(build, name="lost worker")
        await worker.start()
        if when == "idle":
            await thread_has_ended("lost worker")
        async with aclosing(worker.draw(make_job())) as stream:
            *_, failed = [event async for event in stream]
        assert isinstance(failed, JobFailed)
        assert isinstance(failed.error, WorkerLost)
        assert graphs_for(parts(), tmp_path) is None
        await worker.close()


class TestChoosing:
    def test_graphs_are_made_only_where_they_can_be(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert graphs_for(replace(parts(), device=torch.device("mps")), tmp_path) is None
        monkeypatch.setattr("shutil.which", lambda name: None)
        without = graphs_for(parts(), tmp_path)
        assert without is not None
        without.want("denoiser", TWO_ROWS.shapes)
        assert not without.idle()
        assert (without.ordered, without.ready) == (0, ())

    def test_a_graph_folder_that_cannot_be_written_means_no_graphs(self, tmp_path: Path) -> None:
        (tmp_path / "graphs").write_text("a file in the way")
        assert graphs_for(parts(), tmp_path) is None

    def test_a_graph_folder_that_cannot_be_looked_at_means_no_graphs(self, tmp_path: Path) -> None:
        too_long = tmp_path / ("x" * 300)
        assert graphs_for(parts(), too_long) is None

    def test_graphs_that_cannot_be_looked_at_are_as_if_absent(self, tmp_path: Path) -> None:
        graphs = graphs_for(parts(), tmp_path)
        assert graphs is not None
        (graphs.folder / f"{TWO_ROWS.name}.pt2").symlink_to(tmp_path / "gone")
        (graphs.folder / "making-1").symlink_to(tmp_path / "gone")
        again = graphs_for(parts(), tmp_path)
        assert again is not None
        assert again.ready == ()
