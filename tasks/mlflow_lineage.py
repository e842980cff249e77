"""What MLflow is told about a training run, so that its UI shows which data, code and decisions stand behind it."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plimsoll.bundle import Bundle
from plimsoll.digest import canonical_json
from plimsoll.ledger import Entry
from plimsoll.model_config import CardText
from plimsoll.run_record import read_record, start_digest
from plimsoll.snapshot import FileRef, Snapshot
from tasks.mlflow_registry import connected, log_files, without_password
from tasks.mlflow_roles import candidates_of
from tasks.pages import report_url
from tasks.workspace import Workspace

if TYPE_CHECKING:
    from tasks.records import Recorded, Run

DIGEST_LENGTH = 36  # MLflow's limit; the source holds the whole id
SOURCE_TYPE = "plimsoll_snapshot"
TYPES = {"double": "double", "float": "float", "int64": "long", "int32": "integer", "bool": "boolean"}
LONGEST = 5000  # characters of a version's description in MLflow's database
CUT = "\n\n… The whole card is linked above, and lies among the artifacts of the run in reading/."
RECORD = "run_record.json"


def run_tags(run: "Run", bundle: Bundle, gate_report: str) -> dict[str, str]:
    """Return the tags of a training run: every id and digest by which it can be found again."""
    start = run.start
    tags = {
        "plimsoll.run": run.id,
        "plimsoll.record": start_digest(start),
        "plimsoll.snapshot": run.snapshots[-1],
        "plimsoll.bundle": bundle.digest,
        "plimsoll.gate_report": gate_report,
        "plimsoll.config": start.config,
        "plimsoll.commit": start.code.commit or "outside git",
        "plimsoll.tree": start.code.tree,
        "plimsoll.lock": start.environment.lock,
        "plimsoll.as_of": run.as_of,
    }
    return tags | ({"plimsoll.prefect_run": prefect_url(start.prefect_run_id)} if start.prefect_run_id else {})


def prefect_url(run_id: str) -> str:
    """Return the page of a Prefect run."""
    from tasks.prefect_api import flow_run_url

    return flow_run_url(run_id)


def data_seen(run: "Run", snapshot: Snapshot) -> list[Any]:
    """Return MLflow's DatasetInputs of a snapshot, one per table; each names the whole id and where it lies.

    A model of a segment has rows of its own among those of the files: what is counted and digested is its own.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    store = without_password(run.workspace.platform.store.url)
    inputs = []
    for table, files in sorted(snapshot.tables.items()):
        source = {"snapshot": snapshot.id, "table": table, "store": store, "as_of": snapshot.as_of}
        own = _own_rows(run, table)
        dataset = Dataset(
            f"{snapshot.model} {table}",
            (run.outputs["rows_digest"] if own else snapshot.id)[:DIGEST_LENGTH],
            SOURCE_TYPE,
            json.dumps(source | own),
            schema=_schema(files),
            profile=_profile(snapshot, table, files, own),
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", "training")]))
    return inputs


def _own_rows(run: "Run", table: str) -> dict[str, Any]:
    """Return which rows of a table are those of the run's segment, valid ones or their outcomes; lookups are whole."""
    counts = {"batch": "rows", "outcome": "rows_with_outcome"}
    if run.config.segment is None or table not in counts:
        return {}
    segment = {"column": run.config.segment.column, "value": run.config.segment.value}
    return {"segment": segment, "rows": run.outputs[counts[table]], "rows_digest": run.outputs["rows_digest"]}


def _schema(files: tuple[FileRef, ...]) -> str:
    columns = files[-1].columns if files else ()
    spec = [{"name": name, "type": _mlflow_type(kind), "required": False} for name, kind in columns]
    return json.dumps({"mlflow_colspec": spec})


def _mlflow_type(kind: str) -> str:
    return "datetime" if kind.startswith(("timestamp", "date")) else TYPES.get(kind, "string")


def _profile(snapshot: Snapshot, table: str, files: tuple[FileRef, ...], own: Mapping[str, Any]) -> str:
    profile: dict[str, Any] = {"num_files": len(files), "num_bytes": sum(ref.bytes for ref in files)}
    if own:
        profile["num_rows_of_files"] = snapshot.rows(table)
    return json.dumps(profile | {"num_rows": own.get("rows", snapshot.rows(table))})


def link_version(run: "Run", version: int, mlflow_run: str, entry: Entry) -> None:
    """Tell MLflow's run and version which ledger entry and which page are about them, in tags and in words."""
    workspace, model = run.workspace, candidates_of(run.config.model)
    page = report_url(workspace, workspace.reports / run.config.model / f"v{version}.html")
    tags = {"plimsoll.ledger_entry": f"{entry.n}:{entry.digest}", "plimsoll.page": page}
    with connected(workspace, f"tag {model} v{version}") as client:
        for name, value in tags.items():
            client.set_tag(mlflow_run, name, value)
            client.set_model_version_tag(model, str(version), name, value)
    describe(run, version, mlflow_run, page, entry)


def describe(run: "Run", version: int, mlflow_run: str, page: str, entry: Entry, card: str = "") -> None:
    """Write what MLflow shows above a run and its version."""
    model, words = candidates_of(run.config.model), description_of(run, page, entry, card)
    with connected(run.workspace, f"describe {model} v{version}") as client:
        client.set_tag(mlflow_run, "mlflow.note.content", words)
        client.update_model_version(model, str(version), description=words)


def description_of(run: "Run", page: str, entry: Entry, card: str = "") -> str:
    """Return what MLflow shows above a run and its version, as markdown; card, a model card's, follows the links.

    A card that is too long for MLflow's column ends early, and says where the rest is.
    """
    prefect = run.start.prefect_run_id
    links = [
        f"[Page about this version]({page})",
        f"[Model card]({page.removesuffix('.html')}-card.html)",  # also among the artifacts of the run, as reading/
        *([f"[Prefect run]({prefect_url(prefect)})"] if prefect else []),
    ]
    words = "\n\n".join(
        [
            run.config.purpose,
            *_use(run.config.card),
            f"Trained as of {run.as_of} by run `{run.id}` on snapshot `{run.snapshots[-1]}`; "
            f"ledger entry {entry.n}. The ledger says who is champion, this is its mirror.",
            " · ".join(links),
            *([card] if card else []),
        ]
    )
    return fitted(words)


def fitted(words: str, cut: str = CUT) -> str:
    """Return a description that MLflow's column can hold; a longer one ends early, and cut says where the rest is."""
    return words if len(words) <= LONGEST else f"{words[: LONGEST - len(cut)].rpartition(chr(10))[0]}{cut}"


def _use(card: CardText) -> list[str]:
    """Return what the config says of the model's use, a line each."""
    said = {"Intended use": card.intended_use, "Not for": card.not_for, "Contact": card.contact}
    return [f"{title}: {' '.join(text.split())}" for title, text in said.items() if text]


def log_record(run: "Recorded") -> str:
    """Copy a run's record to its MLflow run and return where that run is shown, empty when it has none."""
    mlflow_run = str(run.outputs.get("mlflow_run", ""))
    record = read_record(run.workspace.archive, run.id)
    if not mlflow_run or record is None:
        return ""
    with connected(run.workspace, f"keep the record of {run.id}") as client:
        log_files(client, mlflow_run, {RECORD: canonical_json(record)})
        experiment = client.get_run(mlflow_run).info.experiment_id
    base = mlflow_url(run.workspace)
    return f"{base}/#/experiments/{experiment}/runs/{mlflow_run}" if base else ""


def mlflow_url(workspace: Workspace) -> str:
    """Return the address of MLflow's UI, empty when none answers."""
    import httpx

    config = workspace.platform.mlflow
    if config.tracking_uri.startswith("http"):
        return without_password(config.tracking_uri).removesuffix("/")
    base = f"http://127.0.0.1:{config.port}"
    try:
        return base if httpx.get(f"{base}/health", timeout=0.3, trust_env=False).is_success else ""
    except httpx.HTTPError:
        return ""
