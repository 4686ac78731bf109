"""Makes `reading.json`, by which prompts are read: every concept with all that people call it.

Names are those of the captions and of reading_words.py, emoji and other languages' words come from CLDR. A word of
another language is taken where it stands in the concept's own label there and in no other concept's.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generation.reading import FILE, Reading, Thing
from generation.spelling import fold, phrase
from generation.training.captions import without_colour
from generation.training.concepts import CONCEPTS, Concept
from generation.training.packages import PACKAGES, Role
from generation.training.reading_words import ALSO, COLOUR_NAMES, EMOTICONS, NOT_NAMES, OTHER_WORDS, STYLE_NAMES, WEAK
from generation.training.recolouring import BACKGROUNDS, COLOURS

_LANGUAGES = ("de", "es", "fr", "it", "ja", "nl", "pt", "ru", "uk", "zh")
_GROUPS = {
    0: "faces and hearts", 3: "animals and plants", 4: "food and drink", 5: "travel and weather", 6: "games and arts"
}  # fmt: skip
_OTHERS = "objects"


def reading_content(names: Path, concepts: Sequence[Concept] = CONCEPTS) -> dict[str, Any]:
    """Make the content of the file; `names` is emojibase's folder."""
    tables = {language: _by_code(names, language) for language in ("en", *_LANGUAGES)}
    code_of = {item["label"].lower(): code for code, item in tables["en"].items()}
    code_of_concept = {concept.label: code_of[concept.label] for concept in concepts}
    elsewhere = _elsewhere(tables, code_of_concept)
    rows = [
        {
            "name": concept.name,
            "also": _also(concept),
            "weak": list(WEAK.get(concept.name, ())),
            "elsewhere": elsewhere[concept.label],
            "keywords": tables["en"][code_of_concept[concept.label]].get("tags", []),
            "group": _GROUPS.get(tables["en"][code_of_concept[concept.label]]["group"], _OTHERS),
            "coloured": without_colour(concept.name) if without_colour(concept.name) != concept.name else "",
        }
        for concept in concepts
    ]
    drawn = [package.style for package in PACKAGES if package.role is Role.DRAWN]
    content: dict[str, Any] = {
        "things": [{key: value for key, value in row.items() if value} for row in rows],
        "colours": {colour: COLOUR_NAMES[colour] for colour in (*COLOURS, "gray")},
        "grounds": list(BACKGROUNDS),
        "styles": {style: STYLE_NAMES[style] for style in drawn},
        "words": OTHER_WORDS,
    }
    signs = {tables["en"][code_of_concept[concept.label]]["emoji"]: concept.name for concept in concepts}
    return content | {"signs": EMOTICONS | _signs(tables["en"], _as_reading(content)) | signs}


def _as_reading(content: dict[str, Any]) -> Reading:
    others = {key: value for key, value in content.items() if key != "things"}
    return Reading([Thing.of(row) for row in content["things"]], **others)


def save_reading(folder: Path, content: dict[str, Any]) -> None:
    """Write the file to the model's folder."""
    (folder / FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _by_code(names: Path, language: str) -> dict[str, dict[str, Any]]:
    return {item["hexcode"]: item for item in json.loads((names / language / "data.json").read_text("utf-8"))}


def _also(concept: Concept) -> list[str]:
    label = [] if concept.label in NOT_NAMES else [concept.label]
    names = dict.fromkeys((*concept.names[1:], *ALSO.get(concept.name, ()), *label))
    needless = {concept.name, *WEAK.get(concept.name, ())}
    # A "red heart" is a heart and red: its colour is to be said, since not every artist's is red.
    said = {name for name in names if without_colour(name) != name and without_colour(name) in (concept.name, *names)}
    return [name for name in names if name not in needless | said]


def _elsewhere(tables: dict[str, dict[str, Any]], code_of: dict[str, str]) -> dict[str, list[str]]:
    """Choose each concept's words of other languages: its label's, without colours, and those that are part of it."""
    colours = {phrase(word) for words in COLOUR_NAMES.values() for word in words}
    taken = colours | {phrase(word) for item in tables["en"].values() for word in _english(item)}
    found: dict[str, list[str]] = {label: [] for label in code_of}
    for language in _LANGUAGES:
        labels = {label: _without(colours, tables[language][code]["label"]) for label, code in code_of.items()}
        parts = {
            label: {tag.casefold() for tag in tables[language][code].get("tags", ()) if tag.casefold() in labels[label]}
            for label, code in code_of.items()
        }
        whole = Counter(fold(own) for own in labels.values())
        partly = Counter(fold(word) for own in parts.values() for word in own)
        for label, own in labels.items():
            words = [own] if whole[fold(own)] == 1 else []
            words += sorted(word for word in parts[label] if partly[fold(word)] == 1 and not whole[fold(word)])
            found[label] += [word for word in words if phrase(word) and phrase(word) not in taken]
    return {label: list(dict.fromkeys(own)) for label, own in found.items()}


def _english(item: dict[str, Any]) -> list[str]:
    """Return the English words about an emoji: a "boot" is no boat, as it is in Dutch."""
    return [*item["label"].split(), *(word for tag in item.get("tags", ()) for word in tag.split())]


def _without(colours: set[tuple[str, ...]], text: str) -> str:
    return " ".join(word for word in text.casefold().split() if phrase(word) not in colours)


def _signs(table: dict[str, Any], reading: Reading) -> dict[str, str]:
    """Choose the emoji whose English label names one of the things and nothing else."""
    read = {item["emoji"]: reading.read(item["label"].lower()) for item in table.values()}
    return {emoji: made.text for emoji, made in read.items() if made.thing and not made.unknown and not made.left_out}
