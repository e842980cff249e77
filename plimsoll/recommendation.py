"""What to do about each version that scores the same rows: promote, keep, retire or wait, and why in one sentence.

The rules stand in docs/compare.md in the same order. They propose; a person decides, with a one-time code.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from plimsoll.agreement import Agreement
from plimsoll.anytime import Anytime
from plimsoll.paired_bootstrap import MIN_UNITS, Gain

PATIENCE_NIGHTS = 28  # four of each weekday: whoever is not surely better by then costs more than it tells
Action = Literal["promote", "keep", "retire", "wait", "nothing"]
Role = Literal["champion", "challenger", "former", "other"]
Basis = Literal["nights", "rows", "none"]  # what a gain counts; none: nothing here can be judged by nights


@dataclass(frozen=True)
class Contender:
    """One version beside the champion, as far as it matters for what to do about it."""

    name: str  # in words: v3, or another model and its version
    model: str
    version: int
    role: Role
    asks: bool  # an open request waits for a person
    nights: int  # with outcomes of rows that the champion scored too; of a table without days such rows
    shadow_nights: int  # that it has scored beside a champion, with outcomes or without
    gain: Gain | None  # over the champion in loss; None of the champion, and where it cannot be judged yet
    alarms: tuple[str, ...] = ()  # of its losses
    age_days: int = 0
    max_age_days: int = 0
    ended: str = ""  # retired or rejected: it scores no more
    lasting: Anytime | None = None  # of the gain, bounds that hold however often somebody looks
    basis: Basis = "nights"
    seconds_per_million: float | None = None  # rows that it predicts: shown, and weighed by no rule
    agreement: Agreement | None = None  # with the champion, of the last nights: shown, and weighed by no rule

    @property
    def surely(self) -> str:
        """Which of the two, better or worse, is sure, corrected for how many are compared; empty where neither is.

        Of versions that can be promoted or retired it is sure however often somebody looks; another model, of which
        nothing is recommended, is judged as of today alone.
        """
        if self.gain is None:
            return ""
        if self.role == "other":
            return "better" if self.gain.low > 0 else "worse" if self.gain.high < 0 else ""
        return self.lasting.surely if self.lasting else ""


@dataclass(frozen=True)
class Recommendation:
    """An action, the slug of the rule that led to it, and the reason."""

    action: Action
    rule: str
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def recommend(contenders: Sequence[Contender]) -> list[Recommendation]:
    """Return what to do about each of the versions that were compared, in their order."""
    there = [one for one in contenders if one.role in ("challenger", "former") and not one.ended]
    better = [one for one in there if one.surely == "better"]
    best = max(better, key=lambda one: one.gain.gain if one.gain else 0, default=None)
    return [_champion(one, best) if one.role == "champion" else _other(one, best) for one in contenders]


def nights_of(count: int) -> str:
    """Return so many nights in words."""
    return f"{count} night" if count == 1 else f"{count} nights"


def counted(count: int, basis: Basis) -> str:
    """Return in words how many of what a gain counts: nights, or of a table without days rows."""
    if basis == "nights":
        return nights_of(count)
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _champion(one: Contender, best: Contender | None) -> Recommendation:
    if best:
        said = f"{one.name} serves until {best.name}, which is surely better, takes its place."
        return Recommendation("keep", "beaten", said)
    if one.alarms:
        said = f"Nothing compared is surely better, but {' and '.join(one.alarms)} alarm: plimsoll train {one.model}"
        return Recommendation("keep", "alarmed", said)
    if one.age_days > one.max_age_days > 0:
        said = f"Nothing compared is surely better, but it is {one.age_days} days old: plimsoll train {one.model}"
        return Recommendation("keep", "old", said)
    return Recommendation("keep", "champion", f"{one.name} is champion, and nothing compared is surely better.")


def _other(one: Contender, best: Contender | None) -> Recommendation:
    how = _how(one)
    if one.role == "other":
        words = {"better": "is surely better", "worse": "is surely worse", "": "is not surely different"}[one.surely]
        return Recommendation("keep", "another_model", f"{one.name} {words} {how}; it has decisions of its own.")
    if one.ended:
        return Recommendation("nothing", one.ended, f"It was {one.ended} and scores no more; what it scored is shown.")
    if one.basis == "none":
        said = f"The table has no days: each night is the same rows again. Judged once: plimsoll compare {one.model}"
        return Recommendation("wait", "undated", said)
    if one.gain is None:
        same = "of the same rows" if one.basis == "nights" else "that both scored and neither learned from,"
        said = f"{counted(one.nights, one.basis)} with outcomes {same} so far; at least {MIN_UNITS} are needed."
        return Recommendation("wait", "too_few_nights", said)
    if one.surely == "better":
        return _promote(one, best, how)
    if one.surely == "worse":
        return Recommendation("retire", "worse", f"{one.name} is surely worse {how}: {_stop(one)}")
    return _undecided(one, how)


def _how(one: Contender) -> str:
    if one.role == "other" or not one.lasting:
        return f"on {counted(one.nights, one.basis)}"
    return f"over {counted(one.lasting.nights, one.basis)}, however often somebody looks"


def _promote(one: Contender, best: Contender | None, how: str) -> Recommendation:
    if best and best is not one:
        return Recommendation("wait", "another_is_better", f"It is surely better {how}, and {best.name} even more so.")
    if one.asks:
        do = f"plimsoll approve {one.model} {one.version} --as NAME"
    elif one.role == "former":
        do = f"plimsoll rollback {one.model} --to {one.version} --as NAME"
    else:
        do = f"its request expired; train it again to ask anew: plimsoll train {one.model}"
    return Recommendation("promote", "better", f"{one.name} is surely better {how}: {do}")


def _undecided(one: Contender, how: str) -> Recommendation:
    if one.role == "challenger" and not one.asks:
        said = f"Its request expired and it is not surely better {how}: {_stop(one)}"
        return Recommendation("retire", "expired", said)
    if one.shadow_nights >= PATIENCE_NIGHTS:
        said = (
            f"It has scored beside the champion for {one.shadow_nights} nights and is not surely better: {_stop(one)}"
        )
        return Recommendation("retire", "no_better", said)
    if one.role == "former":
        said = f"Not surely different {how}; it stays at hand for a rollback until {PATIENCE_NIGHTS} nights are over."
        return Recommendation("keep", "at_hand", said)
    over = f"of {PATIENCE_NIGHTS} nights beside the champion {one.shadow_nights} are over"
    return Recommendation("wait", "undecided", f"Not surely different {how}; {over}.")


def _stop(one: Contender) -> str:
    act = "reject" if one.asks else "retire"
    return f"plimsoll {act} {one.model} {one.version} --as NAME"
