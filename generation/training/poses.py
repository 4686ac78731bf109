# pyright: reportUnknownMemberType=false
"""One drawing as several pictures: mirrored, smaller, moved and turned a little.

Learnt from one upright drawing in the middle, a thing comes out the same whatever the noise. A thing that was seen in
a few ways comes out in the one that its noise looks most like (`diffusion.py` says how). They are few and fixed, since
a network this small learns a handful of pictures of a thing by heart, while any pose at all stayed a blob for 6,000
steps (poses from a continuum, 12 a drawing).
"""

import math
import random
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from generation.training.recolouring import Floats

_SMALLEST, _LARGEST = 0.78, 0.94  #: times the drawing's own size, which leaves a margin of a twentieth
_TURN = 10.0  #: degrees, to either side
_DRAWN_SHARE = 0.9  #: of a picture's side that is drawn on at scale 1; what is left is room to move


@dataclass(frozen=True, kw_only=True)
class Pose:
    """How a drawing stands in its picture."""

    mirrored: bool = False
    scale: float = 1.0
    turn: float = 0.0  #: degrees, counterclockwise
    across: float = 0.0  #: to the right, in widths of the picture
    down: float = 0.0  #: in heights of the picture


def poses_of(label: str, style: str) -> tuple[Pose, ...]:
    """Return the poses of one artist's drawing of a thing, always the same.

    Of the commonest style there are two, the first as it was drawn, the second mirrored. "flat" stands as that second
    one, of which it is the plain twin; the others stand as they like, and every other of them is mirrored.
    """
    upright, turned = Pose(), _some_pose(f"{label} 3d", mirrored=True)
    if style == "3d":
        return upright, turned
    return (turned,) if style == "flat" else (_some_pose(f"{label} {style}", mirrored=style == "retro"),)


def _some_pose(seed: str, *, mirrored: bool) -> Pose:
    """Choose a pose in which the whole drawing stays within its picture, but for a turned corner."""
    rng = random.Random(seed)
    scale = rng.uniform(_SMALLEST, _LARGEST)
    room = (1 - _DRAWN_SHARE * scale) / 2
    return Pose(
        mirrored=mirrored,
        scale=scale,
        turn=rng.uniform(-_TURN, _TURN),
        across=rng.uniform(-room, room),
        down=rng.uniform(-room, room),
    )


def posed(rgb: Floats, alpha: Floats, pose: Pose) -> tuple[Floats, Floats]:
    """Return a drawing [h, w, 3] and its alpha [h, w], 0 to 1, in that pose; transparent where nothing is drawn."""
    angle, scale = math.radians(pose.turn), 1 / pose.scale
    mirror = -1.0 if pose.mirrored else 1.0
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    # From a point of the picture, -1 to 1, to the drawing's: moved back, turned back, then mirrored.
    rows = [[mirror * cos, -mirror * sin, 0.0], [sin, cos, 0.0]]
    for row in rows:
        row[2] = -2 * (row[0] * pose.across + row[1] * pose.down)
    premultiplied = np.concatenate([rgb * alpha[..., None], alpha[..., None]], -1).astype(np.float32)
    picture = torch.from_numpy(premultiplied).permute(2, 0, 1)[None]
    grid = F.affine_grid(torch.tensor([rows]), list(picture.shape), align_corners=False)
    moved = F.grid_sample(picture, grid, mode="bicubic", padding_mode="zeros", align_corners=False)
    out = moved[0].permute(1, 2, 0).clamp(0, 1).numpy()
    opacity = out[..., 3]
    return np.clip(out[..., :3] / np.maximum(opacity, 1e-3)[..., None], 0, 1), opacity
