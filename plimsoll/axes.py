"""What every chart needs before it draws: scales, round ticks, and labels that keep clear of each other."""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAY_STEPS = (1, 2, 7, 14)
MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60)
SAME, LEAST = 1e-9, 1e-10  # ends closer than this, of their size and at all, are one
GLYPH = 0.55  # mean width of a character, in font sizes


@dataclass(frozen=True)
class Scale:
    """A linear map from values to places; values outside are moved to the nearer end."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value, to a tenth."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values, about so many, from the last at or below low to the first at or above high.

    Ends that differ in their last bits only, as sums in another order do, are one value: ticks always rise.
    """
    size = max(abs(low), abs(high))
    alike = high - low <= max(SAME * size, LEAST)
    spread = (size if size > LEAST else 1.0) if alike else high - low
    power = 10.0 ** math.floor(math.log10(spread / about))
    step = next((m * power for m in (1, 2, 2.5, 5, 10) if spread / (m * power) <= about), 10 * power)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(n * step, 12) for n in range(first, max(last, first + 1) + 1)]


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Return ticks with as many decimals as they need to differ."""
    decimals = next(d for d in range(13) if all(math.isclose(round(t, d), t, abs_tol=1e-12) for t in ticks) or d == 12)
    return [f"{tick:,.{decimals}f}" for tick in ticks]


def ordinal(date: str) -> int:
    """Return the day number of an ISO date."""
    return dt.date.fromisoformat(date).toordinal()


def is_date(text: str) -> bool:
    """Return whether text is an ISO date."""
    try:
        ordinal(text)
    except ValueError:
        return False
    return True


def short_date(date: str, *, year: bool = False) -> str:
    """Return an ISO date as people write it, `1 Mar` or `1 Mar 2013`; other text stays as it is."""
    if not is_date(date):
        return date
    day = dt.date.fromisoformat(date)
    return f"{day.day} {MONTHS[day.month - 1]}" + (f" {day.year}" if year else "")


def date_ticks(first: str, last: str, at_most: int) -> list[tuple[str, str]]:
    """Return (date, label) at round dates: days, weeks from a Monday, or first days of months."""
    start, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    span = (end - start).days + 1
    step = next((s for s in DAY_STEPS if span / s <= at_most), None)
    if step:
        origin = dt.date(1970, 1, 5).toordinal() if step >= 7 else start.toordinal()
        begin = start.toordinal() + (origin - start.toordinal()) % step
        days = [dt.date.fromordinal(n).isoformat() for n in range(begin, end.toordinal() + 1, step)]
        return [(day, short_date(day)) for day in days]
    months = next((s for s in MONTH_STEPS if span / 30.4 / s <= at_most), MONTH_STEPS[-1])
    numbers = range(start.year * 12 + start.month - 1, end.year * 12 + end.month)
    firsts = [dt.date(n // 12, n % 12 + 1, 1) for n in numbers if n % months == 0]
    return [(d.isoformat(), _month(d)) for d in firsts if d >= start]


def _month(day: dt.date) -> str:
    name = MONTHS[day.month - 1]
    return f"{name} {day.year}" if day.month == 1 else name


def keep_apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return places moved as little as a simple sweep can, at least gap apart and, if they fit, within bounds."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    moved = [0.0] * len(places)
    free = low
    for at in order:
        moved[at] = max(places[at], free)
        free = moved[at] + gap
    limit = high
    for at in reversed(order):
        moved[at] = min(moved[at], limit)
        limit = moved[at] - gap
    return [round(place, 1) for place in moved]


def lanes(places: Sequence[tuple[float, float]], count: int) -> list[int | None]:
    """Return for each (left, right) the first lane where it touches no other, None where all are taken."""
    ends = [-math.inf] * count
    found: list[int | None] = [None] * len(places)
    for at in sorted(range(len(places)), key=lambda n: places[n]):
        left, right = places[at]
        lane = next((n for n, end in enumerate(ends) if end <= left), None)
        if lane is not None:
            ends[lane], found[at] = right, lane
    return found


def text_width(text: str, font: float) -> float:
    """Return about how wide a text is."""
    return len(text) * font * GLYPH
