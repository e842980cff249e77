"""Approvals: one decision whoever races for it, finished by whoever comes next, undone by a rollback."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from flows.promote_model import promote_model
from plimsoll.automatic import POLICY
from tasks import approvals
from tasks.approvals import submit_decision
from tasks.mlflow_roles import read_alias
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, Answer, Place, code_of

Cli = Callable[..., Answer]


def test_without_a_worker_the_ledger_alone_waits(waiting: Place, plimsoll: Cli) -> None:
    state = promote_model(MODEL, 1, return_state=True)
    assert state.name == "Awaiting"
    assert "plimsoll approve flight_delay 1" in str(state.message)
    assert plimsoll("approve", MODEL, 1, "--as", APPROVER).code == 0
    assert promote_model(MODEL, 1, return_state=True).name == "Approved"
    assert len(waiting.ledger("promoted")) == 1
    assert promote_model(MODEL, 9, return_state=True).name == "Unknown"


def test_an_approval_that_was_cut_off_is_finished_by_the_next_run(
    waiting: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(approvals, "settle", die)
        with pytest.raises(KeyboardInterrupt):
            submit_decision(waiting.workspace, MODEL, 1, "approve", APPROVER, "", code=code_of(APPROVER))
    assert waiting.ledger()[-1]["kind"] == "approved"
    for _ in range(2):
        assert promote_model(MODEL, 1, return_state=True).name == "Approved"
    assert [e["kind"] for e in waiting.ledger()][-2:] == ["approved", "promoted"]
    assert waiting.ledger("promoted")[0]["by"] == APPROVER
    assert read_alias(waiting.workspace, MODEL, "champion") == 1


def test_of_racing_decisions_one_counts(waiting: Place) -> None:
    workspace, code = waiting.workspace, code_of(APPROVER)
    words = ["approve", "reject"] * 4
    with ThreadPoolExecutor(8) as pool:
        decide = partial(submit_decision, workspace, MODEL, 1, who=APPROVER, comment="", code=code)
        outcomes = list(pool.map(decide, words))
    assert [outcome.accepted for outcome in outcomes].count(True) == 1
    decided = waiting.ledger("approved", "rejected")
    assert len(decided) == 1
    assert len(waiting.ledger("promoted")) == (decided[0]["kind"] == "approved")
    assert len(waiting.ledger("approval_refused")) == 7


def test_where_the_policy_is_automatic_and_promotions_have_a_pool_their_run_asks_it(
    waiting: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting.configure("policy: person", "policy: automatic\n  first_by_policy: true")
    monkeypatch.setenv("PLIMSOLL_PREFECT__PROMOTE_POOL", "promoters")
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    assert waiting.ledger("promoted") == [], "who trains may not promote"
    assert promote_model(MODEL, 2, return_state=True).name == "Approved"
    assert [(e["by"], e["facts"]["version"]) for e in waiting.ledger("promoted")] == [(POLICY, 2)]


def test_back_and_forth(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    assert plimsoll("approve", MODEL, 2, "--as", APPROVER).code == 0
    back = plimsoll("rollback", MODEL, "--as", "ada", "--reason", "a bad feeling", "--as-of", DAY)
    assert "flight_delay v1 is champion again, by ada; it was v2." in back.out
    assert plimsoll("score", MODEL, "--date", DAY).code == 0
    assert read_alias(serving.workspace, MODEL, "champion") == 1
    assert "v2 is champion again" in plimsoll("rollback", MODEL, "--to", 2, "--as", "ada", "--as-of", NEXT).out
    assert plimsoll("score", MODEL, "--date", NEXT).code == 0
    rows = serving.predictions()
    champions = rows[rows["role"] == "champion"].groupby("batch_date")["version"].unique().map(list).to_dict()
    assert champions == {str(DAY): ["1"], str(NEXT): ["2"]}
    assert "v1 was champion" in plimsoll("history", MODEL, "--at", DAY).out
    assert "v2 was champion" in plimsoll("history", MODEL, "--at", NEXT).out
    assert "a bad feeling" in plimsoll("history", MODEL).out
