"""Whether a model does as people wish: understands how they ask, draws four different pictures, knows its styles."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from generation.training.artwork import Collection
from generation.training.concepts import CONCEPTS, Concept
from generation.training.evaluation import Measurement, of_style, on_white, score, share_right
from generation.training.judge import colour_of, guesses
from generation.training.painter import Painter, Pictures
from generation.training.paraphrases import Paraphrase
from generation.training.pictures import edges_apart, ink_overlap, pixels_apart
from generation.training.poses import Pose, posed, poses_of
from generation.training.recolouring import compose
from generation.training.training_set import PLAIN_STYLE

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


def variety_measurements(
    painter: Painter,
    stranger: nn.Module,
    collection: Collection,
    concepts: Sequence[Concept],
    *,
    before: Painter | None,
) -> list[Measurement]:
    """Measure how far apart four pictures of one thing are, beside those of another model, and whether they show it."""
    fours = _fours(painter, concepts)
    others = _fours(before, concepts) if before else None
    count = len(concepts) * SEEDS_A_THING
    measurements: list[Measurement] = []
    for what, distance in (("pixels", pixels_apart), ("edges on 16 x 16 places", edges_apart)):
        found = float(np.mean([distance(list(four)) for four in fours]))
        name = f"root mean square between two of four pictures of a thing, {what}"
        if others is not None:
            earlier = float(np.mean([distance(list(four)) for four in others]))
            name += f"; {found / earlier:.1f} times that of the model before ({earlier:.4f})"
        measurements.append(Measurement(name=name, value=found, n=count, unit=""))
    truth = [_NUMBER[concept.name] for concept in concepts]
    real, shown = of_style(collection, PLAIN_STYLE, concepts)
    best = score(guesses(stranger, on_white(real)), [truth[index] for index in shown]).top1
    truths = [index for index in truth for _ in range(SEEDS_A_THING)]
    for model, drawn in (("", fours), ("; the model before", others)):
        if drawn is not None:
            right = score(guesses(stranger, drawn.reshape(-1, *drawn.shape[2:])), truths).top1
            measurements.append(
                Measurement(
                    name=f"concept right (top-1), four pictures of a thing, the judge never saw the styles{model}",
                    value=100 * right,
                    n=count,
                    ceiling=100 * best,
                    ceiling_n=len(real),
                )
            )
    return measurements


def _fours(painter: Painter, concepts: Sequence[Concept]) -> Pictures:
    """Draw four pictures of each: [concepts, 4, height, width, 3]."""
    names = [concept.name for concept in concepts for _ in range(SEEDS_A_THING)]
    seeds = [painter.settings.first_seed + seed for _ in concepts for seed in range(SEEDS_A_THING)]
    drawn = painter.draw(names, seeds)
    return drawn.reshape(len(concepts), SEEDS_A_THING, *drawn.shape[1:])


def style_measurements(
    painter: Painter, collection: Collection, concepts: Sequence[Concept], styles: Sequence[str]
) -> list[Measurement]:
    """Measure whether the picture of "STYLE NAME" is nearest to that artist's drawing of the thing, of all artists'."""
    drawings = zip(collection.drawings, collection.pictures, strict=True)
    real = {(one.entry.label, one.style): pixels for one, pixels in drawings}
    measurements: list[Measurement] = []
    for style in styles:
        known = [concept for concept in concepts if (concept.label, style) in real]
        drawn = painter.draw_each([f"{style} {concept.name}" for concept in known])
        found = [
            nearest_style(picture, {one: real[key] for one in styles if (key := (concept.label, one)) in real}, concept)
            for picture, concept in zip(drawn, known, strict=True)
        ]
        value = 100 * share_right(found, [style] * len(found))
        measurements.append(Measurement(name=f"style right, “{style}”", value=value, n=len(found)))
    return measurements


def nearest_style(picture: NDArray[np.uint8], drawings: Mapping[str, NDArray[np.uint8]], concept: Concept) -> str:
    """Return the style whose drawing [h, w, 4] of the concept is nearest to the picture, upright or in its poses."""

    def distance(style: str) -> float:
        pixels = drawings[style].astype(np.float32) / 255
        poses = (Pose(), *poses_of(concept.label, style))
        posed_ones = (compose(*posed(pixels[..., :3], pixels[..., 3], pose), None) for pose in poses)
        return min(pixels_apart([picture, one]) for one in posed_ones)

    return min(drawings, key=distance)
