"""What a model card says of a version, gathered from ledger, records and objects."""

from collections.abc import Mapping
from typing import Any

from plimsoll.archive import get_sealed
from plimsoll.errors import IntegrityError, UserError
from plimsoll.model_card import CardFacts
from plimsoll.run_record import read_record
from plimsoll.snapshot import load_snapshot
from plimsoll.standing import Standing, Version
from plimsoll.store import get_json, object_key
from plimsoll.trace_facts import approval_facts, arrival_facts, data_facts, departure_facts, gate_facts, gate_report_of
from tasks.upkeep_survey import EXPIRED
from tasks.workspace import Workspace


def card_facts(
    workspace: Workspace, standing: Standing, version: Version, outputs: Mapping[str, Any] | None = None
) -> CardFacts:
    """Return what is known of a version; outputs are those of its training run while that is not over.

    Raises IntegrityError where a record, or the config that it names, was changed or is gone.
    """
    trained, missing = version.trained.facts, list[str]()
    record = _record(workspace, standing.model, version)
    report = _read(workspace, gate_report_of(standing, version.number), "gate report", missing)
    evidence = _read(workspace, report.get("evidence", ""), "evidence", missing) if report else {}
    data = data_facts(load_snapshot(workspace.store, str(trained["snapshot"])))
    commit, tree = record["code"]["commit"], record["code"]["tree"]
    end = record["end"] or {}
    return CardFacts(
        model=standing.model,
        version=version.number,
        state=version.state,
        config=get_json(workspace.store, record["config"]),
        trained=trained,
        judged=gate_facts(standing, version.number),
        report=report,
        evidence=evidence,
        snapshot={name: data[name] for name in ("snapshot", "from", "to", "dates", "outcomes_as_of")},
        outputs=outputs if outputs is not None else end.get("outputs", {}),
        code=f"commit `{commit[:12]}`, source tree `{tree[:12]}`" if commit else f"source tree `{tree[:12]}`",
        approval=approval_facts(standing, version.number),
        departure=departure_facts(standing, version.number),
        arrival=arrival_facts(standing, version.number),
        entry=standing.entries[-1].n,
        at_training=outputs is not None,
        missing=tuple(missing),
    )


def _record(workspace: Workspace, model: str, version: Version) -> dict[str, Any]:
    """Return the record of a version's training run; UserError where the retention policy has let it go."""
    run = str(version.trained.facts["run"])
    if (record := read_record(workspace.archive, run)) is not None:
        return record
    if get_sealed(workspace.archive, f"{EXPIRED}{run}.json") is not None:
        raise UserError(
            f"There is no card of {model} v{version.number} any more: the retention policy let go of the record of run "
            f"{run}, which trained it. Who decided about it is still in plimsoll history {model}."
        )
    raise IntegrityError(f"Run {run}, which trained {model} v{version.number}, has no record.")


def _read(workspace: Workspace, digest: str, what: str, missing: list[str]) -> dict[str, Any]:
    """Return an object; where it is not there, nothing, and a sentence about it."""
    if not digest:
        missing.append(f"There is no {what}: this version was trained before one was kept, or its run was cut off.")
        return {}
    if workspace.store.get(object_key(digest)) is None:
        missing.append(f"The {what} is not kept any more; plimsoll verify says whether it was lost.")
        return {}
    return dict(get_json(workspace.store, digest))
