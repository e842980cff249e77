"""Figures: one measured number, its unit, and the goal it is held to."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """One measured number; goal and met are None where nothing is asked."""

    figure: str
    value: float
    unit: str
    goal: float | None = None
    met: bool | None = None

    @property
    def line(self) -> str:
        """The figure on one line for a person."""
        return f"{self.figure}: {shown(self.value)} {self.unit}{self.judged}"

    @property
    def judged(self) -> str:
        """Its goal in words, nothing without one."""
        if self.goal is None:
            return ""
        return f" (goal {shown(self.goal)} {self.unit}, {'met' if self.met else 'NOT MET'})"


def plain(figure: str, value: float, unit: str) -> Figure:
    """Return a figure without a goal."""
    return Figure(figure, tidy(value), unit)


def at_most(figure: str, value: float, unit: str, goal: float) -> Figure:
    """Return a figure that should not be above its goal."""
    return Figure(figure, tidy(value), unit, goal, value <= goal)


def at_least(figure: str, value: float, unit: str, goal: float) -> Figure:
    """Return a figure that should not be below its goal."""
    return Figure(figure, tidy(value), unit, goal, value >= goal)


def near(figure: str, value: float, unit: str, goal: float, within: float) -> Figure:
    """Return a figure that should be as near to its goal as `within`."""
    return Figure(figure, tidy(value), unit, tidy(goal), abs(value - goal) <= within)


def tidy(value: float) -> float:
    """Return value with four significant digits; more would be noise in git."""
    return float(f"{value:.4g}")


def shown(value: float) -> str:
    """Return a number as a person writes it."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def save(name: str, figures: Sequence[Figure], folder: Path = RESULTS) -> None:
    """Write a benchmark's figures to results/<name>.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps([asdict(f) for f in figures], indent=2, ensure_ascii=False) + "\n")


def load(name: str, folder: Path = RESULTS) -> list[Figure]:
    """Return a benchmark's last figures, none when it never ran."""
    path = folder / f"{name}.json"
    return [Figure(**body) for body in json.loads(path.read_text())] if path.is_file() else []
