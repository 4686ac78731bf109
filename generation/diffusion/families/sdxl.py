# pyright: reportPrivateImportUsage=false
"""Stable Diffusion XL: two text encoders, a pooled embedding, and the picture's size as a condition."""

import copy
from typing import Any, ClassVar

import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor

from generation.catalog import ModelSpec
from generation.diffusion.families.chunks import Chunk
from generation.diffusion.families.stable_diffusion import StableDiffusion


class StableDiffusionXL(StableDiffusion):
    """The family of that name."""

    pipeline_class: ClassVar[Any] = StableDiffusionXLPipeline

    def __init__(
        self,
        pipeline: Any,
        spec: ModelSpec,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """As StableDiffusion says."""
        super().__init__(pipeline, spec, device=device, dtype=dtype)
        if self.parts.dtype is torch.float16 and pipeline.vae.config.force_upcast:
            pipeline.vae.to(torch.float32)  # it overflows float16; bfloat16 has the range

    def _encoder(self) -> Any:
        """Encode in float32 whatever it draws in, as diffusers' pipelines do.

        Noise of another number format would be other noise. They move the VAE itself; a copy leaves its weights, which
        graphs share, where they are.
        """
        vae = self.parts.vae
        return copy.deepcopy(vae).float() if vae.config.force_upcast and vae.dtype is not torch.float32 else vae

    @property
    def _empty_is_zero(self) -> bool:
        return self.pipeline.config.force_zeros_for_empty_prompt

    def _embedded(self, chunks: tuple[list[Chunk], ...], *, width: int, height: int) -> dict[str, Tensor]:
        """Return the fields of a row; the pooled embedding is the first chunk's, of the last encoder."""
        texts: list[Tensor] = []
        pooled: Tensor | None = None
        for tokenizer, encoder, cut in zip(self._tokenizers, self.parts.text_encoders, chunks, strict=True):
            encoded = [encoder(chunk.ids(tokenizer).to(self.parts.device), output_hidden_states=True) for chunk in cut]
            hidden = [chunk.weighted(one.hidden_states[-2]) for chunk, one in zip(cut, encoded, strict=True)]
            texts.append(torch.cat(hidden, dim=1))
            pooled = encoded[0][0] if encoded[0][0].ndim == 2 else pooled
        # original size, crop, target size: section 2.2 of the SDXL paper, arXiv:2307.01952
        time_ids = torch.tensor(
            [[height, width, 0, 0, height, width]], device=self.parts.device, dtype=self.parts.dtype
        )
        if pooled is None:
            raise ValueError("no text encoder has a pooled embedding")
        return {"text": torch.cat(texts, dim=-1), "pooled": pooled, "time_ids": time_ids}
