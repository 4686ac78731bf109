# pyright: reportPrivateImportUsage=false
"""Stable Diffusion 1.x and 2.x: one text encoder, a U-Net, classifier-free guidance."""

from functools import partial
from typing import Any, ClassVar

import torch
from diffusers import StableDiffusionPipeline
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch import Tensor
from torch.nn import functional

from generation.catalog import ModelSpec
from generation.diffusion.families.base import (
    Conditioning,
    Inputs,
    Known,
    Looked,
    Parts,
    PromptConditioning,
    Start,
)
from generation.diffusion.families.chunks import Chunk, alike, chunks_of
from generation.diffusion.families.lora_files import read_lora
from generation.diffusion.families.schedules import Schedules
from generation.diffusion.transfer import to_device
from generation.request import Pass, SchedulerName


class StableDiffusion:
    """The family of that name; SDXL differs in its text and in its VAE."""

    pipeline_class: ClassVar[Any] = StableDiffusionPipeline

    def __init__(
        self,
        pipeline: Any,
        spec: ModelSpec,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """`device` and `dtype` are what it draws on and in, by default what the U-Net has."""
        self.pipeline = pipeline
        self.spec = spec
        pipeline.to(dtype=dtype or pipeline.unet.dtype)
        encoders = (getattr(pipeline, name, None) for name in ("text_encoder", "text_encoder_2"))
        self.parts = Parts(
            denoiser=pipeline.unet,
            vae=pipeline.vae,
            text_encoders=tuple(encoder for encoder in encoders if encoder is not None),
            device=device or pipeline.unet.device,
            dtype=pipeline.unet.dtype,
            read_lora=partial(read_lora, pipeline=pipeline, dtype=pipeline.unet.dtype),
        )
        self.scheduler_config: dict[str, Any] = dict(pipeline.scheduler.config)
        self._schedules = Schedules(self.scheduler_config, self.parts.dtype)
        self._mask_processor = VaeImageProcessor(
            do_resize=False, do_normalize=False, do_binarize=True, do_convert_grayscale=True
        )

    def encode(
        self, prompt: str, negative_prompt: str, *, syntax: int, guidance_scale: float, width: int, height: int
    ) -> PromptConditioning:
        """As Family says."""
        guided = self.spec.rows(guidance_scale) == 2
        chunks, unread = self._chunks(prompt, syntax)
        negatives, unread_negative = self._chunks(negative_prompt if guided else "", syntax)
        alike(chunks, negatives)
        positive = self._embedded(chunks, width=width, height=height)
        guidance = self._guidance_embedding(guidance_scale)
        negative: Conditioning | None = None
        if guided:
            if negative_prompt == "" and self._empty_is_zero:
                zeros = {"text", "pooled"}
                embedded = {name: torch.zeros_like(v) if name in zeros else v for name, v in positive.items()}
            else:
                embedded = self._embedded(negatives, width=width, height=height)
            negative = self._row(embedded, guidance)
        return PromptConditioning(
            positive=self._row(positive, guidance),
            negative=negative,
            unread=unread,
            unread_negative=unread_negative,
        )

    @property
    def _empty_is_zero(self) -> bool:
        """Whether no negative prompt means zeros, and not the embedding of nothing."""
        return False

    @property
    def _tokenizers(self) -> tuple[Any, ...]:
        named = (getattr(self.pipeline, name, None) for name in ("tokenizer", "tokenizer_2"))
        return tuple(one for one in named if one is not None)

    def _chunks(self, prompt: str, syntax: int) -> tuple[tuple[list[Chunk], ...], str]:
        """Cut a prompt into chunks for each tokenizer; also the end that one of them leaves out, mostly nothing."""
        cut = [chunks_of(tokenizer, prompt, syntax=syntax) for tokenizer in self._tokenizers]
        return tuple(chunks for chunks, _ in cut), max((unread for _, unread in cut), key=len)

    def _embedded(self, chunks: tuple[list[Chunk], ...], *, width: int, height: int) -> dict[str, Tensor]:
        """Return the fields of a row."""
        (tokenizer,), (encoder,) = self._tokenizers, self.parts.text_encoders
        has_mask = getattr(encoder.config, "use_attention_mask", False)
        parts = [
            chunk.weighted(
                encoder(
                    chunk.ids(tokenizer).to(self.parts.device),
                    attention_mask=chunk.attention_mask(tokenizer).to(self.parts.device) if has_mask else None,
                )[0]
            )
            for chunk in chunks[0]
        ]
        return {"text": torch.cat(parts, dim=1)}

    def _row(self, embedded: dict[str, Any], guidance: Tensor | None) -> Conditioning:
        return Conditioning(guidance=guidance, **{name: value.to(self.parts.dtype) for name, value in embedded.items()})

    def _guidance_embedding(self, guidance_scale: float) -> Tensor | None:
        size = self.parts.denoiser.config.time_cond_proj_dim
        if size is None:
            return None
        scale = torch.tensor([guidance_scale - 1])
        return self.pipeline.get_guidance_scale_embedding(scale, embedding_dim=size).to(
            self.parts.device, self.parts.dtype
        )

    def look(self, source: Image.Image, mask: Image.Image | None) -> Looked:
        """As Family says. A mask is black or white, with the limit at half, and as coarse as latents are."""
        width, height = source.size
        pixels = self.pipeline.image_processor.preprocess(source, height=height, width=width)
        if mask is None:
            return Looked(source=self._posterior(pixels))
        shades = self._mask_processor.preprocess(mask, height=height, width=width)
        coarse = functional.interpolate(shades, size=self.parts.latent_shape(width, height)[1:])
        return Looked(
            source=self._posterior(pixels),
            mask=coarse.to(self.parts.device, self.parts.dtype),
            hidden=self._posterior(pixels * (shades < 0.5)) if self.spec.inpaints else None,
        )

    def _posterior(self, pixels: Tensor) -> Any:
        """Encode pixels [1, 3, H, W] in -1..1 to a distribution of latents."""
        vae = self._encoder()
        return vae.encode(pixels.to(self.parts.device, vae.dtype)).latent_dist

    def _encoder(self) -> Any:
        return self.parts.vae

    def start(self, drawn: Pass, generator: torch.Generator, looked: Looked | None = None) -> Start:
        """As Family says, equal to diffusers' pipelines, of which each draws from the generator in an order of its own.

        Everything is drawn on the CPU, so that a seed means the same on every device.
        """
        first = drawn.steps - drawn.drawn_steps
        schedule = self._schedules.make(SchedulerName(drawn.scheduler), drawn.steps, generator, first=first)
        shape = (1, *self.parts.latent_shape(drawn.width, drawn.height))
        if looked is None:
            return Start(latents=self._noise(shape, generator) * schedule.init_noise_sigma, schedule=schedule)
        whole = looked.mask is not None and drawn.strength == 1
        original = None if whole and looked.hidden is not None else self._sampled(looked.source, generator)
        noise = self._noise(shape, generator)
        known, seen = None, None
        if looked.mask is not None and looked.hidden is not None:
            seen = torch.cat([looked.mask, self._sampled(looked.hidden, generator)], dim=1)
        elif looked.mask is not None and original is not None:
            # Here the pipeline encodes the hidden picture too, and has no use for it; but it draws.
            torch.randn(shape, generator=generator, dtype=looked.source.mean.dtype)
            known = Known(original=original, noise=noise, mask=looked.mask)
        if whole or original is None:
            latents = noise * schedule.init_noise_sigma
        else:
            latents = schedule.add_noise(original, noise, first)
        return Start(latents=latents, schedule=schedule, step=first, known=known, seen=seen)

    def _noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return to_device(torch.randn(shape, generator=generator, dtype=self.parts.dtype), self.parts.device)

    def _sampled(self, posterior: Any, generator: torch.Generator) -> Tensor:
        """Draw latents [1, C, h, w] with the scale and shift that those of the training had."""
        config = self.parts.vae.config
        # In the layout that noise has: by the layout of its input a kernel is chosen, and with it the last bits.
        latents = posterior.sample(generator).to(self.parts.dtype).contiguous()
        mean, std = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
        if mean is not None and std is not None:
            mean, std = (latents.new_tensor(values).view(1, -1, 1, 1) for values in (mean, std))
            return (latents - mean) * config.scaling_factor / std
        shift = getattr(config, "shift_factor", None)
        return config.scaling_factor * (latents if shift is None else latents - shift)

    def denoiser_inputs(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Inputs:
        """As Family says."""
        c = conditioning
        masked = () if c.mask is None else (c.mask,)  # no graph is made for it
        return latents, timesteps, c.text, c.pooled, c.time_ids, c.guidance, *masked

    def guide(self, negative: Tensor, positive: Tensor, scale: Tensor) -> Tensor:
        """Classifier-free guidance: equation 6 of Ho and Salimans, arXiv:2207.12598, in diffusers' form."""
        return negative + scale * (positive - negative)

    def decoder_inputs(self, latents: Tensor) -> Inputs:
        """As Family says: undo the scale and shift that the latents of the training had."""
        config = self.parts.vae.config
        latents = latents.to(self.parts.vae.dtype)
        mean, std = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
        if mean is not None and std is not None:
            mean, std = (latents.new_tensor(values).view(1, -1, 1, 1) for values in (mean, std))
            return (latents * std / config.scaling_factor + mean,)
        latents = latents / config.scaling_factor
        shift = getattr(config, "shift_factor", None)
        return (latents if shift is None else latents + shift,)
