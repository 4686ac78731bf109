"""What a training picture is called: mostly in the plain form that prompts are read as (`reading.json`).

The other forms, a quarter of all, are for programs that give the model prompts as they are. What a caption does not
say, the style for one, is left to the noise: `diffusion.py` says how.
"""

import random
from dataclasses import dataclass

from generation.training.recolouring import COLOUR_WORDS

_FRAMES = (
    "the {n}",
    "my {n}",
    "one {n}",
    "{n} emoji",
    "draw {a} {n}",
    "a picture of {a} {n}",
    "a photo of {a} {n}",
    "an icon of {a} {n}",
    "a drawing of {a} {n}",
)
_ADJECTIVES = ("cute", "nice", "beautiful", "little", "big", "funny", "shiny", "simple", "lovely", "cool", "small")
#: how often a caption is the plain one, names its style, and names the thing's own colour
_PLAIN, _STYLE_NAMED, _COLOUR_NAMED = 0.75, 0.55, 0.35


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What there is to say of one training picture."""

    label: str  #: of its concept
    names: tuple[str, ...]
    style: str = "3d"
    colour: str | None = None  #: its one colour, if it has one
    recoloured: bool = False  #: the colour must be said: it is not the thing's own
    background: str | None = None


def article(name: str) -> str:
    """Return "an" before a vowel and "a" before others."""
    return "an" if name[0] in "aeiou" else "a"


def without_colour(name: str) -> str:
    """Remove words for colours from a name, unless nothing were left."""
    return " ".join(word for word in name.split() if word not in COLOUR_WORDS) or name


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What a caption says of what it need not say."""

    style: bool
    colour: bool


def choose_wording(subject: Subject, rng: random.Random) -> Wording:
    """Choose what to say; a colour that is not the thing's own must be."""
    style = rng.random() < _STYLE_NAMED
    return Wording(style=style, colour=subject.recoloured or (bool(subject.colour) and rng.random() < _COLOUR_NAMED))


def caption(subject: Subject, rng: random.Random, wording: Wording) -> str:
    """Choose one way to say it; mostly the plain one, which is what `Reading` makes of a prompt."""
    plain = rng.random() < _PLAIN
    name = subject.names[0] if plain or rng.random() < 0.5 else rng.choice(subject.names)
    if wording.colour:
        name = f"{subject.colour} {without_colour(name)}"
    text = _plainly(name, subject, wording) if plain else _in_other_words(name, subject, wording, rng)
    if subject.background:
        text += f" on {article(subject.background)} {subject.background} background"
    return text


def _plainly(name: str, subject: Subject, wording: Wording) -> str:
    return f"{subject.style} {name}" if wording.style else name


def _in_other_words(name: str, subject: Subject, wording: Wording, rng: random.Random) -> str:
    a, style = article(name), subject.style
    if rng.random() < 0.2:
        adjective = rng.choice(_ADJECTIVES)
        name, a = f"{adjective} {name}", article(adjective)
    if wording.style:
        forms = (f"{style} {name}", f"{a} {name}, {style} style", f"{style} style {name}", f"a {style} {name}")
        return rng.choice(forms)
    return f"{a} {name}" if rng.random() < 0.6 else rng.choice(_FRAMES).format(a=a, n=name)
