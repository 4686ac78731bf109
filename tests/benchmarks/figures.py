"""A figure with its bar, and the table of all of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One measured value. It reaches its bar from below or above, as `lower_is_better` says."""

    name: str
    meaning: str
    value: float
    bar: float
    unit: str
    stretch: float | None = None
    lower_is_better: bool = True
    note: str = ""

    @property
    def reached(self) -> bool:
        """Whether the value is at least as good as the bar."""
        return self.value <= self.bar if self.lower_is_better else self.value >= self.bar


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    for figure in figures:
        sign = "<=" if figure.lower_is_better else ">="
        verdict = "reached" if figure.reached else "MISSED"
        print(f"{figure.name:10} {figure.meaning:58} {figure.value:8.3g} {figure.unit:3} ", end="")
        print(f"bar {sign} {figure.bar:g} {figure.unit}  {verdict}  {figure.note}")


def keep(figures: Sequence[Figure], path: Path) -> None:
    """Write the values as JSON: name -> value and bar, plain numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {figure.name: {"value": figure.value, "bar": figure.bar} for figure in figures}
    path.write_text(json.dumps(values, indent=2) + "\n", "utf-8")
    print(f"written to {path}")
