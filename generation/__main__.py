"""`python -m generation "a red heart" --out pictures/`: draw without Discord, with the same engine as the bot."""

import argparse
import asyncio
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from tqdm import tqdm

from generation.alternatives import NO_WILDCARDS, Wildcards
from generation.catalog import DEFAULT_STRENGTH, LARGER_STRENGTH, DrawingOptions, ModelCatalog, ModelSpec
from generation.diffusion.families.lora_headers import find_loras, with_loras
from generation.diffusion.loading.devices import require_device
from generation.diffusion.loading.sources import BUILTIN, inspect_model
from generation.dispatcher import Dispatcher
from generation.errors import BadPicture, InvalidRequest, KnownError
from generation.inline_parameters import applied
from generation.inputs import InputPicture, require_same_ratio
from generation.job import Job, JobInputs
from generation.journal import MemoryJournal
from generation.loras import LEAST_WEIGHT, MOST_WEIGHT, parse_loras
from generation.operator_words import operator_words
from generation.permutations import permuted
from generation.picture_folder import PictureFolder
from generation.prompt_hints import prompt_hint
from generation.request import MAX_COUNT, GenerationRequest, SchedulerName
from generation.result import GenerationResult
from generation.ticket import JobTicket
from generation.workers.local import LocalWorker

REFRESH = 0.1  #: seconds between two looks at the progress
_SHOWN = 100  #: characters of a prompt


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the prompts of the command line; the exit status says whether all of them came out."""
    options = _parser().parse_args(arguments)
    folder = PictureFolder(options.out)
    try:
        require_device(options.device)
        spec = inspect_model(options.model, options.config)
        spec = with_loras(spec, find_loras(options.loras or ()))
        inputs = _Inputs.of(options)
        prompts = [prompt for typed in options.prompts for prompt in permuted(typed)]
        chosen = [_chosen(prompt, spec, options, inputs) for prompt in prompts]
        requests = [spec.request(one, options.wildcards) for one in chosen]
        folder.prepare([one for request in requests for one in request.alone])
        for one, request in zip(chosen, requests, strict=True):
            _hint(spec, request, asked=one.steps or spec.default_steps)
        return asyncio.run(_draw(spec, requests, inputs.bytes, folder, options))
    except KnownError as error:
        _say(operator_words(error))
        return 1
    except OSError as error:
        _say(f"Pictures cannot be written to {folder.path} (--out): {error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        return 130


async def _draw(
    spec: ModelSpec,
    requests: list[GenerationRequest],
    inputs: JobInputs,
    folder: PictureFolder,
    options: argparse.Namespace,
) -> int:
    # Each picture is a job of its own, so that it is kept as soon as it is done; they are drawn together all the same.
    alone = [one for request in requests for one in request.alone]
    kept = _KeptPictures(folder)
    worker = LocalWorker.for_models([spec], device=options.device, dtype=options.dtype)
    dispatcher = Dispatcher([worker], kept, capacity=len(alone))
    await dispatcher.start()
    try:
        _say(f"loading {spec.name} ...")
        await dispatcher.ready()
        tickets = [dispatcher.submit(_job(one, inputs)) for one in alone]
        await _show_progress(tickets, kept)
    except asyncio.CancelledError:
        await dispatcher.close()  # first: until then there may be one more
        _say(f"Stopped. {kept.count} of {len(alone)} pictures are in {folder.path}.")
        raise
    finally:
        await dispatcher.close()
    if kept.failure is not None:
        raise kept.failure
    outcomes = await asyncio.gather(*(ticket.result() for ticket in tickets), return_exceptions=True)
    failures = {
        f"{_shown(ticket.job.request.prompt)}: {_words(outcome)}": None
        for ticket, outcome in zip(tickets, outcomes, strict=True)
        if isinstance(outcome, BaseException)
    }
    for line in failures:
        _say(line)
    return 1 if failures else 0


def _hint(spec: ModelSpec, request: GenerationRequest, *, asked: int) -> None:
    """Say what was understood of a prompt, and where more steps are made than were asked for."""
    if hint := prompt_hint(spec, request, shown=_short):
        _say(hint)
    if (steps := request.steps) != asked:
        least = min(one for one in (request.strength, request.hires_strength) if one is not None)
        _say(f"At strength {least:g} it takes {steps} steps to make one, so there are {steps}.")


class _KeptPictures(MemoryJournal):
    """Writes each picture when it is done, and remembers the first error in doing so."""

    def __init__(self, folder: PictureFolder) -> None:
        super().__init__()
        self.count = 0  #: pictures that are written
        self.failure: OSError | None = None
        self._folder = folder
        self._told: set[str] = set()

    async def rendered(self, job: Job, result: GenerationResult) -> GenerationResult:
        for image in result.images if self.failure is None else ():
            try:
                path = self._folder.write(image, job.request)
            except OSError as error:
                self.failure = error
                break
            self.count += 1
            said = f"{path}  ({image.width}x{image.height}, seed {image.seed}, {result.device_seconds:.1f} s)"
            tqdm.write(said, file=sys.stdout)
        for text, unread in (
            (job.request.prompt, result.unread),
            (job.request.negative_prompt, result.unread_negative),
        ):
            if unread and text not in self._told:
                self._told.add(text)
                _say(f"{_shown(text)} is too long for the model, which did not read {_shown(unread)}.")
        return await super().rendered(job, result)


async def _show_progress(tickets: list[JobTicket[GenerationResult]], kept: _KeptPictures) -> None:
    """Show the steps until all is over, or until a picture cannot be written."""
    with tqdm(total=sum(ticket.job.request.drawn_steps for ticket in tickets), unit="step") as bar:
        while kept.failure is None and not all(ticket.done for ticket in tickets):
            await next(ticket for ticket in tickets if not ticket.done).wait(REFRESH)
            bar.update(sum(ticket.progress.step for ticket in tickets) - bar.n)


def _words(error: BaseException) -> str:
    return operator_words(error) if isinstance(error, KnownError) else repr(error)


def _shown(text: str) -> str:
    return repr(_short(text))


def _short(text: str) -> str:
    said = " ".join(text.split())
    return said if len(said) <= _SHOWN else said[: _SHOWN - 3] + "..."


def _say(line: str) -> None:
    """Say it beside the pictures' paths, which alone go to the standard output, and above the progress."""
    tqdm.write(line, file=sys.stderr)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Inputs:
    """The pictures to begin with."""

    source: InputPicture | None
    mask: InputPicture | None

    @classmethod
    def of(cls, options: argparse.Namespace) -> "_Inputs":
        """Read the files. Raises BadPicture and InvalidRequest."""
        source, mask = (_read(path, role) for path, role in ((options.image, "image"), (options.mask, "mask")))
        if source is not None and mask is not None:
            require_same_ratio(source, mask)
        return cls(source=source, mask=mask)

    @property
    def bytes(self) -> JobInputs:
        return JobInputs(source=self.source and self.source.png, mask=self.mask and self.mask.png)


