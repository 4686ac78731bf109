"""Gentle words about a prompt: what was understood of it, and what a model cannot make anything of. Never a refusal."""

from collections.abc import Callable, Iterator

from generation.catalog import ModelSpec
from generation.errors import LoraRefused
from generation.inline_parameters import TILE, nearest
from generation.prompt_grammar import LEAST_WEIGHT, MOST_WEIGHT, weights_beyond, wildcards_in
from generation.request import WORD_FOR_WORD, GenerationRequest


def prompt_hint(model: ModelSpec, request: GenerationRequest, *, shown: Callable[[str], str]) -> str | None:
    """What somebody is told about what they typed. `shown` makes somebody's own words fit to be said; None: nothing."""
    told = [*_parameters(request, shown), *_grammar(request, shown), *_words(model, request, shown)]
    return " ".join([*told, *_triggers(model, request, shown)]) or None


def _parameters(request: GenerationRequest, shown: Callable[[str], str]) -> Iterator[str]:
    if request.understood:
        yield f"Understood: {shown(' '.join(request.understood))}."
    for ignored in request.ignored:
        if ignored == TILE:
            yield "No prompt alone makes a picture tileable: where its model can, More below the picture does."
        elif near := nearest(ignored):
            yield f"I do not know {shown(ignored)}; nearest is {near}."
        elif ignored.startswith("--lora "):
            yield f"There is no LoRA {shown(ignored.removeprefix('--lora '))} for the model {shown(request.model)}."
        else:
            yield f"I make nothing of {shown(ignored)}."


def _grammar(request: GenerationRequest, shown: Callable[[str], str]) -> Iterator[str]:
    if request.syntax == WORD_FOR_WORD:
        return
    drawn = [text for texts in request.texts for text in texts]
    beyond = list(dict.fromkeys(weight for text in drawn for weight in weights_beyond(text)))
    if beyond:
        weights = ", ".join(f"{weight:g}" for weight in beyond[:3])
        yield f"A weight is at least {LEAST_WEIGHT:g} and at most {MOST_WEIGHT:g}, not {weights}."
    lists = list(dict.fromkeys(name for text in drawn for name in wildcards_in(text)))
    if lists:
        yield f"There is no list {shown(', '.join(lists))}."


def _words(model: ModelSpec, request: GenerationRequest, shown: Callable[[str], str]) -> Iterator[str]:
    """Words that the model does not know, or more things than it draws."""
    understood = model.read(request.prompt, request.syntax)
    if understood.unknown:
        yield f"The model {model.name} does not know: {shown(', '.join(understood.unknown))}."
        if understood.nearest:
            yield f"What it knows that is nearest: {', '.join(understood.nearest)}."
        else:
            yield f"It draws, for example: {', '.join(model.examples)}."
    if understood.left_out:
        yield f"The model {model.name} draws one thing at a time, here: {understood.thing}."


def _triggers(model: ModelSpec, request: GenerationRequest, shown: Callable[[str], str]) -> Iterator[str]:
    """Words that call for what a LoRA has learnt, where none of them is there."""
    written = request.prompt.casefold()
    for use in request.loras:
        try:
            triggers = model.loras.get(use.name).triggers
        except LoraRefused:
            continue
        if triggers and not any(trigger.casefold() in written for trigger in triggers):
            yield f"The LoRA {shown(use.name)} listens to: {shown(', '.join(triggers))}."
