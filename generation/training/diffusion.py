# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false
"""Teaching the text encoder and the U-Net to undo noise: the stage where the model learns to draw.

A step takes pictures (as latents: the VAE is finished and frozen, so each is encoded once, beforehand), drowns each
in its own amount of noise, shows the result with its caption to the networks, and moves their weights towards the
true velocity. The text encoder has never read anything else: it learns with the U-Net, from the captions, what the
words look like.

**Which of many.** A caption fits many pictures: the thing in other poses and, where it names none, styles. Where there
is nearly only noise, the best guess is then their mean, a blob, and a small network spends most of its time on blobs.
So of a few pictures that fit a caption the one is shown that the noise happens to look most like (a coupling of data
and noise as in Pooladian et al. 2023, arXiv 2304.14772, within what a caption leaves open). Noise and picture belong
together from the first step on, each seed leads to a picture of its own, and no choice has to be averaged over. A
deterministic scheduler walks from noise to picture for any such coupling (Albergo et al. 2023, arXiv 2310.03725).

**The word beats what is seen.** In a picture that is drowned half-way its colour still shows, and always agrees with
the caption: so a network need not read the word there, and image to image would keep the old colour. Some of the
pictures whose caption names a colour are therefore drowned in another colour, and the velocity leads to the named one.
"""

import copy
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm
from transformers import CLIPTextModel, CLIPTokenizer

from generation.training.crew import Crew
from generation.training.learner import Learner, LearnerSettings, copy_into
from generation.training.networks import make_scheduler, parameters_of
from generation.training.noise import NoiseSchedule, spread_timesteps
from generation.training.sample_grid import GRID_PROMPTS, draw, save_grid
from generation.training.training_set import Alike, Recoloured, TrainingSet


@dataclass(frozen=True, kw_only=True)
class DiffusionSettings(LearnerSettings):
    """How the U-Net and the text encoder are trained."""

    peak_rate: float = 1.5e-3
    dropped_captions: float = 0.1  #: share of pictures shown without words, for guidance
    candidates: int = 8  #: pictures that fit a caption, of which the one is shown that its noise looks most like,
    coupled_from: int = 700  #: from this timestep up; below it the picture can be seen, and any noise goes with any
    disguised: float = 0.5  #: share of the pictures whose caption names a colour that are seen in another one,
    disguised_from: int = 250  #: from this timestep up; below it a picture is only finished
    ema: float = 0.999  #: the shipped weights are a running mean of the trained ones, which jitter
    short_tokens: int = 32  #: captions are short, and padding costs time: pad to so many only,
    short_share: float = 0.7  #: for this share of the run; then to as many as the finished model will see


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one step is about."""

    clean: Tensor  #: latents
    seen: Tensor  #: the same, some in another colour: what is drowned in the noise
    noise: Tensor
    timesteps: Tensor
    captions: list[str]


@dataclass(frozen=True, kw_only=True)
class Networks:
    """What learns, and what it reads and draws with."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNet2DConditionModel
    vae: AutoencoderKL  #: finished


@torch.no_grad()
def encode(vae: Any, data: TrainingSet, *, device: str, at_once: int = 64) -> Tensor:
    """Encode every picture, in half precision: [n, 4, side, side]."""
    vae.to(device).eval()
    encoded: list[Tensor] = []
    for start in tqdm(range(0, len(data.pictures), at_once), desc="encoding"):
        pictures = torch.from_numpy(data.pictures[start : start + at_once]).to(device)
        pictures = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.autocast(device, dtype=torch.bfloat16):
            latents = vae.encode(pictures.contiguous(memory_format=torch.channels_last)).latent_dist.mean.float()
        encoded.append((latents * vae.config.scaling_factor).half().contiguous().cpu())
    return torch.cat(encoded)


