"""Where the parts of a model live: on the device if they fit, else as many of them as do.

The memory that is free when the model is loaded decides, and the memory that drawing is expected to take.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from generation.catalog import ModelSpec
from generation.diffusion.families.base import Parts

MAIN_MEMORY = torch.device("cpu")
GIB = 2**30
ROWS = 2  #: of the smallest step that has to fit: one image with guidance
TILE = 512  #: pixels; larger pictures are decoded in tiles of this side where memory is short
_SPARE = 0.05  #: of all memory, for fragments and the desktop
# Working memory in units of one feature map at full size, somewhat above what was measured: of a U-Net row (the wide
# half of the feed-forward layers, skip connections) and of a decoder (its last level holds several at once).
_MAPS_A_ROW = 40
_MAPS_OF_DECODER = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Bytes: of the parts' weights, and of the working memory at the model's native size."""

    text_encoders: int
    denoiser: int
    vae: int
    step: int  #: a U-Net call of ROWS rows
    decode: int  #: decoding a whole picture
    tile: int  #: decoding it in tiles

    @property
    def all(self) -> int:
        """Everything on the device, and the larger of the two kinds of work."""
        return self.text_encoders + self.denoiser + self.vae + max(self.step, self.decode)


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """What is done to make a model fit; by default nothing has to be."""

    decode_in_tiles: bool = False
    text_encoders_wait: bool = False  #: in the host's memory, until there is a prompt to encode
    denoiser_streams: bool = False  #: from the host's memory, layer by layer: slow, and a last resort

    @property
    def words(self) -> str:
        """The measures in words, for the log."""
        measures = {
            "decoding in tiles": self.decode_in_tiles,
            "text encoders wait in main memory": self.text_encoders_wait,
            "the U-Net streams from main memory, which is slow": self.denoiser_streams,
        }
        return "; ".join(words for words, taken in measures.items() if taken) or "all on the device"


def choose_placement(sizes: Sizes, *, free: int, total: int) -> Placement:
    """Choose the fastest placement in `free` bytes of a device that has `total`. Raises MemoryError if none fits."""
    budget = free - int(total * _SPARE)
    at_work = max(sizes.step, sizes.tile)
    needs = {
        Placement(): sizes.all,
        Placement(decode_in_tiles=True): sizes.text_encoders + sizes.denoiser + sizes.vae + at_work,
        # Encoding is done between two steps, when their working memory is free.
        Placement(decode_in_tiles=True, text_encoders_wait=True): sizes.denoiser
        + sizes.vae
        + max(at_work, sizes.text_encoders),
        Placement(decode_in_tiles=True, text_encoders_wait=True, denoiser_streams=True): sizes.vae
        + max(at_work, sizes.text_encoders),
    }
    for placement, need in needs.items():
        if need <= budget:
            return placement
    raise MemoryError(
        f"it needs {sizes.all / GIB:.1f} GiB, or {min(needs.values()) / GIB:.1f} GiB at the very least; "
        f"{free / GIB:.1f} of {total / GIB:.1f} GiB are free"
    )


def sizes_of(parts: Parts, spec: ModelSpec) -> Sizes:
    """Measure the weights in bytes, and estimate the working memory."""
    unet, channels = parts.denoiser, parts.vae.config.block_out_channels
    _, height, width = parts.latent_shape(spec.native_size, spec.native_size)
    unet_map = height * width * unet.config.block_out_channels[0] * unet.dtype.itemsize
    vae_map = channels[min(1, len(channels) - 1)] * parts.vae.dtype.itemsize
    return Sizes(
        text_encoders=sum(map(_bytes_of, parts.text_encoders)),
        denoiser=_bytes_of(unet),
        vae=_bytes_of(parts.vae),
        step=_MAPS_A_ROW * ROWS * unet_map,
        decode=_MAPS_OF_DECODER * spec.native_size**2 * vae_map,
        tile=_MAPS_OF_DECODER * min(TILE, spec.native_size) ** 2 * vae_map,
    )


def measure_memory(device: torch.device) -> tuple[int, int] | None:
    """Return free and total bytes of the device; None where main memory is all there is."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)
    if device.type == "mps":
        most = torch.mps.recommended_max_memory()
        return most - torch.mps.driver_allocated_memory(), most
    return None


def room_to_compile(parts: Parts) -> bool:
    """Whether a compiling process fits beside the model: it builds a network of its own, without trained weights."""
    memory = measure_memory(parts.device)
    return memory is None or memory[0] >= 2 * _bytes_of(parts.denoiser) + 2 * GIB


def place(parts: Parts, placement: Placement) -> None:
    """Move the parts to where they shall live, in the number format they have."""
    move([parts.vae], parts.device)
    if placement.decode_in_tiles:
        decode_in_tiles(parts.vae)
    move(parts.text_encoders, MAIN_MEMORY if placement.text_encoders_wait else parts.device)
    if placement.denoiser_streams:
        parts.denoiser.enable_group_offload(
            onload_device=parts.device,
            offload_device=MAIN_MEMORY,
            offload_type="leaf_level",
            use_stream=parts.device.type == "cuda",
        )
    else:
        move([parts.denoiser], parts.device)


def decode_in_tiles(vae: Any) -> None:
    """Have the VAE work in tiles of TILE pixels.

    diffusers takes the size from the VAE's config, which says 1024 for SDXL: no picture of its native size had tiles.
    """
    vae.enable_tiling()
    vae.tile_sample_min_size = TILE
    vae.tile_latent_min_size = TILE // 2 ** (len(vae.config.block_out_channels) - 1)


def move(networks: Iterable[nn.Module], device: torch.device) -> None:
    """Move the networks' weights, also in the middle of drawing: they stay ordinary tensors."""
    with torch.inference_mode(mode=False):
        for network in networks:
            network.to(device)


def _bytes_of(network: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
