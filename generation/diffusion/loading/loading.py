# pyright: reportPrivateImportUsage=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
"""From a folder, a single file or a hub id to a LoadedModel. Safetensors only: a pickle could run its maker's code."""

import hashlib
import logging
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

# Before the pipelines are imported: without torchvision each import logs four fallbacks that concern nothing used here.
transformers_logging.set_verbosity_error()
diffusers_logging.set_verbosity_error()

# ruff: noqa: E402
from diffusers import DiffusionPipeline, StableDiffusionPipeline

from generation.catalog import ModelFamily, ModelSpec
from generation.diffusion.compiled.offer import graphs_for
from generation.diffusion.families.base import Family, Parts
from generation.diffusion.families.calls import lay_out
from generation.diffusion.families.model_folders import (
    CONFIGS,
    DENOISER,
    TOKENIZERS,
    read_configs,
    read_json,
    require_parts,
    weights_of,
)
from generation.diffusion.families.placement import (
    Placement,
    choose_placement,
    measure_memory,
    place,
    sizes_of,
)
from generation.diffusion.families.sdxl import StableDiffusionXL
from generation.diffusion.families.single_files import scheduler_marks
from generation.diffusion.families.stable_diffusion import StableDiffusion
from generation.diffusion.loading.devices import require_device
from generation.diffusion.loading.model import LoadedModel
from generation.diffusion.loading.plain_names import plainly_ending, plainly_named
from generation.diffusion.loading.sources import BUILTIN, BUILTIN_FOLDER, hub_can_be_asked
from generation.diffusion.safetensors_header import read_header
from generation.errors import ModelUnavailable

log = logging.getLogger(__name__)

_FAMILIES: dict[ModelFamily, type[StableDiffusion]] = {
    ModelFamily.STABLE_DIFFUSION: StableDiffusion,
    ModelFamily.STABLE_DIFFUSION_XL: StableDiffusionXL,
}


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name; for "auto" CUDA, then Apple's MPS, then the CPU. Raises ModelUnavailable."""
    if name != "auto":
        require_device(name)
        device = torch.device(name)
        is_there = {
            "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
            "mps": torch.backends.mps.is_available(),
        }
        if not is_there.get(device.type, True):
            raise ModelUnavailable("?", "device_absent", detail=name)
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype of that name; for "auto" the one that the device is fast and safe with."""
    if name != "auto":
        return getattr(torch, name)
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.float16 if device.type == "mps" else torch.float32


def load_model(
    spec: ModelSpec,
    *,
    device: str = "auto",
    dtype: str = "auto",
    cache: Path | None = None,
    graphs: bool = False,
) -> LoadedModel:
    """The model on its device, ready to draw. Raises ModelUnavailable.

    `graphs` says whether shapes that are drawn often get compiled graphs, kept below the folder `cache`. A graph's last
    bits are not the eager call's: where pictures have to be reproducible there are none.
    """
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    target = choose_device(device)
    try:
        number = choose_dtype(dtype, target)
        family_class = _FAMILIES[spec.family]
        pipeline, weights = _load_pipeline(family_class.pipeline_class, spec, number)
        family = family_class(pipeline, spec, device=target, dtype=number)
        _check_usable(pipeline, family.parts, inpaints=spec.inpaints)
        placement = _placed(family)
    except ModelUnavailable as error:
        raise ModelUnavailable(spec.name, error.reason, detail=error.detail) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic in a library's Rust is no Exception
        raise ModelUnavailable(spec.name, detail=f"{type(error).__name__}: {error}") from error
    log.info("loaded %s on %s in %s: %s", spec.name, target, str(number).removeprefix("torch."), placement.words)
    return LoadedModel(
        family,
        model_hash=_hashed_in_background(weights),
        placement=placement,
        graphs=graphs_for(family.parts, cache) if graphs and cache and not placement.denoiser_streams else None,
    )


def _placed(family: Family) -> Placement:
    """Give the parts their memory layout and their place."""
    parts = family.parts
    for network in (parts.denoiser, parts.vae):
        network.requires_grad_(requires_grad=False)
        lay_out(network, parts.device)
    memory = measure_memory(parts.device)
    placement = Placement()
    if memory is not None:
        placement = choose_placement(sizes_of(parts, family.spec), free=memory[0], total=memory[1])
    place(parts, placement)
    return placement


def _load_pipeline(pipeline_class: Any, spec: ModelSpec, dtype: torch.dtype) -> tuple[Any, Path]:
    """Load the pipeline on the CPU; return it and the file whose hash stands for it."""
    settings: dict[str, Any] = {"dtype": dtype, "use_safetensors": True}
    if issubclass(pipeline_class, StableDiffusionPipeline):
        # Safety of pictures is the bot's business and one for the server to choose.
        settings |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    source = BUILTIN_FOLDER if spec.source == BUILTIN else Path(spec.source).expanduser()
    if source.is_file():
        return _load_file(pipeline_class, spec, source, settings), source
    if not source.is_dir():
        source = _download(spec.source, settings, half=dtype is not torch.float32)
        require_parts(source, spec.source, read_configs(source, spec.source), weights=True)
    with plainly_named(source, spec.source) as folder:
        pipeline = pipeline_class.from_pretrained(str(folder), local_files_only=True, **settings)
    for reader in TOKENIZERS.values():
        if (encoder := getattr(pipeline, reader, None)) is not None:
            _require_all_weights(encoder, source / reader, spec.source)
    return pipeline, weights_of(source / DENOISER, spec.source).files[0]


def _require_all_weights(encoder: Any, folder: Path, source: str) -> None:
    """Raise ModelUnavailable if a text encoder's files lack any of its weights: transformers makes up random ones."""
    headers = [read_header(file, source) for file in weights_of(folder, source).files]
    written = {name.removeprefix("text_model.") for header in headers for name in header.shapes}
    wanted = {name.removeprefix("text_model.") for name, _ in encoder.named_parameters()}
    if missing := wanted - written:
        raise ModelUnavailable(source, "part_missing", detail=f"{folder.name}: {min(missing)}")


