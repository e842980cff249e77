"""A family: one template, a model for each airport, trained, approved, scored and checked as one."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from plimsoll.ledger import Entry
from plimsoll.store import get_object
from tasks.committed_rows import committed_rows
from tasks.mlflow_registry import connect
from tasks.workspace import Workspace
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, Answer, Place

Cli = Callable[..., Answer]
FAMILY = "late_from"
MEMBERS = ("late_from_ewr", "late_from_jfk", "late_from_lga")
EACH = "for_each:\n  column: origin\n  values: [EWR, JFK, LGA]\nsuite: flight_delay\n"
EASY = {"at_least: 0.5": "at_least: 0.2", "at_most: 0.75": "at_most: 2"}  # a third of few rows


def add_family(place: Place, each: str = EACH, family: str = FAMILY) -> None:
    path = place.root / "configs/models" / f"{MODEL}.yaml"
    text = path.read_text().replace(f"model: {MODEL}\n", f"model: {family}\n{each}")
    for old, new in EASY.items():
        assert old in text
        text = text.replace(old, new)
    path.with_stem(family).write_text(text)


def compare_counting_reads(plimsoll: Cli) -> tuple[Any, int]:
    """Return the members of a compared family, and how often a batch of the model of all rows was read."""
    read: list[str] = []

    def counting(workspace: Workspace, batch: Entry, *rest: Any) -> Any:
        read.append(batch.model)
        return committed_rows(workspace, batch, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.same_rows.committed_rows", counting)
        found = json.loads(plimsoll("compare", FAMILY, "--until", NEXT, "--json").out)
    return found["members"], read.count(MODEL)


def test_a_family_lives_as_one(serving: Place, plimsoll: Cli) -> None:
    add_family(serving)
    refused = plimsoll("train", FAMILY, "--as-of", AS_OF, "--search")
    assert (refused.code, refused.said.count("search")) >= (2, 3), "each of them says that its config has no search"
    trained = plimsoll("train", FAMILY, "--as-of", AS_OF, "--json")
    assert trained.code == 0, trained.said
    assert [one["model"] for one in json.loads(trained.out)["members"]] == [*MEMBERS]
    page = (serving.home / "reports/late_from_ewr/v1.html").read_text()
    assert "only rows with origin EWR" in page, "the approver sees what it is about"
    assert "Only rows with origin EWR" in plimsoll("card", "late_from_ewr", 1).out
    assert plimsoll("reject", "late_from_lga", 1, "--as", APPROVER, "--comment", "too few flights").code == 0
    again = plimsoll("approve", FAMILY, "--as", APPROVER, "--code", "123")
    assert (again.code, "Expected the six digits" in again.err) == (2, True)
    assert "Shall these 2 versions of late_from become champion?" in again.out, "what the form shows, before the code"
    unasked = plimsoll("approve", FAMILY, "--as", "mallory", "--code", "")
    assert (unasked.code, "'mallory' may not approve late_from" in unasked.err) == (2, True), "before any code"
    counted = plimsoll("segments", FAMILY, "--by", "origin")
    assert (counted.code, "late_from is a family of 3 models" in counted.err) == (2, True), counted.said
    for model, values in zip(MEMBERS, ("EWR", "JFK", "LGA"), strict=True):
        facts = serving.ledger("trained", model=model)[0]["facts"]
        inputs = connect(serving.workspace).get_run(facts["mlflow_run"]).inputs.dataset_inputs
        batch = next(one.dataset for one in inputs if one.dataset.name == f"{model} batch")
        profile, source = json.loads(batch.profile), json.loads(batch.source)
        assert (profile["num_rows"], source["segment"]["value"]) == (facts["rows"], values)
        assert profile["num_rows_of_files"] > 2 * profile["num_rows"]
        assert batch.digest == source["rows_digest"][:36] != facts["snapshot"][:36]
    approved = json.loads(plimsoll("approve", FAMILY, "--as", APPROVER, "--json").out)
    assert [(one["model"], one["accepted"]) for one in approved["decided"]] == [(model, True) for model in MEMBERS[:2]]
    entries = [serving.ledger("approved", model=model)[-1] for model in MEMBERS[:2]]
    assert {entry["facts"]["shown"] for entry in entries} == {approved["shown"]}
    assert get_object(serving.workspace.store, approved["shown"]).decode() == approved["evidence"]
    codes = [e for e in serving.ledger("code_accepted", model="_approvers") if "requests" in e["facts"]["for"]]
    assert len(codes) == 1, "one code for all of them"
    assert "No model of late_from waits" in plimsoll("approve", FAMILY, "--as", APPROVER).err
    assert plimsoll("verify").code == 0, "each decision is proved by it"

    scored = plimsoll("score", FAMILY, "--date", DAY, "--as-of", DAY)
    assert scored.code == 2
    assert "2 of 3 models done. late_from_lga Failed: late_from_lga has no champion yet" in scored.said
    rows = serving.predictions(DAY)
    assert set(rows["model"]) == {*MEMBERS[:2]}
    whole = serving.flights(DAY)
    import pyarrow.parquet as pq

    flights = pq.read_table(whole).to_pandas()
    for model, origin in zip(MEMBERS[:2], ("EWR", "JFK"), strict=True):
        mine = serving.ledger("batch_committed", model=model)[0]["facts"]
        bad = mine["quarantined_rows"]
        assert mine["rows"] + bad == (flights["origin"] == origin).sum() == (rows["model"] == model).sum() + bad
    assert len(list((serving.home / "store/verdicts").rglob(f"*{'.json'}"))) > 0

    assert plimsoll("check", "late_from_ewr", "--as-of", DAY).code == 0
    assert "late_from_ewr" in plimsoll("trace", rows["key"][0], "--date", DAY).out + plimsoll("models").out
    assert plimsoll("score", MODEL, "--date", DAY, "--as-of", DAY).code == 0
    beside, reads = compare_counting_reads(plimsoll)
    assert [one["model"] for one in beside] == [*MEMBERS]
    ours, whole_batch = beside[0]["versions"]
    assert (ours["role"], whole_batch["name"]) == ("champion", f"{MODEL} v1"), "a sibling shares no rows with it"
    assert ours["rows"] == whole_batch["agreement"]["rows"] == whole_batch["rows"] > 200, "on its own rows alone"
    assert whole_batch["outcomes"] == ours["outcomes"]
    assert whole_batch["champion_loss"] == ours["metrics"]["log_loss"]
    shown = (
        rows[rows["model"] == MEMBERS[0]]
        .set_index("key")
        .join(serving.predictions(DAY).query(f"model == '{MODEL}'").set_index("key")["score"], rsuffix="_whole")
    )
    assert whole_batch["agreement"]["mean_difference"] == pytest.approx(
        (shown["score"] - shown["score_whole"]).abs().mean()
    )
    assert reads == 1, "the other model's batch is read once for the family"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.comparing.MOST_ROWS", 2 * max(one["versions"][0]["rows"] for one in beside[:2]))
        patch.setattr("tasks.family_comparing.SHELF_ROWS", 0)
        again, reads = compare_counting_reads(plimsoll)
    assert (again, reads) == (beside, 2), "rows of others do not thin a member's, and where nothing is kept all is read"
    assert "has no champion to compare with" in beside[2]["fault"]
    assert "2 have too few nights to say" in plimsoll("compare", FAMILY, "--until", NEXT).out
    again = plimsoll("score", "late_from_ewr", "--date", DAY, "--as-of", DAY)
    assert (again.code, "1 committed before" in again.out) == (0, True)


def test_what_a_family_is_not_is_said_in_words(serving: Place, plimsoll: Cli) -> None:
    add_family(serving)
    assert "is a family of 3 models" in plimsoll("history", FAMILY).err
    assert "a version is one model's" in plimsoll("score", FAMILY, "--with", 1).err
    other = serving.root / "configs/models/late_from_ewr.yaml"
    other.write_text((serving.root / f"configs/models/{MODEL}.yaml").read_text())
    assert "late_from_ewr, which has a config of its own" in plimsoll("models").err
    other.write_text("model: late_from_ewr\nowner: [")
    for command in ("models", "pending"):
        told = plimsoll(command, "--json")
        assert (told.code, "late_from.yaml" in told.err, isinstance(json.loads(told.out), list)) == (2, True, True)
    assert {one["model"] for one in json.loads(plimsoll("models", "--json").out)} >= {MODEL, "breast_cancer"}
    other.unlink()
    add_family(serving, "for_each: origin\n")
    refused = plimsoll("models")
    assert (refused.code, "plimsoll segments MODEL --by COLUMN" in refused.err) == (2, True)
    (line,) = (one for one in json.loads(plimsoll("fleet", "--json").out) if one["model"] == FAMILY)
    assert "for_each needs a column" in line["fault"], "the others are listed all the same"
    helped = plimsoll("segments", MODEL, "--by", "origin")
    assert (helped.code, "for_each" in helped.out) == (0, True), "the command that it names works meanwhile"


def test_segments_are_counted_and_their_for_each_is_written(serving: Place, plimsoll: Cli) -> None:
    found = plimsoll("segments", MODEL, "--by", "origin")
    assert "column: origin" in found.out
    assert '"EWR"' in found.out
    told = json.loads(plimsoll("segments", MODEL, "--by", "carrier", "--min-rows", 300, "--json").out)
    rows = [one["rows"] for one in told["segments"]]
    assert rows == sorted(rows, reverse=True)
    assert any(not one["enough"] for one in told["segments"])
    assert "no column carier. Did you mean carrier?" in plimsoll("segments", MODEL, "--by", "carier").err
    for column in ("scheduled_departure", "wind_gust"):
        refused = plimsoll("segments", MODEL, "--by", column)
        said = f"Only text, whole numbers and yes/no make segments, and {column} of {MODEL} holds"
        assert (refused.code, said in refused.err) == (2, True), refused.said
    whole = json.loads(plimsoll("segments", MODEL, "--by", "seats", "--json").out)["segments"]
    assert {type(one["value"]) for one in whole} == {int}, "a column of whole numbers, some of them missing"


def test_a_family_is_deployed_once_with_one_schedule(serving: Place, plimsoll: Cli) -> None:
    add_family(serving)
    deployed = plimsoll("deploy", "--json")
    assert deployed.code == 0, deployed.said
    names = {name: cron for name, cron, *_ in json.loads(deployed.out)}
    assert not [name for name in names if any(model in name for model in MEMBERS)]
    assert names[f"run-family/{FAMILY}-score"] == "0 5 * * *"
    assert names[f"promote-model/{FAMILY}"] == ""
    assert names[f"promote-family/{FAMILY}"] == ""
    serving.configure("purpose:", "porpoise:", "breast_cancer")
    less = plimsoll("deploy", "--json")
    assert (less.code, "breast_cancer.yaml: unknown key porpoise. Did you mean purpose?" in less.err) == (2, True)
    again = {name: cron for name, cron, *_ in json.loads(less.out)}
    assert again == {name: cron for name, cron in names.items() if not name.endswith("/breast_cancer")}

    from flows.retraining import _by_deployment

    given = {"as_of": str(DAY), "requested_by": "drift policy"}
    runs = [_by_deployment(FAMILY, {"model": m, **given}, "retrain:2013-03-02:5")["flow_run"] for m in MEMBERS * 2]
    assert runs[:3] == runs[3:], "asked for again it is the same run"
    assert len(set(runs)) == 3, "decisions of three models with one number and one night are three"


@pytest.mark.parametrize("step", ["train_model", "score_batch"])
def test_a_name_that_is_no_family_fails_by_name(serving: Place, step: str) -> None:
    from flows.run_family import run_family

    state = run_family(MODEL, step, return_state=True)
    assert (state.name, "no config of that name has for_each" in state.message) == ("Rejected", True)
