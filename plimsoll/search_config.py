"""The parts `search` and `shrink` of a model config: which settings are looked for, for how long, and how small."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from plimsoll.config_part import Part

Value = bool | int | float | str


class Span(Part):
    """The values that one setting may take: a range, or a list."""

    low: float | None = None
    high: float | None = None
    log: bool = False  # true: as many trials between 0.01 and 0.1 as between 0.1 and 1
    choices: tuple[Value, ...] | None = None
    start: Value | None = None  # tried first; a setting that is known to be good saves trials

    @model_validator(mode="after")
    def _says_what_to_try(self) -> "Span":
        if (self.choices is None) == (self.low is None and self.high is None):
            raise ValueError("needs either low and high, or choices")
        if self.choices is not None:
            _check_choices(self.choices, self.log, self.start)
        else:
            self._check_range()
        return self

    def _check_range(self) -> None:
        if self.low is None or self.high is None:
            raise ValueError("needs both low and high")
        if not self.low < self.high:
            raise ValueError(f"low has to be below high, found {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs a low above 0, found {self.low:g}")
        if self.start is not None and not (is_number(self.start) and self.low <= float(self.start) <= self.high):
            raise ValueError(f"start has to lie from low {self.low:g} to high {self.high:g}, found {self.start!r}")


def _check_choices(choices: tuple[Value, ...], log: bool, start: Value | None) -> None:
    if len(choices) < 2 or len(set(map(repr, choices))) < len(choices):
        raise ValueError("choices needs two or more values, each once")
    if log:
        raise ValueError("log is for low and high, not for choices")
    if start is not None and start not in choices:
        raise ValueError(f"start has to be one of the choices, found {start!r}")


def is_number(value: object) -> bool:
    """Return whether a value is a number; yes and no are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


class Search(Part):
    """Settings that are looked for within the training days."""

    space: Annotated[dict[str, Span], Field(min_length=1)]  # by parameter of the estimator; `rounds` too
    trials: Annotated[int, Field(ge=1, le=1000)] = 30
    minutes: Annotated[float, Field(gt=0)] = 10  # no trial begins later; one that began is finished
    seed: int = 7
    folds: Annotated[int, Field(ge=2, le=10)] = 3  # inner ones: later training days judge what earlier ones taught
    prune: bool = True  # give a trial up after a fold where it is worse than the median of those before
    when: Literal["first", "always", "asked"] = "first"  # first: later trainings take what the champion's found


class Shrink(Part):
    """The smallest model that is nearly as good."""

    margin: Annotated[float, Field(ge=0)]  # in units of the loss: may surely be no more than so much worse
    take: bool = True  # false: the smaller model is shown, and the whole one is trained
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95  # one-sided
    folds: Annotated[int, Field(ge=2, le=10)] = 3  # as of a search
