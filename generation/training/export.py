# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateImportUsage=false
"""A finished model as a folder in diffusers' layout: half precision, safetensors, nothing of this machine in it."""

import copy
import json
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import StableDiffusionPipeline

from generation.training.tokenizer import save_tokenizer


def export_pipeline(pipeline: StableDiffusionPipeline, folder: Path, *, tokens: int) -> None:
    """Write the pipeline's parts to `folder`.

    The files carry no "fp16" in their names: then they load without `variant=`, and as float32 where that is asked for.
    """
    parts: Any = pipeline
    tokenizer = copy.deepcopy(parts.tokenizer)
    tokenizer.model_max_length = tokens
    nothing = cast(Any, None)
    StableDiffusionPipeline(
        vae=copy.deepcopy(parts.vae).to(torch.float16),
        text_encoder=copy.deepcopy(parts.text_encoder).to(torch.float16),
        tokenizer=tokenizer,
        unet=copy.deepcopy(parts.unet).to(torch.float16),
        scheduler=parts.scheduler,
        safety_checker=nothing,
        feature_extractor=nothing,
        requires_safety_checker=False,
    ).save_pretrained(str(folder), safe_serialization=True)
    save_tokenizer(tokenizer, folder / "tokenizer")
    for config in folder.rglob("*.json"):
        _strip_paths(config)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # safetensors are written for their owner alone


def _strip_paths(config: Path) -> None:
    content = json.loads(config.read_text("utf-8"))
    if isinstance(content, dict) and content.pop("_name_or_path", None) is not None:
        config.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def size_in_megabytes(folder: Path) -> float:
    """Return the size of the weights in megabytes."""
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors")) / 1e6
