"""A model as a folder in diffusers' layout: its parts, the files of their weights, and whether they fit together.

All is read from small files and from headers, before torch is imported: what is missing is named at the start, and not
by the first picture.
"""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from generation.diffusion.safetensors_header import Header, read_header
from generation.errors import ModelUnavailable

INDEX = "model_index.json"
CONFIGS = {"unet": "unet/config.json", "vae": "vae/config.json", "scheduler": "scheduler/scheduler_config.json"}
TOKENIZERS = {"tokenizer": "text_encoder", "tokenizer_2": "text_encoder_2"}  #: and who reads their tokens
DENOISER = "unet"  #: the part by whose weights a model is known
PARTS = (DENOISER, "vae", "text_encoder")
PARTS_XL = (*PARTS, "text_encoder_2")
_MOST = 64 * 2**20  #: bytes of a small file
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

#: diffusers and transformers write model.safetensors, model.fp16.safetensors, model-00001-of-00002.safetensors, and
#: model.fp16-00001-of-00002.safetensors or model-00001-of-00002.fp16.safetensors, as to their age.
_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|pytorch_model|model)"
    r"(?:\.(?P<variant>\w+))?(?:-(?P<number>\d{5})-of-(?P<count>\d{5}))?(?:\.(?P<late>\w+))?\.safetensors",
    re.IGNORECASE,
)
_VARIANTS = ("", "fp16", "bf16")  #: the first that is there is taken; then any other, such as non_ema


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """The files of one part, in order, and the variant in their names ("fp16"), often none."""

    files: tuple[Path, ...]
    variant: str = ""

    def plain_names(self, part: str) -> dict[str, Path]:
        """Return the files under the names that diffusers looks for when no variant is asked for."""
        stem = "model" if part.startswith("text_encoder") else "diffusion_pytorch_model"
        if len(self.files) == 1:
            return {f"{stem}.safetensors": self.files[0]}
        count = len(self.files)
        return {f"{stem}-{number:05d}-of-{count:05d}.safetensors": file for number, file in enumerate(self.files, 1)}


def weights_of(folder: Path, source: str) -> Weights:
    """Find the weights of the part in this folder. Raises ModelUnavailable if there are none, or not all of them."""
    found: dict[str, dict[int, Path]] = {}
    counts: dict[str, int] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if (match := _WEIGHTS.fullmatch(path.name)) is not None and path.is_file():
            variant = (match["variant"] or match["late"] or "").lower()
            # One whole file goes before the shards of the same weights.
            if match["number"] is None:
                found[variant], counts[variant] = {1: path}, 1
            elif counts.get(variant) != 1:
                found.setdefault(variant, {})[int(match["number"])] = path
                counts[variant] = int(match["count"])
    for variant in sorted(found, key=lambda one: (_VARIANTS.index(one) if one in _VARIANTS else len(_VARIANTS), one)):
        numbers = set(range(1, min(counts[variant], 10_000) + 1))
        if missing := numbers - set(found[variant]):
            detail = f"{folder.name}: file {min(missing)} of {counts[variant]}"
            raise ModelUnavailable(source, "part_missing", detail=detail)
        return Weights(files=tuple(found[variant][number] for number in sorted(numbers)), variant=variant)
    has_pickles = folder.is_dir() and any(path.suffix.lower() in _PICKLES for path in folder.iterdir())
    raise ModelUnavailable(source, "part_pickled" if has_pickles else "part_missing", detail=folder.name)


def files_of(folder: Path) -> tuple[Path, ...]:
    """Return the files of all weights that are loaded from a model's folder; of a part with several variants, one."""
    files: list[Path] = []
    for part in PARTS_XL:
        with suppress(ModelUnavailable):
            files += weights_of(folder / part, "?").files
    return tuple(files)


def read_configs(folder: Path, source: str) -> dict[str, Any]:
    """Read the small files that say what a model is. Raises ModelUnavailable for a folder that holds none."""
    index = folder / INDEX
    if not index.is_file():
        raise ModelUnavailable(source, "no_model_folder", detail=str(folder))
    require_family(read_json(index, source), source)
    return {part: read_json(folder / name, source) for part, name in CONFIGS.items()}


def read_json(path: Path, source: str) -> dict[str, Any]:
    """Read a JSON object from a small file. Raises ModelUnavailable, naming the part that the file belongs to."""
    name = path.name if path.name == INDEX else f"{path.parent.name}/{path.name}"
    try:
        if path.stat().st_size > _MOST:
            raise ValueError("too long")
        value = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise ModelUnavailable(source, "part_missing", detail=name) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelUnavailable(source, "broken_config", detail=f"{name}: {error}") from error
    if not isinstance(value, dict):
        raise ModelUnavailable(source, "broken_config", detail=f"{name}: no JSON object")
    return cast("dict[str, Any]", value)


