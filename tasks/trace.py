"""Trace: from one prediction back to everything that made it, and forward to what really happened."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import pandas as pd

from plimsoll.assembly import KEY, OUTCOME
from plimsoll.contributions import Explanation, explain
from plimsoll.errors import DataError, IntegrityError
from plimsoll.ledger import Entry, entry_key
from plimsoll.model_config import ModelConfig
from plimsoll.run_record import read_record
from plimsoll.snapshot import load_snapshot
from plimsoll.standing import Standing, Version
from plimsoll.store import Store, get_json
from plimsoll.trace_facts import approval_facts, batch_facts, data_facts, run_facts, version_facts
from tasks.assemble import batch_partition, reassemble
from tasks.bundles import fetch_bundle
from tasks.champion import standing_of
from tasks.clear_rows import open_clear
from tasks.committed_rows import committed_rows
from tasks.delta import read_predictions
from tasks.key_lookup import find_key
from tasks.outcomes_feed import outcome_of
from tasks.quarantine import find_bad_row
from tasks.workspace import Workspace

_standings: dict[tuple[Any, str], Standing] = {}


class Scored(NamedTuple):
    """One prediction with the version and the batch that it belongs to."""

    row: Mapping[str, Any]
    version: Version
    batch: Entry | None
    standing: Standing

    @property
    def date(self) -> str:
        """The batch date."""
        return str(self.row["batch_date"].isoformat())


def trace_prediction(
    workspace: Workspace, key: str, date: str | None = None, model: str | None = None
) -> dict[str, Any]:
    """Return prediction, version, approval, data, code, environment, validation, reasons and outcome of one row.

    Without a date the latest prediction is traced. A row that validation set aside is told of as such. Raises
    DataError when the key was never seen, or when several models scored it and none is named.
    """
    if model:
        workspace.model(model)
    rows = find_key(workspace, key, model=model, date=date)
    if rows.empty:
        return _set_aside(workspace, key, date, model)
    if len(models := sorted(set(rows["model"]))) > 1:
        which = " or ".join(f"--model {name}" for name in models)
        raise DataError(f"{key!r} was scored by {' and '.join(models)}. Say which one is meant: {which}.")
    return _trace(workspace, key, rows, remembered_standing(workspace, models[0]))


def remembered_standing(workspace: Workspace, model: str) -> Standing:
    """Return where a model stands; a process that has read and checked a ledger reads it again when it has grown."""
    at = (workspace.store, model)
    known = _standings.get(at)
    if known is None or workspace.store.get(entry_key(model, len(known.entries))) is not None:
        known = _standings[at] = standing_of(workspace, model)
    return known


def _trace(workspace: Workspace, key: str, rows: pd.DataFrame, standing: Standing) -> dict[str, Any]:
    one = _choose(workspace, rows, standing)
    facts, number = one.version.trained.facts, one.version.number
    config = workspace.model(standing.model)
    explanation, why_not = _explain(workspace, config, one, key)
    training = load_snapshot(workspace.store, str(facts["snapshot"]))
    prediction = {name: one.row[name] for name in ("model", "key", "role", "run", "snapshot")}
    return {
        "state": "scored",
        "prediction": {**prediction, "date": one.date, "score": float(one.row["score"])},
        "also_scored": _others(rows, one),
        "outcome": _outcome(workspace, config, key, one.date),
        "version": version_facts(standing, one.version),
        "approval": approval_facts(standing, number),
        "training_run": _run(workspace, str(facts["run"])),
        "training_data": data_facts(training, int(facts["rows"])),
        "scoring_run": _run(workspace, str(one.row["run"])),
        "batch": batch_facts(one.batch, _expectations(workspace, one.batch)),
        "explanation": explanation.to_json(float(one.row["score"])) if explanation else {"missing": why_not},
        "reasons": list(explanation.parts) if explanation else [],
    }


def _choose(workspace: Workspace, rows: pd.DataFrame, standing: Standing) -> Scored:
    """Return the prediction that counts: of the latest date, by the champion that committed it last."""
    found = []
    for row in rows.to_dict("records"):
        version = standing.version(int(row["version"]))
        if version is None:
            raise DataError(
                f"{standing.model} v{row['version']} is not in the ledger: plimsoll history {standing.model}"
            )
        batch = _entry_of(workspace, standing, row, version.number)
        one = Scored(row, version, batch, standing)  # type: ignore[arg-type]
        _check_row(one)
        found.append(one)
    return max(found, key=lambda one: (one.date, one.row["role"] == "champion", _committed_at(one.batch)))


def _entry_of(workspace: Workspace, standing: Standing, row: Mapping[Any, Any], version: int) -> Entry | None:
    """Return the entry about a row: of the run that wrote it, or the batch's where no entry knows that run."""
    date = row["batch_date"].isoformat()
    if told := standing.wrote(date, version, str(row["run"])):
        return told
    batch = standing.batch(date, version)
    return None if batch is None or open_clear(workspace, standing, batch, version) else batch


def _committed_at(batch: Entry | None) -> int:
    """Return the number of the entry that committed a batch, also of a row that was cleared later."""
    return int(batch.facts.get("batch_entry", batch.n)) if batch else -1


