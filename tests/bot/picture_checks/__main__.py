"""`python -m tests.bot.picture_checks`: how unsafe the picture check finds pictures that are known to be harmless.

What would be held is named. `--artwork FOLDER` looks at the artwork of the built-in model's recipe as well, on white,
for some minutes: FOLDER is the work folder of `python -m generation.training`, or a new one, into which npm fetches it.
"""

import argparse
import asyncio
import colorsys
import statistics
import time
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from bot.picture_checks.opennsfw import OpenNsfwCheck
from tests.bot.picture_checks.known_pictures import COLOURS, FOURS, GRID, SKIN_TONES, wall
from tests.pictures import png_of

HELD_FROM = 0.5

Named: TypeAlias = tuple[str, bytes]  #: what a picture is called, and a PNG


def warm_colours() -> Iterator[str]:
    """Reds, oranges and yellows, 1,080 of them: all that skin is like, and more."""
    for hue, saturation, value in product(range(0, 60, 5), range(1, 11), range(2, 11)):
        red, green, blue = colorsys.hsv_to_rgb(hue / 360, saturation / 10, value / 10)
        yield f"#{int(255 * red):02x}{int(255 * green):02x}{int(255 * blue):02x}"


def walls(colours: Iterable[str]) -> Iterator[Named]:
    """Paint a picture with each colour."""
    return ((colour, wall(colour)) for colour in colours)


def drawn(pictures: Iterable[Image.Image]) -> Iterator[Named]:
    """Number a sheet's pictures, from 1."""
    return ((f"picture {number}", png_of(picture)) for number, picture in enumerate(pictures, 1))


def artwork(folder: Path) -> Iterator[Named]:
    """Draw each picture of the artwork on white."""
    from generation.training.artwork import collect

    collection = collect(folder, 64)
    for pixels, drawing in zip(collection.pictures, collection.drawings, strict=True):
        picture = Image.fromarray(pixels)
        on_white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
        yield f"{drawing.entry.label}, {drawing.style}", png_of(on_white)


async def measure(name: str, pictures: Iterable[Named], check: OpenNsfwCheck) -> None:
    """Print one line about a set, and one for each picture that would be held."""
    scores: list[float] = []
    took: list[float] = []
    held: list[str] = []
    for title, png in pictures:
        began = time.perf_counter()
        score = await check.score(png, asked="")
        took.append(time.perf_counter() - began)
        scores.append(score)
        if score >= HELD_FROM:
            held.append(f"    {score:.4f} {title}")
    print(
        f"{name:36} {len(scores):7} {len(held):5} {statistics.median(scores):8.4f} {max(scores):8.4f} "
        f"{1000 * statistics.median(took):8.1f} ms"
    )
    for line in held:
        print(line)


async def main() -> None:
    """Measure every set."""
    parser = argparse.ArgumentParser(prog="python -m tests.bot.picture_checks", description=__doc__)
    parser.add_argument("--artwork", type=Path, metavar="FOLDER", help="the artwork too")
    options = parser.parse_args()
    check = OpenNsfwCheck()
    await check.start()
    print(f"{'':36} pictures held   median  highest   a picture")
    await measure("the built-in model, 48 prompts", drawn(GRID), check)
    await measure("the built-in model, 12 prompts x 4", drawn(FOURS), check)
    await measure("plain colours", walls(COLOURS), check)
    await measure("plain skin tones", walls(SKIN_TONES), check)
    await measure("plain warm colours", walls(warm_colours()), check)
    if options.artwork is not None:
        await measure("the recipe's artwork", artwork(options.artwork), check)
    await check.close()


if __name__ == "__main__":
    asyncio.run(main())
