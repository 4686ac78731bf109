# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false
"""The recipe's five stages, in order. Each reads what the one before left in the work folder, and can be run again.

dataset    pictures and captions, from the pinned packages or from a folder of one's own
vae        learns to make pictures small and large again
diffusion  learns to draw: text encoder and U-Net
evaluate   measures what was learnt
export     the model folder, with its card
"""

import hashlib
import random
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import Tensor
from transformers import CLIPTokenizer

from generation.training.artwork import collect
from generation.training.autoencoder import VaeRun, compose, psnr, reconstruct, whiten
from generation.training.checkpoint import load_checkpoint
from generation.training.crew import Crew
from generation.training.diffusion import DiffusionRun, DiffusionSettings, Networks, encode, warm_start
from generation.training.evaluation import (
    load_measurements,
)
from generation.training.export import export_pipeline, size_in_megabytes
from generation.training.learner import LearnerSettings, train
from generation.training.model_card import model_card, notice, save_card
from generation.training.networks import NetworkSizes, make_text_encoder, make_unet, make_vae
from generation.training.pace import Budget
from generation.training.packages import PACKAGES, Role, fetch
from generation.training.reading_file import reading_content, save_reading
from generation.training.tokenizer import save_tokenizer, train_tokenizer
from generation.training.training_set import TrainingSet, from_artwork, read_rows
from generation.training.user_folder import from_folder


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the command line asked for."""

    work: Path
    budget: Budget
    pictures: Path | None = None  #: a folder of one's own
    start_from: Path | None = None  #: a diffusers model to begin with
    sizes: NetworkSizes
    batch: int = 32
    peak_rate: float | None = None
    seed: int = 0
    device: str = "cpu"
    decoder_only: bool = False  #: of the VAE
    latents_of: Path | None = None  #: a diffusers model whose latents the VAE is to make
    beside: Path | None = None  #: a model whose pictures are compared with
    finished: Path | None = None  #: a model to measure instead of the last checkpoint's

    @property
    def dataset(self) -> Path:
        """The training set."""
        return self.work / "dataset"

    @property
    def vae(self) -> Path:
        """The finished VAE."""
        return self.work / "vae" / "model"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer."""
        return self.work / "tokenizer"

    @property
    def export(self) -> Path:
        """The finished model."""
        return self.work / "export"

    @property
    def is_own(self) -> bool:
        """Whether the training set is a user's, of which no concepts are known."""
        return all(row.subject is None for row in read_rows(self.dataset))


def dataset(plan: Plan) -> None:
    """Collect pictures and captions, and train a tokenizer that knows their words."""
    if plan.pictures:
        data = from_folder(plan.pictures, plan.sizes.pixels)
    else:
        data = from_artwork(collect(plan.work, plan.sizes.pixels), seed=plan.seed)
    data.save(plan.dataset)
    words = random.Random(plan.seed)
    captions = [row.caption(words) for row in data.rows for _ in range(2)]
    if plan.start_from:
        tokenizer = CLIPTokenizer.from_pretrained(str(plan.start_from / "tokenizer"))
    else:
        tokenizer = train_tokenizer(captions, vocabulary=plan.sizes.vocabulary, length=plan.sizes.tokens)
    save_tokenizer(tokenizer, plan.tokenizer)
    print(f"{len(data.rows)} pictures, {len(tokenizer)} tokens; captions such as: {' | '.join(captions[:60:10])}")  # noqa: T201


def vae(crew: Crew, plan: Plan) -> None:
    """Train the VAE, whiten its latents, and say how close pictures come back."""
    pictures, weights = _vae_pictures(plan)
    torch.manual_seed(plan.seed)
    network = AutoencoderKL.from_pretrained(str(plan.start_from / "vae")) if plan.start_from else make_vae(plan.sizes)
    settings = LearnerSettings(
        budget=plan.budget,
        batch=plan.batch,
        peak_rate=plan.peak_rate or 2e-3,
        seed=plan.seed,
        device=plan.device,
    )
    teacher = AutoencoderKL.from_pretrained(str(plan.latents_of / "vae")) if plan.latents_of else None
    run = VaeRun(settings, crew, network, pictures.numpy(), weights, decoder_only=plan.decoder_only, teacher=teacher)
    train(run, plan.work / ("vae-decoder" if plan.decoder_only else "vae"))
    if not crew.leads:
        return
    likely = torch.multinomial(weights, min(len(weights), 512), generator=torch.Generator().manual_seed(plan.seed))
    some = compose(pictures[likely], torch.ones(())) * 2 - 1
    if not plan.decoder_only and not plan.latents_of:
        whiten(run.vae, some)
    run.vae.save_pretrained(str(plan.vae))
    print(f"training pictures: {psnr(some, reconstruct(run.vae, some).cpu()):.2f} dB")  # noqa: T201


