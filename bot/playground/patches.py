"""SimCord's page with our changes: the files `static/*.changes` say what stands in the place of what.

In such a file a change is the exact words between <<<<<<< and =======, and their replacement up to >>>>>>>, each on
lines of their own. All other lines say why. SimCord's version is pinned, so words that are not there exactly once are a
mistake of ours, and every test of the page finds it.
"""

from __future__ import annotations

import re
from pathlib import Path

STATIC = Path(__file__).with_name("static")
_SUFFIX = ".changes"
_CHANGE = re.compile(r"^<<<<<<<\n(.*?)\n=======\n(.*?)\n>>>>>>>$", re.DOTALL | re.MULTILINE)


def patched_names() -> set[str]:
    """The names of SimCord's files that we change."""
    return {path.name.removesuffix(_SUFFIX) for path in STATIC.glob(f"*{_SUFFIX}")}


def patched(folder: Path, name: str) -> str:
    """One of SimCord's files as our page wants it."""
    text = (folder / name).read_text(encoding="utf-8")
    for mark, replacement in _CHANGE.findall((STATIC / f"{name}{_SUFFIX}").read_text(encoding="utf-8")):
        text = replaced(text, mark, replacement)
    return text


def replaced(text: str, mark: str, replacement: str) -> str:
    """The text with one part replaced, which must be there exactly once."""
    if text.count(mark) != 1:
        raise RuntimeError(f"SimCord's page has {mark!r} {text.count(mark)} times instead of once")
    return text.replace(mark, replacement)
