"""`python -m tests.bot.picture_checks`: how unsafe the picture check finds pictures that are known to be harmless.

`--artwork FOLDER` looks at the artwork of the built-in model's recipe as well, on white, 4 minutes: FOLDER is that of
`python -m generation.training`, or a new one, into which npm fetches the artwork; that needs the extra `training`.
"""

import argparse
import asyncio
import colorsys
import statistics
import time
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

from PIL import Image

from bot.picture_checks.opennsfw import OpenNsfwCheck
from tests.bot.picture_checks.known_pictures import COLOURS, FOURS, GRID, SKIN_TONES, wall
from tests.pictures import png_of

HELD_FROM = 0.5


def warm_colours() -> Iterator[str]:
    """Reds, oranges and yellows, 1,080 of them: all that skin is like, and more."""
    for hue, saturation, value in product(range(0, 60, 5), range(1, 11), range(2, 11)):
        red, green, blue = colorsys.hsv_to_rgb(hue / 360, saturation / 10, value / 10)
        yield f"#{int(255 * red):02x}{int(255 * green):02x}{int(255 * blue):02x}"


def artwork(folder: Path) -> Iterator[bytes]:
    """Draw each picture of the artwork on white."""
    from generation.training.artwork import collect

    for pixels in collect(folder, 64).pictures:
        picture = Image.fromarray(pixels, "RGBA")
        yield png_of(Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB"))


async def measure(name: str, pictures: Iterable[bytes], check: OpenNsfwCheck) -> None:
    """Print one line about a set."""
    scores: list[float] = []
    took: list[float] = []
    for png in pictures:
        began = time.perf_counter()
        scores.append(await check.score(png, asked=""))
        took.append(time.perf_counter() - began)
    held = sum(score >= HELD_FROM for score in scores)
    print(
        f"{name:36} {len(scores):7} {held:5} {statistics.median(scores):8.4f} {max(scores):8.4f} "
        f"{1000 * statistics.median(took):6.1f} ms"
    )


async def main() -> None:
    """Measure every set."""
    parser = argparse.ArgumentParser(prog="python -m tests.bot.picture_checks", description=__doc__)
    parser.add_argument("--artwork", type=Path, metavar="FOLDER", help="the artwork too")
    options = parser.parse_args()
    check = OpenNsfwCheck()
    await check.start()
    print(f"{'':36} pictures  held   median  highest   a picture")
    await measure("the built-in model, 48 prompts", map(png_of, GRID), check)
    await measure("the built-in model, 12 prompts x 4", map(png_of, FOURS), check)
    await measure("plain colours", map(wall, COLOURS), check)
    await measure("plain skin tones", map(wall, SKIN_TONES), check)
    await measure("plain warm colours", map(wall, warm_colours()), check)
    if options.artwork is not None:
        await measure("the recipe's artwork", artwork(options.artwork), check)
    await check.close()


if __name__ == "__main__":
    asyncio.run(main())
