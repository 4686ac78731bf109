"""LoRAs in the engine: whose they are, whom they wait for, and how they fail."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from generation.diffusion.engine.loop import DiffusionEngine
from generation.errors import LoraUnavailable
from generation.events import JobDone, JobFailed, StepDone, WorkerEvent
from generation.job import Job
from generation.loras import LoraFile, LoraOffer
from tests.generation.diffusion.conftest import drive, load_tiny, make_job
from tests.generation.diffusion.engine.test_equals_diffusers import latents_in_a_crowd
from tests.generation.diffusion.made_loras import MadeLora, make_lora, offer_of
from tests.generation.diffusion.tiny_models import make_pipeline


@pytest.fixture
def files(tmp_path: Path) -> list[MadeLora]:
    """Three files of rank 4."""
    pipeline = make_pipeline("epsilon")
    return [make_lora(tmp_path / f"lora{n}.safetensors", pipeline, seed=n, text=n == 0) for n in range(3)]


def job_with(*files: MadeLora, **settings: object) -> Job:
    return make_job(loras=tuple(file.use(0.8) for file in files), **settings)


def end_of(events: list[WorkerEvent], job: Job) -> WorkerEvent:
    return next(event for event in events if event.job_id == job.id and isinstance(event, JobDone | JobFailed))


def test_one_members_lora_changes_no_row_of_another(tmp_path: Path, files: list[MadeLora]) -> None:
    """Not even one whose first halves overflow the model's format, and whose own picture is lost."""
    poison = make_lora(tmp_path / "poison.safetensors", make_pipeline("epsilon"), text=False, size=8e3)
    model = load_tiny("epsilon", torch.float16, loras=offer_of(*files, poison))
    others = [job_with(files[0], seed=1), job_with(seed=2)]
    together = latents_in_a_crowd(model, [others[0], job_with(poison, seed=3), others[1]], reproducible=True)
    assert together.keys() == {1, 2}
    for job in others:
        alone = latents_in_a_crowd(model, [job], reproducible=True)
        assert torch.equal(together[job.request.seed], alone[job.request.seed])


def test_numbers_that_are_not_finite_in_the_models_format_are_refused(tmp_path: Path, files: list[MadeLora]) -> None:
    big = make_lora(tmp_path / "big.safetensors", make_pipeline("epsilon"), size=1e5)
    for kind, dtype in ((torch.float16, True), (torch.float32, False)):
        model = load_tiny("epsilon", kind, loras=offer_of(big, *files))
        if dtype:
            with pytest.raises(LoraUnavailable) as failure:
                model.adapters.read([big.use()])
            assert (failure.value.name, failure.value.reason) == ("big", "not_finite")
        else:
            model.adapters.read([big.use()])
    tensors = load_file(big.path)
    tensors[next(key for key in tensors if key.endswith("up.weight"))][0, 0] = float("nan")
    save_file(tensors, big.path)
    engine = DiffusionEngine(load_tiny("epsilon", loras=offer_of(big, *files)))
    bad, good = job_with(big), job_with(files[0], seed=2)
    events = drive(engine, bad, good)
    failed = end_of(events, bad)
    assert isinstance(failed, JobFailed)
    assert isinstance(failed.error, LoraUnavailable)
    assert failed.error.reason == "not_finite"
    assert isinstance(end_of(events, good), JobDone)


@pytest.mark.parametrize("what", ["gone", "replaced"])
def test_a_file_that_was_removed_or_replaced_fails_its_jobs_by_name(what: str, files: list[MadeLora]) -> None:
    lost, good = job_with(files[0]), job_with(files[1], seed=2)
    engine = DiffusionEngine(load_tiny("epsilon", loras=offer_of(*files)))
    if what == "gone":
        files[0].path.unlink()
    else:
        save_file(load_file(files[0].path) | {"more": torch.ones(1)}, files[0].path)
    events = drive(engine, lost, good)
    failed = end_of(events, lost)
    assert isinstance(failed, JobFailed)
    assert isinstance(failed.error, LoraUnavailable)
    assert (failed.error.name, failed.error.reason) == ("lora0", what)
    assert isinstance(end_of(events, good), JobDone)


def test_a_file_for_another_model_fails_by_name_when_only_its_layers_tell(tmp_path: Path) -> None:
    made = make_lora(tmp_path / "other.safetensors", make_pipeline("epsilon"))
    save_file(
        {key.replace("mid_block", "down_blocks_3"): value for key, value in load_file(made.path).items()}, made.path
    )
    model = load_tiny("epsilon", loras=offer_of(made))
    with pytest.raises(LoraUnavailable) as failure:
        model.adapters.read([made.use()])
    assert failure.value.reason == "other_base"


