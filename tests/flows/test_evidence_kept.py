"""Evidence, cards, explanations and holdouts in the flow: bound to the gate report, printed, and never trained on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plimsoll.approval import find_request
from plimsoll.approval_page import evidence_markdown
from plimsoll.digest import canonical_json, sha256_hex
from plimsoll.ledger import read_ledger
from tasks.mlflow_registry import connect
from tasks.mlflow_roles import candidates_of
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, Answer, Place, change, damage

Cli = Callable[..., Answer]
HELD, LAST = "2013-02-16", "2013-02-20"
HOLDOUT = f"  holdout: [{{name: winter, start: {HELD}, end: {LAST}}}]\n  test_days"
SOURCES = "source_column: origin, max_share: 0.9, max_share_change: 0.5}"
GATE = "  holdout: {limits: [{metric: auc, at_least: 0.4}], champion: [{metric: auc, margin: 0.5}], max_looks: 1}\n"


def object_of(place: Place, digest: str) -> Any:
    return json.loads((place.home / f"store/objects/sha256/{digest[:2]}/{digest}").read_bytes())


def report_of(place: Place, number: int = -1) -> dict[str, Any]:
    found = place.ledger("gates_passed", "gates_failed")[number]["facts"]
    return dict(object_of(place, found["gate_report"]))


def evidence_of(place: Place) -> dict[str, Any]:
    return dict(object_of(place, report_of(place)["evidence"]))


def test_what_was_approved_is_what_was_seen(waiting: Place, plimsoll: Cli) -> None:
    report = report_of(waiting)
    evidence = object_of(waiting, report["evidence"])
    assert evidence["rows"] == min(3000, report["candidate"]["rows"])
    assert len(evidence["importance"]) == 17
    folder = waiting.home / f"reports/{MODEL}"
    told = json.loads((folder / "v1.json").read_text())
    assert told["evidence"] == evidence
    assert sha256_hex(canonical_json(told["report"])) == waiting.ledger("gates_passed")[0]["facts"]["gate_report"]
    outputs = waiting.records()[0]["end"]["outputs"]["reading"]
    for name, digest in outputs.items():
        assert sha256_hex((folder / name).read_bytes()) == digest, "the pages that were seen are kept too"
    assert (folder / "v1.html").stat().st_size < 1_000_000
    request = find_request(read_ledger(waiting.workspace.archive, MODEL), 1)
    assert request is not None
    assert "[Model card](http://x/v1-card.html)" in evidence_markdown(request, None, [], "http://x/v1.html")
    artifacts = sorted(path.name for path in (waiting.home / "mlflow").rglob("reading/*"))
    assert artifacts == ["v1-card.html", "v1-card.md", "v1.html", "v1.json"]
    described = connect(waiting.workspace).get_model_version(candidates_of(MODEL), "1").description
    assert "v1-card.html" in described
    assert "## Metrics" in described or "## Data" in described, "the description carries the card"
    assert len(described) <= 5000
    assert "Not for: Telling passengers" in described
    card = plimsoll("card", MODEL, 1, "--out", folder / "card.md")
    assert card.code == 0
    assert "Nobody has approved it." in (folder / "card.md").read_text()
    assert "has no champion; name a version. There are: v1" in plimsoll("card", MODEL).err
    assert "has no version 7" in plimsoll("card", MODEL, 7).err
    page = outputs["v1.html"]
    shown = waiting.home / f"store/objects/sha256/{page[:2]}/{page}"
    moved = shown.rename(shown.with_name("away"))
    assert page[:12] in damage(waiting), "a page that was shown and is gone is found"
    moved.rename(shown)
    assert not damage(waiting)
    digest = report["evidence"]
    kept = waiting.home / f"store/objects/sha256/{digest[:2]}/{digest}"
    kept.chmod(0o644)
    kept.write_bytes(kept.read_bytes().replace(b'"rise"', b'"fall"'))
    assert plimsoll("card", MODEL, 1).code == 3, "evidence that was changed is not shown"
    assert digest[:12] in damage(waiting)
    approved = plimsoll("approve", MODEL, 1, "--as", APPROVER)
    assert approved.code == 2
    assert "gate_report" in approved.said.replace("gate report", "gate_report")


def test_a_score_is_explained_by_the_version_that_made_it(lived: Place, plimsoll: Cli) -> None:
    rows = lived.predictions(DAY)
    key, score = str(rows["key"][3]), float(rows["score"][3])
    answer = plimsoll("explain", key, "--date", DAY, "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    assert found["explanation"]["stored"] == found["explanation"]["score_now"] == score
    assert found["explanation"]["same_bits"]
    assert len(found["reasons"]) == 17
    total = found["explanation"]["base"] + sum(part["contribution"] for part in found["reasons"])
    assert abs(1 / (1 + np.exp(-total)) - score) < 1e-4
    page = Path(found["page"])
    assert page.is_relative_to(lived.home / "reports")
    assert "bit for bit" in page.read_text()
    words = plimsoll("explain", key, "--model", MODEL, "--version", 1)
    assert "The row scores today as it did, bit for bit." in words.out
    assert "Before it looks at any input it says" in words.out
    for wrong, said in (
        (["nobody"], "Keys look like"),
        ([key, "--version", 9], "has no version 9. There are: v1."),
        ([key, "--model", "weather"], "weather"),
        ([key, "--date", "2013-01-01"], "It was scored by flight_delay on 2013-03-02"),
    ):
        refused = plimsoll("explain", *wrong)
        assert refused.code == 2
        assert said in refused.err
    for path in (lived.home / "store/objects/sha256").rglob(batch_of(lived)):
        path.unlink()
    gone = plimsoll("explain", key, "--date", DAY)
    assert gone.code == 2
    assert "not kept any more" in gone.err
    assert "Nothing was guessed" in gone.err


def batch_of(place: Place) -> str:
    """The digest of the file of the flights of the first scored day."""
    entry = next(e for e in place.ledger("batch_committed") if e["facts"]["date"] == str(DAY))
    files = object_of(place, entry["facts"]["snapshot"])["tables"]["batch"]["files"]
    return str(next(one["digest"] for one in files if one["name"] == str(DAY)))


def test_a_holdout_is_frozen_for_ever_and_found_when_it_is_changed(serving: Place, plimsoll: Cli) -> None:
    serving.configure("  test_days", HOLDOUT)
    serving.configure("  leakage:", f"{GATE}  leakage:")
    serving.configure("origin], effect: warn}", "origin], effect: warn, " + SOURCES)
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    [frozen], [look] = serving.ledger("holdout_frozen"), serving.ledger("holdout_looked")
    held = object_of(serving, frozen["facts"]["snapshot"])
    assert (held["dates"][0], held["dates"][-1], len(held["dates"])) == (HELD, LAST, 5)
    gates = {gate["gate"]: gate for gate in report_of(serving)["gates"]}
    assert gates["holdout unchanged"]["verdict"] == "pass"
    assert gates["holdout: auc ≥ limit"]["verdict"] == "pass"
    assert "was trained before the holdout" in gates["holdout: champion"]["sentence"], "v1 was"
    assert gates["largest source by origin"]["verdict"] == "pass"
    assert look["facts"]["bundle"] == serving.ledger("trained")[-1]["facts"]["bundle"]
    rows = sum(len(pd.read_parquet(serving.flights(pd.Timestamp(day).date())).index) for day in held["dates"])
    first, second = serving.ledger("trained")
    assert first["facts"]["rows"] - second["facts"]["rows"] >= rows * 0.97, "its rows were not trained on"
    assert "Never trained on: the holdout winter" in (serving.home / f"reports/{MODEL}/v2-card.md").read_text()

    assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 0
    change(serving.data / f"outcomes/{HELD}.parquet", lambda f: f.assign(arrival_delay_minutes=99.0))
    answer = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert "rows of the source are not as they were frozen" in answer.out
    gates = {gate["gate"]: gate for gate in report_of(serving)["gates"]}
    assert gates["holdout unchanged"]["verdict"] == "fail"
    assert gates["holdout: auc not worse than champion"]["value"] == 0.0, "v2 never saw the rows, and is the same"
    assert gates["sources by origin since the champion"]["value"] == 0.0
    [rewritten] = evidence_of(serving)["changes"]["data"][1]["rewritten"]
    assert rewritten["file"] == HELD
    assert rewritten["rows"]["other"] > 0.9 * rewritten["now"]
    assert gates["looks at the holdout"]["verdict"] == "pass", "the same bytes are no other candidate"
    assert len(serving.ledger("holdout_frozen")) == 1

    serving.configure(HOLDOUT, "  test_days")
    serving.configure(GATE, "")
    refused = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert refused.code == 2
    assert "winter was frozen in ledger entry" in refused.err
    assert not damage(serving)
    assert "winter" in plimsoll("history", MODEL).out
