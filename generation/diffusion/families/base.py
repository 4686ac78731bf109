"""Family and Schedule: all that the engine does not know about a kind of model, and the values that go between.

Shapes: a latent is [C, h, w], with as many channels as the model's VAE has; a row of the running batch is one latent
with one timestep and one text embedding [T, D] (T tokens, D features).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from generation.catalog import ModelSpec
from generation.diffusion.families.lora_layers import Adapter
from generation.loras import LoraFile
from generation.request import Pass

LatentShape: TypeAlias = tuple[int, int, int]
Inputs: TypeAlias = tuple[Tensor | None, ...]  #: of a call in `calls`


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The networks of a model, and where and in which number format they draw."""

    denoiser: Any  #: predicts the noise, or whatever the model predicts
    vae: Any
    text_encoders: tuple[nn.Module, ...]
    device: torch.device
    dtype: torch.dtype  #: of the latents
    read_lora: Callable[[LoraFile], Adapter]  #: for these networks; raises LoraUnavailable

    @property
    def all(self) -> tuple[nn.Module, ...]:
        """Each of them."""
        return self.denoiser, self.vae, *self.text_encoders

    def latent_shape(self, width: int, height: int) -> LatentShape:
        """Return [C, h, w] of an image of this many pixels: the VAE halves its sides once a level but the last."""
        factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        return self.vae.config.latent_channels, height // factor, width // factor


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditioning:
    """What the denoiser is told besides latents and timestep, one entry a row.

    `text` is [R, T, D]; `pooled` [R, P] and `time_ids` [R, 6] are SDXL's, `guidance` [R, G] is that of models distilled
    with guidance as an input (LCM). Where texts of several lengths are stacked, `mask` [R, T] is 1 for what is text.
    `loras` [R, C] are the weights of the LoRAs that stand in C columns, see `lora_layers`; None where no row has any.
    """

    text: Tensor
    pooled: Tensor | None = None
    time_ids: Tensor | None = None
    guidance: Tensor | None = None
    mask: Tensor | None = None
    loras: Tensor | None = None

    @property
    def tokens(self) -> int:
        """T, the length of the text."""
        return self.text.shape[1]

    @classmethod
    def stack(cls, parts: "Sequence[Conditioning]") -> "Conditioning":
        """Stack several of one model into one, row after row; shorter texts are filled up, and masked."""
        texts, mask = _as_long([part.text for part in parts])
        return cls(
            text=torch.cat(texts),
            mask=mask,
            pooled=_cat([part.pooled for part in parts]),
            time_ids=_cat([part.time_ids for part in parts]),
            guidance=_cat([part.guidance for part in parts]),
            loras=_cat([part.loras for part in parts]),
        )

    def rows(self, which: slice | Tensor) -> "Conditioning":
        """Return some of the rows, by a slice or by their indices."""
        return Conditioning(
            text=self.text[which],
            pooled=_cut(self.pooled, which),
            time_ids=_cut(self.time_ids, which),
            guidance=_cut(self.guidance, which),
            mask=_cut(self.mask, which),
            loras=_cut(self.loras, which),
        )


def _as_long(texts: list[Tensor]) -> tuple[list[Tensor], Tensor | None]:
    """Fill texts [r, t, D] up to the longest one; the mask [R, T] says with what. None: they are of one length."""
    longest = max(text.shape[1] for text in texts)
    if all(text.shape[1] == longest for text in texts):
        return texts, None
    masks = [functional.pad(text.new_ones(text.shape[:2]), (0, longest - text.shape[1])) for text in texts]
    return [functional.pad(text, (0, 0, 0, longest - text.shape[1])) for text in texts], torch.cat(masks)


def _cat(values: list[Tensor | None]) -> Tensor | None:
    tensors = [value for value in values if value is not None]
    return torch.cat(tensors) if tensors else None


