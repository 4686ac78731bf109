"""The model card and the NOTICE that lie beside the weights: what it draws, what it learnt from, how well it does."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from generation.training.evaluation import Measurement
from generation.training.packages import PACKAGES, Package, Role
from generation.training.painter import EvaluationSettings
from generation.training.recolouring import HELD_OUT_PAIRS, HUES
from generation.training.sample_grid import FOUR_PROMPTS, FOUR_SEEDS, GRID_PROMPTS

_COPYRIGHTS = {
    "Microsoft Fluent Emoji (microsoft/fluentui-emoji)": "Copyright (c) Microsoft Corporation. MIT License.",
    "Noto Emoji (googlefonts/noto-emoji)": "Copyright Google LLC. Images under the Apache License, Version 2.0.",
    "Noto Emoji, the older drawings (googlefonts/noto-emoji)": (
        "Copyright Google LLC. Images under the Apache License, Version 2.0."
    ),
    "FxEmojis (mozilla/fxemoji)": "Copyright Mozilla Foundation. Apache License, Version 2.0.",
    "EmojiTwo (EmojiTwo/emojitwo)": (
        "Emoji artwork by EmojiTwo, https://github.com/EmojiTwo/emojitwo, licensed under CC BY 4.0. "
        "Changes: rasterised, recoloured, used to train a neural network."
    ),
    "Twemoji (jdecked/twemoji)": (
        "Copyright Twitter, Inc and other contributors, graphics licensed under CC BY 4.0, "
        "https://github.com/jdecked/twemoji. Changes: rasterised, recoloured, used to train a neural network."
    ),
    "EmojiOne 1 (joypixels/emojione)": (
        "Emoji provided free by Emoji One, http://emojione.com, licensed under CC BY-SA 4.0."
    ),
    "OpenMoji (hfg-gmuend/openmoji)": (
        "OpenMoji, the open-source emoji and icon project, https://openmoji.org, licensed under CC BY-SA 4.0."
    ),
    "emojibase (milesj/emojibase): CLDR names and keywords": (
        "Copyright (c) Miles Johnson. MIT License. Contains names and keywords of Unicode CLDR, "
        "Copyright Unicode, Inc., Unicode License v3."
    ),
}

_MIT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def notice() -> str:
    """Write the attributions of the upstream projects."""
    parts = [
        "The weights in this folder and its LoRAs learnt from the artwork and names below.\n"
        "None of the artwork itself is included.\n"
        "The licences are those of the upstream projects; the npm packages repackage them.\n",
        *(_attribution(package) for package in PACKAGES if package.role is not Role.HELD_OUT),
        "Used for measuring; nothing in this folder learnt from them:\n",
        *(_attribution(package) for package in PACKAGES if package.role is Role.HELD_OUT),
        "The MIT License, of the projects so marked:\n\n" + _MIT,
        "Apache License, Version 2.0: https://www.apache.org/licenses/LICENSE-2.0\n",
        "Creative Commons Attribution 4.0 International: https://creativecommons.org/licenses/by/4.0/\n",
    ]
    return "\n".join(parts)


def _attribution(package: Package) -> str:
    source = f"by way of {package.name} {package.version} (npm)"
    return f"{package.upstream}\n  {source}\n  {_COPYRIGHTS[package.upstream]}\n"


def model_card(
    measurements: Sequence[Measurement],
    settings: EvaluationSettings,
    *,
    megabytes: float,
    groups: Mapping[str, Sequence[str]],
    styles: Sequence[str],
    story: Sequence[str] = (),
) -> str:
    """Write README.md, plain words first.

    `groups` are the names of all it draws, by group, `styles` those it knows by name; `story` is how these very weights
    came about, a paragraph each.
    """
    claimed = "\n".join(f"- **{group}** ({len(names)}): {', '.join(names)}" for group, names in groups.items())
    pairs = ", ".join(f"{colour} {label}" for label, colour in sorted(HELD_OUT_PAIRS))
    sources = "\n".join(
        f"| {p.upstream} | {p.name} {p.version} | {p.licence} | {_used_as(p, styles)} |" for p in PACKAGES
    )
    held_out = ", ".join(p.upstream.partition(" (")[0] for p in PACKAGES if p.role is Role.HELD_OUT)
    known = ", ".join(f"{p.style} ({p.upstream.partition(' (')[0]})" for p in PACKAGES if p.style in styles)
    fours = ", ".join(prompt for prompt in dict.fromkeys(FOUR_PROMPTS))
    seeds = (
        f"{settings.steps} steps of DPM++ 2M, guidance {settings.guidance:g}, float32; seeds count up from "
        f"{settings.first_seed}; {settings.concept_seeds} pictures a concept, {settings.pair_seeds} a never seen pair"
    )
    nearest = ""
    if any(m.name.startswith("style right") for m in measurements):
        nearest = (
            "\nA style is right where the picture is nearest to that artist's drawing of the thing, of all artists'.\n"
        )
    return f"""\