def _check_row(one: Scored) -> None:
    """Raise IntegrityError where a stored row does not say of its batch what the ledger says of it."""
    if one.batch is None:
        return
    facts = one.batch.facts
    stated = {
        "role": facts["versions"][str(one.version.number)],
        "snapshot": facts["snapshot"],
        "run": facts["scored_by"],
    }
    if wrong := [name for name, value in stated.items() if one.row[name] != value]:
        raise IntegrityError(_not_the_ledgers(one.batch, " and ".join(wrong)))


def _not_the_ledgers(batch: Entry, what: str) -> str:
    return (
        f"The predictions of {batch.model} {batch.facts['date']} are not those of "
        f"{entry_key(batch.model, batch.n)}: {what} differ. Restore the predictions table from a backup."
    )


def _others(rows: pd.DataFrame, one: Scored) -> list[dict[str, Any]]:
    """Return the other predictions of the same key."""
    named = [
        {"date": row["batch_date"].isoformat(), **{name: row[name] for name in ("version", "role", "score", "run")}}
        for row in rows.to_dict("records")
    ]
    return [row for row in named if (row["date"], row["version"]) != (one.date, one.row["version"])]


def _run(workspace: Workspace, run_id: str) -> dict[str, Any]:
    return run_facts(run_id, read_record(workspace.archive, run_id))


def _outcome(workspace: Workspace, config: ModelConfig, key: str, date: str) -> dict[str, Any]:
    asked = config.outcome
    meaning = asked.column if asked.above is None else f"1 when {asked.column} > {asked.above:g}, else 0"
    return {OUTCOME.strip("_"): outcome_of(workspace, config, key, date), "meaning": meaning}


def _expectations(workspace: Workspace, batch: Entry | None) -> int | None:
    """Return how many expectations judged a batch, from the suite's full result that the ledger names by digest."""
    digest = str(batch.facts["validation"]) if batch else ""
    return _count_results(workspace.store, digest) if digest else None


@lru_cache(maxsize=1024)
def _count_results(store: Store, digest: str) -> int:
    return len(get_json(store, digest)["results"])


def _explain(workspace: Workspace, config: ModelConfig, one: Scored, key: str) -> tuple[Explanation | None, str]:
    """Return what made the score, by that very version over that very row; None with the reason when it cannot.

    The row is assembled among a few, which is quick. Where that does not give the stored score bit for bit, a feature
    may depend on the other rows of the batch, and the whole batch is assembled.
    """
    if one.batch is None:
        return None, "The ledger has no entry about this batch yet: score the date again, which completes it."
    bundle = fetch_bundle(workspace, one.version.trained.model, one.version.number, one.version.bundle)
    snapshot = load_snapshot(workspace.store, str(one.row["snapshot"]))
    found, why_not = None, ""
    for only in (key, None):
        try:
            frame = reassemble(workspace, config, snapshot, batch_partition(config, one.date), only)
            found = explain(bundle, frame[frame[KEY] == key])
        except (DataError, IndexError, KeyError) as error:
            why_not = f"The row cannot be assembled with the code that is here now: {error}"
            continue
        if found.score == one.row["score"]:
            return found, ""
    committed_rows(workspace, one.batch)  # scores that were changed are no news about the code
    return found, "" if found else why_not


def _set_aside(workspace: Workspace, key: str, date: str | None, model: str | None) -> dict[str, Any]:
    """Return the trace of a row that validation set aside; DataError when no model ever saw the key."""
    for name in [model] if model else workspace.models:
        standing = remembered_standing(workspace, name)
        if there := find_bad_row(workspace.store, standing, key, date):
            entry, broken = there
            return {
                "state": "quarantined",
                "prediction": {"model": name, "key": key, "date": entry.facts["date"], "score": None},
                "quarantine": broken,
                "outcome": _outcome(workspace, workspace.model(name), key, str(entry.facts["date"])),
                "scoring_run": _run(workspace, str(entry.facts["run"])),
                "batch": batch_facts(entry, _expectations(workspace, entry)),
            }
    on = f" on {date}" if date else ""
    who = f"{model} never scored" if model else "No model ever scored"
    hint = _elsewhere(workspace, key) or _examples(workspace, model)
    raise DataError(f"{who} a row named {key!r}{on}, nor set one aside. {hint}")


def _elsewhere(workspace: Workspace, key: str) -> str:
    """Return which models scored a key on which dates, for whoever asked for another one."""
    rows = find_key(workspace, key)
    there = sorted({f"{row['model']} on {row['batch_date']}" for row in rows.to_dict("records")})
    return f"It was scored by {' and '.join(there)}." if there else ""


def _examples(workspace: Workspace, model: str | None) -> str:
    """Return what keys look like, from the last batch of each model."""
    said = []
    for name in [model] if model else workspace.models:
        if last := remembered_standing(workspace, name).last("batch_committed"):
            keys = read_predictions(workspace, name, date=str(last.facts["date"]), columns=["key"])["key"]
            said += [f"{str(keys.iloc[0])!r} ({name})"] if len(keys) else []
    return f"Keys look like {' or '.join(said)}." if said else "Nothing was scored yet."
