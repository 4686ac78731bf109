# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false
"""The stage `evaluate`: all rows of the model's card, in one run."""

import numpy as np
from torch import nn

from generation.reading import FILE as READING
from generation.reading import Reading
from generation.training.artwork import collect
from generation.training.concepts import CONCEPTS
from generation.training.edits import edit_measurements
from generation.training.evaluation import Evaluation, Measurement, save_measurements, seconds_a_picture, vae_quality
from generation.training.judge import JudgeRun
from generation.training.learner import LearnerSettings, train
from generation.training.packages import PACKAGES, Role
from generation.training.painter import EvaluationSettings, Painter
from generation.training.paraphrases import read_paraphrases
from generation.training.reading_file import reading_content, save_reading
from generation.training.sample_grid import FOUR_PROMPTS, FOUR_SEEDS, GRID_PROMPTS, save_grid
from generation.training.stages import Plan, assemble, load_model, names_folder
from generation.training.wishes import (
    measured_concepts,
    reading_measurements,
    style_measurements,
    variety_measurements,
)


def evaluate(plan: Plan) -> None:
    """Measure the last diffusion checkpoint's model, or a finished one; draw its grid and its sheet of fours."""
    pipeline = load_model(plan.finished, plan.device) if plan.finished else assemble(plan)
    settings = EvaluationSettings()
    if plan.is_own:  # nothing is known of what the pictures show: only the grid, the time and the VAE can be judged
        painter = Painter(pipeline, None, settings)
        measurements = [seconds_a_picture(pipeline)]
    else:
        if not plan.finished:
            save_reading(plan.export, reading_content(names_folder(plan)))
        painter = Painter(pipeline, Reading.load((plan.finished or plan.export) / READING), settings)
        measurements = _measured(plan, painter)
        save_grid(plan.export / "fours.png", painter.draw(FOUR_PROMPTS, FOUR_SEEDS))
    save_grid(plan.export / "grid.png", painter.draw(GRID_PROMPTS, range(len(GRID_PROMPTS))))
    save_measurements(plan.work / "evaluation.json", measurements, settings)
    for m in measurements:
        of = f" (ceiling {m.ceiling:.1f}, n = {m.ceiling_n})" if m.ceiling is not None else ""
        print(f"{m.name}: {m.value:.4g} {m.unit}, n = {m.n}{of}")  # noqa: T201


def _measured(plan: Plan, painter: Painter) -> list[Measurement]:
    """Train the judges, and take all measurements of the built-in model."""
    collection = collect(plan.work, plan.sizes.pixels)
    held_out, drawn = ([p.style for p in PACKAGES if p.role is role] for role in (Role.HELD_OUT, Role.DRAWN))
    judge = _judge(plan, "judge", Role.DRAWN, Role.SEEN)
    stranger = _judge(plan, "stranger", Role.SEEN, Role.HELD_OUT)
    paraphrases = read_paraphrases()
    concepts = measured_concepts(paraphrases)
    before = None
    if plan.beside:
        file = plan.beside / READING
        before = Painter(
            load_model(plan.beside, plan.device), Reading.load(file) if file.is_file() else None, painter.settings
        )
    return [
        *Evaluation(painter, judge, collection, stranger=stranger).run(held_out),
        *reading_measurements(painter, stranger, paraphrases),
        *variety_measurements(painter, stranger, collection, concepts, before=before),
        *style_measurements(painter, collection, concepts, painter.reading.styles if painter.reading else ()),
        *edit_measurements(painter),
        *vae_quality(painter.pipeline.vae, collection, [*held_out, *drawn]),
    ]


def _judge(plan: Plan, name: str, *roles: Role) -> nn.Module:
    """Train a judge on the styles of those roles, going on from an earlier sitting."""
    collection = collect(plan.work, plan.sizes.pixels)
    number = {concept.label: index for index, concept in enumerate(CONCEPTS)}
    chosen = [
        index
        for index, drawing in enumerate(collection.drawings)
        if drawing.role in roles and drawing.entry.label in number
    ]
    truth = np.array([number[collection.drawings[index].entry.label] for index in chosen])
    settings = LearnerSettings(budget=plan.budget, batch=64, seed=plan.seed, device=plan.device)
    run = JudgeRun(settings, collection.pictures[chosen], truth, len(CONCEPTS))
    train(run, plan.work / name)
    return run.judge
