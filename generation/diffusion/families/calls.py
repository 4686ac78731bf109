# pyright: reportPrivateImportUsage=false
"""The two calls that drawing is made of, the denoiser's and the decoder's, in one form for eager and compiled use."""

import itertools
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn

Shape: TypeAlias = tuple[int, ...]


class UnetCall(nn.Module):
    """One U-Net call, every condition an argument of its own; a model that has no use for one gets None."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        text: Tensor,
        pooled: Tensor | None = None,
        time_ids: Tensor | None = None,
        guidance: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Predict: latents [R, C, h, w], timesteps float32 [R], text [R, T, D] -> prediction [R, C, h, w].

        `pooled` [R, P] and `time_ids` [R, 6] are SDXL's, `guidance` [R, G] that of models distilled with it. `mask`
        [R, T] is 1 for what is text, 0 for what fills it up: exact, as a softmax gives nothing to it.
        """
        added = {} if pooled is None else {"text_embeds": pooled, "time_ids": time_ids}
        return self.unet(
            latents,
            timesteps,
            encoder_hidden_states=text,
            timestep_cond=guidance,
            encoder_attention_mask=mask,
            added_cond_kwargs=added or None,
            return_dict=False,
        )[0]


class DecoderCall(nn.Module):
    """A VAE's way from latents to pixels, without the encoder's weights and without tiles."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.post_quant_conv = vae.post_quant_conv
        self.decoder = vae.decoder

    def forward(self, latents: Tensor) -> Tensor:
        """Decode: scaled latents [B, C, h, w] -> pixels [B, 3, H, W]."""
        return self.decoder(latents if self.post_quant_conv is None else self.post_quant_conv(latents))


#: Part -> the class of its network, and its call.
_PARTS: dict[str, tuple[Any, Callable[[Any], nn.Module]]] = {
    "denoiser": (UNet2DConditionModel, UnetCall),
    "vae": (AutoencoderKL, DecoderCall),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A network with its call: what a graph is made of, and what it is compared with."""

    network: Any
    call: nn.Module

    @property
    def config(self) -> dict[str, Any]:
        """Its geometry, enough to build one like it; no weights."""
        return {name: value for name, value in self.network.config.items() if not name.startswith("_")}

    @property
    def weights(self) -> dict[str, Tensor]:
        """Name -> tensor, as the call's graph names them; the very memory that the network itself uses."""
        tensors = itertools.chain(self.call.named_parameters(), self.call.named_buffers())
        return {name: tensor.detach() for name, tensor in tensors}


def part_of(name: str, network: Any) -> Part:
    """Make the part called "denoiser" or "vae" of a network."""
    _, call = _PARTS[name]
    return Part(network=network, call=call(network))


def build_part(name: str, config: Mapping[str, Any], *, device: torch.device, dtype: torch.dtype) -> Part:
    """Make a part of the same geometry with random weights, laid out in memory as `lay_out` does."""
    with torch.device(device), made_in(dtype):
        network: Any = _PARTS[name][0].from_config(dict(config))
    network.to(dtype=dtype).eval().requires_grad_(requires_grad=False)
    lay_out(network, device)
    return part_of(name, network)


@contextmanager
def made_in(dtype: torch.dtype) -> Generator[None]:
    """Make tensors in this number format from the start: what was float32 for a moment stays reserved on the device."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


def lay_out(network: nn.Module, device: torch.device) -> None:
    """Put channels last on CUDA, as its tensor cores want them. A graph is right for one layout only."""
    if device.type == "cuda":
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def example_inputs(
    shapes: Sequence[Shape | None], *, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor | None, ...]:
    """Make random arguments of these shapes, the same at every call. One dimension means timesteps, float32."""
    generator = torch.Generator("cpu").manual_seed(0)

    def example(shape: Shape) -> Tensor:
        if len(shape) == 1:
            return torch.linspace(999.0, 1.0, shape[0]).to(device)
        return torch.randn(shape, generator=generator).to(device, dtype)

    return tuple(None if shape is None else example(shape) for shape in shapes)
