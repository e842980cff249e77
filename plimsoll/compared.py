"""What a comparison of versions found, as people and programs read it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from plimsoll.agreement import agreement_words
from plimsoll.anytime import Anytime
from plimsoll.outcomes import refused_words
from plimsoll.recommendation import Basis, Contender, Recommendation, Role, counted
from plimsoll.scoring_cost import cost_words
from plimsoll.side_by_side import Beside, Measured, confidence_of_each, loss_metric

NAMES = {"log_loss": "Log loss", "mae": "Mean absolute error", "auc": "AUC"}


@dataclass(frozen=True)
class Facts:
    """What is known about a version apart from its scores."""

    model: str
    version: int
    role: Role
    asks: bool  # an open request waits for a person
    shadow_nights: int
    age_days: int  # since it was trained
    seconds_per_million: float | None  # rows that it predicted; None where no batch recorded it
    bundle_bytes: int
    alarms: tuple[str, ...]  # of its last night
    ended: str  # retired or rejected
    drift: str  # what that means, in a sentence
    lasting: Anytime | None = None  # bounds of its gain over the champion that hold however often somebody looks
    basis: Basis = "nights"  # what its gain counts

    def contender(self, beside: Beside, max_age_days: int) -> Contender:
        """Return what its recommendation depends on."""
        losses = tuple(alarm for alarm in self.alarms if alarm != "inputs")
        given = beside.nights, self.shadow_nights, beside.gain, losses, self.age_days, max_age_days, self.ended
        return Contender(beside.name, self.model, self.version, self.role, self.asks, *given, self.lasting, self.basis)

    @property
    def cost(self) -> str:
        """What it costs to score with it, in words."""
        if self.seconds_per_million is not None:
            return cost_words(self.seconds_per_million)
        return f"{self.bundle_bytes / 1024:,.0f} KiB, no times recorded"


@dataclass(frozen=True)
class Compared:
    """Versions beside the champion, which is the first of them."""

    model: str
    task: str
    first: str
    last: str  # business date; outcomes as far as they had come by then
    share: float  # of rows, where they were too many
    undated: bool  # rows have no day: each counts once, and those that train are left out by their key
    alike: tuple[str, ...]  # other models of the same rows and outcome
    versions: tuple[tuple[Facts, Beside, Recommendation], ...]
    tables: int = 1  # comparisons of which this is one: a family's
    refused: Mapping[str, str] = field(default_factory=dict)  # dates whose outcomes cannot be used, and why

    @property
    def sentence(self) -> str:
        """What the comparison is about, and how sure it is."""
        count = len(self.versions) - 1
        if not count:
            alone = f"{self.model} {self.versions[0][1].name} alone scored from {self.first} to {self.last}."
            return f"{alone} {self._like} {refused_words(self.refused)}".strip()
        many = "One version is" if count == 1 else f"{count} versions are"
        share = f" A share of {self.share:.1%} of the rows, drawn by key, stands for all." if self.share < 1 else ""
        if self.undated:
            share += (
                " The table has no days: a row counts once, as it was last scored, and none that its key lets train."
            )
        sure = f"{confidence_of_each(count * self.tables):.1%} confidence"
        said = (
            f"{many} compared with the champion on the rows of {self.first} to {self.last} that both scored, each with "
            f"{sure} one way as of this day alone. What is recommended rests on the gain at any time: that a version "
            "is ever called better or worse by chance, however often somebody looks, has a probability of at most 5 %."
            f"{share} {self._like}"
        )
        return f"{said.strip()} {refused_words(self.refused)}".strip()

    @property
    def _like(self) -> str:
        if not self.alike:
            return "No other model scores the same rows with the same outcome."
        there = {facts.model for facts, _, _ in self.versions}
        missing = [name for name in self.alike if name not in there]
        return f"Of the same rows and outcome too, but without a batch: {', '.join(missing)}." if missing else ""

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        rows = [
            {**asdict(facts), **beside.to_json(), "drift_state": facts.drift, "recommendation": told.to_json()}
            for facts, beside, told in self.versions
        ]
        about = {"model": self.model, "task": self.task, "from": self.first, "to": self.last, "share": self.share}
        left = {"other_models": list(self.alike), "outcomes_refused": dict(self.refused)}
        return {"sentence": self.sentence, **about, **left, "versions": rows}


def heads(task: str) -> list[str]:
    """Return the columns of the table."""
    auc = ["AUC"] if task == "classification" else []
    return [
        "Version",
        "Role",
        "Outcomes",
        NAMES[loss_metric(task)],
        *auc,
        "Gain over champion",
        "Gain at any time",
        "Agreement",
        "Cost",
        "Age",
        "Drift",
    ]


def cells(compared: Compared) -> list[list[str]]:
    """Return the rows of the table: a version each, figures in words."""
    return [_row(facts, beside) for facts, beside, _ in compared.versions]


def _row(facts: Facts, beside: Beside) -> list[str]:
    role = (
        facts.ended or "waits for approval"
        if facts.asks or facts.ended
        else {"other": "other model"}.get(facts.role, facts.role)
    )
    return [
        beside.name,
        role,
        f"{beside.outcomes:,} of {beside.rows:,} rows",
        _loss(beside),
        *(_measured(one) for one in [*beside.metrics.values()][1:]),
        gain_cell(facts, beside),
        _lasting(facts),
        agreement_words(beside.agreement),
        facts.cost,
        f"{facts.age_days} d",
        ", ".join(facts.alarms) or "quiet",
    ]


def _measured(one: Measured) -> str:
    if one.value is None:
        return "–"
    return f"{one.value:.4f}" + (f" ({one.low:.4f} to {one.high:.4f})" if one.low is not None else "")


def losses(beside: Beside) -> tuple[str, str]:
    """Return a version's loss in short, and the champion's on the same rows."""
    mine, theirs = next(iter(beside.metrics.values())), beside.champion_loss
    return _short(mine), _short(theirs) if theirs else ""


def _short(one: Measured) -> str:
    return "–" if one.value is None else f"{one.value:.4f}"


def _loss(beside: Beside) -> str:
    """Return a version's loss with its interval, and the champion's on the same rows."""
    loss = _measured(next(iter(beside.metrics.values())))
    theirs = beside.champion_loss
    return loss if theirs is None or theirs.value is None else f"{loss}, the champion's {theirs.value:.4f}"


def gain_cell(facts: Facts, beside: Beside) -> str:
    """Return what a version gains over the champion as of the day, and on how many nights or rows."""
    if facts.role == "champion":
        return "–"
    many, found = counted(beside.nights, facts.basis), beside.gain
    if found is None:
        return f"not yet: {many}"
    return f"{found.gain:+.4f} ({found.low:+.4f} to {found.high:+.4f}), {many}"


def _lasting(facts: Facts) -> str:
    if facts.role in ("champion", "other"):
        return "–"
    if facts.lasting is None:
        return "not yet"
    return f"{facts.lasting.low:+.4f} to {facts.lasting.high:+.4f}, {counted(facts.lasting.nights, facts.basis)}"
