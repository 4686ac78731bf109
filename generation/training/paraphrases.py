"""400 ways in which people ask for 60 things, written out in paraphrases.tsv: what reading is measured with.

The lines under "# used" were looked at while `reading.json` was made, those under "# never used" only measure it.
"""

from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_name("paraphrases.tsv")


@dataclass(frozen=True, kw_only=True)
class Paraphrase:
    """What somebody writes, and what is meant."""

    text: str
    name: str  #: of the concept
    colour: str | None  #: where one is named
    seen: bool  #: while the reading was made

    @property
    def plain(self) -> str:
        """The same in the model's own words."""
        return f"{self.colour} {self.name}" if self.colour else self.name


def read_paraphrases(file: Path = _FILE) -> tuple[Paraphrase, ...]:
    """Read them all, in order."""
    found: list[Paraphrase] = []
    seen = True
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("# "):
            seen = line != "# never used"
            continue
        text, name, colour = line.split("\t")
        found.append(Paraphrase(text=text, name=name, colour=colour or None, seen=seen))
    return tuple(found)
