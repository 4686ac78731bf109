"""What a LoRA file says about itself in its header: whether it can be drawn with, and which model it was made for.

Files come from kohya's trainers (`lora_unet_..._to_k.lora_down.weight`) or from diffusers and PEFT
(`unet....to_k.lora.down.weight`, `unet....to_k.lora_A.weight`). Only headers are read here, and no torch.
"""

import hashlib
import json
import logging
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from generation.catalog import ModelSpec
from generation.diffusion.safetensors_header import Header, read_header
from generation.errors import LoraRefused, ModelUnavailable, NotAdapted
from generation.loras import COLUMNS, LoraFile, LoraOffer
from generation.request import clean_text

log = logging.getLogger(__name__)

DOWN = (".lora_down.weight", ".lora_A.weight", ".down.weight")  #: how the names of the first halves end
UP = (".lora_up.weight", ".lora_B.weight", ".up.weight")  #: and those of the second ones
METADATA = "lora_adapter_metadata"  #: what diffusers writes of PEFT's settings, as JSON

_OURS = ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_", "unet.", "text_encoder.", "text_encoder_2.")
#: What stands in a name -> what is trained in another way than LoRA.
_OTHERS: tuple[tuple[str, NotAdapted], ...] = (
    ("dora_scale", "dora"),
    ("lora_magnitude_vector", "dora"),
    ("hada_", "loha"),
    ("lokr_", "lokr"),
    ("lora_mid.", "other_kind"),
    (".oft_", "other_kind"),
    (".on_input", "other_kind"),
    (".diff_b", "other_kind"),
)
_TEXT_LAYER = re.compile(r"attn2.*to[._][kv][._]")  #: its first half is as wide as the model's text
_NAME_ENDS = re.compile(r'[,:<>"\\]')  #: what ends a name where people write it
_MOST_NAME = 60  #: characters
_MOST_TRIGGERS = 3
_HASH = re.compile("[0-9a-f]{64}")
_CHUNK = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLora:
    """A file that a folder holds."""

    file: LoraFile
    text_width: int | None  #: of the models that it fits; None where no layer of it tells


def find_loras(folders: Iterable[str]) -> tuple[FoundLora | LoraRefused, ...]:
    """Look into all `.safetensors` files of these folders, by name; what cannot be drawn with is refused.

    Raises LoraRefused for what is no folder. Only headers are read, and the whole of a file only where its metadata do
    not say its hash.
    """
    found: dict[str, FoundLora | LoraRefused] = {}
    for folder in folders:
        if not Path(folder).expanduser().is_dir():
            raise LoraRefused(f"folder {folder}", "no_folder")
        paths = sorted(Path(folder).expanduser().glob("*.safetensors"), key=lambda path: path.name.casefold())
        for path in paths:
            name = _name(path.stem)
            try:
                if name.casefold() in found:
                    raise LoraRefused(name, "same_name", detail=str(path))
                known = {one.file.sha256 for one in found.values() if isinstance(one, FoundLora)}
                found[name.casefold()] = _inspected(path, name, known)
            except LoraRefused as refusal:
                log.warning("LoRA %s: %s", path, refusal)
                found.setdefault(name.casefold(), refusal)
        log.info("%d LoRAs in %s", len(paths), folder)
    return tuple(found.values())


def with_loras(spec: ModelSpec, found: Sequence[FoundLora | LoraRefused], *, columns: int = COLUMNS) -> ModelSpec:
    """Let the model offer what fits it, of at most so many ranks; the others are refused by name.

    What it offers already it goes on offering, but for names that are found here.
    """
    names = {(one.name if isinstance(one, LoraRefused) else one.file.name).casefold() for one in found}
    offered = [file for file in spec.loras.files if file.rank <= columns and file.name.casefold() not in names]
    refused: list[LoraRefused] = []
    for one in found:
        if isinstance(one, LoraRefused):
            refused.append(one)
        elif None not in (one.text_width, spec.text_width) and one.text_width != spec.text_width:
            refused.append(LoraRefused(one.file.name, "other_base", detail=one.file.base or f"text {one.text_width}"))
        elif one.file.rank > columns:
            refused.append(LoraRefused(one.file.name, "ranks", given=one.file.rank, most=columns))
        else:
            offered.append(one.file)
    return replace(spec, loras=LoraOffer(files=tuple(offered), refused=tuple(refused), columns=columns))


