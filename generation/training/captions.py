"""What a training picture is called. A caption says what can be seen and nothing else, in the many ways people type
it.

An unnamed style is always the first one: one caption, one kind of picture. Where a caption could mean pictures of
several artists, a small network spends most of its time learning their average, which is a blob.
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
_ENDINGS = ("highly detailed", "digital art", "best quality", "icon", "sticker", "centered", "4k", "illustration")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What there is to say of one training picture."""

    label: str  #: of its concept
    names: tuple[str, ...]
    tags: tuple[str, ...] = ()
    style: str = "3d"
    plain_style: bool = True  #: drawn in the style that goes without saying
    colour: str | None = None  #: its one colour, if it has one
    recoloured: bool = False  #: the colour must be said: it is not the thing's own
    background: str | None = None


def article(name: str) -> str:
    """Return "an" before a vowel and "a" before others."""
    return "an" if name[0] in "aeiou" else "a"


def without_colour(name: str) -> str:
    """Remove words for colours from a name, unless nothing were left."""
    return " ".join(word for word in name.split() if word not in COLOUR_WORDS) or name


def caption(subject: Subject, rng: random.Random) -> str:
    """Choose one way to describe the picture."""
    name = rng.choice(subject.names)
    if rng.random() < 0.5:
        name = subject.names[0]
    if subject.recoloured or (subject.colour and rng.random() < 0.35):
        name = f"{subject.colour} {without_colour(name)}"
    if rng.random() < 0.12:
        name = f"{rng.choice(_ADJECTIVES)} {name}"
    text = _with_style(name, subject, rng)
    if subject.tags and rng.random() < 0.1:
        text += ", " + ", ".join(rng.sample(subject.tags, min(len(subject.tags), rng.randint(1, 2))))
    if subject.background:
        text += f" on {article(subject.background)} {subject.background} background"
    elif rng.random() < 0.08:
        text += " on a white background"
    if rng.random() < 0.06:
        text += ", " + ", ".join(rng.sample(_ENDINGS, rng.randint(1, 2)))
    return text


def _with_style(name: str, subject: Subject, rng: random.Random) -> str:
    a, style = article(name), subject.style
    if not subject.plain_style or rng.random() < 0.1:
        return rng.choice(
            (f"{style} {name}", f"{a} {name}, {style} style", f"{style} style {name}", f"a {style} {name}")
        )
    draw = rng.random()
    if draw < 0.35:
        return name
    if draw < 0.75:
        return f"{a} {name}"
    return rng.choice(_FRAMES).format(a=a, n=name)
