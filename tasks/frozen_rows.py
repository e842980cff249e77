"""Frozen holdouts: frozen in the ledger at their first use, read again from kept bytes, and looked at under record."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

from plimsoll.bundle import Bundle
from plimsoll.errors import DataError
from plimsoll.holdout import (
    FROZEN,
    LOOKED,
    Changed,
    Held,
    compare_rows,
    definition,
    frozen,
    looks_at,
    require_kept,
)
from plimsoll.holdout_gate import HeldOut
from plimsoll.judged_rows import judged_rows
from plimsoll.ledger import Entry
from plimsoll.metrics import measure
from plimsoll.row_parts import DATE, Rows
from plimsoll.snapshot import Snapshot, load_snapshot, save_snapshot
from plimsoll.split_config import Holdout
from plimsoll.standing import Version
from plimsoll.training import scores_of
from plimsoll.tries import tries_on_holdout
from tasks.champion_features import champion_config, note_failed_dates
from tasks.landing import dates_between, landed_dates, snapshot_of
from tasks.records import Run
from tasks.stage import get_run_logger, stage
from tasks.training_rows import assemble_training_rows


@stage
def hold_out(run: Run, snapshot: Snapshot, scratch: Path) -> Held | None:
    """Return the holdout that judges, frozen at its first use; None without one.

    Raises ConfigError where a holdout that was frozen is no longer in the config, DataError where its outcomes are yet
    to come.
    """
    standing, holdouts = run.standing(), run.config.split.holdout
    require_kept(standing, holdouts)
    if not holdouts:
        return None
    place = scratch / "holdout"
    place.mkdir()
    for one in holdouts:  # also one that does not judge any more: its rows are known from then on
        entry = frozen(standing, one.name) or _freeze(run, one, snapshot, place)
    kept = _rows(run, load_snapshot(run.store, str(entry.facts["snapshot"])), holdouts[-1], place)
    held = Held(holdouts[-1], entry, kept, _changed(run, holdouts[-1], entry, kept, snapshot, place))
    run.outputs["holdout"] = {"name": held.holdout.name, "snapshot": held.snapshot, "rows": len(kept)}
    get_run_logger().info("Holdout %s: %d rows; %s", held.holdout.name, len(kept), held.changed.sentence)
    return held


def look_at_holdout(
    run: Run, held: Held | None, bundle: Bundle, champion: Version | None, other: Bundle | None, tried: Entry
) -> HeldOut | None:
    """Return what candidate and champion say of the holdout; that it was looked at is in the ledger before."""
    if held is None:
        return None
    _note_look(run, held, bundle)
    standing, mask = run.standing(), ~np.isnan(held.rows.outcome)
    score = scores_of(bundle, held.rows, mask)
    rival = scores_of(other, held.rows, mask) if other else None
    name = f"champion v{champion.number}" if champion else ""
    looks = looks_at(standing, held.snapshot)
    tries = tries_on_holdout(standing.entries, tried, looks)
    rows = judged_rows(held.rows, mask, run.config, score, rival, name, tries)
    metrics = [None if one is None else measure(rows.outcome, one, rows.task) for one in (score, rival)]
    return HeldOut(
        name=held.holdout.name,
        snapshot=held.snapshot,
        rows=rows,
        metrics=metrics[0] or {},
        rival_metrics=metrics[1],
        changed=held.changed,
        looks=len(looks),
        champion_may_have_seen=champion is not None and _may_have_seen(run, held, champion),
    )


def _may_have_seen(run: Run, held: Held, champion: Version) -> bool:
    """Return whether a champion was trained before the rows were held out, on a snapshot with some of their dates."""
    if champion.trained.n > held.entry.n:
        return False
    before = load_snapshot(run.store, str(champion.trained.facts["snapshot"]))
    frozen_dates = load_snapshot(run.store, held.snapshot).dates
    return not frozen_dates or bool({*before.dates} & {*frozen_dates})


def _note_look(run: Run, held: Held, bundle: Bundle) -> None:
    """Enter that a bundle is looked at, once for each bundle; a run that dies has looked all the same."""
    name = held.holdout.name
    facts = {
        "holdout": name,
        "snapshot": held.snapshot,
        "bundle": bundle.digest,
        "sentence": f"bundle {bundle.digest[:12]} is judged on the holdout {name}",
    }
    run.decide(LOOKED, facts, key=f"{LOOKED}:{held.snapshot}:{bundle.digest}")  # type: ignore[arg-type]  # a kind


def _freeze(run: Run, holdout: Holdout, snapshot: Snapshot, scratch: Path) -> Entry:
    """Enter which snapshot holds a holdout's rows, for ever; of two runs that do it at once the first counts."""
    _require_outcomes(run, holdout)
    kept = snapshot if holdout.share is not None else _of_dates(run, holdout)
    if kept is not snapshot:
        save_snapshot(run.store, kept)
    rows = _rows(run, kept, holdout, scratch)
    known = int((~np.isnan(rows.outcome)).sum())
    if not known:
        raise DataError(
            f"{run.config.model}: the holdout {holdout.name} has no valid row with an outcome to judge on. Name dates "
            "that have landed, or a larger share, in split.holdout."
        )
    facts = {
        "holdout": definition(holdout),
        "snapshot": kept.id,
        "rows": len(rows),
        "with_outcome": known,
        "sentence": f"{holdout.name}: {len(rows):,} rows, {known:,} with an outcome; no training may touch them",
    }
    return run.decide(FROZEN, facts, key=f"{FROZEN}:{holdout.name}")  # type: ignore[arg-type]  # a kind


