# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false
"""Teaching a finished model something more, as a LoRA: its own weights stay, two thin matrices a layer are learnt.

A layer's weight W becomes W + (alpha / rank) B A, with A [rank, in] random and B [out, rank] zero at first, so that
learning begins at the model as it is (Hu et al. 2021, arXiv 2106.09685, section 4.1). Learnt are the layers of
attention in the U-Net. Pictures are drawn with exactly the hooks by which the engine draws with the file afterwards.

The captions are brought into the model's own words, as prompts are. They name no style: with the LoRA everything is
drawn in it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import DDPMScheduler
from safetensors.torch import save_file
from torch import Tensor, nn

from generation.catalog import ModelFamily, ModelSpec
from generation.diffusion.families.lora_headers import tensors_hash
from generation.diffusion.families.lora_layers import LoraLayer, added
from generation.diffusion.loading.loading import load_model
from generation.diffusion.loading.sources import BUILTIN, inspect_model
from generation.training.captions import Wording
from generation.training.crew import Crew
from generation.training.diffusion import attention_for_training, encode, most_alike
from generation.training.learner import Learner, LearnerSettings, train
from generation.training.lora_styles import in_style
from generation.training.noise import spread_timesteps
from generation.training.sample_grid import save_grid
from generation.training.training_set import Alike, TrainingSet
from generation.training.user_folder import from_folder

_PLAINLY = Wording(style=False, colour=False)


@dataclass(frozen=True, kw_only=True)
class LoraSettings(LearnerSettings):
    """How a LoRA is trained."""

    peak_rate: float = 1e-3
    rank: int = 16
    alpha: float = 16.0
    dropped_captions: float = 0.1  #: share of pictures shown without words, for guidance
    candidates: int = 8  #: as DiffusionSettings has it
    coupled_from: int = 700  #: as DiffusionSettings has it


@dataclass(frozen=True, kw_only=True)
class LoraPlan:
    """What the command line asked for."""

    work: Path
    settings: LoraSettings
    model: str = BUILTIN
    style: str | None = None  #: of the artwork in `work`
    pictures: Path | None = None  #: or a folder of one's own
    name: str | None = None  #: by default the style's, or the folder's
    trigger: str = ""  #: words that its file is to say call for it

    @property
    def title(self) -> str:
        """The file's name without its ending."""
        return self.name or self.style or (self.pictures.resolve().name if self.pictures else "lora")

    @property
    def file(self) -> Path:
        """What is written."""
        return self.work / "loras" / f"{self.title}.safetensors"


class LoraRun(Learner):
    """The run that makes a LoRA for one pipeline."""

    name = "lora"
    settings: LoraSettings

    def __init__(self, settings: LoraSettings, pipeline: Any, spec: ModelSpec, data: TrainingSet) -> None:
        """Raise ValueError for a model that it cannot teach."""
        if spec.family is not ModelFamily.STABLE_DIFFUSION or spec.inpaints:
            raise ValueError(f"{spec.name} is {spec.family}: LoRAs are taught to plain Stable Diffusion only")
        self.pipeline, self.spec, self.data = pipeline, spec, data
        self.unet: Any = pipeline.unet.requires_grad_(False).train()
        self.scheduler: Any = DDPMScheduler.from_config(pipeline.scheduler.config)
        self.latents = encode(pipeline.vae, data, device=settings.device)
        self.layers = new_layers(self.unet, settings)
        halves: list[Any] = [half for layer in self.layers.values() for half in (layer.down, layer.up)]
        super().__init__(settings, Crew(), halves)
        self.weights = torch.from_numpy(data.weights)
        self.alike = Alike(data.rows)
        self._words: dict[str, Tensor] = {}

    @property
    def scale(self) -> float:
        """alpha / rank."""
        return self.settings.alpha / self.settings.rank

    def error(self) -> Tensor:
        """Compute the mean squared error of what the model predicts: the noise, or the velocity."""
        settings, generator, words = self.settings, self.generator(), self.words()
        device, count = settings.device, settings.batch
        chosen = torch.multinomial(self.weights, count, replacement=True, generator=generator).tolist()
        captions = [
            "" if words.random() < settings.dropped_captions else self.data.rows[index].caption(words, _PLAINLY)
            for index in chosen
        ]
        noise = torch.randn(count, *self.latents.shape[1:], generator=generator)
        t = spread_timesteps(count, generator)
        fitting = torch.stack([self._fitting(index, generator) for index in chosen])
        candidates = self.latents[fitting].float()
        shown = torch.where(t >= settings.coupled_from, most_alike(candidates, noise), 0)
        clean, noise, t = (x.to(device) for x in (candidates[torch.arange(count), shown], noise, t))
        text = torch.cat([self._encoded(caption) for caption in captions])
        is_velocity = self.scheduler.config.prediction_type == "v_prediction"
        target = self.scheduler.get_velocity(clean, noise, t) if is_velocity else noise
        with added(self.unet, [(self.layers, self.scale)], torch.device(device)), attention_for_training(device):
            predicted = self.unet(self.scheduler.add_noise(clean, noise, t), t, text).sample
        return F.mse_loss(predicted.float(), target)

    def _fitting(self, index: int, generator: torch.Generator) -> Tensor:
        wording = _PLAINLY if self.data.rows[index].subject else None
        return self.alike.choose(index, wording, self.settings.candidates, generator)

    @torch.no_grad()
    def _encoded(self, caption: str) -> Tensor:
        """Encode a caption as the model reads it, once."""
        read = self.spec.read(caption).text
        if read not in self._words:
            self._words[read] = self.pipeline.encode_prompt(read, self.settings.device, 1, False)[0]
        return self._words[read]

    @torch.no_grad()
    def look(self, path: Path) -> None:
        """Draw a few of the captions with the LoRA as it is, each time from the same noise."""
        words = self.words()
        several = [self.spec.read(row.caption(words, _PLAINLY)).text for row in self.data.rows[:8]]
        self.unet.eval()
        with added(self.unet, [(self.layers, self.scale)], torch.device(self.settings.device)):
            pictures = self.pipeline(
                several,
                num_inference_steps=min(20, self.spec.default_steps),
                guidance_scale=self.spec.default_guidance,
                width=self.spec.native_size,
                height=self.spec.native_size,
                generator=[torch.Generator().manual_seed(seed) for seed in range(len(several))],
                output_type="np",
            ).images
        self.unet.train()
        save_grid(path, (pictures * 255).round().astype("uint8"))