def _cut(values: Tensor | None, which: slice | Tensor) -> Tensor | None:
    return None if values is None else values[which]


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptConditioning:
    """One job's rows: what is asked for, and what guidance pushes away from (None: no guidance)."""

    positive: Conditioning
    negative: Conditioning | None
    unread: str = ""  #: the end of the prompt, beyond the model's limit
    unread_negative: str = ""  #: and of the negative prompt, where it is used

    @property
    def rows(self) -> int:
        """Rows that an image takes in a call, as `ModelSpec.rows` says."""
        return 1 if self.negative is None else 2


class Schedule(Protocol):
    """An image's way from noise to picture: timesteps, and what a step does to its latents [1, C, h, w]."""

    @property
    def timesteps(self) -> Sequence[float]:
        """The timestep of each step, as the denoiser takes it."""
        ...

    @property
    def init_noise_sigma(self) -> float:
        """What unit noise is multiplied by to begin with."""
        ...

    def model_input(self, latents: Tensor, step: int) -> Tensor:
        """Scale the latents as the denoiser expects them at this step."""
        ...

    def advance(self, latents: Tensor, prediction: Tensor, step: int) -> Tensor:
        """Return the latents after this step. Steps are made in order, each once."""
        ...

    def add_noise(self, original: Tensor, noise: Tensor, step: int) -> Tensor:
        """Make finished latents as noisy as they are before this step, which has to be the next one to be made."""
        ...

    def predicted_original(self, model_input: Tensor, prediction: Tensor, step: int) -> Tensor:
        """Compute the model's guess at this step of the finished latents x_0."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """A job's input pictures as the VAE sees them: distributions of latents, from which each image draws its own."""

    source: Any  #: diffusers' DiagonalGaussianDistribution
    mask: Tensor | None = None  #: [1, 1, h, w], 1 where the source is drawn anew
    hidden: Any = None  #: of the source without what the mask covers, for an inpainting model


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What an image keeps outside its mask: there it follows the source, as noisy as is due."""

    original: Tensor  #: latents [1, C, h, w] of the source
    noise: Tensor  #: [1, C, h, w]
    mask: Tensor  #: [1, 1, h, w], 1 where the image is drawn anew


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What an image begins with."""

    latents: Tensor  #: [1, C, h, w]
    schedule: Schedule
    step: int = 0  #: the first one to be made
    known: Known | None = None
    seen: Tensor | None = None  #: [1, C', h, w], what the denoiser of an inpainting model sees beside the latents


class Family(Protocol):
    """One model of a kind, as what differs between kinds: how it reads, begins, predicts, guides and decodes.

    It knows no batch, no neighbours and no memory; only the thread of its device calls it.
    """

    spec: ModelSpec
    parts: Parts

    def encode(
        self, prompt: str, negative_prompt: str, *, syntax: int, guidance_scale: float, width: int, height: int
    ) -> PromptConditioning:
        """Encode prompts as the denoiser needs them, for an image of this many pixels; what is too long is cut.

        `syntax` are the rules by which they are read, as GenerationRequest has them.
        """
        ...

    def look(self, source: Image.Image, mask: Image.Image | None) -> Looked:
        """Encode pictures to begin with, RGB in the size that is drawn; `mask` is white where it is drawn anew."""
        ...

    def start(self, drawn: Pass, generator: torch.Generator, looked: Looked | None = None) -> Start:
        """Make the schedule and draw the first latents of one pass of an image, by the image's own generator."""
        ...

    def denoiser_inputs(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Inputs:
        """Put the arguments of the denoiser's call together: latents [R, C, h, w], timesteps float32 [R]."""
        ...

    def guide(self, negative: Tensor, positive: Tensor, scale: Tensor) -> Tensor:
        """Put guidance together from predictions [N, C, h, w] and scales [N, 1, 1, 1]."""
        ...

    def decoder_inputs(self, latents: Tensor) -> Inputs:
        """Turn latents [B, C, h, w] into the arguments of the decoder's call."""
        ...
