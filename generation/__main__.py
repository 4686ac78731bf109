"""`python -m generation "a red heart" --out pictures/`: draw without Discord, with the same engine as the bot."""

import argparse
import asyncio
import itertools
import re
import sys
import uuid
from dataclasses import fields
from pathlib import Path

from tqdm import tqdm

from generation.catalog import DrawingOptions, ModelSpec
from generation.diffusion.sources import BUILTIN, inspect_model
from generation.dispatcher import Dispatcher
from generation.errors import KnownError
from generation.job import Job
from generation.journal import MemoryJournal
from generation.operator_words import operator_words
from generation.request import MAX_COUNT, GenerationRequest, SchedulerName
from generation.result import GenerationResult
from generation.ticket import JobTicket
from generation.workers.local import LocalWorker

REFRESH = 0.1  #: seconds between two looks at the progress


def main() -> int:
    """Draw the prompts of the command line; the exit status says whether all of them came out."""
    options = _parser().parse_args()
    try:
        spec = inspect_model(options.model, options.config)
        requests = [spec.request(_chosen(prompt, options)) for prompt in options.prompts]
        return asyncio.run(_draw(spec, requests, options))
    except KnownError as error:
        print(operator_words(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


async def _draw(spec: ModelSpec, requests: list[GenerationRequest], options: argparse.Namespace) -> int:
    journal = MemoryJournal()
    worker = LocalWorker.for_models([spec], device=options.device, dtype=options.dtype)
    dispatcher = Dispatcher([worker], journal, capacity=len(requests))
    await dispatcher.start()
    try:
        print(f"loading {spec.name} ...", file=sys.stderr)
        await dispatcher.ready()
        tickets = [
            dispatcher.submit(Job(id=uuid.uuid4(), request=request, requester=str(number)))
            for number, request in enumerate(requests)
        ]
        await _show_progress(tickets)
        outcomes = await asyncio.gather(*(ticket.result() for ticket in tickets), return_exceptions=True)
    finally:
        await dispatcher.close()
    options.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for ticket, outcome in zip(tickets, outcomes, strict=True):
        request = ticket.job.request
        if isinstance(outcome, BaseException):
            failed += 1
            words = operator_words(outcome) if isinstance(outcome, KnownError) else repr(outcome)
            print(f"{request.prompt!r}: {words}", file=sys.stderr)
            continue
        for image in outcome.images:
            path = _free(options.out / f"{_slug(request.prompt)}-{image.seed}.png")
            path.write_bytes(image.png)
            print(f"{path}  ({image.width}x{image.height}, seed {image.seed}, {outcome.device_seconds:.1f} s)")
    return 1 if failed else 0


async def _show_progress(tickets: list[JobTicket[GenerationResult]]) -> None:
    steps = sum(ticket.job.request.steps * ticket.job.request.count for ticket in tickets)
    with tqdm(total=steps, unit="step") as bar:
        while not all(ticket.done for ticket in tickets):
            await tickets[next(i for i, ticket in enumerate(tickets) if not ticket.done)].wait(REFRESH)
            bar.update(sum(ticket.progress.step for ticket in tickets) - bar.n)


def _chosen(prompt: str, options: argparse.Namespace) -> DrawingOptions:
    names = {field.name for field in fields(DrawingOptions)} - {
        "model"
    }  # there the model is a source, and the only one
    return DrawingOptions(prompt=prompt, **{name: value for name, value in vars(options).items() if name in names})


def _free(path: Path) -> Path:
    """Return the path, or one with a number after its name, at which there is no file yet."""
    candidates = (path if number == 1 else path.with_stem(f"{path.stem}-{number}") for number in itertools.count(1))
    return next(candidate for candidate in candidates if not candidate.exists())


def _slug(prompt: str) -> str:
    return re.sub(r"\W+", "-", prompt.casefold()).strip("-")[:60] or "picture"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m generation", description=__doc__)
    parser.add_argument("prompts", nargs="+", metavar="PROMPT", help="what to draw; several are drawn together")
    parser.add_argument("--out", type=Path, default=Path("pictures"), help="folder for the pictures (pictures/)")
    parser.add_argument("--model", default=BUILTIN, help='"builtin", a folder, a .safetensors file or a hub id')
    parser.add_argument("--config", help="for a single file: a folder with its configs and tokenizer")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "float16", "bfloat16"])
    parser.add_argument("--negative-prompt", default="", help="what to keep out of the picture")
    parser.add_argument("--aspect", default="1:1", help="such as 16:9; keeps the model's number of pixels")
    parser.add_argument("--steps", type=int, help="denoising steps")
    parser.add_argument("--guidance", type=float, help="guidance scale; at most 1 means none")
    parser.add_argument("--seed", type=int, help="0 to 4294967295; random when not given")
    parser.add_argument("--count", type=int, default=1, help=f"pictures a prompt, up to {MAX_COUNT}")
    parser.add_argument("--scheduler", help="one of " + ", ".join(SchedulerName))
    return parser


if __name__ == "__main__":
    sys.exit(main())
