"""What a backtest compares: the policy of a model's config, others from files, and plain rivals.

A rival is a real retrain policy that is shown less: one that sees nothing knows the age of its model alone, and is a
calendar. So rivals are decided by the same code as the policy that they are held against.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from plimsoll.config_loading import check_config
from plimsoll.config_part import Part
from plimsoll.drift_config import Drift, Retrain, RetrainFields
from plimsoll.errors import ConfigError
from plimsoll.model_config import ModelConfig
from plimsoll.split_config import Positive

Sees = Literal["all", "late losses", "inputs", "nothing"]
CONFIGURED, NEVER, MONTHLY = "configured", "never", "every 30 days"
CALENDARS = {"every 7 days": 7, MONTHLY: 30}
FOR_EVER_DAYS = 36_500  # a maximum age that no model reaches


class PolicyWindow(Part):
    """The one part of a split that a policy may change: how many days a training learns from; null is all of them."""

    window_days: Positive | None = None


class PolicyFile(Part):
    """A policy in a file of its own; what it leaves out is as in the model's config."""

    drift: Drift = Drift()
    retrain: RetrainFields = RetrainFields()
    split: PolicyWindow = PolicyWindow()


class WholePolicy(PolicyFile):
    """A policy file laid over a model's config."""

    retrain: Retrain = Retrain()


@dataclass(frozen=True)
class Policy:
    """A retrain policy with a name, and what it is shown."""

    name: str
    drift: Drift
    retrain: Retrain
    sees: Sees
    words: str  # what it is, for a person
    window_days: int | None = None  # that a training learns from; None: all that have landed


def policies_of(config: ModelConfig, files: Mapping[str, Mapping[str, Any]]) -> tuple[Policy, ...]:
    """Return the configured policy, those of files by their names, and the rivals, in this order.

    Raises ConfigError for a file with a key or a value that no policy has, or with the name of another policy.
    """
    rivals = _rivals(config)
    window = config.split.window_days
    own = Policy(CONFIGURED, config.drift, config.retrain, "all", "as in the model's config", window)
    refuse_names(list(files), [own.name, *(rival.name for rival in rivals)])
    return (own, *(_from_file(config, name, body) for name, body in files.items()), *rivals)


def refuse_names(names: list[str], taken: list[str]) -> None:
    """Raise ConfigError when a policy file has the name of another file or of a policy that is always compared."""
    seen = {_plain(name): f"the policy {name!r} that every backtest has" for name in taken}
    for name in names:
        if other := seen.get(_plain(name)):
            raise ConfigError(
                f"--policy {name}: the name is that of {other}. A policy is called as its file: rename it."
            )
        seen[_plain(name)] = "another --policy"


def rival_names() -> list[str]:
    """Return the names of the policies that every backtest compares."""
    return [CONFIGURED, NEVER, *CALENDARS, "drift alone", "quality alone"]


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ")


def _from_file(config: ModelConfig, name: str, body: Mapping[str, Any]) -> Policy:
    check_config(PolicyFile, body, f"--policy {name}")
    split = {"window_days": config.split.window_days}
    own = {"drift": config.drift.model_dump(), "retrain": config.retrain.model_dump(), "split": split}
    whole = {part: {**fields, **(body.get(part) or {})} for part, fields in own.items()}
    found = check_config(WholePolicy, whole, f"--policy {name}")
    _refuse_slices(config, name, found.drift)
    window, test_days = found.split.window_days, config.split.test_days
    if window is not None and window <= test_days:
        raise ConfigError(
            f"--policy {name}: split.window_days is {window}, and split.test_days of {config.model} keeps {test_days} "
            "days to judge by, so none is left to learn from. Give it more days, or null for all."
        )
    words = "from its file; what it leaves out as in the config"
    return Policy(name, found.drift, found.retrain, "all", words, window)


def _refuse_slices(config: ModelConfig, name: str, drift: Drift) -> None:
    """Raise ConfigError when a policy watches other slices: models keep losses of those of the config alone."""
    own, asked = (", ".join(sorted({*slices})) or "none" for slices in (config.drift.slices, drift.slices))
    if asked != own:
        raise ConfigError(
            f"--policy {name}: drift.slices is {asked}, and the config of {config.model} says {own}. Slices are fixed "
            "when a model is trained, so all policies watch the same: leave it out, or change the model's config."
        )


def _rivals(config: ModelConfig) -> tuple[Policy, ...]:
    """Return never, the calendars, and each signal alone, without the maximum age."""
    ageless, of = _changed(config.retrain, max_age_days=FOR_EVER_DAYS), partial(_rival, config)
    at_once = _changed(ageless, persistence_nights=1, persistence_of=1)
    return (
        of(NEVER, ageless, "nothing", "the first model for ever"),
        *(of(name, _calendar(config.retrain, days), "nothing", name) for name, days in CALENDARS.items()),
        of("drift alone", at_once, "inputs", "an input alarm retrains; else as in the config"),
        of("quality alone", ageless, "late losses", "as in the config, without the maximum age"),
    )


def _rival(config: ModelConfig, name: str, retrain: Retrain, sees: Sees, words: str) -> Policy:
    return Policy(name, config.drift, retrain, sees, words, config.split.window_days)


def _calendar(retrain: Retrain, days: int) -> Retrain:
    """Return the policy that retrains when so many days have passed, whether or not the last challenger won."""
    return _changed(retrain, max_age_days=days, cooldown_days=days, monthly_budget=31)


def _changed(retrain: Retrain, **fields: int) -> Retrain:
    return retrain.model_copy(update=fields)
