"""Whether a model does as people wish: understands how they ask, draws four different pictures, knows its styles."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from generation.training.artwork import Collection
from generation.training.concepts import CONCEPTS, Concept
from generation.training.evaluation import Measurement, of_style, on_white, score, share_right
from generation.training.judge import colour_of, guesses
from generation.training.painter import Painter
from generation.training.paraphrases import Paraphrase
from generation.training.pictures import edges_apart, ink_overlap, pixels_apart

SEEDS_A_THING = 4  #: as many as `/imagine` draws at once
SAME_SHAPE = 0.7  #: of the ink

_NUMBER = {concept.name: index for index, concept in enumerate(CONCEPTS)}


def measured_concepts(paraphrases: Sequence[Paraphrase]) -> tuple[Concept, ...]:
    """Return the 60 concepts that paraphrases ask for."""
    names = {paraphrase.name for paraphrase in paraphrases}
    return tuple(concept for concept in CONCEPTS if concept.name in names)


def reading_measurements(painter: Painter, stranger: nn.Module, paraphrases: Sequence[Paraphrase]) -> list[Measurement]:
    """Measure what becomes of paraphrases beside the bare words, each with its own seed; the second judge judges."""
    measurements: list[Measurement] = []
    for kind, some in (
        ("that the reading was made with", [one for one in paraphrases if one.seen]),
        ("never used", [one for one in paraphrases if not one.seen]),
    ):
        first = painter.settings.first_seed
        seeds = range(first, first + len(some))
        truth = [_NUMBER[one.name] for one in some]
        asked = painter.draw([one.text for one in some], seeds)
        bare = painter.draw([one.name for one in some], seeds)
        right, best = (score(guesses(stranger, pictures), truth).top1 for pictures in (asked, bare))
        coloured = [(picture, one.colour) for picture, one in zip(asked, some, strict=True) if one.colour]
        found, wanted = [colour_of(picture) for picture, _ in coloured], [colour for _, colour in coloured]
        same = [ink_overlap(a, b) > SAME_SHAPE for a, b in zip(asked, bare, strict=True)]
        name = f"paraphrases {kind}"
        measurements += [
            Measurement(
                name=f"concept right (top-1), {name}, ceiling: the bare words; the judge never saw the styles",
                value=100 * right,
                n=len(some),
                ceiling=100 * best,
                ceiling_n=len(some),
            ),
            Measurement(name=f"colour right, {name}", value=100 * share_right(found, wanted), n=len(wanted)),
            Measurement(name=f"shape of the bare word, {name}", value=100 * float(np.mean(same)), n=len(some)),
        ]
    return measurements


def variety_measurements(painter: Painter, concepts: Sequence[Concept], *, before: Painter | None) -> list[Measurement]:
    """Measure how far apart four pictures of one thing are, beside those of another model."""
    found = _distances(painter, concepts)
    earlier = _distances(before, concepts) if before else None
    measurements: list[Measurement] = []
    for at, what in enumerate(("pixels", "edges on 16 x 16 places")):
        times = f", {found[at] / earlier[at]:.1f} times that of the model before ({earlier[at]:.4f})" if earlier else ""
        measurements.append(
            Measurement(
                name=f"root mean square between two of four pictures of a thing, {what}{times}",
                value=found[at],
                n=len(concepts) * SEEDS_A_THING,
                unit="",
            )
        )
    return measurements


def _distances(painter: Painter, concepts: Sequence[Concept]) -> tuple[float, float]:
    names = [concept.name for concept in concepts for _ in range(SEEDS_A_THING)]
    seeds = [painter.settings.first_seed + seed for _ in concepts for seed in range(SEEDS_A_THING)]
    fours = np.split(painter.draw(names, seeds), len(concepts))
    return (
        float(np.mean([pixels_apart(list(four)) for four in fours])),
        float(np.mean([edges_apart(list(four)) for four in fours])),
    )


def style_measurements(
    painter: Painter, judge: nn.Module, collection: Collection, concepts: Sequence[Concept], styles: Sequence[str]
) -> list[Measurement]:
    """Measure whether "STYLE NAME" is drawn in that style; the judge learnt on other concepts."""
    measurements: list[Measurement] = []
    for number, style in enumerate(styles):
        drawn = painter.draw_each([f"{style} {concept.name}" for concept in concepts])
        real, _ = of_style(collection, style, concepts)
        right, best = (
            score(guesses(judge, pictures), [number] * len(pictures)).top1 for pictures in (drawn, on_white(real))
        )
        measurements.append(
            Measurement(
                name=f"style right, “{style}”", value=100 * right, n=len(drawn), ceiling=100 * best, ceiling_n=len(real)
            )
        )
    return measurements
