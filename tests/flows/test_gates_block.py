"""Gates in the flow: unfairness by a column that is no feature blocks, warnings reach whoever decides."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plimsoll.approval import find_request
from plimsoll.approval_page import evidence_markdown
from tests.flows.places import APPROVER, AS_OF, MODEL, Answer, Place, change

Cli = Callable[..., Answer]
GROUPS = {"northerners": ["EV", "B6", "FL"]}  # whose flights are late more often, and scored so


def with_residence(frame: pd.DataFrame) -> pd.DataFrame:
    """Add a protected column that goes with what the model looks at."""
    north = frame["carrier"].isin(GROUPS["northerners"])
    return frame.assign(residence=np.where(north, "northerners", "southerners"))


def deliver(place: Place) -> None:
    for path in sorted((place.data / "flights").glob("2013-0[23]-*.parquet")):
        change(path, with_residence)


def report_of(place: Place, kind: str) -> dict[str, Any]:
    digest = place.ledger(kind)[-1]["facts"]["gate_report"]
    return json.loads((place.home / f"store/objects/sha256/{digest[:2]}/{digest}").read_text())


def files_of(place: Place, version: int) -> dict[str, bytes]:
    objects = place.home / "store/objects/sha256"
    bundle = place.ledger("trained")[version - 1]["facts"]["bundle"]
    parts = json.loads((objects / bundle[:2] / bundle).read_text())
    return {name: (objects / digest[:2] / digest).read_bytes() for name, digest in parts.items()}


def test_an_unfair_challenger_is_blocked_unless_the_config_only_warns(waiting: Place, plimsoll: Cli) -> None:
    deliver(waiting)
    limits = "columns: [residence], selected_from: 0.3, selection_rate: 0.05"  # residence is no feature
    waiting.configure("  leakage:", f"  fairness: {{{limits}}}\n  leakage:")
    trained = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert trained.code == 0
    assert "Gates refused flight_delay v2" in trained.out
    assert "selection_rate differs by" in trained.out
    assert [e["kind"] for e in waiting.ledger()][4:] == ["challenger_tried", "trained", "gates_failed"]
    assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 2
    report = report_of(waiting, "gates_failed")
    failed = [gate["gate"] for gate in report["gates"] if not gate["passed"]]
    assert failed == ["selection_rate by residence"]
    assert {one["group"] for one in report["shown"]["fairness"]} == {"residence=northerners", "residence=southerners"}
    for name, data in files_of(waiting, 2).items():
        assert b"residence" not in data, name
        assert b"northerners" not in data, name
    assert "residence=northerners" in Path(waiting.home / f"reports/{MODEL}/v2.html").read_text()
    waiting.configure(limits, f"{limits}, effect: warn")
    a_warning_is_read_by_whoever_decides(waiting, plimsoll)


def a_warning_is_read_by_whoever_decides(place: Place, plimsoll: Cli) -> None:
    assert "passed every gate that blocks, with" in plimsoll("train", MODEL, "--as-of", AS_OF).out
    gates = report_of(place, "gates_passed")["gates"]
    gate = next(one for one in gates if one["gate"] == "selection_rate by residence")
    assert (gate["verdict"], gate["effect"], gate["passed"]) == ("warn", "warn", True)
    shown = evidence_of(place, 3)
    assert "- **warned**: selection_rate differs by" in shown
    assert "the config says effect: warn" in shown


def test_a_training_that_is_stopped_once_its_gates_are_known_has_spent_its_share_of_the_error(
    serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("flows.train_model.register_candidate", stopped)
        serving.configure("seed: 7", "seed: 8")
        assert plimsoll("train", MODEL, "--as-of", AS_OF).code != 0
    serving.configure("seed: 8", "seed: 9")
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    tried = [e["facts"] for e in serving.ledger("challenger_tried")]
    assert [one["champion"] for one in tried] == [None, 1, 1]
    assert len(serving.ledger("trained")) == 2, "the stopped one was never registered"
    gate = next(one for one in report_of(serving, "gates_passed")["gates"] if one["gate"].startswith("log_loss not"))
    assert "with 99.5% confidence" in gate["sentence"]
    assert "it is number 2 of the challengers tried on them" in gate["sentence"]
    assert "challenger tried" not in plimsoll("history", MODEL).out
    told = " ".join(plimsoll("history", MODEL, "--all").out.split())
    assert f"bundle {tried[1]['bundle'][:12]} is judged beside v1" in told


def test_a_column_that_nobody_delivers_stops_the_run_with_a_sentence(waiting: Place, plimsoll: Cli) -> None:
    waiting.configure("  leakage:", "  fairness: {columns: [cariers], selection_rate: 0.05}\n  leakage:")
    refused = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert refused.code == 2
    assert "gates.fairness.columns names cariers" in refused.said
    assert "Did you mean carrier?" in refused.said
    assert len(waiting.ledger("trained")) == 1


def evidence_of(place: Place, version: int) -> str:
    """Return what stands above the form."""
    from tasks.champion import standing_of

    request = find_request(standing_of(place.workspace, MODEL).entries, version)
    assert request is not None
    return evidence_markdown(request, None, [APPROVER], "page.html")
