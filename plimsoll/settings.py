"""Settings: where those of an estimator come from, and what is told of the search that found them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from plimsoll.digest import sha256_json
from plimsoll.model_config import ModelConfig
from plimsoll.search_config import Value
from plimsoll.trials import Trial, best_of, with_settings

Origin = Literal["found", "champion", "written"]
LOSS = {"classification": "log loss", "regression": "absolute error"}


@dataclass(frozen=True)
class Settings:
    """What an estimator is given beyond what its config fixes."""

    question: str  # digest of what was asked: settings answer no other question
    values: Mapping[str, Value]
    origin: Origin
    found_by: str  # the run that searched; empty where the config's own are taken
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return them as JSON."""
        return {**asdict(self), "values": dict(self.values)}


def question_of(config: ModelConfig) -> str:
    """Return the digest of what a search or a shrinking is asked to find; how long it may take is no part of it."""
    body = config.model_dump(mode="json", include={"estimator", "search", "shrink"})
    asked = {name: value for name, value in (body["search"] or {}).items() if name not in ("trials", "minutes", "when")}
    return sha256_json({**body, "search": asked})


def searches_anew(config: ModelConfig, asked: bool, known: Settings | None) -> bool:
    """Return whether a training searches: when it is asked to, and else as the config's `when` says.

    known are the champion's settings, None where there are none for the same question.
    """
    when = config.search.when if config.search else "first"
    return asked or when == "always" or (when == "first" and known is None)


def reused(config: ModelConfig, body: Mapping[str, Any] | None, champion: int) -> Settings | None:
    """Return a champion's settings, as its run recorded them, where they answer what the config asks; else None."""
    question = question_of(config)
    if not body or body.get("question") != question or body.get("origin") == "written":
        return None
    said = f"Settings of v{champion}, found by run {body['found_by']}"
    return Settings(question, dict(body["values"]), "champion", str(body["found_by"]), said)


def settle(config: ModelConfig, values: Mapping[str, Value]) -> ModelConfig:
    """Return a config that asks for nothing any more: its estimator has the settings that were found."""
    told = {"estimator": with_settings(config.estimator, values), "search": None, "shrink": None}
    return config.model_copy(update=told)


def describe_trials(trials: Sequence[Trial], kept: int, task: str) -> dict[str, Any]:
    """Return what record, page and terminal tell about a search, as JSON; kept trials are of an earlier run."""
    best = best_of(trials)
    states = {state: sum(one.state == state for one in trials) for state in ("complete", "pruned", "failed")}
    told: dict[str, Any] = {"trials_done": len(trials), "trials_kept": kept, **states}
    told |= {"seconds": round(sum(one.seconds for one in trials), 1), "loss_name": LOSS[task]}
    told |= {"best": best.number if best else None, "loss": best.loss if best else None}
    ended = [f"{states['pruned']} given up early"] if states["pruned"] else []
    ended += [f"{states['failed']} failed"] if states["failed"] else []
    aside = f" ({', '.join(ended)})" if ended else ""
    loss = f", {LOSS[task]} {best.loss:.4f} within the training days" if best and best.loss is not None else ""
    return {**told, "sentence": f"Best of {len(trials)} trials{aside}{loss}"}
