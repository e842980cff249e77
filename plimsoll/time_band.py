"""A band on a chart over dates: where values were to be expected."""

from collections.abc import Sequence
from dataclasses import dataclass

from plimsoll.axes import Scale, ordinal
from plimsoll.page import Html, el, join

HALF = 0.5  # a day: a band of one night is as wide as the night


@dataclass(frozen=True)
class Band:
    """Low and high by ISO date, in order; a missing date is a gap."""

    says: str  # what the band is, for the chart's key
    nights: tuple[tuple[str, float, float], ...]

    @property
    def values(self) -> list[float]:
        """All that the upright axis has to hold."""
        return [value for _, *ends in self.nights for value in ends]


def draw_band(band: Band, x: Scale, y: Scale) -> Html:
    """Return one closed shape for every run of nights that follow each other."""
    runs = in_a_row([date for date, _, _ in band.nights])
    return join(*(el("path", d=_outline([band.nights[at] for at in run], x, y), class_="band usual") for run in runs))


def _outline(run: Sequence[tuple[str, float, float]], x: Scale, y: Scale) -> str:
    days = [ordinal(run[0][0]) - HALF, *(ordinal(date) for date, _, _ in run), ordinal(run[-1][0]) + HALF]
    lows, highs = ([ends[0], *ends, ends[-1]] for ends in zip(*((low, high) for _, low, high in run), strict=True))
    upper = [f"{x(day)} {y(high)}" for day, high in zip(days, highs, strict=True)]
    lower = [f"{x(day)} {y(low)}" for day, low in zip(days, lows, strict=True)]
    return f"M{'L'.join([*upper, *reversed(lower)])}Z"


def in_a_row(dates: Sequence[str]) -> list[list[int]]:
    """Return the places of dates, cut where one is missing between two that follow each other."""
    runs: list[list[int]] = []
    for at, date in enumerate(dates):
        if not at or ordinal(date) - ordinal(dates[at - 1]) != 1:
            runs.append([])
        runs[-1].append(at)
    return runs
