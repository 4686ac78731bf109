"""Calls that are recorded and replayed: what is copied, which ones, and when what they hold is given back."""

from collections.abc import Callable
from pathlib import Path

import torch

from generation.diffusion.compiled.graphs import Graphs
from generation.diffusion.compiled.recording import Recorded
from generation.diffusion.families.calls import part_of
from tests.generation.diffusion.compiled.graph_bench import CPU, TWO_ROWS, Bench, FakeRecording, FakeRecordings
from tests.generation.diffusion.tiny_models import make_pipeline


class TestRecording:
    @torch.inference_mode()
    def test_a_recorded_call_copies_arguments_in_and_answers_out(self) -> None:
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
        assert (bench.graphs.ready, bench.graphs.compiled) == ((TWO_ROWS,), ())
        bench.maker.finish()
        bench.idle()
        assert bench.graphs.compiled == bench.graphs.ready == (TWO_ROWS,), "recorded too, but not eager"
        bench.graph_calls.clear()
        assert torch.equal(bench.draw(2), expected)
        assert bench.graph_calls == [2]

    def test_a_recording_stays_where_no_graph_comes(self, tmp_path: Path) -> None:
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

    def test_a_call_without_memory_to_record_does_not_stop_the_others(self, tmp_path: Path) -> None:
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

    def test_recordings_give_their_memory_back_when_it_runs_out(self, tmp_path: Path) -> None:
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

    def test_recordings_are_forgotten_together(self, tmp_path: Path) -> None:
        recordings = FakeRecordings()
        bench = Bench(tmp_path, recordings=recordings)
        bench.draw(2, times=20)
        bench.idle()
        bench.graphs.close()
        assert recordings.forgotten == 1

    def test_decoders_are_not_recorded(self, tmp_path: Path) -> None:
        part = part_of("vae", make_pipeline("epsilon").vae)
        recordings = FakeRecordings()
        graphs = Graphs({"vae": part}, tmp_path, device=CPU, maker=None, recordings=recordings)
        graphs.want("vae", [(1, 4, 8, 8)])
        graphs.idle()
        assert recordings.made == []
