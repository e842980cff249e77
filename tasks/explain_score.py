"""Why one row has its score, on demand: by the version that scored it, or by another over the same row."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from plimsoll.assembly import KEY
from plimsoll.bundle import Bundle
from plimsoll.contributions import Explanation, estimate, explain, explainable
from plimsoll.digest import sha256_hex
from plimsoll.errors import DataError, FolderError, UserError
from plimsoll.explanation_page import render_explanation
from plimsoll.explanation_words import cautions, sentences
from plimsoll.model_config import ModelConfig
from plimsoll.probe import probe_from_json
from plimsoll.snapshot import Snapshot, load_snapshot
from plimsoll.standing import Standing, Version
from plimsoll.store import get_json, object_key
from tasks.assemble import batch_partition, reassemble
from tasks.bundles import fetch_bundle
from tasks.key_lookup import find_key
from tasks.pages import write_page
from tasks.records import utc_now
from tasks.scored_row import Scored, choose_row, one_model, remembered_standing
from tasks.trace import outcome_facts, trace_prediction
from tasks.version_config import own_config
from tasks.workspace import Workspace

SEED = 7  # of the sampling, where there is any


def explain_score(
    workspace: Workspace, key: str, date: str | None = None, model: str | None = None, number: int | None = None
) -> dict[str, Any]:
    """Return what each input added to the score of a row, in numbers and words; without a date, of its latest score.

    With a number that version's score of the same row, whether it scored it or not. Raises DataError when the key was
    never scored or its row cannot be assembled, UserError when what it takes was let go by the retention policy.
    """
    if model:
        workspace.model(model)
    rows = find_key(workspace, key, model=model, date=date)
    if rows.empty:
        return _refuse(trace_prediction(workspace, key, date, model))
    standing = remembered_standing(workspace, one_model(key, rows))
    asked = rows[rows["version"] == number] if number else rows
    one = choose_row(workspace, rows if asked.empty else asked, standing)
    version = _version(standing, number) if number else one.version
    stored = float(one.row["score"]) if version.number == one.version.number else None
    config = own_config(workspace, workspace.model(standing.model), str(version.trained.facts["run"]))
    found = _explain(workspace, config, one, version, key, stored)
    told = found.to_json(found.score if stored is None else stored) | {"stored": stored}
    role = str(one.row["role"]) if stored is not None else ""
    about = {"model": standing.model, "key": key, "date": one.date, "score": stored, "role": role}
    parts = list(found.parts)
    return {
        "prediction": about,
        "version": version.number,
        "outcome": outcome_facts(workspace, config, key, one.date),
        "explanation": told,
        "reasons": parts,
        "words": list(sentences(told, parts)),
        "cautions": list(cautions(told)),
    }


def write_explanation(workspace: Workspace, found: dict[str, Any], path: Path | None) -> Path:
    """Write the page of an explanation, among the reports without a path, and return where it is."""
    about = found["prediction"]
    target = path or workspace.reports / about["model"] / "explained" / _name(about, found["version"])
    written = f"Written {utc_now()[:19].replace('T', ' ')} UTC by plimsoll explain."
    try:
        return write_page(target, render_explanation(found, workspace.model(about["model"]).purpose, written))
    except OSError as error:
        raise FolderError(f"Cannot write the page {target}: {error.strerror}. Name another file.") from None


def _name(about: dict[str, Any], version: int) -> str:
    """Return a file's name that any system takes; two keys never share one."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", about["key"]).strip("-")[:60]
    return f"{about['date']}-{words}-{sha256_hex(about['key'].encode())[:8]}-v{version}.html"


def _explain(
    workspace: Workspace, config: ModelConfig, one: Scored, version: Version, key: str, stored: float | None
) -> Explanation:
    """Return the explanation of a row, assembled among a few; of its whole batch where that gives another score."""
    bundle = fetch_bundle(workspace, version.trained.model, version.number, version.bundle)
    snapshot = _snapshot(workspace, str(one.row["snapshot"]), f"The rows of {config.model} {one.date}")
    found = None
    for only in (key, None):
        frame = _row(workspace, config, snapshot, one.date, key, only)
        found = _take_apart(workspace, config, bundle, version, frame)
        if stored is None or found.score == stored:
            break
    if found is None:
        raise DataError(f"{config.model}: the row {key!r} of {one.date} cannot be explained.")
    return found


def _take_apart(
    workspace: Workspace, config: ModelConfig, bundle: Bundle, version: Version, frame: pd.DataFrame
) -> Explanation:
    if explainable(bundle):
        return explain(bundle, frame)
    return estimate(bundle, frame, _background(workspace, config, version), SEED)


def _row(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, date: str, key: str, only: str | None
) -> pd.DataFrame:
    with_key = _assembled(workspace, config, snapshot, batch_partition(config, date), only)
    frame = with_key[with_key[KEY] == key]
    if frame.empty:
        raise DataError(
            f"The row {key!r} is not among those that the code here makes of {config.model} {date}: the code that "
            "builds keys has changed since it was scored. Restore that code to explain it."
        )
    return frame.head(1)


def _background(workspace: Workspace, config: ModelConfig, version: Version) -> pd.DataFrame:
    """Return the rows that were kept when a version was registered: what its scores are compared with."""
    facts = version.trained.facts
    probe = probe_from_json(get_json(workspace.store, str(facts["probe"])))
    snapshot = _snapshot(workspace, str(facts["snapshot"]), f"The rows that v{version.number} was judged on")
    frame = _assembled(workspace, config, snapshot, probe.partition, None)
    return frame[frame[KEY].isin(probe.keys)]


def _snapshot(workspace: Workspace, digest: str, what: str) -> Snapshot:
    """Return a snapshot; UserError that says so where it, or a file of it, was let go, as retention does."""
    if workspace.store.get(object_key(digest)) is None:
        raise UserError(_let_go(what))
    return load_snapshot(workspace.store, digest)


def _assembled(
    workspace: Workspace, config: ModelConfig, snapshot: Snapshot, partition: str, only: str | None
) -> pd.DataFrame:
    near = [ref for table in snapshot.tables for ref in [snapshot.file(table, partition)] if ref and table != "outcome"]
    if any(workspace.store.get(object_key(ref.digest)) is None for ref in near):
        raise UserError(_let_go(f"The rows of {config.model} {partition}".rstrip()))
    try:
        return reassemble(workspace, config, snapshot, partition, only)
    except (DataError, KeyError) as error:
        raise DataError(f"The row cannot be assembled with the code that is here now: {error}") from None


def _let_go(what: str) -> str:
    return (
        f"{what} are not kept any more, so the score cannot be taken apart: what an explanation is made of is kept as "
        "long as the retention policy says. Nothing was guessed. `plimsoll verify` says whether they were lost instead."
    )


def _refuse(traced: dict[str, Any]) -> dict[str, Any]:
    about, broken = traced["prediction"], traced["quarantine"]
    why = "; ".join(str(row["says"] or row["expectation"]) for row in broken)
    raise DataError(f"{about['key']!r} of {about['date']} has no score to explain: validation set it aside. {why}")


def _version(standing: Standing, number: int) -> Version:
    if (version := standing.version(number)) is None:
        there = ", ".join(f"v{one.number}" for one in standing.versions)
        raise UserError(f"{standing.model} has no version {number}. There are: {there}.")
    return version
