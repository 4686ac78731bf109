# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false
"""How good a model is, in numbers, each beside its ceiling: what real pictures of an art style that training never saw
get.

No picture is picked: every concept, every pair and every seed named here counts.
"""

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import Tensor, nn

from generation.diffusion.threads import threads_for
from generation.training.artwork import Collection
from generation.training.autoencoder import psnr, reconstruct
from generation.training.captions import article
from generation.training.concepts import CONCEPTS, Concept
from generation.training.judge import colour_of, guesses
from generation.training.painter import EvaluationSettings, Painter, Pictures
from generation.training.recolouring import HELD_OUT_PAIRS, HUES, compose, dominant_colour, recolour
from generation.training.sample_grid import draw
from generation.training.training_set import PLAIN_STYLE


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number, and what a perfect model could get."""

    name: str
    value: float
    n: int  #: pictures it was taken from
    unit: str = "%"
    ceiling: float | None = None
    ceiling_n: int | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """Shares of right answers, 0 to 1."""

    top1: float
    top5: float
    n: int


def score(answers: Tensor, truth: Sequence[int]) -> Score:
    """Count how often the truth is the first, and among the first five, of the answers [n, 5]."""
    right = answers == torch.tensor(list(truth))[:, None]
    return Score(top1=right[:, 0].float().mean().item(), top5=right.any(1).float().mean().item(), n=len(truth))


def share_right(found: Sequence[str | None], wanted: Sequence[str]) -> float:
    """Return the share of equal entries, 0 to 1."""
    return sum(a == b for a, b in zip(found, wanted, strict=True)) / len(wanted)


def on_white(rgba: Pictures) -> Pictures:
    """Put pictures in front of white."""
    pixels = rgba.astype(np.float32) / 255
    return np.stack([compose(picture[..., :3], picture[..., 3], None) for picture in pixels])


def of_style(collection: Collection, style: str, concepts: Sequence[Concept]) -> tuple[Pictures, list[int]]:
    """Return one style's pictures of the concepts, and which concept each shows."""
    number = {concept.label: index for index, concept in enumerate(concepts)}
    chosen = [
        index
        for index, drawing in enumerate(collection.drawings)
        if drawing.style == style and drawing.entry.label in number
    ]
    return collection.pictures[chosen], [number[collection.drawings[index].entry.label] for index in chosen]


def pairs_of(pictures: Pictures, truth: Sequence[int]) -> tuple[Pictures, list[str]]:
    """Recolour real pictures of the things of the held-out pairs, in every colour; return them and the colours."""
    things = {label for label, _ in HELD_OUT_PAIRS}
    made: list[Pictures] = []
    colours: list[str] = []
    for picture, index in zip(pictures.astype(np.float32) / 255, truth, strict=True):
        rgb, alpha = picture[..., :3], picture[..., 3]
        dominant = dominant_colour(rgb, alpha)
        if CONCEPTS[index].label in things and dominant:
            for colour in HUES:
                made.append(compose(recolour(rgb, dominant, colour), alpha, None))
                colours.append(colour)
    return np.stack(made), colours


