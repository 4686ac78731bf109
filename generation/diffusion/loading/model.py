"""LoadedModel: a model of some family on one device, with its prompts, its graphs and its place in memory."""

import platform
from collections import OrderedDict
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import diffusers
import torch
from PIL import Image
from torch import Tensor

from generation.catalog import ModelSpec
from generation.diffusion.compiled.graphs import Graphs
from generation.diffusion.failures import attempt, is_out_of_memory
from generation.diffusion.families.base import (
    Conditioning,
    Family,
    Inputs,
    LatentShape,
    Looked,
    PromptConditioning,
)
from generation.diffusion.families.calls import part_of
from generation.diffusion.families.placement import MAIN_MEMORY, Placement, decode_in_tiles, move
from generation.diffusion.loading.adapters import Adapters, Wanted
from generation.diffusion.threads import threads_for
from generation.loras import LoraUse, hashes_text
from generation.request import SYNTAX
from generation.result import DrawnWith

EVERYTHING_ON_THE_DEVICE = Placement()
REMEMBERED_PROMPTS = 64  #: of a few hundred kB each for SDXL


class LoadedModel:
    """What the engine draws with. Only the worker's thread calls it."""

    def __init__(
        self,
        family: Family,
        *,
        model_hash: "Future[str] | None" = None,
        placement: Placement = EVERYTHING_ON_THE_DEVICE,
        graphs: Graphs | None = None,
    ) -> None:
        self.family = family
        self.device = family.parts.device
        self.dtype = family.parts.dtype
        self.placement = placement
        self.graphs = graphs
        self.adapters = Adapters(family)
        self.threads = threads_for(family.parts.denoiser, self.device)
        self._denoise = part_of("denoiser", family.parts.denoiser).call
        self._encoded: OrderedDict[tuple[object, ...], PromptConditioning] = OrderedDict()
        self._model_hash = model_hash

    @property
    def spec(self) -> ModelSpec:
        """What is known of the model."""
        return self.family.spec

    @property
    def model_hash(self) -> str | None:
        """The first ten hex digits of the weights' sha256, AUTOMATIC1111's "Model hash"; None until it is computed."""
        future = self._model_hash
        return future.result() if future is not None and future.done() and future.exception() is None else None

    def drawn_with(self, *, rows: int, loras: Sequence[LoraUse] = ()) -> DrawnWith:
        """Say what it draws with, for pictures with these LoRAs whose calls had so many rows at most."""
        cuda = self.device.type == "cuda"
        return DrawnWith(
            model_hash=self.model_hash or "",
            torch=torch.__version__,
            diffusers=diffusers.__version__,
            device=torch.cuda.get_device_name(self.device) if cuda else f"{self.device.type} {platform.machine()}",
            dtype=str(self.dtype).removeprefix("torch."),
            rows=rows,
            lora_hashes=hashes_text(loras),
        )

    def latent_shape(self, width: int, height: int) -> LatentShape:
        """Return [C, h, w] of an image of this many pixels."""
        return self.family.parts.latent_shape(width, height)

    def encode(
        self,
        prompt: str,
        negative_prompt: str,
        *,
        guidance_scale: float,
        width: int,
        height: int,
        syntax: int = SYNTAX,
        loras: Wanted = (),
    ) -> PromptConditioning:
        """Encode as Family says, with the LoRAs' parts for text encoders.

        The last prompts are remembered, since reruns ask for them again.
        """
        added = tuple((adapter.sha256, weight) for adapter, weight in loras)
        key = (prompt, negative_prompt, syntax, guidance_scale, width, height, added)
        encoded = self._encoded.pop(key, None)
        if encoded is None:
            size = {"width": width, "height": height}
            with self._text_encoders(), self.adapters.in_text_encoders(loras), torch.inference_mode():
                encoded = self.family.encode(
                    prompt, negative_prompt, syntax=syntax, guidance_scale=guidance_scale, **size
                )
        self._encoded[key] = encoded
        if len(self._encoded) > REMEMBERED_PROMPTS:
            self._encoded.popitem(last=False)
        return encoded

    @torch.inference_mode()
    def look(self, source: Image.Image, mask: Image.Image | None) -> Looked:
        """Encode pictures to begin with, as Family says; where memory runs out, in tiles from now on."""
        looked = attempt(
            lambda: self.family.look(source, mask),
            caught=lambda error: is_out_of_memory(error) and self.save_memory(),
        )
        if looked is not None:
            return looked
        self.release_memory()
        return self.family.look(source, mask)

    @contextmanager
    def _text_encoders(self) -> Generator[None]:
        """Hold the text encoders on the device."""
        if not self.placement.text_encoders_wait:
            yield
            return
        encoders = self.family.parts.text_encoders
        try:
            move(encoders, self.device)
            yield
        finally:
            move(encoders, MAIN_MEMORY)

    @torch.inference_mode()
    def predict_noise(
        self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning, *, eager: bool = False
    ) -> Tensor:
        """Call the denoiser once: latents [R, C, h, w], timesteps float32 [R] -> prediction [R, C, h, w].

        A graph answers where one is ready for this number of rows, see `row_buckets`, unless the call is `eager` or
        has LoRAs or texts of several lengths, which no graph knows.
        """
        inputs = self.family.denoiser_inputs(latents, timesteps, conditioning)
        is_known = conditioning.loras is None and conditioning.mask is None
        if eager or self.graphs is None or not is_known:
            with self.adapters.columns.applied(conditioning.loras):
                return self._denoise(*inputs)
        return self.graphs.call("denoiser", inputs)

    def row_buckets(self, shape: tuple[LatentShape, int]) -> tuple[int, ...]:
        """Return the row counts with a graph, at this latent shape and text length, smallest first; often none."""
        latent_shape, tokens = shape
        return self.graphs.rows(latent_shape, tokens) if self.graphs is not None else ()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode: latents [B, C, h, w] -> pixels [B, 3, H, W], nominally in -1..1."""
        inputs: Inputs = self.family.decoder_inputs(latents)
        vae = self.family.parts.vae
        if self.graphs is not None and not vae.use_tiling:
            return self.graphs.call("vae", inputs)
        return vae.decode(*inputs, return_dict=False)[0]

    def save_memory(self) -> bool:
        """Encode and decode in tiles from now on, after memory ran out; return False when that is already so."""
        if self.family.parts.vae.use_tiling:
            return False
        decode_in_tiles(self.family.parts.vae)
        return True

    def release_memory(self) -> None:
        """Give back, after memory ran out, what is only kept to be faster."""
        if self.graphs is not None:
            self.graphs.drop_recordings()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def synchronize(self) -> None:
        """Wait for the device, so that a clock read now tells the truth."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @torch.inference_mode()
    def idle(self) -> bool:
        """Take up one compiled graph while nothing is drawn; return whether there may be more soon."""
        return self.graphs is not None and self.graphs.idle()

    def distrust(self) -> None:
        """Have the next run go without what may have caused the loss of the device."""
        if self.graphs is not None:
            self.graphs.distrust()

    def close(self) -> None:
        """End the compiling that runs beside the model. May be called twice."""
        if self.graphs is not None:
            self.graphs.close()
