"""What a model is, read from its small config files alone: a ModelSpec before torch is even imported."""

import re
import socket
import urllib.parse
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from generation.catalog import MAX_ASPECT, Canvas, ModelFamily, ModelSpec
from generation.diffusion import single_files
from generation.diffusion.model_folders import CONFIGS, INDEX, read_configs, read_json, require_family, require_parts
from generation.diffusion.safetensors_header import read_header
from generation.errors import ModelUnavailable
from generation.reading import FILE as READING
from generation.reading import Reading
from generation.request import MAX_SIZE, SchedulerName

BUILTIN = "builtin"
BUILTIN_FOLDER = Path(__file__).parent.parent / "builtin_model"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".json", ".zip")
_FOLDERS = ("checkpoints", "data", "models", "weights")  #: how people name folders, and nobody on the hub
_PREDICTIONS = ("epsilon", "v_prediction", "sample")
_MOST_LEVELS = 8  #: of a U-Net or VAE


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
        spec = _spec(path.resolve().name or "model", source, str(path), configs, config=None)
        spec = replace(spec, reading=_reading(path, source))
        require_parts(path, source, configs, weights=True)
        return spec
    if is_file:
        return _inspect_file(path, source, config)
    if _HUB_ID.fullmatch(source) and not _looks_like_a_path(path):
        return _spec(path.name, source, source, _hub_configs(source), config=None)
    raise ModelUnavailable(source, "no_such_source")


def _inspect_file(path: Path, source: str, config: str | None) -> ModelSpec:
    header = read_header(path, source)
    if path.suffix.lower() != ".safetensors":
        raise ModelUnavailable(source, "no_safetensors", detail=path.suffix)
    single_files.require_whole_model(header, source)
    if config is None:
        if _is_turbo(path.stem):
            # Nothing in the file tells it from the model it was distilled from, and the wrong schedule spoils it.
            raise ModelUnavailable(source, "turbo_without_config")
        return _spec(path.stem, source, str(path), single_files.guessed_configs(header), config=None)
    folder = Path(config).expanduser()
    configs = read_configs(folder, source)
    configs["scheduler"] = single_files.scheduler_marks(header) | configs["scheduler"]
    spec = _spec(path.stem, source, str(path), configs, config=config)
    require_parts(folder, source, configs, weights=False)
    wanted, given = configs["unet"].get("cross_attention_dim"), single_files.text_width(header)
    if isinstance(wanted, int) and given not in (None, wanted):
        raise ModelUnavailable(source, "parts_differ", detail=f"MODEL_CONFIG: text width {wanted}, the file's: {given}")
    return spec


def _looks_like_a_path(path: Path) -> bool:
    """Whether a source of the form a/b, which is not there, must have meant a place on this machine."""
    return path.parts[0] in _FOLDERS or path.parent.exists() or path.suffix.lower() in _FILES


def _spec(name: str, source: str, place: str, configs: dict[str, Any], *, config: str | None) -> ModelSpec:
    """Work out the spec from the configs of the parts; `source` is what the operator wrote, `place` where it is."""
    unet, vae = configs["unet"], configs["vae"]
    try:
        factor = 2 ** (_levels(vae, "vae") - 1)
        sample = _whole(unet.get("sample_size") or 64, "unet: sample_size")
        # U-Nets halve the latents once a level but the last; multiples of that keep every skip connection aligned.
        native, multiple = sample * factor, factor * 2 ** (_levels(unet, "unet") - 1)
        if not multiple <= native <= MAX_SIZE:
            raise ValueError(f"unet: sample_size is {sample}")
        steps, guidance, scheduler = _habits(
            name, configs["scheduler"], is_distilled=bool(unet.get("time_cond_proj_dim"))
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelUnavailable(source, "broken_config", detail=str(error)) from error
    _require_drawing_from_words(unet, source)
    is_xl = unet.get("addition_embed_type") == "text_time"
    return ModelSpec(
        name=name,
        source=place,
        config=config,
        family=ModelFamily.STABLE_DIFFUSION_XL if is_xl else ModelFamily.STABLE_DIFFUSION,
        description=f"{'Stable Diffusion XL' if is_xl else 'Stable Diffusion'}, {native} px",
        native_size=native,
        size_multiple=multiple,
        min_size=max(multiple, native // 4),
        max_size=min(native * 2, MAX_SIZE),
        default_steps=steps,
        default_guidance=guidance,
        default_scheduler=scheduler,
    )


def _levels(config: dict[str, Any], part: str) -> int:
    """Count the levels of a network; four, as in every Stable Diffusion's VAE and U-Net, where it does not say."""
    widths = config.get("block_out_channels", [1] * 4)
    if not isinstance(widths, list) or not 1 <= len(cast("list[object]", widths)) <= _MOST_LEVELS:
        raise ValueError(f"{part}: block_out_channels")
    for width in cast("list[object]", widths):
        _whole(width, f"{part}: block_out_channels")
    return len(cast("list[object]", widths))


def _whole(value: object, what: str) -> int:
    """Return a positive whole number, or the larger of several. Raises ValueError for anything else."""
    numbers = cast("list[object]", value) if isinstance(value, list) else [value]
    whole = [number for number in numbers if isinstance(number, int) and 0 < number < 2**16]
    if not whole or len(whole) < len(numbers):
        raise ValueError(f"{what} is {value!r:.60}")
    return max(whole)


def _require_drawing_from_words(unet: dict[str, Any], source: str) -> None:
    """Raise ModelUnavailable for a U-Net whose input has more than the latents: one that edits or enlarges pictures."""
    if (channels := unet.get("in_channels", single_files.LATENT_CHANNELS)) != unet.get("out_channels", channels):
        raise ModelUnavailable(source, "edits_pictures", detail=f"{channels} channels")


def _habits(name: str, scheduler: dict[str, Any], *, is_distilled: bool) -> tuple[int, float, SchedulerName]:
    """Return the steps, guidance and scheduler that this kind of model was made for. Raises ValueError."""
    kind = scheduler.get("prediction_type", "epsilon")
    if kind not in _PREDICTIONS:
        raise ValueError(f"scheduler: prediction_type is {kind!r:.60}")
    if scheduler.get("rescale_betas_zero_snr") and kind == "epsilon":
        raise ValueError("scheduler: rescale_betas_zero_snr without v_prediction")  # divides by zero
    if _is_turbo(name):
        return 4, 0.0, SchedulerName.EULER_A
    if scheduler.get("_class_name") == "LCMScheduler" or re.search(r"(^|[^a-z])lcm([^a-z]|$)", name.casefold()):
        # Distilled with guidance as an input of the U-Net, or by a LoRA that only bears a little of it.
        return 6, 8.0 if is_distilled else 1.5, SchedulerName.LCM
    if scheduler.get("rescale_betas_zero_snr"):
        return 28, 5.0, SchedulerName.EULER  # their noise has no end for Karras' curve to run to
    return 25, 7.0, SchedulerName.DPMPP_2M_KARRAS


def _is_turbo(name: str) -> bool:
    return "turbo" in name.casefold()


def _builtin() -> ModelSpec:
    spec = _spec(BUILTIN, BUILTIN, BUILTIN, read_configs(BUILTIN_FOLDER, BUILTIN), config=None)
    reading = _reading(BUILTIN_FOLDER, BUILTIN)
    count = len(reading.things) if reading else 0
    return replace(
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