class Evaluation:
    """Draws with a model and has the pictures judged."""

    def __init__(
        self,
        painter: Painter,
        judge: nn.Module,
        collection: Collection,
        *,
        stranger: nn.Module | None = None,
    ) -> None:
        self.painter = painter
        self.judge = judge
        self.stranger = stranger  #: a second judge, which never saw the styles that the model draws in
        self.collection = collection
        self.settings = painter.settings

    def run(self, held_out_styles: Sequence[str]) -> list[Measurement]:
        """Take all measurements; the ceilings come from the first held-out style."""
        return [
            *self.concepts(held_out_styles),
            *self.colours(held_out_styles[0]),
            seconds_a_picture(self.painter.pipeline),
        ]

    def concepts(self, held_out_styles: Sequence[str]) -> list[Measurement]:
        """Measure whether "a NAME" is drawn as that thing."""
        names = [f"{article(concept.name)} {concept.name}" for concept in CONCEPTS] * self.settings.concept_seeds
        pictures = self.painter.draw_each(names)
        found = self.concepts_in(pictures, self.judge, held_out_styles)
        if self.stranger is None:
            return found
        # The judge knows the styles that are drawn; this one does not, and its ceiling are real pictures of one.
        strict = self.concepts_in(pictures, self.stranger, [PLAIN_STYLE])
        return [*found, *(replace(m, name=f"{m.name}, the judge never saw it") for m in strict)]

    def concepts_in(self, pictures: Pictures, judge: nn.Module, styles: Sequence[str]) -> list[Measurement]:
        """Measure how many pictures, drawn concept by concept, a judge recognises, beside its ceilings."""
        truth = list(range(len(CONCEPTS))) * (len(pictures) // len(CONCEPTS))
        drawn = score(guesses(judge, pictures), truth)
        measurements: list[Measurement] = []
        for style in styles:
            real, shown = of_style(self.collection, style, CONCEPTS)
            ceiling = score(guesses(judge, on_white(real)), shown)
            measurements += [
                Measurement(
                    name=f"{label}, ceiling: style “{style}”",
                    value=100 * getattr(drawn, key),
                    n=drawn.n,
                    ceiling=100 * getattr(ceiling, key),
                    ceiling_n=ceiling.n,
                )
                for key, label in (("top1", "concept right (top-1)"), ("top5", "concept among five (top-5)"))
            ]
        return measurements

    def colours(self, style: str) -> list[Measurement]:
        """Measure whether "a COLOUR NAME" has that colour, for pairs that training showed and for those it did not."""
        real, wanted = pairs_of(*of_style(self.collection, style, CONCEPTS))
        ceiling = share_right([colour_of(picture) for picture in real], wanted)
        concept_of = {concept.label: index for index, concept in enumerate(CONCEPTS)}
        unseen = sorted(HELD_OUT_PAIRS) * self.settings.pair_seeds
        seen = [(label, colour) for label, _ in sorted(HELD_OUT_PAIRS) for colour in HUES]
        seen = [pair for pair in seen if pair not in HELD_OUT_PAIRS] * max(1, self.settings.pair_seeds // 4)
        measurements: list[Measurement] = []
        for kind, pairs in (("seen pairs", seen), ("never seen pairs", unseen)):
            prompts = [f"a {colour} {CONCEPTS[concept_of[label]].name}" for label, colour in pairs]
            pictures = self.painter.draw_each(prompts)
            right = share_right([colour_of(picture) for picture in pictures], [colour for _, colour in pairs])
            thing = score(guesses(self.judge, pictures), [concept_of[label] for label, _ in pairs])
            measurements += [
                Measurement(
                    name=f"colour right, {kind}",
                    value=100 * right,
                    n=len(pairs),
                    ceiling=100 * ceiling,
                    ceiling_n=len(wanted),
                ),
                Measurement(name=f"concept right (top-1), {kind}", value=100 * thing.top1, n=len(pairs)),
            ]
        return measurements


def vae_quality(vae: AutoencoderKL, collection: Collection, styles: Sequence[str]) -> list[Measurement]:
    """Measure how close pictures of each style, in front of white, come back from the VAE."""
    measurements: list[Measurement] = []
    for style in styles:
        chosen = [index for index, drawing in enumerate(collection.drawings) if drawing.style == style]
        pictures = torch.from_numpy(on_white(collection.pictures[chosen])).permute(0, 3, 1, 2).float() / 127.5 - 1
        decibels = psnr(pictures, reconstruct(vae, pictures).cpu())
        measurements.append(Measurement(name=f"VAE, style “{style}”", value=decibels, n=len(chosen), unit="dB"))
    return measurements


def seconds_a_picture(pipeline: StableDiffusionPipeline, *, times: int = 7) -> Measurement:
    """Take the median time of a picture in 20 steps with guidance, with as many threads as the bot draws with."""
    threads, before = threads_for(pipeline.unet, pipeline.device), torch.get_num_threads()
    torch.set_num_threads(threads)
    taken: list[float] = []
    for seed in range(times + 1):
        began = time.perf_counter()
        draw(pipeline, ["a red heart"], seeds=[seed])
        taken.append(time.perf_counter() - began)
    torch.set_num_threads(before)
    name = f"seconds a picture, 20 steps, {threads} thread{'s' if threads > 1 else ''}"
    return Measurement(name=name, value=statistics.median(taken[1:]), n=times, unit="s")


def save_measurements(path: Path, measurements: Sequence[Measurement], settings: EvaluationSettings) -> None:
    """Write the measurements for the model card."""
    content = {"settings": asdict(settings), "measurements": [asdict(measurement) for measurement in measurements]}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def load_measurements(path: Path) -> tuple[list[Measurement], EvaluationSettings]:
    """Read what `save_measurements` wrote."""
    content = json.loads(path.read_text("utf-8"))
    return [Measurement(**row) for row in content["measurements"]], EvaluationSettings(**content["settings"])
