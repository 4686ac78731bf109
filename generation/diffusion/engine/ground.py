"""A plain ground around a picture, for a shape that its model does not draw well."""

import numpy as np
from PIL import Image


def on_ground(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Set a picture in the middle of a ground of this size in pixels, of the colour that most of its edge has.

    A picture of that size already is given back as it is.
    """
    if picture.size == size:
        return picture
    pixels = np.asarray(picture.convert("RGB"))
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = np.median(edge, axis=0).astype(int).tolist()  # per channel: few odd pixels do not tint it
    ground = Image.new("RGB", size, (red, green, blue))
    ground.paste(picture, ((size[0] - picture.width) // 2, (size[1] - picture.height) // 2))
    return ground