def _load_file(pipeline_class: Any, spec: ModelSpec, source: Path, settings: dict[str, Any]) -> Any:
    """Load a single file, and have its scheduler do as the file says, where MODEL_CONFIG does not say otherwise."""
    settings = settings | {"torch_dtype": settings["dtype"]}
    del settings["use_safetensors"], settings["dtype"]  # the file is one; the spec's maker has seen to it
    chosen: dict[str, Any] = {}
    if spec.config is not None:
        folder = Path(spec.config).expanduser()
        settings |= {"config": str(folder), "local_files_only": True}
        chosen = read_json(folder / CONFIGS["scheduler"], spec.name)
    else:
        settings["local_files_only"] = not hub_can_be_asked()
    with plainly_ending(source) as path:
        try:
            pipeline = pipeline_class.from_single_file(str(path), **settings)
        except OSError as error:
            if spec.config is not None:
                raise
            raise ModelUnavailable(spec.name, "needs_config", detail=str(error)) from error
    marks = scheduler_marks(read_header(source, spec.name))
    for name, mark in marks.items():
        if chosen.get(name, mark) != mark:
            log.warning("%s says %s=%s, and MODEL_CONFIG %s, which goes before", source, name, mark, chosen[name])
    if marks:
        pipeline.register_modules(scheduler=pipeline.scheduler.from_config(pipeline.scheduler.config, **marks | chosen))
    return pipeline


def _download(hub_id: str, settings: dict[str, Any], *, half: bool) -> Path:
    """Fetch a model from the hub, safetensors and configs only, in half precision where it is offered and wanted."""
    # What is passed as None is not fetched: a safety checker that is never loaded, often a pickle.
    wishes: dict[str, Any] = {name: None for name, value in settings.items() if value is None}
    wishes["local_files_only"] = not hub_can_be_asked()
    if half:
        with suppress(OSError, ValueError):
            return Path(DiffusionPipeline.download(hub_id, use_safetensors=True, variant="fp16", **wishes))
    return Path(DiffusionPipeline.download(hub_id, use_safetensors=True, **wishes))


def _check_usable(pipeline: Any, parts: Parts, *, inpaints: bool) -> None:
    """Raise ModelUnavailable for a model that does not see what it would be shown, and mend what it left open."""
    if pipeline.text_encoder is None or pipeline.tokenizer is None:
        raise ModelUnavailable("?", "part_missing", detail="text_encoder")
    channels, latents = parts.denoiser.config.in_channels, parts.vae.config.latent_channels
    if channels != (2 * latents + 1 if inpaints else latents):
        raise ModelUnavailable("?", "edits_pictures", detail=f"{channels} channels, not {latents}")
    for name, reader in TOKENIZERS.items():
        if (tokenizer := getattr(pipeline, name, None)) is not None:
            # Without a tokenizer_config.json it would pad every prompt to more tokens than there are numbers for.
            most = getattr(pipeline, reader).config.max_position_embeddings
            tokenizer.model_max_length = min(tokenizer.model_max_length, most)


def _hashed_in_background(weights: Path) -> "Future[str]":
    """Hash in another thread: gigabytes take seconds, and the first picture need not wait for them."""
    future: Future[str] = Future()

    def work() -> None:
        try:
            with weights.open("rb") as file:
                future.set_result(hashlib.file_digest(file, "sha256").hexdigest()[:10])
        except OSError as error:
            log.warning("the model's hash is not known: %s", error)
            future.set_exception(error)

    threading.Thread(target=work, name="model hash", daemon=True).start()
    return future
