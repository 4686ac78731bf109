# pyright: reportPrivateImportUsage=false
"""Stable Diffusion XL: two text encoders, a pooled embedding, and the picture's size as a condition."""

import copy
from typing import Any, ClassVar

import torch
from diffusers import StableDiffusionXLPipeline

from generation.catalog import ModelSpec
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

    def _embed(
        self, prompt: str, negative_prompt: str, *, guided: bool, width: int, height: int
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        positive, negative, pooled, negative_pooled = self.pipeline.encode_prompt(
            prompt,
            device=self.parts.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=guided,
            negative_prompt=negative_prompt or None,
        )
        # original size, crop, target size: section 2.2 of the SDXL paper, arXiv:2307.01952
        time_ids = torch.tensor(
            [[height, width, 0, 0, height, width]], device=self.parts.device, dtype=self.parts.dtype
        )
        return (
            {"text": positive, "pooled": pooled, "time_ids": time_ids},
            {"text": negative, "pooled": negative_pooled, "time_ids": time_ids},
        )
