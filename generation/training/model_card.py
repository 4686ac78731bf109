"""The model card and the NOTICE that lie beside the weights: what it draws, what it learnt from, how well it does."""

from collections.abc import Sequence
from pathlib import Path

from generation.training.concepts import CONCEPTS
from generation.training.evaluation import EvaluationSettings, Measurement
from generation.training.packages import PACKAGES, Package, Role
from generation.training.recolouring import HELD_OUT_PAIRS, HUES
from generation.training.sample_grid import GRID_PROMPTS

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
        "The weights in this folder learnt from the artwork and names below. None of the artwork itself is included.\n"
        "The licences are those of the upstream projects; the npm packages repackage them.\n",
        *(_attribution(package) for package in PACKAGES if package.role is not Role.HELD_OUT),
        "Used for measuring; the recipe trains nothing on them:\n",
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
    measurements: Sequence[Measurement], settings: EvaluationSettings, *, megabytes: float, story: Sequence[str] = ()
) -> str:
    """Write README.md, plain words first. `story` is how these very weights came about, a paragraph each."""
    claimed = ", ".join(concept.name for concept in CONCEPTS)
    pairs = ", ".join(f"{colour} {label}" for label, colour in sorted(HELD_OUT_PAIRS))
    sources = "\n".join(f"| {p.upstream} | {p.name} {p.version} | {p.licence} | {p.role} |" for p in PACKAGES)
    held_out = ", ".join(p.upstream.partition(" (")[0] for p in PACKAGES if p.role is Role.HELD_OUT)
    seeds = (
        f"{settings.steps} steps of DPM++ 2M, guidance {settings.guidance:g}, float32; seeds count up from "
        f"{settings.first_seed}; {settings.concept_seeds} pictures a concept, {settings.pair_seeds} a never seen pair"
    )
    return f"""\
# The built-in model

It draws **emoji-like pictures of about {len(CONCEPTS)} things**, 64 pixels a side, and nothing else: no scenes, no
people, no letters. Most can be asked for in {", ".join(HUES)}, black or white ("a purple banana"),
and all in front of a plain colour ("a fox on a blue background"); "flat" asks for a flatter style. Of a prompt with no
word it knows it makes something at random.

It knows: {claimed}.

Prompts are read before the tokenizer sees them, by `reading.json`: plurals, emoji, other names, common misspellings and
some other languages' words become the names above, and what is no more than politeness is left out ("Please draw me two
red hearts!" is read as "red heart"). `python -m generation` and the bot do so; diffusers' own pipelines take prompts as
they are, so write the bare words there: "purple banana", "fox on a blue background".

It is a real Stable Diffusion, made small: tokenizer and text encoder, U-Net with cross-attention, noise schedule
and VAE, {megabytes:.1f} MB in half precision. diffusers' own pipelines load it, for text to image, image to image and
inpainting: `StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)`. Always pass `dtype`.

![48 prompts](grid.png)

The grid shows, as they come out, seeds 0 to {len(GRID_PROMPTS) - 1}: {"; ".join(GRID_PROMPTS)}.

## Measured

{seeds}.

The judge is a colour-blind classifier, trained on real pictures only, and never on the held-out styles
({held_out}). The ceiling is its score on real pictures of such a style. It knows the style
that the model draws in, so the model's pictures can be easier for it than its ceiling; the rows "the judge never saw
it" are of a second judge without that advantage.

{_table(measurements)}

Never seen pairs: {pairs}.

## How it was trained

`generation/training/` is the recipe; its files explain each choice. {" ".join(story)}

| source | npm package | licence | used as |
|---|---|---|---|
{sources}

"drawn": the style it draws in. "seen": for the VAE and the judge only. "held out": for measuring only. NOTICE has the
attributions.

## Known weaknesses

- It knows the words above; anything else comes out as a mixture of things it knows, or as a blob.
- Two things in one picture, counts, positions and actions ("a cat riding a bicycle") are beyond it.
- 64 pixels are few: faces and thin lines are soft. Enlarge with Lanczos.
- Pictures of one prompt are nearly the same for every seed: each thing was learnt from two drawings much alike.
- It repeats its training pictures' look closely, which is that of Microsoft's Fluent emoji (MIT licence).
"""


def _table(measurements: Sequence[Measurement]) -> str:
    rows = ["| measured | value | n | ceiling | of ceiling |", "|---|---|---|---|---|"]
    for m in measurements:
        name = m.name
        for package in PACKAGES:  # people know the project's name, not the recipe's word for its style
            project = package.upstream.partition(" (")[0]
            name = name.replace(f"style “{package.style}”", f"{project}, {package.style}")
        value = f"{m.value:.2f} {m.unit}" if m.unit != "%" else f"{m.value:.1f} %"
        ceiling = f"{m.ceiling:.1f} % (n = {m.ceiling_n})" if m.ceiling is not None else ""
        ratio = f"{m.value / m.ceiling:.2f}" if m.ceiling else ""
        rows.append(f"| {name} | {value} | {m.n} | {ceiling} | {ratio} |")
    return "\n".join(rows)


def save_card(folder: Path, card: str, attributions: str) -> None:
    """Write the card and the notice to `folder`."""
    (folder / "README.md").write_text(card, "utf-8")
    (folder / "NOTICE").write_text(attributions, "utf-8")