def require_family(index: dict[str, Any], source: str) -> None:
    """Raise ModelUnavailable if a model_index.json is of a family we do not draw with."""
    name = str(index.get("_class_name", ""))
    if not name.startswith(("StableDiffusion", "LatentConsistency")) or name.startswith("StableDiffusion3"):
        raise ModelUnavailable(source, "other_family", detail=name[:60] or f"no _class_name in {INDEX}")
    if not _has(index, "text_encoder") and _has(index, "text_encoder_2"):
        raise ModelUnavailable(source, "other_family", detail="SDXL refiner")


def require_parts(folder: Path, source: str, configs: dict[str, Any], *, weights: bool) -> None:
    """Raise ModelUnavailable unless each part is there and fits the others; of configs alone without `weights`."""
    is_xl = configs["unet"].get("addition_embed_type") == "text_time"
    encoders = {
        part: read_json(folder / part / "config.json", source)
        for part in (PARTS_XL if is_xl else PARTS)
        if part.startswith("text")
    }
    for tokenizer, reader in TOKENIZERS.items():
        if reader in encoders:
            _require_tokenizer(folder / tokenizer, source, encoders[reader])
    wanted = configs["unet"].get("cross_attention_dim")
    widths = [config.get("hidden_size") for config in encoders.values()]
    is_plain = isinstance(wanted, int) and not configs["unet"].get("encoder_hid_dim")
    if is_plain and all(isinstance(width, int) for width in widths) and sum(cast("list[int]", widths)) != wanted:
        given = " + ".join(map(str, widths))
        raise ModelUnavailable(source, "parts_differ", detail=f"text_encoder: width {given}, unet: {wanted}")
    if weights:
        for part in ("unet", "vae", *encoders):
            headers = [read_header(file, source) for file in weights_of(folder / part, source).files]
            _require_own_weights(part, configs | encoders, headers, source)


def _require_tokenizer(folder: Path, source: str, encoder: dict[str, Any]) -> None:
    """Raise ModelUnavailable unless the tokenizer has its words, and none that its text encoder has no row for."""
    whole, vocabulary, merges = (folder / name for name in ("tokenizer.json", "vocab.json", "merges.txt"))
    if whole.is_file():
        model = read_json(whole, source).get("model")
        words = cast("dict[str, Any]", model).get("vocab") if isinstance(model, dict) else None
    else:
        if not (vocabulary.is_file() and merges.is_file() and merges.stat().st_size):
            raise ModelUnavailable(source, "part_missing", detail=folder.name)
        words = read_json(vocabulary, source)
    numbers = list(cast("dict[str, object]", words).values()) if isinstance(words, dict) else []
    if not numbers or not all(isinstance(number, int) for number in numbers):
        raise ModelUnavailable(source, "part_missing", detail=folder.name)
    most, rows = max(cast("list[int]", numbers)), encoder.get("vocab_size")
    if isinstance(rows, int) and most >= rows:
        raise ModelUnavailable(source, "parts_differ", detail=f"{folder.name}: {most + 1} words, text encoder: {rows}")


def _require_own_weights(part: str, configs: dict[str, Any], headers: list[Header], source: str) -> None:
    """Raise ModelUnavailable if a part's weights are those of something else, or of another size."""
    shapes = {name: shape for header in headers for name, shape in header.shapes.items()}
    config = configs[part]
    last, wanted = {
        "unet": ("conv_in.weight", (_first(config, "block_out_channels"), config.get("in_channels"))),
        "vae": ("decoder.conv_in.weight", (None, config.get("latent_channels"))),
    }.get(part, ("embeddings.token_embedding.weight", (config.get("vocab_size"), config.get("hidden_size"))))
    is_text = part.startswith("text_encoder")  # whose names some versions begin with "text_model."
    given = next((shapes[name] for name in shapes if name == last or (is_text and name.endswith("." + last))), None)
    if given is None:
        raise ModelUnavailable(source, "parts_differ", detail=f"{part}: no {last}")
    if any(size not in (None, *given[at : at + 1]) for at, size in enumerate(wanted)):
        raise ModelUnavailable(source, "parts_differ", detail=f"{part}: {last} is {given}, its config says {wanted}")


def _has(index: dict[str, Any], part: str) -> bool:
    entry: object = index.get(part)
    return isinstance(entry, list) and any(cast("list[object]", entry))


def _first(config: dict[str, Any], name: str) -> object:
    values: object = config.get(name)
    return cast("list[object]", values)[0] if isinstance(values, list) and values else None
