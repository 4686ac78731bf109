# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false
"""Teaching the VAE to make pictures small and large again: diffusion then works on 16 x 16 x 4 numbers, not 64 x 64 x
3.

It learns from whole pictures of every style but the held-out ones, mirrored, in front of any colour, with channels
swapped and, now and then, with black outlines drawn along their edges: a VAE that only knew soft shading would
smear a hard line. The error is a sum, because each part alone leaves something out: absolute differences keep
edges, squared ones are what PSNR measures, gradients punish blur, and differences of 4 x 4 means, of colour twice,
put the hues right, which come last otherwise. KL is nearly absent: the latents only need to be tame, and `whiten`
makes them so exactly.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from generation.training.crew import Crew
from generation.training.learner import Learner, LearnerSettings
from generation.training.networks import parameters_of
from generation.training.sample_grid import save_grid

_KL = 1e-5
_OUTLINED = 0.25  #: share of pictures that get black outlines
_DRAWN_NOISE = 0.25  #: at most; latents have deviation 1
_EDGE = 0.3  #: a change in brightness that counts as an edge, of 1


class VaeRun(Learner):
    """The run that makes the VAE."""

    name = "vae"

    def __init__(
        self,
        settings: LearnerSettings,
        crew: Crew,
        vae: AutoencoderKL,
        pictures: NDArray[np.uint8],
        weights: Tensor,
        *,
        decoder_only: bool = False,
        teacher: AutoencoderKL | None = None,
    ) -> None:
        self.vae: Any = vae  # diffusers' annotations are wrong about what a call returns
        self.vae.to(settings.device, memory_format=torch.channels_last).train()
        self.pictures = torch.from_numpy(pictures)  #: n, size, size, 4
        self.weights = weights
        self.decoder_only = decoder_only
        self.teacher: Any = teacher
        if self.teacher is not None:
            self.teacher.to(settings.device).eval().requires_grad_(False)
        halves = (self.vae.post_quant_conv, self.vae.decoder) if decoder_only else (self.vae,)
        super().__init__(settings, crew, parameters_of(*halves))

    def batch(self) -> Tensor:
        """Choose the pictures of the current step, -1 to 1."""
        count, generator = self.settings.batch, self.generator()

        def chance(share: float) -> Tensor:
            return torch.rand(count, 1, 1, 1, generator=generator) < share

        chosen = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        colour = torch.where(chance(0.4), torch.rand(count, 3, 1, 1, generator=generator), torch.ones(()))
        pictures = compose(self.pictures[chosen], colour)
        pictures = torch.where(chance(_OUTLINED) & edges(pictures), torch.zeros(()), pictures)
        pictures = torch.where(chance(0.5), pictures.flip(3), pictures)
        pictures = torch.where(chance(0.3), pictures[:, torch.randperm(3, generator=generator)], pictures)
        return pictures * 2 - 1

    def error(self) -> Tensor:
        """Measure how different the pictures come back."""
        pictures = self.batch()[self.crew.share(self.settings.batch)].to(self.settings.device)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.settings.device, dtype=torch.bfloat16):
            latents = self.vae.encode(pictures).latent_dist
            returned = self.vae.decode(self._as_drawn(latents.mean) if self.decoder_only else latents.sample()).sample
        mean, log_variance = latents.mean.float(), latents.logvar.float()
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
        return difference(pictures, returned.float()) + _KL * kl + self._apart_from_teacher(pictures, mean)

    def _apart_from_teacher(self, pictures: Tensor, latents: Tensor) -> Tensor | float:
        """Measure how far the latents are from another VAE's: at 0 a U-Net that learnt with that one fits this one."""
        if self.teacher is None:
            return 0.0
        with torch.no_grad(), torch.autocast(self.settings.device, dtype=torch.bfloat16):
            wanted = self.teacher.encode(pictures).latent_dist.mean
        return F.mse_loss(latents, wanted.float())

    def _as_drawn(self, latents: Tensor) -> Tensor:
        """Disturb latents as a U-Net that draws them not quite right. The decoder learns to make clean pictures."""
        generator = self.generator().manual_seed(self.settings.seed * 1_000_003 - 1 - self.step)
        amount = torch.rand(self.settings.batch, 1, 1, 1, generator=generator) * _DRAWN_NOISE
        noise = torch.randn(self.settings.batch, *latents.shape[1:], generator=generator) * amount
        return latents.detach() + noise[self.crew.share(self.settings.batch)].to(latents)

    def look(self, path: Path) -> None:
        """Save some pictures above what comes back of them."""
        chosen = torch.linspace(0, len(self.pictures) - 1, 16).long()
        pictures = compose(self.pictures[chosen], torch.ones(())) * 2 - 1
        both = torch.cat([pictures, reconstruct(self.vae, pictures).cpu()])
        both = both.view(2, 2, 8, *pictures.shape[1:]).transpose(0, 1).flatten(0, 2)  # a row, and below it what returns
        save_grid(path, ((both.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy())
        self.vae.train()


def compose(rgba: Tensor, colour: Tensor) -> Tensor:
    """Put pictures in front of a colour: 0 to 1, [n, 3, size, size]."""
    pictures = rgba.permute(0, 3, 1, 2).float() / 255
    return pictures[:, :3] * pictures[:, 3:] + colour * (1 - pictures[:, 3:])


def edges(pictures: Tensor) -> Tensor:
    """Find where brightness jumps."""
    return (F.max_pool2d(pictures, 3, 1, 1) + F.max_pool2d(-pictures, 3, 1, 1)).amax(1, keepdim=True) > _EDGE


def difference(pictures: Tensor, returned: Tensor) -> Tensor:
    """Compute the error described at the top of this file."""
    apart = pictures - returned
    means = F.avg_pool2d(apart, 4)
    hues = means - means.mean(1, keepdim=True)
    slopes = apart.diff(dim=3).abs().mean() + apart.diff(dim=2).abs().mean()
    return apart.abs().mean() + 2 * apart.square().mean() + 0.5 * slopes + means.abs().mean() + 2 * hues.abs().mean()


@torch.no_grad()
def reconstruct(vae: Any, pictures: Tensor, *, at_once: int = 64) -> Tensor:
    """Encode and decode pictures from -1 to 1."""
    device = vae.device
    vae.eval()
    parts = [vae.decode(vae.encode(part.to(device)).latent_dist.mean).sample for part in pictures.split(at_once)]
    return torch.cat(parts).clamp(-1, 1)


def psnr(pictures: Tensor, returned: Tensor) -> float:
    """Compute the peak signal to noise in dB, of the mean squared error over all of them; pixels from -1 to 1."""
    return float(10 * torch.log10(4 / F.mse_loss(returned, pictures)))


@torch.no_grad()
def whiten(vae: Any, pictures: Tensor, *, at_once: int = 64) -> None:
    """Give the latents mean 0 and deviation 1, channel by channel, by folding it into the 1 x 1 convolutions there.

    The Stable Diffusion pipelines know one factor for all channels and no shift, and diffusion assumes unit variance.
    """
    vae.eval()
    latents = [vae.encode(part.to(vae.device)).latent_dist.mean for part in pictures.split(at_once)]
    latents = torch.cat(latents)
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    channels = len(mean)
    into, out = vae.quant_conv, vae.post_quant_conv
    out.bias += out.weight[:, :, 0, 0] @ mean
    out.weight *= deviation.view(1, channels, 1, 1)
    into.weight[:channels] /= deviation.view(channels, 1, 1, 1)
    into.bias[:channels] = (into.bias[:channels] - mean) / deviation
    into.bias[channels:] -= 2 * deviation.log()
    vae.register_to_config(scaling_factor=1.0)
