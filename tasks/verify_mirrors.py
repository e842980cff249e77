"""Mirrors: what MLflow repeats of the ledger, held against the ledger: bundles, aliases, tags, the newest entry."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plimsoll.approval import find_request, owed_promotion
from plimsoll.digest import canonical_json
from plimsoll.errors import IntegrityError
from plimsoll.run_record import end_key, read_record
from plimsoll.standing import Standing, Version
from plimsoll.verification import Finding, Verification
from tasks.champion import wanted_aliases
from tasks.mlflow_card import changed_reading
from tasks.mlflow_home import check_pages
from tasks.mlflow_lineage import RECORD
from tasks.mlflow_registry import connected
from tasks.mlflow_roles import (
    STRANGE,
    candidates_of,
    check_copy,
    old_layout,
    promoted_versions,
    read_alias,
    read_head_tag,
    versions_of,
)
from tasks.promoted_card import promoted_tags
from tasks.shown_pages import served_findings
from tasks.workspace import Workspace

PUT_RIGHT = "Put it right with: plimsoll repair"


def check_database(workspace: Workspace, seen: Verification) -> bool:
    """Say whether MLflow's database can be read, and find it when it cannot; a server's is its own matter."""
    uri = workspace.platform.mlflow.tracking_uri
    database = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or not database.is_file():
        return True
    try:
        check_pages(database)
    except IntegrityError as error:
        seen.found(Finding(str(database), str(error)))
        return False
    return True


def check_mirrors(workspace: Workspace, model: str, standing: Standing, seen: Verification) -> None:
    """Check the copies of a model's bundles in MLflow, and what its registry says, against the ledger.

    Raises ServerError when MLflow does not answer.
    """
    for found in _owed_promotions(standing):
        seen.found(found)
    if not standing.versions:
        if _was_used(workspace):
            _check_heads(workspace, model, standing, seen)
        return
    if old := old_layout(workspace, model):
        seen.found(Finding(f"MLflow {model}", old))
        return
    for version in standing.versions:
        if is_kept(version, seen):
            seen.count("bundle")
            _check_copy(workspace, model, version, seen)
            _check_tags(workspace, model, standing, version, seen)
            _check_record(workspace, model, version, seen)
            for changed in (*changed_reading(workspace, model, version), *_served(workspace, model, version)):
                seen.found(changed)
    _check_promoted(workspace, standing, seen)
    for alias, wanted in wanted_aliases(standing).items():
        if (there := read_alias(workspace, model, alias)) != wanted:
            sentence = f"MLflow's alias {alias} of {model} points at {_said(there)}, the ledger says {_said(wanted)}."
            seen.found(Finding(f"MLflow {model} alias {alias}", f"{sentence} {PUT_RIGHT} {model}", "alias", model))
    _check_heads(workspace, model, standing, seen)


def _served(workspace: Workspace, model: str, version: Version) -> list[Finding]:
    """Return the pages that are served otherwise than they were written; a damaged record is found elsewhere."""
    try:
        return [*served_findings(workspace, model, version)]
    except IntegrityError:
        return []


def _was_used(workspace: Workspace) -> bool:
    """Say whether MLflow may remember a model of which nothing is known here; asking makes its database."""
    uri = workspace.platform.mlflow.tracking_uri
    return not uri.startswith("sqlite:///") or Path(uri.removeprefix("sqlite:///")).is_file()


def is_kept(version: Version, seen: Verification) -> bool:
    """Say whether a version's bundle must be there: the run that made it was not expired."""
    return version.trained.facts.get("run") not in seen.expired


def expected_tags(standing: Standing, version: Version) -> dict[str, str]:
    """Return the tags of a version that follow from the ledger."""
    judged = [e for e in standing.of_kind("gates_passed", "gates_failed") if e.facts["version"] == version.number]
    facts = version.trained.facts
    tags = {name: str(facts[name]) for name in ("run", "snapshot", "bundle")}
    tags |= {"gate_report": str(judged[-1].facts["gate_report"])} if judged else {}
    return {f"plimsoll.{name}": value for name, value in tags.items()}


def _check_copy(workspace: Workspace, model: str, version: Version, seen: Verification) -> None:
    where = f"MLflow {candidates_of(model)} v{version.number}"
    try:
        check_copy(workspace, model, version.number, version.bundle)
    except IntegrityError as error:
        seen.found(Finding(where, str(error)))