def _of_dates(run: Run, holdout: Holdout) -> Snapshot:
    """Return a snapshot of a holdout's dates as they lie at the source now."""
    start, end = holdout.start or dt.date.max, holdout.end or dt.date.max
    landed = set(landed_dates(run.workspace, run.config))
    return snapshot_of(run, [date for date in dates_between(start, end) if date in landed], outcomes=True)


def _require_outcomes(run: Run, holdout: Holdout) -> None:
    """Raise DataError where outcomes of a holdout's dates are yet to come."""
    last = dt.date.fromisoformat(run.as_of) - dt.timedelta(days=run.config.outcome.delay_days)
    if holdout.end and holdout.end > last:
        raise DataError(
            f"{run.config.model}: the holdout {holdout.name} ends on {holdout.end}, and as of {run.as_of} outcomes are "
            f"known through {last}. Train once they are known, or name earlier dates in split.holdout."
        )


def _rows(run: Run, snapshot: Snapshot, holdout: Holdout, scratch: Path) -> Rows:
    """Return a holdout's rows of a snapshot that pass validation; none where none are there."""
    if run.config.source.kind == "dates" and not snapshot.dates:
        return Rows()
    beside = champion_config(run)
    valid = assemble_training_rows(run.workspace, run.config, snapshot, scratch, only=holdout, beside=beside)
    note_failed_dates(run, valid)
    return valid.rows


def _changed(run: Run, holdout: Holdout, entry: Entry, kept: Rows, snapshot: Snapshot, scratch: Path) -> Changed:
    """Return what the source says today of rows that were frozen; of equal bytes nothing has to be read."""
    then = load_snapshot(run.store, str(entry.facts["snapshot"]))
    now = snapshot if holdout.share is not None else _of_dates(run, holdout)
    if all(then.digests.get(table) == now.digests.get(table) for table in ("batch", "outcome")):
        return Changed(int((~np.isnan(kept.outcome)).sum()))
    again = scratch / "now"
    again.mkdir(exist_ok=True)
    old, new = _frame(kept), _frame(_rows(run, now, holdout, again))
    if run.config.source.kind == "dates":
        old = old[old[DATE].isin(now.dates)]
    columns = [name for name, _ in then.tables["batch"][-1].columns]
    return compare_rows(old, new, columns, whole=holdout.share is None)


def _frame(rows: Rows) -> pd.DataFrame:
    frames = list(rows.frames())
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
