"""A figure with its bar, and the table of all of them."""

import json
import statistics
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


def ratio(
    name: str,
    meaning: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    bar: float,
    stretch: float | None,
    lower: bool = True,
    note: str = "",
) -> Figure:
    """The median of ours / theirs, run by run."""
    values = [mine / peer for mine, peer in zip(ours, theirs, strict=True)]
    spread = f"range {min(values):.2f} to {max(values):.2f}" if len(values) > 1 else ""
    return Figure(
        name=name,
        meaning=meaning,
        value=statistics.median(values),
        bar=bar,
        stretch=stretch,
        unit="",
        lower_is_better=lower,
        note=", ".join(part for part in (spread, note) if part),
    )


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    for figure in figures:
        sign = "<=" if figure.lower_is_better else ">="
        stretch = "" if figure.stretch is None else f" (stretch {figure.stretch:g})"
        verdict = "reached" if figure.reached else "MISSED"
        value = f"{figure.value:.3g} {figure.unit}".strip()
        bar = f"bar {sign} {figure.bar:g}{stretch}"
        print(f"{figure.name:11} {figure.meaning:62} {value:>9}  {bar}  {verdict}  {figure.note}")


def keep(figures: Sequence[Figure], path: Path, *, add: bool = False) -> None:
    """Write the values as JSON: name -> value, bar, stretch, and which way is better. With `add` older ones stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = json.loads(path.read_text("utf-8")) if add and path.exists() else {}
    values |= {
        figure.name: {
            "value": figure.value,
            "bar": figure.bar,
            "better": "lower" if figure.lower_is_better else "higher",
            **({} if figure.stretch is None else {"stretch": figure.stretch}),
        }
        for figure in figures
    }
    path.write_text(json.dumps(values, indent=2) + "\n", "utf-8")
    print(f"written to {path}")