def _vae_pictures(plan: Plan) -> tuple[Tensor, Tensor]:
    """Return what the VAE learns from, with alpha, and how often: half of the time the style that is drawn."""
    if plan.is_own:
        own = torch.from_numpy(TrainingSet.load(plan.dataset).pictures)
        return torch.cat([own, torch.full_like(own[..., :1], 255)], 3), torch.ones(len(own))
    collection = collect(plan.work, plan.sizes.pixels)
    roles = [drawing.role for drawing in collection.drawings]
    weights = torch.tensor([1 / roles.count(role) if role in (Role.DRAWN, Role.SEEN) else 0.0 for role in roles])
    return torch.from_numpy(collection.pictures), weights


def diffusion(crew: Crew, plan: Plan) -> None:
    """Train the text encoder and the U-Net."""
    run = _diffusion_run(crew, plan)
    if plan.start_from and run.step == 0:
        warm_start(run, plan.start_from)
    train(run, plan.work / "diffusion")


def _diffusion_run(crew: Crew, plan: Plan, *, to_learn: bool = True) -> DiffusionRun:
    tokenizer = CLIPTokenizer.from_pretrained(str(plan.tokenizer))
    network = AutoencoderKL.from_pretrained(str(plan.vae))
    data = TrainingSet.load(plan.dataset)
    settings = DiffusionSettings(budget=plan.budget, batch=plan.batch, seed=plan.seed, device=plan.device)
    if plan.peak_rate:
        settings = replace(settings, peak_rate=plan.peak_rate)
    latents = _latents(plan, network, data) if to_learn else torch.empty(0)
    torch.manual_seed(plan.seed)
    networks = Networks(
        tokenizer=tokenizer,
        text_encoder=make_text_encoder(plan.sizes, tokenizer),
        unet=make_unet(plan.sizes),
        vae=network,
    )
    return DiffusionRun(settings, crew, networks, data, latents)


def _latents(plan: Plan, network: AutoencoderKL, data: TrainingSet) -> Tensor:
    """Encode the pictures, or read them from an earlier sitting if neither they nor the VAE have changed."""
    digest = hashlib.sha256()
    for path in (*sorted(plan.dataset.iterdir()), *sorted(plan.vae.iterdir())):
        digest.update(path.read_bytes())
    cache = plan.work / "diffusion" / f"latents-{digest.hexdigest()[:12]}.pt"
    if cache.is_file():
        return torch.load(cache, weights_only=True)
    latents = encode(network, data, device=plan.device)
    cache.parent.mkdir(parents=True, exist_ok=True)
    partial = cache.with_suffix(f".{torch.randint(2**31, (1,)).item()}")
    torch.save(latents, partial)
    partial.rename(cache)
    return latents


def assemble(plan: Plan) -> StableDiffusionPipeline:
    """Make the model as it will be shipped: written in half precision, and read back."""
    state = load_checkpoint(plan.work / "diffusion" / "checkpoint.pt")
    if state is None:
        raise FileNotFoundError("no diffusion checkpoint in the work folder: run the stage `diffusion` first")
    run = _diffusion_run(Crew(), plan, to_learn=False)
    run.restore(state)
    export_pipeline(run.pipeline(), plan.export, tokens=plan.sizes.tokens)
    return load_model(plan.export, plan.device)


def load_model(folder: Path, device: str) -> StableDiffusionPipeline:
    """Load a diffusers model in float32."""
    return StableDiffusionPipeline.from_pretrained(
        str(folder), dtype=torch.float32, safety_checker=None, requires_safety_checker=False
    ).to(device)


def export(plan: Plan) -> None:
    """Write the model folder: weights and, of the built-in model, its card, attributions and what it can draw."""
    assemble(plan)
    print(f"{plan.export}: {size_in_megabytes(plan.export):.1f} MB")  # noqa: T201
    if plan.is_own:
        return
    measurements, settings = load_measurements(plan.work / "evaluation.json")
    story = plan.work / "story.txt"  # how these very weights came about, where it was not by these stages alone
    paragraphs = story.read_text("utf-8").splitlines() if story.is_file() else []
    content = reading_content(names_folder(plan))
    save_reading(plan.export, content)
    groups: dict[str, list[str]] = {}
    for thing in sorted(content["things"], key=lambda thing: thing["group"]):
        groups.setdefault(thing["group"], []).append(thing["name"])
    card = model_card(
        measurements,
        settings,
        megabytes=size_in_megabytes(plan.export),
        groups=groups,
        styles=list(content["styles"]),
        story=paragraphs,
    )
    save_card(plan.export, card, notice())


def names_folder(plan: Plan) -> Path:
    """Return the folder of the package that names the emoji."""
    return next(fetch(package, plan.work / "packages") for package in PACKAGES if package.role is Role.NAMES)
