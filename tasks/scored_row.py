"""One scored row: the prediction that counts, with its version, the batch that it belongs to, and the ledger."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from plimsoll.errors import DataError, IntegrityError
from plimsoll.ledger import Entry, entry_key
from plimsoll.standing import Standing, Version
from tasks.champion import standing_of
from tasks.clear_rows import open_clear
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


def remembered_standing(workspace: Workspace, model: str) -> Standing:
    """Return where a model stands; a process that has read and checked a ledger reads it again when it has grown."""
    at = (workspace.store, model)
    known = _standings.get(at)
    if known is None or workspace.store.get(entry_key(model, len(known.entries))) is not None:
        known = _standings[at] = standing_of(workspace, model)
    return known


def one_model(key: str, rows: pd.DataFrame) -> str:
    """Return the model that scored a key; DataError when several did and none was named."""
    if len(models := sorted(set(rows["model"]))) > 1:
        which = " or ".join(f"--model {name}" for name in models)
        raise DataError(f"{key!r} was scored by {' and '.join(models)}. Say which one is meant: {which}.")
    return str(models[0])


def choose_row(workspace: Workspace, rows: pd.DataFrame, standing: Standing) -> Scored:
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
