"""What goes over the wire to a worker in another process comes out as it went in, and nothing else does."""

import json
import struct
import uuid
from dataclasses import asdict

import pytest

from generation.errors import DoesNotFit, InvalidRequest, ModelUnavailable, WorkerFault, WorkerLost
from generation.events import ImageReady, JobDone, JobFailed, StepDone
from generation.job import JobInputs
from generation.loras import LoraFile, LoraOffer, LoraUse
from generation.request import GenerationRequest
from generation.result import DrawnWith, GeneratedImage
from generation.workers.messages import Batch, Draw, Drawing, Make, Open, Opened, Reorder, versions
from generation.workers.wire import Unreadable, decode, encode
from tests.generation.diffusion.conftest import make_job

JOB = uuid.uuid4()
CHALK = LoraFile(
    name="chalk", path="/l/chalk.safetensors", sha256="0" * 64, rank=4, size=9, modified=1, triggers=("c",)
)
OFFER = LoraOffer(files=(CHALK,), columns=128)
PICTURE = bytes(range(256)) * 1000


@pytest.mark.parametrize(
    "message",
    [
        Open(
            versions=versions(),
            heartbeat=2.0,
            make=Make(function="m:f", arguments=(("models", (("m", None, OFFER),)), ("memory", 1), ("graphs", True))),
        ),
        Draw(
            job_id=JOB,
            request=make_job("(a:1.3) b", loras=(LoraUse(name="chalk", weight=0.8, sha256="0" * 64),)).request,
            inputs=JobInputs(),
        ),
        Draw(job_id=JOB, request=make_job("ein Herz ❤️ \ud800").request, inputs=JobInputs(source=PICTURE, mask=b"")),
        Reorder(order=(JOB, uuid.uuid4())),
        Drawing(jobs=frozenset({JOB})),
        Batch(
            events=(
                StepDone(job_id=JOB, step=1, steps=4, preview=b"jpeg"),
                ImageReady(job_id=JOB, image=GeneratedImage(index=0, seed=7, width=32, height=32, png=PICTURE)),
                JobDone(job_id=JOB, device_seconds=0.1, unread="x", drawn_with=DrawnWith(torch="2", rows=3)),
            ),
            loaded=frozenset({"tiny", "other"}),
            places=4,
        ),
        Batch(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_messages_come_out_as_they_went_in(message: object) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "error",
    [
        DoesNotFit(64, 32, detail="CUDA out of memory"),
        InvalidRequest("steps", "range", 0, least=1, most=150),
        ModelUnavailable("m", "other_version", detail="code 1"),
        WorkerFault("12345678", detail="boom"),
        WorkerLost(detail="gone", died=False),
    ],
    ids=lambda error: error.code,
)
def test_errors_keep_their_code_and_their_fields(error: ModelUnavailable) -> None:
    there = decode(encode(JobFailed(job_id=JOB, error=error, device_seconds=0.5))).error
    assert (type(there), there.code, there.fields) == (type(error), error.code, error.fields)
    assert decode(encode(Opened(error=error))).error.fields == error.fields


def test_a_request_of_earlier_days_goes_over_unchecked() -> None:
    kept = asdict(make_job().request) | {"steps": 100_000, "scheduler": "forgotten"}
    stored = GenerationRequest.stored(kept)
    assert decode(encode(stored)) == stored


def _frame(text: object) -> bytes:
    data = json.dumps(text).encode()
    return struct.pack(">IQ", len(data), 0) + data


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"a line that some library printed\n",
        _frame({"": "record", "of": "subprocess:Popen", "fields": {"args": "true"}}),
        _frame({"": "record", "of": "generation.workers.local:LocalWorker", "fields": {}}),
        _frame({"": "record", "of": "generation.workers.wire:importlib", "fields": {}}),
        _frame({"": "enum", "of": "generation.events:StepDone", "value": 1}),
        _frame({"": "call"}),
        _frame({}),
    ],
)
def test_only_values_of_the_package_are_built(frame: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(frame)


def test_what_has_no_form_on_the_wire_is_not_sent() -> None:
    with pytest.raises(TypeError):
        encode(object())
    with pytest.raises(TypeError):
        encode(make_job().inputs)
