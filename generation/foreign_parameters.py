"""The parameters in a picture's file, whichever program wrote them: AUTOMATIC1111, ComfyUI, InvokeAI, NovelAI ...

The forms are read by sd-parsers, one parser after another, and by hand where it leaves something out. Its own way from
a file to a parser is not taken: it keeps the last JPEG's comment in a global, under an address that the next may have.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from sd_parsers.data import PromptInfo, Sampler
from sd_parsers.parsers import (
    AUTOMATIC1111Parser,
    ComfyUIParser,
    FooocusParser,
    InvokeAIParser,
    NovelAIParser,
)

from generation.comfyui_graph import checkpoint_of, graph_of, loras_of
from generation.picture_texts import picture_texts
from generation.request import MAX_PROMPT, MAX_SIZE, clean_text

Pairs: TypeAlias = tuple[tuple[str, str], ...]

MOST_PAIRS = 40  #: of what else is said
MOST_NAME, MOST_VALUE = 60, 200  #: characters of one of these
_MOST_TEXT, _MOST_JSON, _MOST_SOURCE = 32_000, 1_000_000, 200  #: characters that are read
#: What each program writes, and how much of it is read: expressions that need the square of its length run over some.
_READ = {
    "parameters": _MOST_TEXT,
    "Dream": _MOST_TEXT // 4,
    "Source": _MOST_SOURCE,
    "Description": _MOST_TEXT,
    "Software": _MOST_SOURCE,
    "Comment": _MOST_JSON,
    "sd-metadata": _MOST_JSON,
    "invokeai_metadata": _MOST_JSON,
    "prompt": _MOST_JSON,
}

_SETTINGS = re.compile(r"^Steps: .*$", re.MULTILINE)
_QUOTED = re.compile(r',?\s?(\w[\w \-/]{1,40}): ?"((?:\\.|[^\\"])*)"')
_LORA = re.compile(r"<lora:([^:<>]{1,100}):([^<>]{1,20})>")


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignParameters:
    """What a file says about how its picture was made. None: nothing, or nothing that can be."""

    tool: str  #: whose form it is: "AUTOMATIC1111" for ours, and for all others that write as it does
    prompt: str = ""  #: no more of it than can be drawn
    negative_prompt: str = ""
    sampler: str | None = None  #: as the program calls it
    steps: int | None = None
    guidance_scale: float | None = None
    seed: int | None = None
    size: tuple[int, int] | None = None  #: (width, height) in pixels
    model: str | None = None
    model_hash: str | None = None
    loras: Pairs = ()  #: names, with weights or hashes as they are written
    others: Pairs = ()  #: at most MOST_PAIRS, short


def read_parameters(data: bytes) -> ForeignParameters | None:
    """Read a picture's file; None where nothing is said that can be understood. Raises BadPicture.

    For a thread: texts behind the pixels cost as much as `InputPicture.decode`, and a ComfyUI graph made to
    be slow a second. Of one of more than 500 nodes or 2,000 links nothing is read.
    """
    texts = {name: text for name, text in picture_texts(data).items() if len(text) <= _READ.get(name, 0)}
    for read in _READERS:
        with suppress(Exception):  # whatever a text leads a parser to: it is no text of its form
            if (found := read(texts)) is not None:
                return found
    return None


_Texts: TypeAlias = Mapping[str, str]


def _fooocus(texts: _Texts) -> ForeignParameters | None:
    return _found(FooocusParser().parse({"parameters": texts["parameters"]}))


def _automatic1111(texts: _Texts) -> ForeignParameters | None:
    text = texts["parameters"]
    *_, settings = _SETTINGS.finditer(text)
    # Values in quotes may hold commas and colons, on which the parser splits.
    quoted = [(name, re.sub(r"\\(.)", r"\1", value)) for name, value in _QUOTED.findall(settings[0])]
    bare = text[: settings.start()] + _QUOTED.sub("", settings[0]) + text[settings.end() :]
    return _found(AUTOMATIC1111Parser().parse({"parameters": bare}), dict(quoted))


def _comfyui(texts: _Texts) -> ForeignParameters | None:
    if (graph := graph_of(texts["prompt"])) is None:
        return None
    nodes, workflow = graph
    info = ComfyUIParser().parse({"prompt": nodes, "workflow": workflow})
    return _found(info, {"loras": loras_of(nodes)}, model=checkpoint_of(nodes))


def _invokeai(texts: _Texts) -> ForeignParameters | None:
    model: dict[str, Any] = {}
    with suppress(Exception):  # named in another way since version 4, in which the parser loses it
        model = json.loads(texts["invokeai_metadata"])["model"]
    return _found(InvokeAIParser().parse(dict(texts)), model=model.get("name"), model_hash=model.get("hash"))


def _novelai(texts: _Texts) -> ForeignParameters | None:
    return _found(NovelAIParser().parse(dict(texts)))


_READERS: tuple[Callable[[_Texts], ForeignParameters | None], ...] = (
    _fooocus,
    _automatic1111,
    _comfyui,
    _invokeai,
    _novelai,
)


def _found(
    info: PromptInfo, more: Mapping[str, Any] | None = None, *, model: Any = None, model_hash: Any = None
) -> ForeignParameters | None:
    """Bring what a parser found into one form. Types are what the file has, so each is looked at."""
    sampler = next((one for one in info.samplers if one.prompts), next(iter(info.samplers), None))
    if sampler is None:
        return None
    said: dict[str, Any] = {**info.metadata, **(more or {}), **sampler.parameters}
    lower = {str(name).lower().replace(" ", "_"): value for name, value in said.items()}
    prompt = _prompt(sampler, negative=False)
    used = {"steps", "cfg_scale", "seed", "noise_seed", "size", "width", "height", "lora_hashes", "loras"}
    return ForeignParameters(
        tool=info.generator.value,
        prompt=prompt,
        negative_prompt=_prompt(sampler, negative=True),
        sampler=_short(sampler.name, MOST_NAME),
        steps=_whole(lower.get("steps")),
        guidance_scale=_number(lower.get("cfg_scale")),
        seed=_whole(lower.get("seed", lower.get("noise_seed"))),
        size=_size(lower),
        model=_short(model or (sampler.model and sampler.model.name), MOST_VALUE),
        model_hash=_short(model_hash or (sampler.model and sampler.model.hash), MOST_VALUE),
        loras=tuple(dict(_loras(prompt, said)).items())[:MOST_PAIRS],
        others=tuple(_pairs({name: said[name] for name in said if str(name).lower().replace(" ", "_") not in used})),
    )


def _prompt(sampler: Sampler, *, negative: bool) -> str:
    texts = [prompt.value for prompt in (sampler.negative_prompts if negative else sampler.prompts)]
    return clean_text("\n".join(map(str, texts)))[:MAX_PROMPT].strip()


def _size(said: Mapping[str, Any]) -> tuple[int, int] | None:
    across, _, down = said["size"].partition("x") if isinstance(said.get("size"), str) else ("", "", "")
    for one in ({"width": across, "height": down}, said, *_dicts(said)):
        width, height = _whole(one.get("width")), _whole(one.get("height"))
        if width and height and max(width, height) <= 16 * MAX_SIZE:
            return width, height
    return None


def _loras(prompt: str, said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield names with weights or hashes: from a prompt, A1111's list, ComfyUI's nodes and InvokeAI's list."""
    hashes = said.get("Lora hashes")
    for item in hashes.split(",") if isinstance(hashes, str) else ():
        name, _, digest = item.partition(":")
        yield _short(name, MOST_NAME) or "?", _short(digest, MOST_NAME) or ""
    for found in _LORA.finditer(prompt):
        yield found[1].strip(), found[2].strip()
    for one in _dicts(said):
        about: Any = one.get("lora") or one.get("model")
        name = one.get("lora_name") or (isinstance(about, dict) and (_text_of(about, "model_name", "name")))
        if isinstance(name, str) and ("lora_name" in one or "weight" in one):
            yield _short(name, MOST_NAME) or "?", _short(one.get("strength_model", one.get("weight")), MOST_NAME) or ""


