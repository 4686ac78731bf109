"""Forward diffusion, the network's target, and the way back: the mathematics of the whole thing in thirty lines.

**Forward.** A latent z is drowned in Gaussian noise n by degrees. At timestep t of 1000

    x_t = a_t z + s_t n        a_t = sqrt(alphas_cumprod[t])   s_t = sqrt(1 - alphas_cumprod[t])   a_t^2 + s_t^2 = 1

(Ho et al. 2020, arXiv 2006.11239, eq. 4), with Stable Diffusion's own schedule of betas, so that every diffusers
scheduler draws with this model.

**Target.** The network sees x_t, t and the words, and learns to predict the velocity

    v_t = a_t n - s_t z

(Salimans & Ho 2022, arXiv 2202.00512, section 4 and appendix D). Predicting n says nothing about the picture where
there is little noise to see, predicting z nothing about the noise; v is as hard at every t, and its plain squared
error weighs all timesteps alike. A weighting that favours the clean steps (min-SNR) was tried on a prototype:
colours came, shapes did not, because shapes are decided where there is much noise.

**Way back.** Since (x_t, v_t) is (z, n) turned by an angle, turning back gives both

    z = a_t x_t - s_t v_t        n = s_t x_t + a_t v_t

and a scheduler takes a small step from x_t towards that z, asks again, and so on: the reverse process (DDIM, arXiv
2010.02502, eq. 12, is that step without fresh noise). Guidance asks twice, with the words and without, and goes
further in the direction the words made: v = v_without + g (v_with - v_without). For that, training drops one
caption in ten.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

BETA_START, BETA_END, TIMESTEPS = 0.00085, 0.012, 1000


def _alphas_cumprod() -> Tensor:
    betas = torch.linspace(BETA_START**0.5, BETA_END**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, dim=0).float()


@dataclass(frozen=True)
class NoiseSchedule:
    """How much picture and how much noise there is at each timestep."""

    alphas_cumprod: Tensor = field(default_factory=_alphas_cumprod)

    def _weights(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        alpha = self.alphas_cumprod.to(like.device)[t].to(like.dtype).view(-1, *[1] * (like.ndim - 1))
        return alpha.sqrt(), (1 - alpha).sqrt()

    def add_noise(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Compute x_t of each row at its own timestep."""
        a, s = self._weights(t, clean)
        return a * clean + s * noise

    def velocity_towards(self, clean: Tensor, noisy: Tensor, t: Tensor) -> Tensor:
        """Compute the v_t that leads from x_t to this picture, whatever picture x_t was made of."""
        a, s = self._weights(t, clean)
        return (a * noisy - clean) / s

    def clean_from(self, noisy: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
        """Compute the picture that x_t and a predicted v_t stand for."""
        a, s = self._weights(t, noisy)
        return a * noisy - s * velocity

    def noise_from(self, noisy: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
        """Compute the noise that x_t and a predicted v_t stand for."""
        a, s = self._weights(t, noisy)
        return s * noisy + a * velocity


def spread_timesteps(count: int, generator: torch.Generator) -> Tensor:
    """Draw timesteps, one from each of `count` equal stretches: uniform, yet no batch sees only easy ones."""
    shares = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return (shares * TIMESTEPS).long().clamp(max=TIMESTEPS - 1)