# The built-in model

It draws **emoji-like pictures of {sum(map(len, groups.values()))} things**, 64 pixels a side, and nothing else: no
scenes, no people, no letters. Most can be asked for in {", ".join(HUES)}, black or white ("a purple banana"), and all
in front of a plain colour ("a fox on a blue background"). Styles can be asked for by name: {known}.
A prompt that names nothing it knows becomes something at random.

It is a real Stable Diffusion, made small: tokenizer and text encoder, U-Net with cross-attention, noise schedule
and VAE, {megabytes:.1f} MB in half precision. diffusers' own pipelines load it, for text to image, image to image and
inpainting: `StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)`. Always pass `dtype`.

Prompts are read before the tokenizer sees them, by `reading.json`: plurals, emoji, other names, common misspellings and
some other languages' words become the names below, and what is no more than politeness is left out ("Please draw me two
red hearts!" is read as "red heart"). `python -m generation` and the bot do so; diffusers' own pipelines take prompts as
they are, so write the bare words there: "purple banana", "fox on a blue background", "flat cat".

![12 things, each with the same four seeds](fours.png)

Four pictures each, two things a row, seeds {FOUR_SEEDS[0]} to {FOUR_SEEDS[-1]}: {fours}.

![48 prompts](grid.png)

48 prompts, seeds 0 to {len(GRID_PROMPTS) - 1}: {"; ".join(GRID_PROMPTS)}. Both sheets are as they came out.

## What it knows

{claimed}

## Measured

{seeds}.

The judges are colour-blind classifiers, trained on real pictures only. The first knows the styles that the model draws
in, and never saw {held_out}, whose real pictures are its ceiling. The rows "the judge never saw it" are of a
second judge, which knows only styles that the model does not draw in; its ceiling are real pictures of one it does.
{nearest}

{_table(measurements)}

Never seen pairs: {pairs}.

## How it was trained

`generation/training/` is the recipe; its files explain each choice. {" ".join(story)}

| source | npm package | licence | used as |
|---|---|---|---|
{sources}

"drawn": a style it draws in. "seen": for the VAE and judges only. "held out": for judges only. NOTICE has the
attributions.

## LoRAs

`loras/outlined` and `loras/night` change its attention layers, rank 16. `lora --style outlined` taught the first one
for 26 minutes (3,485 steps of 32 pictures), `lora --style night` the second one for 10, with other work on the same two
cores. They learnt from the artwork marked "drawn", drawn anew by `generation/training/lora_styles.py`, and are under
its licences. Simple shapes come out best: of "outlined" a heart or a star, hardly a face.

## Known weaknesses

- It knows the words above; anything else comes out as a mixture of things it knows, or as a blob.
- Two things in one picture, counts, positions and actions ("a cat riding a bicycle") are beyond it: it draws the first.
- 64 pixels are few: faces and thin lines are soft. Enlarge with Lanczos.
- The noise decides between the drawings of {len(styles)} styles and between poses, no more: the rows on four pictures
  above say how far apart pictures of one prompt come out.
- It repeats its training pictures' look closely, which is that of the artists named above.
"""


def _table(measurements: Sequence[Measurement]) -> str:
    rows = ["| measured | value | n | ceiling | of ceiling |", "|---|---|---|---|---|"]
    for m in measurements:
        name = m.name
        for package in PACKAGES:  # people know the project's name, not the recipe's word for its style
            project = package.upstream.partition(" (")[0]
            name = name.replace(f"style “{package.style}”", f"{project}, {package.style}")
        value = f"{m.value:.1f} %" if m.unit == "%" else f"{m.value:.2f} {m.unit}" if m.unit else f"{m.value:.3g}"
        ceiling = f"{m.ceiling:.1f} % (n = {m.ceiling_n})" if m.ceiling is not None else ""
        ratio = f"{m.value / m.ceiling:.2f}" if m.ceiling else ""
        rows.append(f"| {name} | {value} | {m.n} | {ceiling} | {ratio} |")
    return "\n".join(rows)


def _used_as(package: Package, styles: Sequence[str]) -> Role:
    """What a package was used for in a model of these styles, which may be fewer than the recipe draws in now."""
    return Role.SEEN if package.role is Role.DRAWN and package.style not in styles else package.role


def save_card(folder: Path, card: str, attributions: str) -> None:
    """Write the card and the notice to `folder`."""
    (folder / "README.md").write_text(card, "utf-8")
    (folder / "NOTICE").write_text(attributions, "utf-8")