def _text_of(about: Any, *names: str) -> Any:
    return next((about[name] for name in names if name in about), None)


def _dicts(said: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects that stand in it, or in a list in it."""
    for value in said.values():
        for one in cast("list[Any]", value) if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield cast("dict[str, Any]", one)


def _pairs(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What else is said, short; of an object each of its own values by itself."""
    pairs: list[tuple[str, str]] = []
    for name, value in said.items():
        plain = {} if isinstance(value, dict | list) else {str(name): value}
        inner = {f"{name}.{key}": part for one in _dicts({"": value}) for key, part in one.items() if key != "id"}
        for full, part in (plain | inner).items():
            short = None if isinstance(part, dict | list) else _short(part, MOST_VALUE)
            if short:
                pairs.append((_short(full, MOST_NAME) or "?", short))
            if len(pairs) == MOST_PAIRS:
                return pairs
    return pairs


def _short(value: Any, most: int) -> str | None:
    """Write a plain value on one line of so many characters at most."""
    if value is None or isinstance(value, dict | list):
        return None
    text = " ".join(clean_text(str(value)[: 4 * most]).split())
    return (text if len(text) <= most else text[: most - 1] + "…") or None


def _number(value: Any) -> float | None:
    with suppress(TypeError, ValueError, OverflowError):
        number = float(value)
        return number if not isinstance(value, bool) and abs(number) < 1e6 else None
    return None


def _whole(value: Any) -> int | None:
    with suppress(TypeError, ValueError, OverflowError):
        number = int(value)
        return number if not isinstance(value, bool) and 0 <= number < 2**64 else None
    return None
