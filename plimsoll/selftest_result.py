"""What a self-test of input drift found, and whether that is what was stated."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plimsoll.drift_level import Level, level_of

POINTS = 0.02  # the achieved rate may be this far from the stated one
NOISE = 2.0  # standard errors within which a difference may be chance
ENOUGH = 0.8  # a fault found on this share of nights counts as seen
SHIFT = "mean shift"


@dataclass(frozen=True)
class Detection:
    """On how many nights one fault at one strength was found in one column."""

    fault: str
    strength: str
    column: str  # empty when it strikes all
    nights: int
    found: int


@dataclass(frozen=True)
class SelfTest:
    """Achieved false alarms beside the stated ones, and the faults that were found."""

    days: int
    reference_days: int  # of each shuffle
    one_in_nights: int
    nights: int  # unchanged ones that were judged
    achieved: float  # share of them that alarmed
    standard_error: float
    in_order: float  # share of later days that alarm against the first ones, unshuffled
    detections: tuple[Detection, ...]

    @property
    def level(self) -> Level:
        """What so many reference days promise."""
        return level_of(self.reference_days, self.one_in_nights)

    @property
    def by_chance(self) -> float:
        """How far chance alone may move the achieved rate: two standard errors, no less than independent nights have.

        A handful of shuffles that happen to agree would else seem exact.
        """
        rate = self.level.rate
        return NOISE * max(self.standard_error, math.sqrt(rate * (1 - rate) / self.nights))

    @property
    def passed(self) -> bool:
        """Whether the achieved rate is within two points of the stated one, or no further off than chance explains.

        Never on so few shuffles that chance moves the rate by more than two points: they cannot tell.
        """
        return self.by_chance <= POINTS and not self._off

    @property
    def _off(self) -> bool:
        return abs(self.achieved - self.level.rate) > max(POINTS, self.by_chance)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        level, few = self.level, self.by_chance > POINTS and not self._off
        text = (
            f"{'Too few shuffles to tell' if few else 'Not as stated' if self._off else 'As stated'}: "
            f"{self.achieved:.1%} of {self.nights:,} unchanged nights alarmed (standard error "
            f"{self.standard_error:.1%}); stated is {level.rate:.1%}, and {100 * POINTS:.0f} points off are allowed."
        )
        if few:
            text += f" Chance alone moves it by {100 * self.by_chance:.1f} points: ask for more, with --draws."
        if level.finer_than_supported:
            text += (
                f" One in {self.one_in_nights} was asked; {self.reference_days} reference days support no rarer than "
                f"one in {level.supported_one_in}."
            )
        return text

    def by_fault(self) -> list[Detection]:
        """Return the detections of each fault at each strength over all its columns."""
        groups: dict[tuple[str, str], list[Detection]] = {}
        for one in self.detections:
            groups.setdefault((one.fault, one.strength), []).append(one)
        return [Detection(*key, "", sum(d.nights for d in g), sum(d.found for d in g)) for key, g in groups.items()]

    def smallest_seen(self) -> dict[str, str]:
        """Return by fault the least strength that was found on 80 % of its nights or more; empty when none was."""
        return _smallest(self.by_fault(), [d.fault for d in self.by_fault()])

    def smallest_shifts(self) -> dict[str, str]:
        """Return by column the least shift of its mean that was found on 80 % of nights or more; empty when none."""
        shifts = [Detection(d.column, d.strength, "", d.nights, d.found) for d in self.detections if d.fault == SHIFT]
        return _smallest(shifts, [d.fault for d in shifts])

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON value."""
        faults = [{**asdict(d), "share": d.found / d.nights} for d in self.by_fault()]
        own = {name: value for name, value in asdict(self).items() if name != "detections"}
        seen = {"smallest_seen": self.smallest_seen(), "smallest_shifts": self.smallest_shifts()}
        level = {**vars(self.level), "true_rate": [*self.level.true_rate]}
        return {"sentence": self.sentence, "passed": self.passed, **own, **level, "faults": faults, **seen}


def _smallest(detections: Sequence[Detection], names: Sequence[str]) -> dict[str, str]:
    """Return the first strength of each name that is seen; strengths come in their order."""
    found = dict.fromkeys(names, "")
    for d in detections:
        found[d.fault] = found[d.fault] or (d.strength if d.found >= ENOUGH * d.nights else "")
    return found