def most_alike(candidates: Tensor, noise: Tensor) -> Tensor:
    """Return which candidate each noise looks most like: [n, k, c, h, w] and [n, c, h, w] -> [n].

    By the correlation with what a candidate has of its own, beside their mean: each is as likely as any other.
    """
    own = (candidates - candidates.mean(1, keepdim=True)).flatten(2)
    return (F.normalize(own, dim=2) @ noise.flatten(1)[..., None])[..., 0].argmax(1)


class DiffusionRun(Learner):
    """The run that makes the U-Net and the text encoder."""

    name = "diffusion"
    settings: DiffusionSettings

    def __init__(
        self, settings: DiffusionSettings, crew: Crew, networks: Networks, data: TrainingSet, latents: Tensor
    ) -> None:
        self.networks = networks
        self.data = data
        self.latents = latents
        self.noise_schedule = NoiseSchedule()
        # Any: the annotations of diffusers and transformers are wrong about what a call takes and returns.
        self.unet: Any = networks.unet
        self.unet.to(settings.device, memory_format=torch.channels_last).train()
        self.text_encoder: Any = networks.text_encoder
        self.text_encoder.to(settings.device).train()
        self.vae: Any = networks.vae
        self.vae.to(settings.device).eval()
        super().__init__(settings, crew, parameters_of(self.unet, self.text_encoder))
        self.ema_unet = copy.deepcopy(self.unet).requires_grad_(False).eval()
        self.ema_text_encoder = copy.deepcopy(self.text_encoder).requires_grad_(False).eval()
        self.ema_parameters = parameters_of(self.ema_unet, self.ema_text_encoder)
        self.weights = torch.from_numpy(data.weights)
        self.alike = Alike(data.rows)
        self.recoloured = Recoloured(data.rows)
        self.tokens = networks.text_encoder.config.max_position_embeddings
        self.networks.tokenizer.model_max_length = self.short_tokens

    @property
    def short_tokens(self) -> int:
        """How many tokens captions are padded to at first."""
        return min(self.settings.short_tokens, self.tokens)

    def batch(self) -> Batch:
        """Draw the pictures, captions, timesteps and noise of the current step."""
        count, generator, words = self.settings.batch, self.generator(), self.words()
        chosen = torch.multinomial(self.weights, count, replacement=True, generator=generator).tolist()
        rows = [self.data.rows[index] for index in chosen]
        wordings = [row.wording(words) for row in rows]
        captions = [
            "" if words.random() < self.settings.dropped_captions else row.caption(words, wording)
            for row, wording in zip(rows, wordings, strict=True)
        ]
        noise = torch.randn(count, *self.latents.shape[1:], generator=generator)
        timesteps = spread_timesteps(count, generator)
        several = self.settings.candidates
        fitting = torch.stack(
            [self.alike.choose(index, said, several, generator) for index, said in zip(chosen, wordings, strict=True)]
        )
        candidates = self.latents[fitting].float()
        shown = torch.where(timesteps >= self.settings.coupled_from, most_alike(candidates, noise), 0)
        rows_shown = fitting[torch.arange(count), shown]
        seen = rows_shown.clone()
        disguised = (torch.rand(count, generator=generator) < self.settings.disguised) & (
            timesteps >= self.settings.disguised_from
        )
        for at, (said, text) in enumerate(zip(wordings, captions, strict=True)):
            if disguised[at] and text and said is not None and said.colour:
                seen[at] = self.recoloured.other(int(rows_shown[at]), generator)
        clean, seen = (self.latents[chosen].float() for chosen in (rows_shown, seen))
        return Batch(clean=clean, seen=seen, noise=noise, timesteps=timesteps, captions=captions)

    def error(self) -> Tensor:
        """Compute the mean squared error of the predicted velocity; noise.py says why of the velocity."""
        batch, device = self.batch(), self.settings.device
        self._lengthen()
        mine = self.crew.share(len(batch.captions))
        clean, seen, noise, t = (x[mine].to(device) for x in (batch.clean, batch.seen, batch.noise, batch.timesteps))
        noisy = self.noise_schedule.add_noise(seen, noise, t).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device, dtype=torch.bfloat16), attention_for_training(device):
            words = self.text_encoder(self._tokens(batch.captions[mine]))[0]
            predicted = self.unet(noisy, t, words).sample
        return F.mse_loss(predicted.float(), self.noise_schedule.velocity_towards(clean, noisy, t))

    def _lengthen(self) -> None:
        """Go over from short to full padding; the new positions begin as the last padded one."""
        tokenizer, short = self.networks.tokenizer, self.short_tokens
        if self.progress < self.settings.short_share or tokenizer.model_max_length == self.tokens:
            return
        tokenizer.model_max_length = self.tokens
        with torch.no_grad():
            for encoder in (self.text_encoder, self.ema_text_encoder):
                positions = encoder.embeddings.position_embedding.weight
                positions[short:] = positions[short - 1]

    def _tokens(self, captions: list[str]) -> Tensor:
        tokenizer = self.networks.tokenizer
        length = tokenizer.model_max_length
        tokens = tokenizer(captions, padding="max_length", truncation=True, max_length=length)
        return torch.tensor(tokens["input_ids"], device=self.settings.device)

    def after_step(self) -> None:
        """Move the mean a little towards the weights; at first quickly, so that it forgets the untrained ones."""
        decay = min(self.settings.ema, (1 + self.step) / (20 + self.step))
        with torch.no_grad():
            for mean, parameter in zip(self.ema_parameters, self.parameters, strict=True):
                mean.lerp_(parameter, 1 - decay)

    def pipeline(self) -> StableDiffusionPipeline:
        """Make a Stable Diffusion pipeline of the averaged networks."""
        scheduler, nothing = cast(Any, make_scheduler()), cast(Any, None)
        return StableDiffusionPipeline(
            vae=self.vae,
            text_encoder=self.ema_text_encoder,
            tokenizer=self.networks.tokenizer,
            unet=self.ema_unet,
            scheduler=scheduler,
            safety_checker=nothing,
            feature_extractor=nothing,
            requires_safety_checker=False,
        )

    def look(self, path: Path) -> None:
        """Draw the grid's prompts, each time from the same noise."""
        save_grid(path, draw(self.pipeline(), GRID_PROMPTS, seeds=range(len(GRID_PROMPTS))))

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs."""
        ema = [parameter.detach().cpu() for parameter in self.ema_parameters]
        return super().state() | {"ema": ema, "tokens": self.networks.tokenizer.model_max_length}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        super().restore(state)
        copy_into(self.ema_parameters, state["ema"])
        self.networks.tokenizer.model_max_length = state["tokens"]


def attention_for_training(device: str) -> AbstractContextManager[Any]:
    """Use the plain formula on a CPU: torch's fused attention is slow there in the backward pass of small pictures."""
    return sdpa_kernel(SDPBackend.MATH) if device == "cpu" else nullcontext()


def warm_start(run: DiffusionRun, folder: Path) -> None:
    """Begin with another model's U-Net and text encoder of the same widths; words both know keep their embedding."""
    run.unet.load_state_dict(UNet2DConditionModel.from_pretrained(str(folder / "unet")).state_dict())
    theirs = CLIPTextModel.from_pretrained(str(folder / "text_encoder"), dtype=torch.float32).state_dict()
    numbers: dict[str, int] = CLIPTokenizer.from_pretrained(str(folder / "tokenizer")).get_vocab()
    vocabulary: dict[str, int] = run.networks.tokenizer.get_vocab()
    known = [(number, numbers[token]) for token, number in vocabulary.items() if token in numbers]
    for name, value in run.text_encoder.state_dict().items():
        if "token_embedding" in name:
            value[[mine for mine, _ in known]] = theirs[name][[their for _, their in known]]
        elif "position_embedding" in name:
            value[: len(theirs[name])] = theirs[name][: len(value)]
        else:
            value.copy_(theirs[name])
    copy_into(run.ema_parameters, [parameter.detach() for parameter in run.parameters])