def _check_tags(workspace: Workspace, model: str, standing: Standing, version: Version, seen: Verification) -> None:
    name = candidates_of(model)
    with connected(workspace, f"read {name} v{version.number}") as client:
        tags: dict[str, Any] = _tags_of(client, name, version.number)
        copies = [p.tags for p in promoted_versions(client, model) if p.version == version.number]
    expected, promoted = expected_tags(standing, version), promoted_tags(standing, version.number)
    wrong = [tag for tag, value in expected.items() if any(of.get(tag) != value for of in (tags, *copies))]
    wrong += [tag for tag, value in promoted.items() if any(of.get(tag) != value for of in copies)]
    if wrong:
        sentence = f"MLflow's tags {', '.join(wrong)} of {name} v{version.number} are not what the ledger says."
        where = f"MLflow {name} v{version.number} tags"
        seen.found(Finding(where, f"{sentence} {PUT_RIGHT} {model}", "tags", model, str(version.number)))


def _check_record(workspace: Workspace, model: str, version: Version, seen: Verification) -> None:
    """Find a copy of the training run's record that is not the record, or is not there."""
    where = f"MLflow {candidates_of(model)} v{version.number} {RECORD}"
    try:
        record = read_record(workspace.archive, str(version.trained.facts["run"]))
    except IntegrityError:
        return  # found where records are checked
    if record is None or (record["end"] and "mlflow_run" not in record["end"]["outputs"]):
        return
    with connected(workspace, f"read {where}") as client:
        copy = _copy_of(client, str(version.trained.facts["mlflow_run"]))
    if record["end"] is None:
        if copy is not None:
            key = end_key(record["run_id"])
            seen.found(Finding(key, f"{key} is gone, although {where} is a copy of it. Restore it from a backup."))
    elif copy is None:
        said = f"{where} is gone. {PUT_RIGHT} {model}"
        seen.found(Finding(where, said, "copy", model, str(version.number)))
    elif copy != canonical_json(record):
        said = f"{where} was changed: it is not the record in the store. Delete it, then: plimsoll repair {model}"
        seen.found(Finding(where, said))


def _copy_of(client: Any, mlflow_run: str) -> bytes | None:
    from mlflow.exceptions import MlflowException

    try:
        there = {found.path for found in client.list_artifacts(mlflow_run)}
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None  # with its run
    if RECORD not in there:
        return None
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(mlflow_run, RECORD, folder)).read_bytes()


def _tags_of(client: Any, model: str, number: int) -> dict[str, Any]:
    from mlflow.exceptions import MlflowException

    try:
        return dict(client.get_model_version(model, str(number)).tags)
    except MlflowException:
        return {}


def _check_promoted(workspace: Workspace, standing: Standing, seen: Verification) -> None:
    """Find what lies in `<model>` and is not a copy of a version that the ledger says was promoted."""
    model = standing.model
    moves = {int(e.facts["version"]) for e in standing.of_kind("promoted", "rolled_back")}
    with connected(workspace, f"read {model}") as client:
        candidates = {int(v.version): str(v.source) for v in versions_of(client, candidates_of(model))}
        there = promoted_versions(client, model)
    for one in there:
        where, again = f"MLflow {model} version {one.number}", f"Delete it in MLflow, then: plimsoll repair {model}"
        if one.version == STRANGE:
            seen.found(Finding(where, f"{where} names no version of the ledger: it was made by hand. {again}"))
        elif one.version not in moves or one.source != candidates.get(one.version, one.source):
            wrong = "and has other files" if one.version in moves else "which nobody promoted"
            seen.found(Finding(where, f"{where} says it is v{one.version}, {wrong}: it was made by hand. {again}"))


def _check_heads(workspace: Workspace, model: str, standing: Standing, seen: Verification) -> None:
    for registered in (candidates_of(model), model):
        _check_head(workspace, model, registered, standing, seen)


def _check_head(workspace: Workspace, model: str, registered: str, standing: Standing, seen: Verification) -> None:
    where = f"MLflow {registered} tag of the newest entry"
    try:
        head = read_head_tag(workspace, registered)
    except IntegrityError as error:
        seen.found(Finding(where, str(error)))
        return
    known = {entry.n: entry.digest for entry in standing.entries}
    if head and known.get(head.n) != head.digest:
        said = "was cut off" if head.n not in known else "was rewritten"
        sentence = f"The ledger of {model} {said}: MLflow has seen another entry {head.n}."
        seen.found(Finding(where, f"{sentence} Restore ledger/{model}/ from a backup."))


def _owed_promotions(standing: Standing) -> Iterator[Finding]:
    for version in standing.versions:
        request = find_request(standing.entries, version.number)
        if request and owed_promotion(standing.entries, request):
            name = f"{standing.model} v{version.number}"
            sentence = f"{name} was approved, but a process died before it was promoted. {PUT_RIGHT} {standing.model}"
            yield Finding(f"{name} promotion", sentence, "promotion", standing.model, str(version.number))


def _said(version: int | None) -> str:
    return "a version that is none of it" if version == STRANGE else f"v{version}" if version else "nothing"
