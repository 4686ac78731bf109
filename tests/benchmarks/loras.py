"""C12 and H16: what LoRAs of their own for the rows of a call cost, over the same rows without any."""

import statistics
from collections.abc import Sequence
from dataclasses import replace

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from generation.diffusion.families.base import Conditioning
from generation.diffusion.families.lora_layers import Adapter, Columns, LoraLayer
from generation.request import SYNTAX
from tests.benchmarks.figures import Figure, ratio
from tests.benchmarks.gpu_bench import XL, Bench
from tests.benchmarks.peers import interleaved, seconds

ROWS = 8
RANK = 16
#: 81.5 million parameters, of Stable Diffusion 1.5's geometry in every other respect.
_GEOMETRY = {
    "sample_size": 32,
    "block_out_channels": (96, 192, 384, 384),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
BARS = {1: 1.2, 8: 1.6}  #: by the number of LoRAs


def measure_loras() -> list[Figure]:
    """C12: eight rows with one and with eight LoRAs of rank 16 on the layers of attention."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(**_GEOMETRY).eval()
    columns = Columns(unet, most=ROWS * RANK, device=torch.device("cpu"), dtype=torch.float32)
    adapters = [random_adapter(unet, number) for number in range(ROWS)]
    latents, timesteps, text = torch.randn(ROWS, 4, 32, 32), torch.linspace(999, 1, ROWS), torch.randn(ROWS, 77, 768)

    def call(weights: Tensor | None, rows: slice = slice(None)) -> float:
        with torch.inference_mode(), columns.applied(weights):
            return seconds(lambda: unet(latents[rows], timesteps[rows], text[rows], return_dict=False))

    def figure(count: int, bar: float) -> Figure:
        weights = placed(columns, adapters[:count])
        ours, theirs = interleaved(lambda: call(weights), lambda: call(None), repetitions=3)
        note = f"{statistics.median(theirs):.2f} s without"
        if count > 1:  # with weights that are merged, rows of different LoRAs cannot share a call
            calls = [slice(number, None, count) for number in range(count)]
            apart = [sum(call(None, rows) for rows in calls) for _ in range(3)]
            note += f"; by merged weights, {count} calls: {statistics.median(apart) / statistics.median(theirs):.2f}"
        meaning = f"8 rows with {count} LoRA{'s' if count > 1 else ''} of rank {RANK} / without any"
        return ratio(f"C12_{count}", meaning, ours, theirs, bar, None, True, note)

    return [figure(count, bar) for count, bar in BARS.items()]


def rows_with_loras(bench: Bench) -> list[Figure]:
    """H16: eight rows with eight LoRAs of rank 16, over the same rows without any, eagerly on both sides."""
    with bench.eager(XL) as model:
        side, unet = model.spec.native_size, model.family.parts.denoiser
        conditioning = model.encode("", "", syntax=SYNTAX, guidance_scale=1.0, width=side, height=side).positive
        conditioning = Conditioning.stack([conditioning] * ROWS)
        latents = torch.randn(ROWS, *model.latent_shape(side, side)).to(model.device, model.dtype)
        timesteps = torch.linspace(999, 1, ROWS).to(model.device)
        weights = placed(model.adapters.columns, [random_adapter(unet, number) for number in range(ROWS)])

        def call(loras: Tensor | None) -> float:
            told = replace(conditioning, loras=loras)
            return seconds(lambda: (model.predict_noise(latents, timesteps, told, eager=True), model.synchronize()))

        turns = 1 if bench.smoke else 10
        ours, theirs = interleaved(lambda: call(weights), lambda: call(None), repetitions=turns)
    return [ratio("H16", "SDXL, 8 rows with 8 LoRAs of rank 16 / without any", ours, theirs, 1.15, 1.08)]


def random_adapter(unet: nn.Module, number: int) -> Adapter:
    """A LoRA with random numbers for every layer of attention."""
    generator = torch.Generator("cpu").manual_seed(number)
    layers: dict[str, LoraLayer] = {}
    for path, module in unet.named_modules():
        if ".attentions." in path and isinstance(module, nn.Linear | nn.Conv2d):
            weight = module.weight
            down, up = (
                (torch.randn(RANK, *shape, generator=generator) / 50).to(weight.dtype)
                for shape in (weight.shape[1:], weight.shape[:1])
            )
            layers[path] = LoraLayer(down=down, up=up)
    return Adapter(name=str(number), sha256=str(number), rank=RANK, denoiser=layers, text_encoders=())


def placed(columns: Columns, adapters: Sequence[Adapter]) -> Tensor:
    """Put these into their columns; return the weights of ROWS rows that take them in turn."""
    with torch.inference_mode():
        columns.place(adapters)
        return columns.weights([{adapters[number % len(adapters)].sha256: 0.8} for number in range(ROWS)])
