"""Batches: which versions score, and one date from its files to one atomic commit."""

import datetime as dt
from typing import TYPE_CHECKING, Any

from plimsoll.belated import LOOK_BACK_DAYS, missed_dates
from plimsoll.bundle import Bundle
from plimsoll.champions import reign_at, reigns
from plimsoll.errors import ChangedFeaturesError, DataError, IntegrityError
from plimsoll.model_config import ModelConfig
from plimsoll.predictions import BatchResult, Role, Served, summarize
from plimsoll.standing import Standing, by_champion
from tasks.bundles import fetch_bundle
from tasks.champion import alias_warning
from tasks.data_docs import build_data_docs
from tasks.engines import score_each
from tasks.features import changed_features
from tasks.landing import dates_between, landed_dates
from tasks.records import Run
from tasks.stage import get_run_logger, stage

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

MAY_SCORE = ("champion", "former", "requested")


def dates_to_score(run: Run, start: dt.date | None, end: dt.date | None) -> list[str]:
    """Return the asked dates; without a start, all landed after the newest committed batch up to the business date.

    With them come those of the last week that landed after a later date was scored, and the rejected ones, which may
    have been delivered again, all in order.

    A date that was asked but has not landed stays in the list, so that it is rejected, not forgotten. Raises DataError
    for one after the business date: it is mistyped, since nothing of it can be there.
    """
    asked = dates_between(start, end) if start else []
    if late := [date for date in asked if date > run.as_of]:
        raise DataError(
            f"{run.config.model}: {late[-1]} is still to come, as of {run.as_of}, so it cannot be scored. Nothing was "
            "scored, of other dates neither. Where the business date is later, name it: --as-of DATE"
        )
    if run.config.source.kind == "table":
        return [(start or dt.date.fromisoformat(run.as_of)).isoformat()]
    if asked:
        return asked
    standing, until = run.standing(), min(run.as_of, str(end or run.as_of))
    done = {str(entry.facts["date"]) for entry in standing.of_kind("batch_committed") if by_champion(entry)}
    landed = [date for date in landed_dates(run.workspace, run.config) if date <= until]
    if not done:
        return landed[-1:]
    stopped = {str(entry.facts["date"]) for entry in standing.of_kind("batch_rejected")} - done
    since = (dt.date.fromisoformat(run.as_of) - dt.timedelta(days=LOOK_BACK_DAYS)).isoformat()
    again = {date for date in stopped if since <= date <= until}
    again |= {date for date in missed_dates(standing, run.as_of) if date <= until} & {*landed}
    return sorted(again | {date for date in landed if date > max(done)})


@stage
def resolve_versions(run: Run, as_of: dt.date | None = None, version: int | None = None) -> list[Served]:
    """Return the versions that score in this run, champion first: resolved once, whatever is promoted meanwhile.

    With as_of that is the champion of then, alone if another one stands now; with a version that one alone. A champion
    that is damaged, or was trained with another feature function, stops the run; such a shadow is left out and named,
    since it harms nobody.
    """
    standing, model = run.standing(), run.config.model
    if standing.champion is None:
        raise DataError(
            f"{model} has no champion yet, so nothing can be scored. Train and approve one: plimsoll train {model}"
        )
    if (alone := version or _former(standing, as_of)) is not None:
        role: Role = "backfill" if version and version != standing.champion else "champion"
        return _told(run, [Served(alone, role, _bundle(run, standing, alone))])
    if warning := alias_warning(run.workspace, model, standing.champion):
        run.outputs["alias_warning"] = warning
        get_run_logger().warning(warning)
    served = [
        one for n, role in roles_of(run.config, standing, standing.champion) if (one := _serve(run, standing, n, role))
    ]
    return _told(run, served)


def _told(run: Run, served: list[Served]) -> list[Served]:
    run.outputs["versions"] = {str(one.version): one.role for one in served}
    get_run_logger().info("Scoring with %s", ", ".join(f"v{s.version} ({s.role})" for s in served))
    return served


