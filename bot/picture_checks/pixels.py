"""From a PNG of ours to pixels, within bounds."""

import io

from PIL import Image

from bot.errors import CheckFault
from generation.request import MAX_SIZE

MOST_PIXELS = MAX_SIZE**2  #: of the largest that is drawn; what comes from outside is smaller


def opened(png: bytes) -> Image.Image:
    """Decode a PNG to RGB; for a thread. Raises CheckFault for one that is too large, and for anything else."""
    try:
        picture = Image.open(io.BytesIO(png), formats=("PNG",))
        if picture.width * picture.height <= MOST_PIXELS:
            return picture.convert("RGB")
    except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to
        raise CheckFault(detail=f"{type(error).__name__}: {error}") from error
    raise CheckFault(detail=f"{picture.width}x{picture.height} pixels are too many")