def _read(path: Path | None, role: str) -> InputPicture | None:
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadPicture(role, "unreadable", detail=f"{path}: {error.strerror or error}") from error
    return InputPicture.decode(data, role=role)


def _job(request: GenerationRequest, inputs: JobInputs) -> Job:
    return Job(id=uuid.uuid4(), request=request, requester=request.prompt, inputs=lambda: inputs)


def _chosen(prompt: str, spec: ModelSpec, options: argparse.Namespace, inputs: _Inputs) -> DrawingOptions:
    # There the model is a source, and the only one.
    names = {field.name for field in fields(DrawingOptions)} - {"model", "mask", "loras"}
    typed = {name: value for name, value in vars(options).items() if name in names}
    own = {"model", *(name for name, value in typed.items() if value not in (None, ""))}
    loras = parse_loras(",".join(options.lora or ()))
    chosen = applied(DrawingOptions(prompt=prompt, loras=loras, **typed), ModelCatalog([spec]), own=own)
    chosen = replace(
        chosen,
        aspect=chosen.aspect or (inputs.source and inputs.source.aspect),
        source=inputs.source and inputs.source.sha256,
        mask=inputs.mask and inputs.mask.sha256,
    )
    if options.upscale is None:
        return chosen
    if inputs.source is None:
        raise InvalidRequest("upscale", "together", options.upscale, choices=("image",))
    return spec.larger(chosen, (inputs.source.width, inputs.source.height), options.upscale)


def _wildcards(folder: str) -> Wildcards:
    try:
        return Wildcards.load(Path(folder))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"the lists in {folder} cannot be read: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m generation", description=__doc__)
    parser.add_argument("prompts", nargs="+", metavar="PROMPT", help="what to draw; several are drawn together")
    parser.add_argument("--out", type=Path, default=Path("pictures"), help="folder for the pictures (pictures/)")
    parser.add_argument("--model", default=BUILTIN, help='"builtin", a folder, a .safetensors file or a hub id')
    parser.add_argument("--config", help="for a single file: a folder with its configs and tokenizer")
    parser.add_argument("--loras", action="append", metavar="FOLDER", help="a folder of LoRAs; may be given again")
    parser.add_argument(
        "--lora",
        action="append",
        metavar="NAME:WEIGHT",
        help=f"a LoRA of these folders, such as chalk:0.8; {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}; may be given again",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "float16", "bfloat16"])
    parser.add_argument("--negative-prompt", default="", help="what to keep out of the picture")
    parser.add_argument("--image", type=Path, help="a picture to begin with")
    parser.add_argument("--mask", type=Path, help="a picture that is white where the other one is drawn anew")
    parser.add_argument("--strength", type=float, help=f"of the change, up to 1 ({DEFAULT_STRENGTH:g}; with a mask 1)")
    parser.add_argument("--upscale", type=int, choices=[2, 4], help="draw --image so many times as large")
    parser.add_argument("--hires", type=float, help="a second pass, so many times as large, from what was drawn")
    parser.add_argument("--hires-strength", type=float, help=f"of the change in that pass ({LARGER_STRENGTH:g})")
    parser.add_argument("--aspect", help="such as 16:9, by default 1:1 or the picture's; keeps the number of pixels")
    parser.add_argument("--steps", type=int, help="denoising steps")
    parser.add_argument("--guidance", type=float, help="guidance scale; at most 1 means none")
    parser.add_argument("--seed", type=int, help="0 to 4294967295; random when not given")
    parser.add_argument("--count", type=int, help=f"pictures a prompt, up to {MAX_COUNT}")
    said = "folder of lists: __animal__ is a line of its animal.txt"
    parser.add_argument("--wildcards", type=_wildcards, default=NO_WILDCARDS, metavar="FOLDER", help=said)
    parser.add_argument("--scheduler", help="one of " + ", ".join(SchedulerName))
    return parser


if __name__ == "__main__":
    sys.exit(main())