def _former(standing: Standing, as_of: dt.date | None) -> int | None:
    """Return the version that was champion at a business date, None when it is the one that stands now."""
    if as_of is None or standing.champion is None:
        return None
    if (reign := reign_at(standing, as_of)) is None:
        first = reigns(standing)[0].since
        raise DataError(
            f"{standing.model} had no champion on {as_of}; the first one stood from {first}. Score as of then or "
            "later, or name a version: --with 1"
        )
    return None if reign.version == standing.champion else reign.version


def roles_of(config: ModelConfig, standing: Standing, champion: int) -> list[tuple[int, Role]]:
    """Return the versions that score beside a champion, and in which role, the champion first."""
    roles: list[tuple[int, Role]] = [(champion, "champion")]
    roles += [(v.number, "challenger") for v in standing.versions if v.state == "requested"]
    previous = standing.version(standing.previous) if config.scoring.shadow_previous and standing.previous else None
    if previous and previous.state != "retired":
        roles.append((previous.number, "previous"))
    return roles


def _serve(run: Run, standing: Standing, number: int, role: Role) -> Served | None:
    try:
        return Served(number, role, _bundle(run, standing, number))
    except (IntegrityError, ChangedFeaturesError) as error:
        if role == "champion":
            raise
        run.outputs.setdefault("left_out", {})[str(number)] = f"v{number} ({role}) did not score: {error}"
        return None


def _bundle(run: Run, standing: Standing, number: int) -> Bundle:
    version = standing.version(number)
    if version is None:
        raise DataError(f"{run.config.model} v{number} is not in the ledger. See: plimsoll history {run.config.model}")
    if version.state not in MAY_SCORE:
        raise DataError(
            f"{run.config.model} v{number} may not score: it was {version.state}. Versions that may: a champion, "
            "former or present, and one that waits for a decision."
        )
    trained_by = str(version.trained.facts["run"])
    run.parents.append(trained_by)
    if changed := changed_features(run.workspace, run.config, trained_by, f"{run.config.model} v{number}"):
        raise ChangedFeaturesError(changed)
    return fetch_bundle(run.workspace, run.config.model, number, version.bundle)


@stage
def score_dates(run: Run, served: list[Served], dates: list[str]) -> list[BatchResult]:
    """Score a shard of dates, each for itself: a broken one stops itself alone. The results are in their order."""
    results = {}
    for result in score_each(run, served, dates):
        level = 30 if result.state == "rejected" else 20
        get_run_logger().log(level, "%s %s: %s", result.date, result.state, result.sentence)
        results[result.date] = result
    for said in run.outputs.get("left_out", {}).values():
        get_run_logger().warning(said)
    return [results[date] for date in dates]


def close_batches(run: Run, results: list[BatchResult]) -> "State[Any]":
    """Write the counts into the record and return the run's state: failed by name when a batch was rejected."""
    from prefect.states import Completed, Failed

    counts = summarize(results)
    run.outputs |= counts
    cleared = [f"{one.date} cleared: {one.sentence}." for one in results if one.state == "cleared"]
    alias, left_out = run.outputs.get("alias_warning", ""), run.outputs.get("left_out", {}).values()
    run.sentence = " ".join([_tally(counts), *cleared, *left_out, *([alias] if alias else [])])
    if not counts["rejected"]:
        return Completed(message=run.sentence, data=counts)
    run.result = "refused"
    build_data_docs(run.workspace, run.config.model)
    reasons = "; ".join(f"{date}: {reason}" for date, reason in counts["rejected"].items())
    run.sentence = f"{run.sentence} {reasons}"
    return Failed(name="Rejected", message=run.sentence, data=counts)


def _tally(counts: dict[str, Any]) -> str:
    batches = "batch" if counts["committed"] == 1 else "batches"
    said = [f"Scored {counts['rows']:,} rows of {counts['committed']} {batches}"]
    said += [f"{counts['already']} committed before"] if counts["already"] else []
    said += [f"{counts['cleared']} cleared"] if counts["cleared"] else []
    said += [f"{len(counts['rejected'])} rejected"] if counts["rejected"] else []
    return "; ".join(said) + "."
