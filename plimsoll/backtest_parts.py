"""The parts of a backtest: nights, models, what they are asked for by, and what a policy would have done."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from plimsoll.drift_config import Drift
from plimsoll.gate_result import GateResult

BLOCK_NIGHTS = 14  # a model is looked at for so many nights at once


@dataclass(frozen=True)
class Night:
    """A date that has a batch, and why validation stopped it."""

    date: str
    stopped: str = ""


@dataclass(frozen=True)
class History:
    """The nights that are replayed, and how late things come."""

    nights: tuple[Night, ...]
    delay_days: int  # outcomes come so late
    approval_days: int = 0  # and a person's yes
    window_days: int | None = None  # that the model's config learns from
    first: str = ""  # the first date that has landed

    @property
    def eve(self) -> str:
        """The day before the first night, on which the first model is trained."""
        return shifted(self.nights[0].date, -1)


@dataclass(frozen=True)
class NightLoss:
    """A model's mean loss on one night, None where no outcome ever came."""

    loss: float | None
    outcomes: int
    rows: int = 0
    slices: Mapping[str, float] = field(default_factory=dict)  # mean loss of each, where it has rows enough
    slice_outcomes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Train:
    """Asks for the model of a business date."""

    as_of: str
    start: str = ""  # the first date that it learns from, empty for the configured window

    @property
    def name(self) -> str:
        """What the model is called: two windows of one date give two models."""
        return f"{self.as_of}, from {self.start}" if self.start else self.as_of


@dataclass(frozen=True)
class Model:
    """What the training of one business date gave."""

    as_of: str
    trained_through: str = ""
    through: str = ""  # the last date that it was judged on
    rows: int = 0
    reference: tuple[float, ...] = ()  # losses of the reference nights, of a model that was studied
    losses: Mapping[str, NightLoss] = field(default_factory=dict)  # of every later night of the backtest
    refused: str = ""  # why there is no model
    start: str = ""  # the first date that it was asked to learn from, empty for the configured window

    @property
    def asked(self) -> Train:
        """What it was asked for by."""
        return Train(self.as_of, self.start)


@dataclass(frozen=True)
class Duel:
    """The gates' results for a challenger, beside the champion on the same days or alone."""

    gates: tuple[GateResult, ...]

    @property
    def passed(self) -> bool:
        """Whether the challenger becomes champion."""
        return all(gate.passed for gate in self.gates)


@dataclass(frozen=True)
class Seen:
    """What a night showed about the model that served it."""

    input_alarm: bool = False
    quality_alarms: tuple[bool, ...] = ()  # of the nights whose outcomes had come, newest last
    recent_alarm: bool = False
    estimate_alarm: bool = False
    alarmed_slices: tuple[str, ...] = ()
    losses_rose_from: str | None = None
    waits: bool = False  # it had too few rows to be judged alone
    pooled: tuple[str, ...] = ()  # the nights that were judged as one with it, itself the last


@dataclass(frozen=True)
class Study:
    """Asks for the reference losses of a model, which policies that see nothing do without; returns them in order."""

    model: Train


@dataclass(frozen=True)
class Fight:
    """Asks for the duel of two models; the first one has no champion."""

    challenger: Train
    champion: Train | None = None


@dataclass(frozen=True)
class Look:
    """Asks what a block of nights shows about a model that scores since a night; returns Seen by date."""

    model: Train
    since: str
    drift: Drift
    block: int
    waiting: tuple[str, ...] = ()  # small nights of earlier blocks that wait to be judged with others
    serves: str = ""  # from when on it is champion, where it scored as a challenger before


Request = Train | Study | Fight | Look


@dataclass(frozen=True)
class Served:
    """One replayed night under one policy."""

    date: str
    model: str  # the name of the model that served
    loss: float | None
    outcomes: int
    rule: str  # that decided
    retrain: bool


@dataclass(frozen=True)
class Retraining:
    """One retrain that a policy decided, and what came of it."""

    date: str
    rule: str
    sentence: str
    champion: str  # its name
    promoted: bool
    because: str  # what the gates said, or why there is no model


@dataclass(frozen=True)
class Course:
    """What a policy would have done."""

    policy: str
    nights: tuple[Served, ...]
    retrains: tuple[Retraining, ...]
    first: tuple[str, ...] = ()  # what refused the first model, which serves all the same


def known_dates(
    landed: Sequence[str], as_of: str, delay_days: int, window_days: int | None, start: str = ""
) -> list[str]:
    """Return the dates that train on a business date: those whose outcomes have come, from a start or in a window."""
    last = shifted(as_of, -delay_days)
    first = start or (shifted(last, 1 - window_days) if window_days else "")
    return [date for date in landed if first <= date <= last]


def learning_from(history: History, as_of: str, window_days: int | None, since: str = "") -> Train:
    """Return what asks for the model of a business date under a policy's window, or from a date on."""
    if since or window_days == history.window_days:
        return Train(as_of, since)
    last = shifted(as_of, -history.delay_days)
    return Train(as_of, max(history.first, shifted(last, 1 - window_days)) if window_days else history.first)


def block_of(history: History, since: str, block: int) -> list[Night]:
    """Return a block of nights, counted from the night since which a model scores."""
    start = next(n for n, night in enumerate(history.nights) if night.date == since) + block * BLOCK_NIGHTS
    return [*history.nights[start : start + BLOCK_NIGHTS]]


def shifted(date: str, days: int) -> str:
    """Return the ISO date so many days later."""
    return (dt.date.fromisoformat(date) + dt.timedelta(days=days)).isoformat()
