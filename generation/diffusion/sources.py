"""What a model is, read from its small config files alone: a ModelSpec before torch is even imported."""

import json
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

from generation.catalog import ModelFamily, ModelSpec
from generation.errors import ModelUnavailable
from generation.request import SchedulerName

BUILTIN = "builtin"
BUILTIN_FOLDER = Path(__file__).parent.parent / "builtin_model"
_CONFIGS = ("unet/config.json", "vae/config.json", "scheduler/scheduler_config.json")
_MAX_HEADER = 100 * 2**20  #: bytes; the limit of the safetensors format itself


def inspect_model(source: str, config: str | None = None) -> ModelSpec:
    """Read the spec of a model: "builtin", a diffusers folder, a .safetensors file, or a hub id.

    Of a hub id only configs of a few kB are fetched, from the hub's cache where it has them. Raises ModelUnavailable.
    """
    if source == BUILTIN:
        return _builtin()
    path = Path(source).expanduser()
    name = path.stem if path.suffix == ".safetensors" else path.name
    if path.is_dir():
        return _spec(name, str(path), _folder_configs(path, source), config=None)
    if path.is_file():
        if path.suffix != ".safetensors":
            raise ModelUnavailable(source, "no_safetensors", detail=path.suffix)
        if config is not None:
            return _spec(name, str(path), _folder_configs(Path(config).expanduser(), source), config=config)
        if _is_turbo(name):
            # Nothing in the file tells it from the model it was distilled from, and the wrong schedule spoils it.
            raise ModelUnavailable(source, "turbo_without_config")
        return _spec(name, str(path), _guess_from_header(path, source), config=None)
    if source.count("/") == 1 and not source.startswith((".", "/", "~")):
        return _spec(name, source, _hub_configs(source), config=None)
    raise ModelUnavailable(source, "no_such_source")


def _spec(name: str, source: str, configs: dict[str, Any], *, config: str | None) -> ModelSpec:
    unet, vae = configs["unet"], configs["vae"]
    factor = 2 ** (len(vae.get("block_out_channels", [0] * 4)) - 1)
    sample = unet.get("sample_size") or 64
    native = (sample if isinstance(sample, int) else max(sample)) * factor
    is_xl = unet.get("addition_embed_type") == "text_time"
    # U-Nets halve the latents once a level but the last; multiples of that keep every skip connection aligned.
    multiple = factor * 2 ** (len(unet.get("block_out_channels", [0] * 4)) - 1)
    steps, guidance, scheduler = _habits(name, configs["scheduler"], is_distilled=bool(unet.get("time_cond_proj_dim")))
    return ModelSpec(
        name=name,
        source=source,
        config=config,
        family=ModelFamily.STABLE_DIFFUSION_XL if is_xl else ModelFamily.STABLE_DIFFUSION,
        description=f"{'Stable Diffusion XL' if is_xl else 'Stable Diffusion'}, {native} px",
        native_size=native,
        size_multiple=multiple,
        min_size=max(multiple, native // 4),
        max_size=native * 2,
        default_steps=steps,
        default_guidance=guidance,
        default_scheduler=scheduler,
    )


def _habits(name: str, scheduler: dict[str, Any], *, is_distilled: bool) -> tuple[int, float, SchedulerName]:
    """Return the steps, guidance and scheduler that this kind of model was made for."""
    if _is_turbo(name):
        return 4, 0.0, SchedulerName.EULER_A
    if scheduler.get("_class_name") == "LCMScheduler" or re.search(r"(^|[^a-z])lcm([^a-z]|$)", name.casefold()):
        # Distilled with guidance as an input of the U-Net, or by a LoRA that only bears a little of it.
        return 6, 8.0 if is_distilled else 1.5, SchedulerName.LCM
    return 25, 7.0, SchedulerName.DPMPP_2M_KARRAS


def _is_turbo(name: str) -> bool:
    return "turbo" in name.casefold()


def _builtin() -> ModelSpec:
    concepts: list[dict[str, Any]] = json.loads((BUILTIN_FOLDER / "concepts.json").read_text("utf-8"))
    return replace(
        _spec(BUILTIN, BUILTIN, _folder_configs(BUILTIN_FOLDER, BUILTIN), config=None),
        description=f"ships with the bot; draws small emoji-like pictures of {len(concepts)} things",
        default_steps=20,
        default_guidance=4.0,
        default_scheduler=SchedulerName.DPMPP_2M,
        examples=("a red heart", "a panda", "a blue car", "a strawberry", "a star on a blue background"),
        vocabulary=tuple(word for concept in concepts for word in (concept["name"], *concept["aliases"])),
    )


def _folder_configs(folder: Path, source: str) -> dict[str, Any]:
    try:
        return _parse({name: (folder / name).read_text("utf-8") for name in _CONFIGS})
    except (OSError, ValueError) as error:
        raise ModelUnavailable(source, "no_model_folder", detail=f"{folder}: {error}") from error


def _hub_configs(hub_id: str) -> dict[str, Any]:
    from huggingface_hub import hf_hub_download  # pyright: ignore[reportUnknownVariableType]
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return _parse({name: Path(hf_hub_download(hub_id, name)).read_text("utf-8") for name in _CONFIGS})
    except (OSError, ValueError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise ModelUnavailable(hub_id, "hub_silent", detail=str(error)) from error


def _parse(texts: dict[str, str]) -> dict[str, Any]:
    return {name.partition("/")[0]: json.loads(text) for name, text in texts.items()}


def _guess_from_header(path: Path, source: str) -> dict[str, Any]:
    """Guess the configs that matter here from a single file's tensor names, as its header lists them."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _MAX_HEADER:
                raise ValueError("the header is too long")
            header = json.loads(file.read(length))
    except (OSError, ValueError, struct.error) as error:
        raise ModelUnavailable(source, "no_safetensors", detail=f"{path}: {error}") from error
    is_xl = any(key.startswith("conditioner.embedders.1.") for key in header)
    is_v2 = any(key.startswith("cond_stage_model.model.") for key in header)
    unet = {"sample_size": 128 if is_xl else 96 if is_v2 else 64}
    return {"unet": unet | ({"addition_embed_type": "text_time"} if is_xl else {}), "vae": {}, "scheduler": {}}
