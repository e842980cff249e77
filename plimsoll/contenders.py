"""The contenders of a model: its champion and what scores beside it, folded from its ledger and stored late losses."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.outcomes import NightlyQuality, agreement_between
from plimsoll.recommendation import Contender, Role
from plimsoll.scoring_cost import seconds_per_million
from plimsoll.side_by_side import lasting_gain, nightly_gain
from plimsoll.standing import Standing

WINDOW_DAYS = 28
BESIDE = ("challenger", "previous")
ALARMS = {"quality": "late losses", "recent": "recent losses", "estimate": "estimated losses", "inputs": "inputs"}


def contenders_of(
    config: ModelConfig,
    standing: Standing,
    quality: Mapping[int, Sequence[NightlyQuality]],
    today: str,
    age: int | None,
) -> Iterable[Contender]:
    """Yield the champion and whatever scored beside it in the last days, with its gain night by night."""
    first = (date.fromisoformat(today) - timedelta(days=WINDOW_DAYS - 1)).isoformat()
    judged, champion = last_judged(standing), standing.champion or 0
    alarms = tuple(word for name, word in ALARMS.items() if name != "inputs" and (judged.get(name) or {}).get("alarm"))
    yield Contender(
        f"v{champion}",
        config.model,
        champion,
        "champion",
        False,
        0,
        0,
        None,
        alarms,
        age or 0,
        config.retrain.max_age_days,
    )
    shadows = _shadows(standing)
    beside = [
        n for n, dates in sorted(shadows.items()) if n != champion and max(dates) >= first and _lives(standing, n)
    ]
    for n in beside:
        version = standing.version(n)
        role: Role = "former" if version and version.state == "former" else "challenger"
        one = Contender(f"v{n}", config.model, n, role, False, 0, len(shadows[n]), None, basis="none")
        one = replace(one, seconds_per_million=seconds_per_million(_batches(standing, n, first)))
        if config.source.kind == "dates":  # of a table the stored losses are of the same rows each night
            mine, rival = (unlearned(standing, m, quality.get(m, ())) for m in (n, champion))
            one = _judged(one, mine, rival, config, first, len(beside))
        yield one


def _judged(
    one: Contender,
    mine: Sequence[NightlyQuality],
    rival: Sequence[NightlyQuality],
    config: ModelConfig,
    first: str,
    compared: int,
) -> Contender:
    """Return a version with its gain over the champion, of the last nights and of all that both scored."""
    late, theirs = ([night for night in some if night.date >= first] for some in (mine, rival))
    count, gain = nightly_gain(late, theirs, config.task, compared, config.estimator.seed)
    lasting, agreement = lasting_gain(mine, rival, compared), agreement_between(late, theirs)
    return replace(one, nights=count, gain=gain, lasting=lasting, basis="nights", agreement=agreement)


def _batches(standing: Standing, number: int, first: str) -> Iterable[Entry]:
    mine = (e for e in standing.of_kind("batch_committed") if str(number) in e.facts["versions"])
    return (entry for entry in mine if str(entry.facts["date"]) >= first)


def _shadows(standing: Standing) -> dict[int, set[str]]:
    """Return the dates on which each version scored beside a champion."""
    found: dict[int, set[str]] = {}
    for entry in standing.of_kind("batch_committed"):
        for version, role in entry.facts["versions"].items():
            if role in BESIDE:
                found.setdefault(int(version), set()).add(str(entry.facts["date"]))
    return found


def _lives(standing: Standing, number: int) -> bool:
    version = standing.version(number)
    return version is not None and version.state in ("requested", "former")


def unlearned(standing: Standing, number: int, nights: Sequence[NightlyQuality]) -> list[NightlyQuality]:
    """Return those of a version's nights that it did not learn from."""
    version = standing.version(number)
    through = str(version.trained.facts.get("trained_through") or "") if version else ""
    return [night for night in nights if night.date > through]


def last_judged(standing: Standing) -> Mapping[str, Any]:
    """Return the facts of the drift decision about the latest night whose batch the champion of now scored."""
    mine = (e.facts for e in reversed(standing.nights().values()) if e.facts.get("version") == standing.champion)
    return next(mine, {})
