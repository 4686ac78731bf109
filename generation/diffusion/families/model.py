"""LoadedModel: encode prompts, predict noise, decode latents. One subclass a model family.

Shapes: a latent is [C, h, w] with C = 4 and h, w = pixels / `vae_scale_factor`; a row of the running batch is one
latent with one timestep and one text embedding [T, D] (T tokens, D features).
"""

from collections import OrderedDict
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from generation.catalog import ModelSpec
from generation.diffusion.calls import UnetCall
from generation.diffusion.compiled.graphs import Graphs
from generation.diffusion.families.placement import MAIN_MEMORY, Placement, decode_in_tiles, move, text_encoders_of
from generation.diffusion.families.unread import unread_end
from generation.diffusion.threads import threads_for

EVERYTHING_ON_THE_DEVICE = Placement()
REMEMBERED_PROMPTS = 64  #: of a few hundred kB each for SDXL


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditioning:
    """What the U-Net is told besides latents and timestep, one entry a row.

    `text` is [R, T, D]; `pooled` [R, P] and `time_ids` [R, 6] are SDXL's, `guidance` [R, G] is that of models distilled
    with guidance as an input (LCM).
    """

    text: Tensor
    pooled: Tensor | None = None
    time_ids: Tensor | None = None
    guidance: Tensor | None = None

    @classmethod
    def stack(cls, parts: "list[Conditioning]") -> "Conditioning":
        """Stack several of one model into one, row after row."""
        return cls(
            text=torch.cat([part.text for part in parts]),
            pooled=_cat([part.pooled for part in parts]),
            time_ids=_cat([part.time_ids for part in parts]),
            guidance=_cat([part.guidance for part in parts]),
        )

    def rows(self, which: slice | Tensor) -> "Conditioning":
        """Return some of the rows, by a slice or by their indices."""
        return Conditioning(
            text=self.text[which],
            pooled=_cut(self.pooled, which),
            time_ids=_cut(self.time_ids, which),
            guidance=_cut(self.guidance, which),
        )


def _cat(values: list[Tensor | None]) -> Tensor | None:
    tensors = [value for value in values if value is not None]
    return torch.cat(tensors) if tensors else None


def _cut(values: Tensor | None, which: slice | Tensor) -> Tensor | None:
    return None if values is None else values[which]


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptConditioning:
    """One job's two rows: what is asked for, and what guidance pushes away from (None: no guidance)."""

    positive: Conditioning
    negative: Conditioning | None