def new_layers(unet: nn.Module, settings: LoraSettings) -> dict[str, LoraLayer]:
    """Make the halves for every linear layer of attention: the first random, the second zero."""
    generator = torch.Generator().manual_seed(settings.seed)
    layers: dict[str, LoraLayer] = {}
    for path, module in unet.named_modules():
        if ".attentions." in path and isinstance(module, nn.Linear):
            bound = module.in_features**-0.5
            down = (torch.rand(settings.rank, module.in_features, generator=generator) * 2 - 1) * bound
            up = torch.zeros(settings.rank, module.out_features)
            halves = (nn.Parameter(half.to(settings.device)) for half in (down, up))
            layers[path] = LoraLayer(down=next(halves), up=next(halves))
    return layers


def save_lora(run: LoraRun, path: Path, *, title: str, trigger: str = "") -> None:
    """Write the file in half precision, in kohya's form, with what its header is to say."""
    tensors: dict[str, Tensor] = {}
    for name, layer in run.layers.items():
        key = f"lora_unet_{name.replace('.', '_')}"
        tensors[f"{key}.lora_down.weight"] = layer.down.detach().half().cpu().contiguous()
        tensors[f"{key}.lora_up.weight"] = layer.up.detach().t().half().cpu().contiguous()
        tensors[f"{key}.alpha"] = torch.tensor(run.settings.alpha).half()
    metadata = {
        "modelspec.title": title,
        "modelspec.trigger_phrase": trigger,
        "ss_base_model_version": run.spec.name,
        "ss_network_dim": str(run.settings.rank),
        "ss_network_alpha": str(run.settings.alpha),
        "ss_steps": str(run.step),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata)
    # Written twice: the hash is that of what follows the header.
    save_file(tensors, path, metadata | {"sshs_model_hash": tensors_hash(path)})
    path.chmod(0o644)


def lora(plan: LoraPlan) -> Path:
    """Train a LoRA, going on from its checkpoint if there is one; return the file. Raises ValueError."""
    spec = inspect_model(plan.model)
    family: Any = load_model(spec, device=plan.settings.device, dtype="float32").family
    if plan.pictures is not None:
        data = from_folder(plan.pictures, spec.native_size)
    else:
        data = in_style(TrainingSet.load(plan.work / "dataset"), plan.style or "")
    run = LoraRun(plan.settings, family.pipeline, spec, data)
    train(run, plan.work / "lora" / plan.title)
    save_lora(run, plan.file, title=plan.title, trigger=plan.trigger)
    return plan.file
