"""What a model is, read from its small config files alone: a ModelSpec before torch is even imported."""

import re
import socket
import urllib.parse
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

from generation.catalog import MAX_ASPECT, Canvas, ModelSpec
from generation.diffusion.families import single_files
from generation.diffusion.families.configs import is_turbo, spec_of
from generation.diffusion.families.lora_headers import find_loras, with_loras
from generation.diffusion.families.model_folders import (
    CONFIGS,
    INDEX,
    read_configs,
    read_json,
    require_family,
    require_parts,
)
from generation.diffusion.safetensors_header import read_header
from generation.errors import ModelUnavailable
from generation.reading import FILE as READING
from generation.reading import Reading
from generation.request import SchedulerName

BUILTIN = "builtin"
BUILTIN_FOLDER = Path(__file__).parent.parent.parent / "builtin_model"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".json", ".zip")
_FOLDERS = ("checkpoints", "data", "models", "weights")  #: how people name folders, and nobody on the hub


def inspect_model(source: str, config: str | None = None) -> ModelSpec:
    """Read the spec of a model: "builtin", a diffusers folder, a .safetensors file, or a hub id.

    A folder's parts and a file's header are looked at too, so that what is missing is named now. Of a hub id only
    configs of a few kB are fetched, from the hub's cache where it has them. Raises ModelUnavailable.
    """
    if source == BUILTIN:
        return _builtin()
    try:
        path = Path(source).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # a name that is too long, has a NUL, or somebody's ~
        raise ModelUnavailable(source, "no_such_source") from error
    if is_folder:
        configs = read_configs(path, source)
        spec = spec_of(path.resolve().name or "model", source, str(path), configs, config=None)
        spec = replace(spec, reading=_reading(path, source))
        require_parts(path, source, configs, weights=True)
        return spec
    if is_file:
        return _inspect_file(path, source, config)
    if _HUB_ID.fullmatch(source) and not _looks_like_a_path(path):
        return spec_of(path.name, source, source, _hub_configs(source), config=None)
    raise ModelUnavailable(source, "no_such_source")


def _inspect_file(path: Path, source: str, config: str | None) -> ModelSpec:
    header = read_header(path, source)
    if path.suffix.lower() != ".safetensors":
        raise ModelUnavailable(source, "no_safetensors", detail=path.suffix)
    single_files.require_whole_model(header, source)
    if config is None:
        if is_turbo(path.stem):
            # Nothing in the file tells it from the model it was distilled from, and the wrong schedule spoils it.
            raise ModelUnavailable(source, "turbo_without_config")
        return spec_of(path.stem, source, str(path), single_files.guessed_configs(header), config=None)
    folder = Path(config).expanduser()
    configs = read_configs(folder, source)
    configs["scheduler"] = single_files.scheduler_marks(header) | configs["scheduler"]
    spec = spec_of(path.stem, source, str(path), configs, config=config)
    require_parts(folder, source, configs, weights=False)
    single_files.require_fitting_configs(header, configs, source)
    return spec


def _looks_like_a_path(path: Path) -> bool:
    """Whether a source of the form a/b, which is not there, must have meant a place on this machine."""
    return path.parts[0] in _FOLDERS or path.parent.exists() or path.suffix.lower() in _FILES


def _builtin() -> ModelSpec:
    spec = spec_of(BUILTIN, BUILTIN, BUILTIN, read_configs(BUILTIN_FOLDER, BUILTIN), config=None)
    reading = _reading(BUILTIN_FOLDER, BUILTIN)
    count = len(reading.things) if reading else 0
    spec = replace(
        spec,
        description=f"ships with the bot; draws small emoji-like pictures of {count} things",
        canvas=Canvas.SQUARE,  # it was trained on squares alone
        max_size=int(MAX_ASPECT * spec.native_size),
        default_steps=20,
        default_guidance=4.0,
        default_scheduler=SchedulerName.DPMPP_2M,
        examples=("a red heart", "a panda", "a blue car", "a strawberry", "a star on a blue background"),
        reading=reading,
    )
    return with_loras(spec, find_loras([str(BUILTIN_FOLDER / "loras")]))


def _reading(folder: Path, source: str) -> Reading | None:
    """How the model reads prompts, where a file beside its weights says so. Raises ModelUnavailable."""
    try:
        return Reading.load(folder / READING) if (folder / READING).is_file() else None
    except (OSError, ValueError) as error:
        raise ModelUnavailable(source, "broken_config", detail=f"{READING}: {error}") from error


def _hub_configs(hub_id: str) -> dict[str, Any]:
    from huggingface_hub import hf_hub_download  # pyright: ignore[reportUnknownVariableType]
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    only_cached = not hub_can_be_asked()
    try:
        files = {
            name: Path(hf_hub_download(hub_id, name, local_files_only=only_cached))
            for name in (INDEX, *CONFIGS.values())
        }
    except (OSError, ValueError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise ModelUnavailable(hub_id, "hub_silent", detail=" ".join(str(error).split())[:200]) from error
    require_family(read_json(files[INDEX], hub_id), hub_id)
    return {part: read_json(files[name], hub_id) for part, name in CONFIGS.items()}


def hub_can_be_asked() -> bool:
    """Whether the hub's name leads anywhere from here. Where it does not, asking would take half a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if urllib.request.getproxies():
        return True  # a proxy knows more names than this machine
    try:
        socket.getaddrinfo(urllib.parse.urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        return False
    return True
