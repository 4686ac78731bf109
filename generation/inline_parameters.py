"""Parameters as Midjourney's users type them, behind or inside a prompt: `a red heart --ar 16:9 --no blue, green`.

An em dash before a letter counts as `--`, since telephones make it of two hyphens. What is not known, or has no value
that makes sense, is left out and named; words behind a value belong to the prompt.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Protocol

from generation.catalog import DrawingOptions, ModelSpec
from generation.errors import InvalidRequest, LoraRefused
from generation.loras import LEAST_WEIGHT, MOST_WEIGHT, LoraUse, parse_loras
from generation.prompt_grammar import LORA
from generation.request import SEEDS, SYNTAX, SchedulerName, clean_text

#: What people type -> the field of DrawingOptions.
NAMES = {
    "ar": "aspect",
    "aspect": "aspect",
    "no": "negative_prompt",
    "seed": "seed",
    "steps": "steps",
    "cfg": "guidance",
    "guidance": "guidance",
    "count": "count",
    "repeat": "count",
    "model": "model",
    "scheduler": "scheduler",
    "sampler": "scheduler",
    "lora": "loras",
    "strength": "strength",
    "tile": "tile",
}
TILE = "--tile"  #: understood, and nothing that a prompt alone can ask for
_OPTION = re.compile(r"(?:(?<=\s)|^)(?:--|[—–])([A-Za-z][\w-]*)=?")
_VALUE = re.compile(r"\s*([^\s]+)")
_LIST = re.compile(r"\s*([^\s,]+(?:\s*,\s*[^\s,]+)*)")
_RATIO = re.compile(r"(\d+(?:\.\d+)?)[:x/](\d+(?:\.\d+)?)")
_RANDOM = "-1"  #: a seed that AUTOMATIC1111 takes for "any"
_NEAR = 0.4  #: how much of two names is the same where one may have been meant by the other


@dataclass(frozen=True, kw_only=True, slots=True)
class Inline:
    """A prompt without its parameters, and these."""

    prompt: str
    values: Mapping[str, Any]  #: by the names of DrawingOptions; LoRAs in the order in which they stand there
    written: Mapping[str, str]  #: the same as they were understood, such as "--steps 30"
    ignored: tuple[str, ...]  #: what looks like a parameter and is none, or has no value that makes sense


class Offer(Protocol):
    """The models on offer."""

    def get(self, name: str | None = None) -> ModelSpec:
        """Return one by its name. Raises InvalidRequest."""
        ...


def read(prompt: str) -> Inline:
    """Take the parameters out of a prompt. One without any is returned as it is; no text raises anything."""
    found = _Found()
    rest = found.without_tags(prompt)
    options = list(_OPTION.finditer(rest))
    if not options and not found.has_any:
        return Inline(prompt=prompt, values={}, written={}, ignored=())
    kept = [rest[: options[0].start()] if options else rest]
    for number, option in enumerate(options):
        end = options[number + 1].start() if number + 1 < len(options) else len(rest)
        kept.append(found.take(option[1], rest[option.end() : end]))
    words = " ".join(part.strip() for part in kept if part.strip())
    return Inline(prompt=words, values=found.values, written=found.written, ignored=tuple(found.ignored))


def applied(options: DrawingOptions, offer: Offer, *, own: Collection[str] | None = None) -> DrawingOptions:
    """Take the parameters in the prompt for choices, but for those in fields of their `own`, which win.

    By default these are all fields that are given. `--no` joins the negative prompt, LoRAs join those that are chosen.
    Raises InvalidRequest for a model that is not on offer.
    """
    inline = read(clean_text(options.prompt))
    if own is None:
        own = [one.name for one in fields(options) if getattr(options, one.name) is not None]
    joined = ("negative_prompt", "loras")
    values = {name: value for name, value in inline.values.items() if name in joined or name not in own}
    written = [inline.written[name] for name in values if name not in joined]
    ignored = [*inline.ignored]
    if "aspect" in values:
        values |= {"width": None, "height": None}
    if "negative_prompt" in values:
        both = (options.negative_prompt, values["negative_prompt"])
        values["negative_prompt"] = ", ".join(part for part in both if part)
        written.append(inline.written["negative_prompt"])
    if "loras" in values:
        known, unknown = _on_offer(values["loras"], offer.get(values.get("model", options.model)))
        values["loras"] = (*options.loras, *known)
        written += [f"--lora {use.name}:{use.weight:g}" for use in known]
        ignored += [f"--lora {use.name}" for use in unknown]
    return replace(
        options, prompt=inline.prompt, syntax=SYNTAX, understood=tuple(written), ignored=tuple(ignored), **values
    )


def nearest(ignored: str) -> str | None:
    """Return the parameter that was meant by one that is not known, "--steps" for "--stepps"; None for a known one."""
    name = ignored.removeprefix("--").split(" ")[0].casefold()
    if name in NAMES:
        return None
    useful = [one for one in NAMES if f"--{one}" != TILE]
    return next((f"--{one}" for one in get_close_matches(name, useful, 1, _NEAR)), None)


def _on_offer(uses: Iterable[LoraUse], spec: ModelSpec) -> tuple[list[LoraUse], list[LoraUse]]:
    """Split into those that the model has, and the others."""
    known: list[LoraUse] = []
    unknown: list[LoraUse] = []
    for use in uses:
        try:
            known.append(replace(use, name=spec.loras.get(use.name).name))
        except LoraRefused:
            unknown.append(use)
    return known, unknown


class _Found:
    """What is found in one prompt; of a parameter that is there twice the last one counts."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.written: dict[str, str] = {}
        self.ignored: list[str] = []
        self.has_any = False

    def without_tags(self, prompt: str) -> str:
        """Take `<lora:name:0.8>` out of the prompt."""

        def taken(tag: re.Match[str]) -> str:
            self.has_any = True
            if not self._add_loras(tag[1]):
                self.ignored.append(f"--lora {tag[1].strip()}".strip())
            return " "

        rest = LORA.sub(taken, prompt)
        return re.sub(r"[ \t]{2,}", " ", rest) if self.has_any else rest

    def take(self, name: str, behind: str) -> str:
        """Take one parameter with its value from what stands behind its name; return the words that are none of it."""
        field = NAMES.get(name.casefold())
        if field is None:
            value = _VALUE.match(behind)
            # A value of something unknown looks like one, or stands alone: other words are the prompt's.
            alone = value is not None and not behind[value.end() :].strip()
            if value is None or not (alone or re.search(r"\d", value[1])):
                return self._ignore(name, "", behind)
            return self._ignore(name, value[1], behind[value.end() :])
        if field == "tile":
            return self._ignore(name, "", behind)
        if field == "negative_prompt":
            return self._take_all(name, behind)
        if field == "scheduler":
            return self._take_scheduler(name, behind)
        value = (_LIST if field == "loras" else _VALUE).match(behind)
        if value is None:
            return self._ignore(name, "", behind)
        given, rest = value[1].rstrip(",;"), behind[value.end() :]
        if field == "loras":
            return rest if self._add_loras(given) else self._ignore(name, given, rest)
        if field == "seed" and given == _RANDOM:
            return rest
        understood = _understood(field, given)
        if understood is None:
            return self._ignore(name, given, rest)
        self._set(field, name, understood, given)
        return rest

    def _take_all(self, name: str, behind: str) -> str:
        words = " ".join(behind.split()).strip(" ,;")
        if not words:
            return self._ignore(name, "", "")
        before = self.values.get("negative_prompt")
        words = f"{before}, {words}" if before else words
        self._set("negative_prompt", name, words, words)
        return ""

    def _take_scheduler(self, name: str, behind: str) -> str:
        words = behind.split()
        for length in range(min(len(words), 4), 0, -1):
            given = " ".join(words[:length]).rstrip(",;").casefold()
            if (known := next((one for one in SchedulerName if one.casefold() == given), None)) is not None:
                self._set("scheduler", name, str(known), str(known))
                return " ".join(words[length:])
        return self._ignore(name, words[0] if words else "", " ".join(words[1:]))

    def _add_loras(self, text: str) -> bool:
        with suppress(InvalidRequest):
            uses = [use for use in parse_loras(text) if use.weight == use.weight]  # not NaN
            bounded = [replace(use, weight=min(max(use.weight, LEAST_WEIGHT), MOST_WEIGHT)) for use in uses]
            if bounded:
                self.values["loras"] = (*self.values.get("loras", ()), *bounded)
                self.written["loras"] = ""
                return True
        return False

    def _set(self, field: str, name: str, value: Any, given: str) -> None:
        self.values[field] = value
        self.written[field] = f"--{name.lower()} {given}"

    def _ignore(self, name: str, value: str, rest: str) -> str:
        self.ignored.append(f"--{name.lower()} {value}".rstrip())
        return rest


def _understood(field: str, given: str) -> Any:
    """Return the value for a field; None for one that makes no sense. Whether it is in range is checked later."""
    if field == "model":
        return given
    if field == "aspect":
        ratio = _RATIO.fullmatch(given)
        return f"{ratio[1]}:{ratio[2]}" if ratio else None
    with suppress(ValueError):
        if field in ("guidance", "strength"):
            return float(given.replace(",", "."))
        if len(given) <= len(str(SEEDS)):
            return int(given)
    return None