def test_a_job_waits_for_free_columns_while_others_draw(files: list[MadeLora]) -> None:
    """Twelve ranks and eight columns: the third LoRA waits, what needs none or shares one does not."""
    jobs = [
        job_with(files[0], seed=1),
        job_with(files[1], seed=2),
        job_with(files[2], seed=3),
        job_with(seed=4),
        job_with(files[0], files[1], seed=5),
    ]
    engine = DiffusionEngine(load_tiny("epsilon", loras=offer_of(*files, columns=8)), max_rows=32)
    events = drive(engine, *jobs)
    first = {
        job.id: min(n for n, e in enumerate(events) if isinstance(e, StepDone) and e.job_id == job.id) for job in jobs
    }
    last = {
        job.id: max(n for n, e in enumerate(events) if isinstance(e, StepDone) and e.job_id == job.id) for job in jobs
    }
    waited = jobs[2].id
    assert all(isinstance(end_of(events, job), JobDone) for job in jobs)
    assert engine.calls == 2 * jobs[0].request.steps
    assert all(last[job.id] < first[waited] for job in jobs if job.id != waited)


def test_columns_are_used_again_and_rows_still_get_what_they_asked_for(files: list[MadeLora]) -> None:
    """Each LoRA has been in the columns of another one; weights of 0 take none."""
    model = load_tiny("epsilon", torch.float64, loras=offer_of(*files, columns=4))
    jobs = [job_with(file, seed=number) for number, file in enumerate(files)]
    fresh = {
        job.request.seed: latents_in_a_crowd(load_tiny("epsilon", torch.float64, loras=offer_of(*files)), [job])[
            job.request.seed
        ]
        for job in jobs
    }
    for _ in range(2):
        for job in jobs:
            drawn = latents_in_a_crowd(model, [job])[job.request.seed]
            assert (drawn - fresh[job.request.seed]).abs().max().item() <= 1e-10
    none = replace(jobs[0], request=replace(jobs[0].request, loras=tuple(file.use(0.0) for file in files)))
    without = latents_in_a_crowd(model, [job_with(seed=0)])[0]
    assert torch.equal(latents_in_a_crowd(model, [none])[0], without)


def test_a_job_says_which_files_it_was_drawn_with(files: list[MadeLora]) -> None:
    job = job_with(files[0], files[1])
    engine = DiffusionEngine(load_tiny("epsilon", loras=offer_of(*files)))
    done = end_of(drive(engine, job), job)
    assert isinstance(done, JobDone)
    hashes = [file.file.sha256[:12] for file in files]
    assert done.drawn_with.lora_hashes == f"lora0: {hashes[0]}, lora1: {hashes[1]}"


def test_a_call_with_loras_is_made_without_a_graph(files: list[MadeLora], monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_tiny("epsilon", loras=offer_of(*files))
    model.save_memory()  # tiles are decoded without graphs
    asked: list[str] = []

    def refuse(part: str, inputs: object) -> torch.Tensor:
        asked.append(part)
        raise RuntimeError("a graph")

    graphs = SimpleNamespace(call=refuse, rows=lambda *shape: (4,), drop_recordings=lambda: None)
    monkeypatch.setattr(model, "graphs", graphs)
    job = job_with(files[0])
    assert isinstance(end_of(drive(DiffusionEngine(model), job), job), JobDone)
    assert asked == []
    job = job_with()
    assert isinstance(end_of(drive(DiffusionEngine(model), job), job), JobFailed)
    assert asked


def test_a_file_is_read_once_for_many_jobs(files: list[MadeLora]) -> None:
    model = load_tiny("epsilon", loras=offer_of(*files))
    ((first, _),) = model.adapters.read([files[0].use()])
    again = files[0].use(0.3)
    files[0].path.unlink()
    assert model.adapters.read([again]) == ((first, 0.3),)


def test_a_name_that_means_another_file_now_is_not_drawn_with(files: list[MadeLora]) -> None:
    use = files[0].use()
    now: LoraFile = replace(files[0].file, sha256="f" * 64)
    model = load_tiny("epsilon", loras=LoraOffer(files=(now,)))
    with pytest.raises(LoraUnavailable) as failure:
        model.adapters.read([use])
    assert failure.value.reason == "replaced"
