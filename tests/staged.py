"""Rows that a test makes up, committed to the predictions table by the same code as scored ones."""

from typing import Any

from tasks.delta import commit_batch
from tasks.staging import Stage


def commit_rows(workspace: Any, rows: Any, model: str, date: str, versions: list[int]) -> bool:
    """Stage and commit the rows of a table of predictions; False when one of the versions was visible already."""
    from types import SimpleNamespace

    import pyarrow.compute as pc

    first = rows.slice(0, 1).to_pylist()[0]
    stage = Stage(workspace, model, date, first["snapshot"], first["run"])
    served: Any = [SimpleNamespace(version=number, role=first["role"]) for number in versions]
    stage.open(served)
    for number in versions:
        mine = rows.filter(pc.equal(rows["version"], number)).combine_chunks()
        stage.write(number, mine["key"].chunk(0), mine["score"].chunk(0))
    done = commit_batch(workspace, stage.close(set(versions)), model, date, versions)
    if not done:
        stage.discard()
    return done
