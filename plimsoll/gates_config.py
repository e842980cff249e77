"""The gates of a model config: what a challenger must reach, and what follows when it does not."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from plimsoll.config_part import Part

Metric = Literal["auc", "log_loss", "brier", "rmse", "mae", "r2"]
OF_TASK = {"classification": ("auc", "log_loss", "brier"), "regression": ("rmse", "mae", "r2")}
HIGHER_IS_BETTER = frozenset({"auc", "r2"})
Rate = Literal["selection_rate", "false_positive_rate", "false_negative_rate"]
Confidence = Annotated[float, Field(ge=0.5, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Difference = Annotated[float, Field(gt=0, lt=1)]  # of two shares: 1 would let everything pass
Rows = Annotated[int, Field(ge=10)]


class Gate(Part):
    """What every gate has."""

    effect: Literal["block", "warn"] = "block"  # warn: nothing is refused for it, and the record says so


class Limit(Gate):
    """One measure and the limits that hold for it alone."""

    metric: Metric
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> "Limit":
        if self.at_least is None and self.at_most is None:
            raise ValueError("a gate of limits needs at_least or at_most")
        high = self.metric in HIGHER_IS_BETTER
        if (wrong := self.at_most if high else self.at_least) is not None:
            word, right = ("at_most", "at_least") if high else ("at_least", "at_most")
            raise ValueError(
                f"{self.metric} is better the {'higher' if high else 'lower'} it is, so {word} {wrong:g} would refuse "
                f"good models and pass bad ones. Write {right}"
            )
        return self


class AgainstChampion(Gate):
    """One measure beside the champion's on the same rows, by a paired bootstrap."""

    metric: Metric
    rule: Literal["non_inferiority", "superiority"] = "non_inferiority"
    margin: Annotated[float, Field(ge=0)] = (
        0.0  # in units of the metric: may be so much worse, or must be so much better
    )
    confidence: Confidence = 0.95  # one-sided


class Calibration(Gate):
    """Whether scores keep their word."""

    max_bias: Positive | None = None  # mean score less mean outcome, either way
    max_error: Positive | None = None  # expected calibration error, ten bins of equal size
    slope_from: float | None = None  # calibration slope: 1 is right, less is overconfident
    slope_to: float | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> "Calibration":
        if not self.model_dump(exclude_defaults=True, exclude={"effect"}):
            raise ValueError("needs max_bias, max_error, slope_from or slope_to")
        return self


class Stability(Gate):
    """The worst stretch of days against the mean of them all."""

    max_ratio: Annotated[float, Field(gt=1)]  # of its loss to the mean loss
    period_days: Annotated[int, Field(ge=2)] = 7


class Slices(Gate):
    """Parts of the rows, declared or found, that are much worse off than the whole."""

    columns: list[str] = []  # each value of each is a slice
    find: bool = False  # true: look for the worst among all features too, and among pairs of the worst
    max_ratio: Annotated[float, Field(gt=1)] | None = None  # of a slice's loss to that of all rows
    champion_margin: Annotated[float, Field(ge=0)] | None = None  # loss in a slice may be so much above the champion's
    min_rows: Rows = 200  # fewer say nothing
    confidence: Confidence = 0.95  # one-sided, for all slices together

    @model_validator(mode="after")
    def _asks_something(self) -> "Slices":
        if not self.columns and not self.find:
            raise ValueError("needs columns, or find: true")
        if self.max_ratio is None and self.champion_margin is None:
            raise ValueError("needs max_ratio or champion_margin")
        return self


class Leakage(Gate):
    """Signs that a feature knows the answer."""

    max_power: Annotated[float, Field(gt=0, le=1)] | None = None  # AUC, or R² of a number, of one feature alone
    later_times: bool = True  # a time column of the rows may not lie after the decision time
    planned_times: list[str] = []  # time columns that are known ahead, such as a timetable's


class Trust(Gate):
    """What came since the champion's snapshot, against what that held: retraining is also a way to poison a model."""

    max_rewritten: Annotated[int, Field(ge=0)] | None = None  # dated files that the champion saw with other bytes
    max_outlier_share: Share | None = None  # of rows since then; among those before one in a hundred is
    max_surprise_share: Share | None = None  # of outcomes since then that the champion is this much surprised by
    max_label_change: Difference | None = None  # of outcomes since then beside those before, where it is sure
    label_columns: list[str] = []  # columns whose every value is looked at by itself for it
    source_column: str | None = None  # a column that says where a row comes from; null: its dated file
    max_share: Annotated[float, Field(gt=0, lt=1)] | None = None  # of the training rows that one source may have
    max_share_change: Annotated[float, Field(gt=0, lt=1)] | None = None  # of a source's share, to the champion's

    @model_validator(mode="after")
    def _asks_something(self) -> "Trust":
        if not self.model_dump(exclude_none=True, exclude={"effect", "source_column", "label_columns"}):
            raise ValueError(
                "needs max_rewritten, max_outlier_share, max_surprise_share, max_label_change, max_share or "
                "max_share_change"
            )
        if self.label_columns and self.max_label_change is None:
            raise ValueError("label_columns needs max_label_change")
        if self.max_share_change is not None and self.source_column is None:
            raise ValueError("max_share_change needs source_column: every night has a dated file of its own")
        if self.source_column is not None and self.max_share is None and self.max_share_change is None:
            raise ValueError("source_column needs max_share or max_share_change")
        return self

    @property
    def by_date(self) -> bool:
        """Whether it asks for what only dates can tell."""
        told = (self.max_rewritten, self.max_outlier_share, self.max_surprise_share, self.max_label_change)
        return any(one is not None for one in told) or (self.max_share is not None and self.source_column is None)


