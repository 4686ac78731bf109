"""`python -m generation.training STAGE`: the recipe of the built-in model, one command a stage, in this order:

    dataset | vae | diffusion | evaluate | export

and `lora`, which teaches a finished model something more: `lora --style outlined`, or `lora --pictures FOLDER`.

All stages share one work folder, can be stopped at any time and go on where they were. `--pictures FOLDER`, given to
`dataset`, trains on pictures of one's own, each beside a text file of the same name with its caption.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from generation.training.pace import Budget

_MINUTES = {"vae": 40.0, "diffusion": 80.0, "evaluate": 2.5, "lora": 10.0}
_HELP = {
    "dataset": "fetch the artwork (or read --pictures), draw it, write captions, learn the words",
    "vae": "train the VAE",
    "diffusion": "train the text encoder and the U-Net",
    "evaluate": "train the judge and measure the model with it",
    "export": "write the model folder with its card",
    "lora": "train a LoRA, in a style of the dataset's artwork or by pictures of one's own",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m generation.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    stages = parser.add_subparsers(dest="stage", required=True)
    for stage, help_text in _HELP.items():
        command = stages.add_parser(stage, help=help_text)
        command.add_argument("--work", type=Path, default=Path("data/training"), help="work folder (%(default)s)")
        command.add_argument("--size", choices=("small", "large"), default="small", help="64 or 128 px (%(default)s)")
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--device", default="auto", help="auto, cpu or cuda (%(default)s)")
        if stage == "dataset":
            command.add_argument(
                "--pictures", type=Path, help="folder of pictures with captions, instead of the artwork"
            )
        if stage in _MINUTES:
            command.add_argument(
                "--minutes",
                type=float,
                help=f"of learning, over all sittings ({_MINUTES[stage]:g})",
            )
            command.add_argument("--steps", type=int, help="end after so many steps instead")
            command.add_argument("--batch", type=int, default=32, help="pictures a step (%(default)s)")
        if stage in ("dataset", "vae", "diffusion"):
            command.add_argument("--start-from", type=Path, metavar="MODEL", help="begin with this diffusers model")
        if stage in ("vae", "diffusion", "lora"):
            command.add_argument("--rate", type=float, help="peak learning rate")
        if stage == "lora":
            _add_lora_options(command)
        if stage in ("vae", "diffusion"):
            command.add_argument("--processes", type=int, default=1, help="CPU processes that share each batch")
        if stage == "evaluate":
            command.add_argument("--model", type=Path, help="measure this one instead of the last checkpoint's")
            command.add_argument("--beside", type=Path, metavar="MODEL", help="measure variety beside this model's")
        if stage == "vae":
            command.add_argument(
                "--decoder-only",
                action="store_true",
                help="polish the decoder of --start-from; latents, and so the U-Net, stay as they are",
            )
            command.add_argument(
                "--latents-of",
                type=Path,
                metavar="MODEL",
                help="learn to make this model's latents, so that its U-Net fits the new VAE",
            )
    return parser


def _add_lora_options(command: argparse.ArgumentParser) -> None:
    taught = command.add_mutually_exclusive_group(required=True)
    taught.add_argument("--style", help="in which the dataset's artwork is drawn: outlined or night")
    taught.add_argument("--pictures", type=Path, help="folder of pictures with captions")
    command.add_argument("--model", default="builtin", help='"builtin", a folder or a file (%(default)s)')
    command.add_argument("--rank", type=int, default=16, help="columns of the thin matrices (%(default)s)")
    command.add_argument("--name", help="of the file; by default the style's, or the folder's")
    command.add_argument("--trigger", default="", help="words that the file says call for it")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one stage."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Imported late: --help should not wait for torch.
    from generation.diffusion.loading.loading import choose_device
    from generation.training import judging, stages
    from generation.training.crew import run_crew
    from generation.training.networks import SIZES
    from generation.training.pace import Budget

    minutes, steps = getattr(options, "minutes", None), getattr(options, "steps", None)
    if minutes is None and steps is None:
        minutes = _MINUTES.get(options.stage, 1.0)
    if options.stage == "lora":
        _teach_lora(options, Budget(minutes=minutes, steps=steps), choose_device(options.device).type)
        return
    plan = stages.Plan(
        work=options.work,
        budget=Budget(minutes=minutes, steps=steps),
        pictures=getattr(options, "pictures", None),
        start_from=getattr(options, "start_from", None),
        sizes=SIZES[options.size],
        batch=getattr(options, "batch", 32),
        peak_rate=getattr(options, "rate", None),
        seed=options.seed,
        device=choose_device(options.device).type,
        decoder_only=getattr(options, "decoder_only", False),
        latents_of=getattr(options, "latents_of", None),
        beside=getattr(options, "beside", None),
        finished=getattr(options, "model", None),
    )
    match options.stage:
        case "dataset":
            stages.dataset(plan)
        case "vae":
            run_crew(options.processes, plan.work / "vae", stages.vae, plan)
        case "diffusion":
            run_crew(options.processes, plan.work / "diffusion", stages.diffusion, plan)
        case "evaluate":
            judging.evaluate(plan)
        case _:
            stages.export(plan)


def _teach_lora(options: argparse.Namespace, budget: "Budget", device: str) -> None:
    from generation.training.lora import LoraPlan, LoraSettings, lora

    settings = LoraSettings(
        budget=budget, batch=options.batch, seed=options.seed, device=device, rank=options.rank, alpha=options.rank
    )
    if options.rate is not None:
        settings = replace(settings, peak_rate=options.rate)
    plan = LoraPlan(
        work=options.work,
        settings=settings,
        model=options.model,
        style=options.style,
        pictures=options.pictures,
        name=options.name,
        trigger=options.trigger,
    )
    print(f"written to {lora(plan)}")


if __name__ == "__main__":
    main()
