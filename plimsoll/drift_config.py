"""The parts `drift` and `retrain` of a model config: how often alarms may be false, and what may follow from them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from plimsoll.config_part import Part

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class Drift(Part):
    """The unit of an alarm policy is expected false alarms."""

    one_in_nights: Annotated[int, Field(ge=5)] = 30
    quality_false_alarm_share: Annotated[float, Field(ge=0.01, le=0.5)] = 0.1  # within quality_horizon_nights
    quality_horizon_nights: Annotated[int, Field(ge=20, le=730)] = 90
    min_coverage: Share = 0.5  # of a night's rows must have an outcome for its loss to be judged
    slices: tuple[str, ...] = ()  # categories whose most frequent values are watched each for itself
    recent_one_in_nights: Annotated[int, Field(ge=2)] = 20  # the moving average of late losses is high so often
    estimate_one_in_nights: Annotated[int, Field(ge=5)] = 20  # an estimated loss alarms once in so many nights
    report: Literal["on_change", "always", "never"] = "on_change"


class RetrainFields(Part):
    """The fields of `retrain`, not yet held against each other: a policy file may give some and leave the others."""

    persistence_nights: Positive = 2  # nights of the last `persistence_of` on which quality must alarm
    persistence_of: Positive = 3
    cooldown_days: Annotated[int, Field(ge=0)] = 14
    max_age_days: Positive = 45
    monthly_budget: Positive = 2
    on_recent: Literal["proposes", "informs"] = "proposes"  # what a high moving average of late losses does
    on_estimate: Literal["proposes", "informs"] = "informs"  # a high estimated loss caught none of the bad nights
    window: Literal["configured", "since_change"] = "configured"  # days that a retrain for late losses learns from
    min_days_since_change: Positive = 30  # fewer, and the configured window is taken


class Retrain(RetrainFields):
    """When a drift decision may start a training run."""

    @model_validator(mode="after")
    def _can_persist(self) -> "Retrain":
        if self.persistence_nights > self.persistence_of:
            raise ValueError(
                f"persistence_nights is {self.persistence_nights} of the last persistence_of {self.persistence_of} "
                "nights, so late losses could never ask for a retrain: expected no more nights than it is of"
            )
        return self