def _inspected(path: Path, name: str, known: Container[str]) -> FoundLora:
    """Read one file's header. Its hash is counted where it says none, or that of another file."""
    try:
        stat = path.stat()
        header = read_header(path, name)
        refuse_what_is_no_lora(header, name)
        downs = {key: shape for key, shape in header.shapes.items() if key.endswith(DOWN)}
        text_layers = [shape for key, shape in downs.items() if _TEXT_LAYER.search(key) and len(shape) > 1]
        file = LoraFile(
            name=name,
            path=str(path),
            sha256=said if (said := _said_hash(header)) and said not in known else tensors_hash(path),
            rank=max(shape[0] for shape in downs.values() if shape),
            size=stat.st_size,
            modified=stat.st_mtime_ns,
            base=_base(header.metadata),
            triggers=_triggers(header.metadata),
        )
    except (ModelUnavailable, OSError, ValueError) as error:
        detail = error.detail if isinstance(error, ModelUnavailable) else str(error)
        raise LoraRefused(name, "broken_file", detail=detail) from error
    return FoundLora(file=file, text_width=text_layers[0][1] if text_layers else None)


def refuse_what_is_no_lora(header: Header, name: str) -> None:
    """Raise LoraRefused for what is trained in another way, for other models, or lacks the half of a layer."""
    for mark, reason in _OTHERS:
        if (key := next((key for key in header.shapes if mark in key), None)) is not None:
            raise LoraRefused(name, reason, detail=key)
    if settings(header.metadata).get("unet.use_dora"):
        raise LoraRefused(name, "dora", detail=METADATA)
    halves = [{_layer(key, ends) for key in header.shapes if key.endswith(ends)} for ends in (DOWN, UP)]
    if not halves[0] | halves[1]:
        raise LoraRefused(name, "no_lora")
    if lonely := halves[0] ^ halves[1]:
        raise LoraRefused(name, "half_missing", detail=min(lonely))
    if any(0 in shape for key, shape in header.shapes.items() if key.endswith((*DOWN, *UP))):
        raise LoraRefused(name, "no_lora")
    if strange := [key for key in header.shapes if not key.startswith(_OURS)]:
        raise LoraRefused(name, "other_base", detail=min(strange))


def settings(metadata: Mapping[str, str]) -> Mapping[str, Any]:
    """Return PEFT's settings, where diffusers has written them: "unet.lora_alpha" and so on; nothing elsewhere."""
    return _json(metadata.get(METADATA, ""))


def tensors_hash(path: Path) -> str:
    """Hash all that follows the header, sha256 in hex, as AUTOMATIC1111 does: metadata may change, the LoRA not."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _layer(key: str, ends: tuple[str, ...]) -> str:
    return key.removesuffix(next(end for end in ends if key.endswith(end)))


def _said_hash(header: Header) -> str | None:
    said = header.metadata.get("sshs_model_hash", "").casefold()
    return said if _HASH.fullmatch(said) else None


def _name(stem: str) -> str:
    """A file's name without what would end it where people write it."""
    return " ".join(_NAME_ENDS.sub("_", clean_text(stem)).split())[:_MOST_NAME].strip() or "_"


def _base(metadata: Mapping[str, str]) -> str:
    names = ("ss_base_model_version", "modelspec.architecture", "ss_sd_model_name")
    return next((_line(said) for name in names if (said := metadata.get(name, "")).strip()), "")


def _triggers(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The words that call for what it has learnt: as they are named, else the tags that most of its pictures had."""
    named = metadata.get("modelspec.trigger_phrase", "")
    words = [word.strip() for word in named.split(",") if word.strip()] or _most_used_tags(metadata)
    return tuple(_line(word) for word in words[:_MOST_TRIGGERS])


def _line(text: str) -> str:
    return " ".join(clean_text(text).split())[:_MOST_NAME]


def _most_used_tags(metadata: Mapping[str, str]) -> list[str]:
    counts: dict[str, int] = {}
    for tags in _json(metadata.get("ss_tag_frequency", "")).values():
        for tag, count in cast("dict[str, object]", tags).items() if isinstance(tags, dict) else ():
            counts[tag.strip()] = counts.get(tag.strip(), 0) + (count if isinstance(count, int) else 0)
    most = max(counts.values(), default=0)
    return sorted((tag for tag, count in counts.items() if tag and 2 * count > most), key=lambda tag: -counts[tag])


def _json(text: str) -> dict[str, Any]:
    try:
        read: object = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", read) if isinstance(read, dict) else {}