class LoadedModel:
    """Stable Diffusion 1.x and 2.x on one device. Only the worker's thread calls it."""

    def __init__(
        self,
        pipeline: Any,
        spec: ModelSpec,
        *,
        model_hash: "Future[str] | None" = None,
        device: torch.device | None = None,
        placement: Placement = EVERYTHING_ON_THE_DEVICE,
        graphs: Graphs | None = None,
    ) -> None:
        """`device` is where it draws, by default where the U-Net is."""
        self.spec = spec
        self.pipeline = pipeline
        self.unet = pipeline.unet
        self.vae = pipeline.vae
        self.scheduler_config: dict[str, Any] = dict(pipeline.scheduler.config)
        self.device: torch.device = device or pipeline.unet.device
        self.dtype: torch.dtype = pipeline.unet.dtype
        self.placement = placement
        self.graphs = graphs
        self.threads = threads_for(pipeline.unet, self.device)
        self._unet_call = UnetCall(pipeline.unet)
        self._encoded: OrderedDict[tuple[object, ...], PromptConditioning] = OrderedDict()
        self._model_hash = model_hash

    @property
    def model_hash(self) -> str | None:
        """The first ten hex digits of the weights' sha256, AUTOMATIC1111's "Model hash"; None until it is computed."""
        future = self._model_hash
        return future.result() if future is not None and future.done() and future.exception() is None else None

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Return [C, h, w] of an image of this many pixels."""
        factor = self.pipeline.vae_scale_factor
        return self.unet.config.in_channels, height // factor, width // factor

    def initial_noise(self, width: int, height: int, generator: torch.Generator) -> Tensor:
        """Draw unit Gaussian noise [1, C, h, w], on the CPU so that a seed means the same on every device."""
        shape = (1, *self.latent_shape(width, height))
        return self.to_device(torch.randn(shape, generator=generator, dtype=self.dtype))

    def is_guided(self, guidance_scale: float) -> bool:
        """Whether classifier-free guidance needs a second, negative row (Ho and Salimans, arXiv:2207.12598)."""
        return guidance_scale > 1 and self.unet.config.time_cond_proj_dim is None

    def encode(
        self, prompt: str, negative_prompt: str, *, guidance_scale: float, width: int, height: int
    ) -> PromptConditioning:
        """Encode the prompt as the U-Net needs it; the last ones are remembered, since reruns ask for them again.

        A prompt beyond the tokenizer's limit is cut; `unread` says where.
        """
        key = (prompt, negative_prompt, guidance_scale, width, height)
        encoded = self._encoded.pop(key, None)
        if encoded is None:
            size = {"width": width, "height": height}
            with self._text_encoders():
                encoded = self._encode(prompt, negative_prompt, guidance_scale=guidance_scale, **size)
        self._encoded[key] = encoded
        if len(self._encoded) > REMEMBERED_PROMPTS:
            self._encoded.popitem(last=False)
        return encoded

    def unread(self, prompt: str) -> str:
        """Return the end of the prompt that `encode` cuts off, by the shorter of two tokenizers; mostly nothing."""
        tokenizers = (getattr(self.pipeline, name, None) for name in ("tokenizer", "tokenizer_2"))
        return max((unread_end(one, prompt) for one in tokenizers if one is not None), key=len, default="")

    @contextmanager
    def _text_encoders(self) -> Generator[None]:
        """Hold the text encoders on the device."""
        if not self.placement.text_encoders_wait:
            yield
            return
        encoders = text_encoders_of(self.pipeline)
        try:
            move(encoders, self.device)
            yield
        finally:
            move(encoders, MAIN_MEMORY)

    @torch.inference_mode()
    def _encode(
        self, prompt: str, negative_prompt: str, *, guidance_scale: float, width: int, height: int
    ) -> PromptConditioning:
        guided = self.is_guided(guidance_scale)
        positive, negative = self.pipeline.encode_prompt(
            prompt, self.device, 1, guided, negative_prompt=negative_prompt or None
        )
        guidance = self._guidance_embedding(guidance_scale)
        return PromptConditioning(
            positive=Conditioning(text=positive.to(self.dtype), guidance=guidance),
            negative=Conditioning(text=negative.to(self.dtype), guidance=guidance) if guided else None,
        )

    @torch.inference_mode()
    def predict_noise(
        self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning, *, eager: bool = False
    ) -> Tensor:
        """Make one U-Net call: latents [R, C, h, w], timesteps float32 [R] -> prediction [R, C, h, w].

        A graph answers where one is ready for this number of rows, see `row_buckets`, unless the call is `eager`.
        """
        c = conditioning
        inputs = (latents, timesteps, c.text, c.pooled, c.time_ids, c.guidance)
        return self._unet_call(*inputs) if eager or self.graphs is None else self.graphs.call("unet", inputs)

    def row_buckets(self, shape: tuple[tuple[int, int, int], int]) -> tuple[int, ...]:
        """Return the row counts with a graph, at this latent shape and text length, smallest first; often none."""
        latent_shape, tokens = shape
        return self.graphs.rows(latent_shape, tokens) if self.graphs is not None else ()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode: latents [B, C, h, w] -> pixels [B, 3, H, W], nominally in -1..1."""
        config = self.vae.config
        latents = latents.to(self.vae.dtype)
        if config.latents_mean is not None and config.latents_std is not None:
            mean, std = (latents.new_tensor(v).view(1, -1, 1, 1) for v in (config.latents_mean, config.latents_std))
            latents = latents * std / config.scaling_factor + mean
        else:
            latents = latents / config.scaling_factor
        if self.graphs is not None and not self.vae.use_tiling:
            return self.graphs.call("vae", (latents,))
        return self.vae.decode(latents, return_dict=False)[0]

    def to_host(self, pixels: Tensor) -> Tensor:
        """Copy to main memory, through pinned memory, which the device writes to directly."""
        if self.device.type != "cuda":
            return pixels.cpu()
        host = torch.empty(pixels.shape, dtype=pixels.dtype, pin_memory=True)
        host.copy_(pixels, non_blocking=True)
        torch.cuda.current_stream(self.device).synchronize()
        return host

    def to_device(self, values: Tensor) -> Tensor:
        """Copy a small tensor from main memory to the device, without waiting for the device's present work."""
        if self.device.type != "cuda":
            return values.to(self.device)
        return values.pin_memory().to(self.device, non_blocking=True)

    def to_picture(self, pixels: Tensor) -> Image.Image:
        """Turn decoded pixels [1, 3, H, W] into a picture."""
        return self.pipeline.image_processor.postprocess(pixels, output_type="pil")[0]

    def save_memory(self) -> bool:
        """Decode in tiles from now on, after memory ran out; return False when that is already so."""
        if self.vae.use_tiling:
            return False
        decode_in_tiles(self.vae)
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

    def _guidance_embedding(self, guidance_scale: float) -> Tensor | None:
        size = self.unet.config.time_cond_proj_dim
        if size is None:
            return None
        scale = torch.tensor([guidance_scale - 1])
        return self.pipeline.get_guidance_scale_embedding(scale, embedding_dim=size).to(self.device, self.dtype)


class LoadedModelXL(LoadedModel):
    """Stable Diffusion XL: two text encoders, a pooled embedding, and the picture's size as a condition."""

    @torch.inference_mode()
    def _encode(
        self, prompt: str, negative_prompt: str, *, guidance_scale: float, width: int, height: int
    ) -> PromptConditioning:
        guided = self.is_guided(guidance_scale)
        positive, negative, pooled, negative_pooled = self.pipeline.encode_prompt(
            prompt,
            device=self.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=guided,
            negative_prompt=negative_prompt or None,
        )
        # original size, crop, target size: section 2.2 of the SDXL paper, arXiv:2307.01952
        time_ids = torch.tensor([[height, width, 0, 0, height, width]], device=self.device, dtype=self.dtype)
        guidance = self._guidance_embedding(guidance_scale)

        def row(text: Tensor, pool: Tensor) -> Conditioning:
            return Conditioning(
                text=text.to(self.dtype), pooled=pool.to(self.dtype), time_ids=time_ids, guidance=guidance
            )

        return PromptConditioning(
            positive=row(positive, pooled), negative=row(negative, negative_pooled) if guided else None
        )