class Fairness(Gate):
    """Rates by group of a protected column, which need not be a feature."""

    columns: Annotated[list[str], Field(min_length=1)]
    together: list[
        Annotated[list[str], Field(min_length=2, max_length=3)]
    ] = []  # columns whose crossings are groups too
    selected_from: Share = 0.5  # a score from here on counts as a yes
    selection_rate: Difference | None = None  # largest difference between two groups that is let pass
    false_positive_rate: Difference | None = None
    false_negative_rate: Difference | None = None
    min_rows: Rows = 100  # a rate of fewer rows is not judged, and said not to be

    @property
    def limits(self) -> dict[Rate, float]:
        """The limits that are set, by rate."""
        found: dict[Rate, float | None] = {
            "selection_rate": self.selection_rate,
            "false_positive_rate": self.false_positive_rate,
            "false_negative_rate": self.false_negative_rate,
        }
        return {name: limit for name, limit in found.items() if limit is not None}

    @model_validator(mode="after")
    def _asks_something(self) -> "Fairness":
        if not self.limits:
            raise ValueError("needs a limit for selection_rate, false_positive_rate or false_negative_rate")
        if strange := [name for names in self.together for name in names if name not in self.columns]:
            raise ValueError(f"together names {strange[0]}, which columns does not")
        if any(len(set(names)) < len(names) for names in self.together):
            raise ValueError("together names a column twice in one crossing")
        return self


class HoldoutGate(Gate):
    """The frozen holdout that split.holdout keeps back: limits, and the champion on the same rows."""

    limits: list[Limit] = []
    champion: list[AgainstChampion] = []
    max_looks: Annotated[int, Field(ge=1)] = 10  # more different candidates than this wear it out, and it says so

    @model_validator(mode="after")
    def _asks_something(self) -> "HoldoutGate":
        if not self.limits and not self.champion:
            raise ValueError("needs limits or champion")
        return self


class Operations(Gate):
    """What it takes to run it: the bundle loads from its bytes, the lock is there, and as asked its size and speed."""

    max_bundle_mib: Positive | None = None
    max_slowdown: Positive | None = None  # times the champion's seconds for the same rows, on this machine


class Gates(Part):
    """All gates of a model; every one of them always runs."""

    limits: Annotated[list[Limit], Field(min_length=1)]  # the first version has no champion to be judged against
    champion: list[AgainstChampion] = []
    calibration: Calibration | None = None
    stability: Stability | None = None
    slices: Slices | None = None
    leakage: Leakage | None = None
    trust: Trust | None = None
    fairness: Fairness | None = None
    holdout: HoldoutGate | None = None
    operations: Operations | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_list(cls, body: Any) -> Any:
        if isinstance(body, list):  # as gates once were
            raise ValueError(
                "is a mapping of parts now, no list: put at_least and at_most under gates.limits, and champion_margin "
                "under gates.champion as margin; docs/gates.md says how"
            )
        return body

    @property
    def looked_at(self) -> tuple[str, ...]:
        """Columns of the rows that gates look at by name, features or not."""
        sliced = self.slices.columns if self.slices else []
        source = [self.trust.source_column] if self.trust and self.trust.source_column else []
        labels = self.trust.label_columns if self.trust else []
        fair = self.fairness.columns if self.fairness else []
        return tuple(dict.fromkeys([*sliced, *fair, *labels, *source]))

    def faults(self, task: str, dated: bool, outcome: str) -> list[str]:
        """Return in sentences what cannot be asked of a model of this task and source."""
        held = self.holdout or HoldoutGate.model_construct()
        asked = [gate.metric for gate in (*self.limits, *held.limits)]
        asked += [gate.metric for gate in (*self.champion, *held.champion)]
        wrong = [name for name in asked if name not in OF_TASK[task]]
        found = [f"gates ask for {', '.join(wrong)}, which does not exist for a {task}"] if wrong else []
        if self.stability and not dated:
            found.append("gates.stability needs a time axis: source.kind must be dates")
        if self.trust and self.trust.by_date and not dated:
            found.append("gates.trust needs a time axis, to know what is new: source.kind must be dates")
        if self.fairness and task == "regression":
            found.append("gates.fairness counts a yes or no, which a number is not: set outcome.above, or leave it out")
        if outcome in self.looked_at:
            found.append(f"gates look at {outcome}, which is the outcome itself")
        return found
