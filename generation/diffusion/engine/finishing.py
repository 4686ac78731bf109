"""Finishing turns denoised images into pictures: decodes one at a time, and writes PNG in another thread."""

import logging
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import torch
from PIL import Image
from torch import Tensor

from generation.diffusion.engine.batch import ImageRun, JobRun
from generation.diffusion.engine.blending import blended
from generation.diffusion.engine.ground import on_ground
from generation.diffusion.failures import attempt, is_out_of_memory, require_finite
from generation.diffusion.loading.model import LoadedModel
from generation.diffusion.transfer import to_host
from generation.inputs import pasted_back
from generation.metadata import png_of
from generation.reframing import finished
from generation.result import GeneratedImage

log = logging.getLogger(__name__)


class Finishing:
    """The engine's last stage: images that wait to be decoded, and those that are being written."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self.waiting: list[ImageRun] = []  #: denoised, not decoded
        self._written: list[tuple[ImageRun, Future[GeneratedImage]]] = []  #: decoded, being written
        # A large PNG takes as long as several steps; the device need not wait for it.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="png encoder")

    def drop(self, run: JobRun) -> None:
        """Forget a job's images."""
        self.waiting = [image for image in self.waiting if image.run is not run]
        self._written = [pair for pair in self._written if pair[0].run is not run]

    def decode(self, image: ImageRun) -> None:
        """Decode an image, and have it written, or drawn on in its next pass; the last tile has the picture written.

        Raises BrokenImage, and what the device raises.
        """
        pixels = self._pixels(image)
        if image.has_another_pass:
            image.go_on(picture_of(pixels))
            return
        if image.box is not None:
            drawn = image.run.drawn[image.index]
            drawn.append((image.box, picture_of(pixels)))
            if len(drawn) < len(image.run.tiles):
                return
        self._written.append((image, self._writer.submit(self._write, image, pixels)))

    def collect(self, *, waiting: bool) -> list[tuple[ImageRun, Future[GeneratedImage]]]:
        """Return the images that are written or failed by now; with `waiting`, wait for one if any is under way."""
        if waiting and self._written:
            wait([future for _, future in self._written], return_when=FIRST_COMPLETED)
        done = [pair for pair in self._written if pair[1].done()]
        self._written = [pair for pair in self._written if pair not in done]
        return done

    def _pixels(self, image: ImageRun) -> Tensor:
        """Decode to pixels [1, 3, H, W] on the CPU. Raises BrokenImage."""
        require_finite(image.latents, "latents")
        pixels = attempt(
            lambda: self._model.decode(image.latents),
            caught=lambda error: is_out_of_memory(error) and self._model.save_memory(),
        )
        if pixels is None:
            log.warning("out of memory while decoding; decoding in tiles from now on")
            self._model.release_memory()
            pixels = self._model.decode(image.latents)
        require_finite(pixels, "pixels")
        return to_host(pixels)

    def _write(self, image: ImageRun, pixels: Tensor) -> GeneratedImage:
        """Put the picture together and encode the PNG, in the writer's thread."""
        request = image.run.job.request
        if image.box is None:
            picture = on_ground(picture_of(pixels), request.size)
        else:
            picture = blended(image.run.drawn.pop(image.index), request.size)
        if request.mask is not None or request.reframing is not None:
            inputs = image.run.job.inputs()
            inputs.require(request)
            source = inputs.source or b""
            picture = picture if inputs.mask is None else pasted_back(picture, source, inputs.mask)
            picture = finished(request.reframing, picture, source)
        read = image.run.read[image.index]
        png = png_of(picture, request, seed=image.seed, model_hash=self._model.model_hash, read=read)
        return GeneratedImage(index=image.index, seed=image.seed, width=picture.width, height=picture.height, png=png)


def picture_of(pixels: Tensor) -> Image.Image:
    """Turn decoded pixels [1, 3, H, W], nominally in -1..1, into a picture."""
    precise = pixels[0].to(torch.promote_types(pixels.dtype, torch.float32))
    unit = (precise / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).float()  # rounded where diffusers rounds
    return Image.fromarray((unit * 255).round().to(torch.uint8).numpy())
