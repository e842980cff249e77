"""The model config: one YAML says all that a model needs; every field is checked, none is guessed."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from plimsoll.config_part import Name, Part
from plimsoll.digest import sha256_json
from plimsoll.drift_config import Drift, Retrain
from plimsoll.estimator_config import Estimator
from plimsoll.families import Segment
from plimsoll.feed_config import ColumnType, Feed
from plimsoll.gates_config import Gates
from plimsoll.search_config import Search, Shrink
from plimsoll.search_space import tuning_faults
from plimsoll.source_config import Source
from plimsoll.split_config import Split, holdout_faults

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
CRON_FIELDS = 5  # minute, hour, day, month, weekday


def _five_fields(line: str) -> str:
    if len(line.split(" ")) != CRON_FIELDS or not all(line.split(" ")):
        raise ValueError("should be a cron line of five fields, as '0 5 * * *' for 05:00 UTC each day")
    return line


Cron = Annotated[str, AfterValidator(_five_fields)]


class Outcome(Feed):
    """What really happened: a separate feed that arrives later."""

    column: str  # a number; null means the outcome will never come
    above: float | None = None  # set: the outcome is the yes or no of `column > above`
    delay_days: Annotated[int, Field(ge=0)] = 1
    no_outcome: str  # in words: which rows never get an outcome, and what is done with them


class Feature(Part):
    """One input of the model and the reason it may be one."""

    name: str
    kind: Literal["number", "category"]
    because: Annotated[str, Field(min_length=10)]  # why this is known at the decision time
    sparse: bool = False  # a whole batch may have no value; for all others that is a broken feed


class Features(Part):
    """The inputs, and the one function a team may write."""

    function: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*:[a-z_][a-z0-9_]*$")] | None = None
    whole_batch: bool = False  # true: the function looks at other rows too, so a large batch is not cut into chunks
    columns: Annotated[list[Feature], Field(min_length=1)]


class CardText(Part):
    """What a model card says that no record knows."""

    intended_use: str = ""  # who acts on a score, and how
    not_for: str = ""  # what it was not made for
    contact: str = ""  # who answers questions, beside the owner


class Approval(Part):
    """Who may promote."""

    policy: Literal["person", "automatic"] = "person"
    approvals: Annotated[int, Field(ge=1, le=9)] = 1  # people who have to approve, each verified
    not_requester: bool = True
    first_by_policy: bool = False  # automatic also where no champion stands: no gate compared that version with one
    automatic_per_month: Annotated[int, Field(ge=1, le=31)] = 2  # in 30 days; a person is asked about more
    expires_days: Positive = 14


class Scoring(Part):
    """What one pass over a batch scores."""

    max_quarantined_share: Share = 0.02  # more bad rows than this stop the batch
    max_unseen_share: Share = 0.1  # more rows than this with a word that training never saw, in one column, stop it
    shadow_previous: bool = True  # the champion before this one goes on scoring in its shadow
    shadow_limit: Annotated[float, Field(gt=0)] = 10  # times the champion's seconds, or a minute if that is more
    explain_share: Share = 0  # of rows whose scores are taken apart while they are scored
    explain_top: Annotated[int, Field(ge=1, le=100)] = 5  # inputs of each such row that are kept, the strongest


class Schedule(Part):
    """Cron lines (UTC) of the scheduled deployments; null switches one off."""

    score: Cron | None = "0 5 * * *"
    check: Cron | None = "0 6 * * *"
    train: Cron | None = None


class ModelConfig(Part):
    """Everything the flows know about one model."""

    model: Name
    owner: str
    purpose: str
    card: CardText = CardText()
    segment: Segment | None = None  # only these rows; for_each makes one for each member of a family
    source: Source
    suite: Name | None = None  # of great_expectations/expectations; null: the one with the model's or family's name
    outcome: Outcome
    features: Features
    estimator: Estimator
    search: Search | None = None  # null: the estimator's settings are taken as they are
    shrink: Shrink | None = None
    split: Split = Split()
    gates: Gates
    approval: Approval = Approval()
    scoring: Scoring = Scoring()
    drift: Drift = Drift()
    retrain: Retrain = Retrain()
    schedule: Schedule = Schedule()

    @property
    def task(self) -> Literal["classification", "regression"]:
        """Whether the outcome is a yes or no, or a number."""
        return "regression" if self.outcome.above is None else "classification"

    @property
    def feeds(self) -> dict[str, Feed]:
        """Where every table comes from: batch, outcome, and each lookup by its name."""
        return {"batch": self.source, **{one.name: one for one in self.source.lookups}, "outcome": self.outcome}

    @property
    def suite_name(self) -> str:
        """The name of the suite that judges its batches: the one it asks for, its own, or its family's."""
        return self.suite or self.deployment

    @property
    def deployment(self) -> str:
        """The name of the deployments that run its flows: its own, or its family's."""
        return self.family or self.model

    @property
    def family(self) -> str:
        """The template that made this model, empty for a model of its own."""
        return (self.segment.family if self.segment else None) or ""

    def row_names(self, table: str) -> list[str]:
        """Return the columns that name a row of a table: the key, or what a lookup is joined by."""
        lookup = next((one for one in self.source.lookups if one.name == table), None)
        if lookup is None:
            return self.source.key
        return [*lookup.by, *([lookup.observed_at] if lookup.observed_at else [])]

    def named_columns(self, table: str) -> list[str]:
        """Return the columns of a table that the config names outright."""
        lookup = next((one for one in self.source.lookups if one.name == table), None)
        time = [self.source.event_time] if self.source.event_time else []
        values = lookup.columns if lookup else [self.outcome.column] if table == "outcome" else time
        return [*self.row_names(table), *values]

    def known_types(self, table: str) -> dict[str, ColumnType]:
        """Return the types of a table's columns as far as the config says them; the feed's own types go first."""
        kinds: dict[str, ColumnType] = {
            f.name: "number" if f.kind == "number" else "text" for f in self.features.columns
        }
        known: dict[str, ColumnType] = {self.outcome.column: "number"} if table == "outcome" else kinds
        return {**known, **self.feeds[table].types}

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The model's inputs, in order."""
        return tuple(feature.name for feature in self.features.columns)

    @property
    def features_key(self) -> str:
        """What tells its rows, features and joins, from those of another config of the same model."""
        return sha256_json([self.features.model_dump(mode="json"), self.source.joining])[:12]

    @property
    def categories(self) -> frozenset[str]:
        """The inputs that are categories."""
        return frozenset(f.name for f in self.features.columns if f.kind == "category")

    @model_validator(mode="after")
    def _consistent(self) -> "ModelConfig":
        names = [feature.name for feature in self.features.columns]
        if self.model.endswith("_candidates"):
            raise ValueError(f"model may not end in _candidates, found {self.model}: MLflow keeps trained versions so")
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"features.columns names {', '.join(sorted(twice))} twice")
        dated = self.source.kind == "dates"
        if faults := [
            *self.gates.faults(self.task, dated, self.outcome.column),
            *holdout_faults(self.split.holdout, dated, self.gates.holdout is not None),
        ]:
            raise ValueError("; ".join(faults))
        if faults := tuning_faults(self.estimator, self.search, self.shrink):
            raise ValueError("; ".join(faults))
        allowed = {"classification": {"logistic"}, "regression": {"ridge"}}[self.task] | {"xgboost", "external"}
        if self.estimator.kind not in allowed:
            raise ValueError(
                f"estimator.kind {self.estimator.kind} cannot do {self.task}; use {' or '.join(sorted(allowed))}"
            )
        if self.estimator.external and self.categories:
            raise ValueError(
                f"an external model takes numbers only, since nobody here knows its codes for words; "
                f"found {', '.join(sorted(self.categories))}"
            )
        if strange := [name for name in self.drift.slices if name not in self.categories]:
            raise ValueError(f"drift.slices names {', '.join(strange)}, which is no feature of kind category")
        if self.outcome.column in names:
            raise ValueError(f"outcome.column {self.outcome.column} is also a feature: it is not known in time")
        for table, feed in self.feeds.items():
            if cut := [c for c in self.named_columns(table) if feed.keep_columns and c not in feed.keep_columns]:
                raise ValueError(f"keep_columns of {table} leaves out {', '.join(cut)}, which the config names")
        return self
