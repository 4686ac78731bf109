# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""Latents -> a small picture, cheaply: a linear map from latent channels to colours instead of the VAE.

The map is fitted once to the model's own VAE, by least squares on a few smooth random latents, so that it needs no
table of constants and fits any model.
"""

import io
import logging

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from generation.diffusion.engine.batch import ImageRun
from generation.diffusion.engine.ground import on_ground
from generation.diffusion.loading.model import LoadedModel

log = logging.getLogger(__name__)

_SAMPLES = 24
_SAMPLE_SIDE = 8  #: latent pixels
_OVERVIEW = 512  #: pixels of the longer side, at most, that a picture drawn in tiles is shown at


class Previews:
    """Draws previews for one model, or none once a preview has failed."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._map: PreviewMap | None = None
        self._work = True

    def draw(self, image: ImageRun, prediction: Tensor) -> bytes | None:
        """Draw a JPEG in the picture's size, from its latents and prediction [1, C, h, w] so far; None on failure."""
        if not self._work:
            return None
        try:
            self._map = self._map or PreviewMap(self._model)
            guess = image.schedule.predicted_original(image.model_input(), prediction, image.step)
            drawn = self._map.picture(guess, image.size)
            return _jpeg(on_ground(drawn, image.ground) if image.box is None else _in_its_place(image, drawn))
        except Exception:
            log.exception("previews of %s do not work; there will be none", self._model.spec.name)
            self._work = False
            return None


class PreviewMap:
    """The linear map from latents to colours that is fitted to one model."""

    def __init__(self, model: LoadedModel) -> None:
        self._weights = _fit(model)

    def picture(self, latents: Tensor, size: tuple[int, int]) -> Image.Image:
        """Turn latents [1, C, h, w] into a picture of this size in pixels."""
        flat = latents[0].float().flatten(1).T.cpu()
        pixels = torch.cat([flat, torch.ones(len(flat), 1)], dim=1) @ self._weights
        height, width = latents.shape[2:]
        bytes_ = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).reshape(height, width, 3).numpy()
        return Image.fromarray(bytes_).resize(size, Image.Resampling.BICUBIC)


def _in_its_place(image: ImageRun, drawn: Image.Image) -> Image.Image:
    """Show a tile in the picture that it is part of, beside those that were shown before, at a size to look at."""
    run = image.run
    if run.source is None or image.box is None:
        return drawn
    if run.overview is None:
        run.overview = run.source.copy()
        run.overview.thumbnail((_OVERVIEW, _OVERVIEW))
    scale = run.overview.width / run.source.width
    left, top, right, bottom = (round(side * scale) for side in image.box)
    run.overview.paste(drawn.resize((right - left, bottom - top)), (left, top))
    return run.overview


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=75)
    return out.getvalue()


@torch.inference_mode()
def _fit(model: LoadedModel) -> Tensor:
    """Fit weights [C + 1, 3], the last row being the offset. Raises ValueError for a VAE that decodes to NaN."""
    channels, _, _ = model.latent_shape(model.spec.native_size, model.spec.native_size)
    generator = torch.Generator("cpu").manual_seed(0)
    # Smooth patches: that is what latents of pictures look like, and what a colour is decided by.
    coarse = torch.randn(_SAMPLES, channels, 2, 2, generator=generator)
    latents = functional.interpolate(coarse, size=(_SAMPLE_SIDE, _SAMPLE_SIDE), mode="bilinear") * 1.5
    pixels = model.decode(latents.to(model.device, model.dtype)).float().cpu()
    pixels = functional.adaptive_avg_pool2d(pixels, _SAMPLE_SIDE)
    inputs = latents.permute(0, 2, 3, 1).reshape(-1, channels)
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
    if not bool(torch.isfinite(pixels).all()):
        raise ValueError("the VAE decodes smooth noise to NaN or infinity")
    return torch.linalg.lstsq(inputs, pixels.permute(0, 2, 3, 1).reshape(-1, 3)).solution
