"""The rows of a batch as a ledger entry committed or cleared them: checked before anything is concluded from them."""

import pandas as pd

from plimsoll.archive import get_sealed
from plimsoll.errors import IntegrityError
from plimsoll.ledger import Entry
from plimsoll.scores_digest import batch_digest
from plimsoll.validation import of_earlier_code
from plimsoll.verification import expired_batch_key
from tasks.delta import read_predictions
from tasks.scratch import scratch_folder
from tasks.workspace import Workspace


def committed_rows(workspace: Workspace, batch: Entry) -> pd.DataFrame:
    """Return version, key and score of every row that a ledger entry committed or cleared, after checking their digest.

    Raises IntegrityError when rows were changed, added or lost. Where the retention policy took one version of
    several, what is left cannot be checked: the entry's digest is that of all together.
    """
    import pyarrow as pa

    date, model = str(batch.facts["date"]), batch.model
    try:
        rows = read_predictions(workspace, model, date=date, columns=["version", "key", "score", "run"])
    except IntegrityError as error:
        said = f"The predictions of {model} for {date} are not those of ledger entry {batch.n}"
        raise IntegrityError(f"{said}: {error}") from None
    rows = rows.astype({"version": "int32"})
    mine = rows["version"].isin([int(v) for v in batch.facts["versions"]]) & (rows["run"] == batch.facts["scored_by"])
    rows = pd.DataFrame(rows[mine], columns=["version", "key", "score"])
    with scratch_folder(workspace) as scratch:
        found = batch_digest(
            [pa.Table.from_pandas(rows, preserve_index=False)], len(rows), scratch, undealt=of_earlier_code(batch.facts)
        )
    if found == batch.facts["scores"]:
        return rows
    gone = {str(version) for version in batch.facts["versions"]} - set(rows["version"].astype(str))
    if gone and all(get_sealed(workspace.archive, expired_batch_key(model, date, int(version))) for version in gone):
        return rows
    raise IntegrityError(
        f"The predictions of {model} for {date} are not those of ledger entry {batch.n}: rows were changed, added or "
        f"lost. They lie in {workspace.platform.predictions.url}; restore them from a backup."
    )
