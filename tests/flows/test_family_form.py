"""One form in Prefect decides about a family: what it shows, what it refuses, and what becomes of the rest."""

import json
from collections.abc import Callable
from uuid import UUID

import pytest
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.states import Cancelled

from flows.deploy import deploy
from flows.promote_family import promote_family
from flows.run_family import run_family
from plimsoll.people import PEOPLE
from plimsoll.store import get_object
from tasks.approvals import PLACEHOLDER
from tasks.open_approval import reopen_approvals
from tasks.prefect_api import RunOf, connected, resume_run, runs_of, take_inputs
from tests.flows.places import APPROVER, AS_OF, Answer, Place, code_of, damage, spoil
from tests.flows.test_families import EACH, add_family

Cli = Callable[..., Answer]
FAMILY = "shown_from"  # of its own: the server is that of all tests of this process
MEMBERS = EWR, JFK, LGA = ("shown_from_ewr", "shown_from_jfk", "shown_from_lga")
ABOUT = {"family": FAMILY}


class Waiting:
    """The run that asks about the family, as a worker holds it."""

    def __init__(self) -> None:
        self.id = next(run.id for run in asking() if not run.ended)

    def resume(self, **answer: str) -> str:
        """Fill in the form, let a worker take the run up again, and return how that ended."""
        if answer:
            resume_run(self.id, {**PLACEHOLDER, "models": "all", **answer})
        with connected() as client:
            run = client.read_flow_run(UUID(self.id))
        try:
            return str(run_flow(promote_family, flow_run=run, parameters=ABOUT, return_type="state").name)
        except Pause:  # the process would end here
            return "Suspended"

    @property
    def shown(self) -> str:
        """What stands above the newest form."""
        with connected() as client:
            found = client.filter_flow_run_input(UUID(self.id), key_prefix="suspended-", limit=200, exclude_keys=set())
        return str(max((one for one in found if one.key.endswith("-description")), key=lambda one: one.created).value)

    @property
    def state(self) -> str:
        """Where it is."""
        with connected() as client:
            return str(client.read_flow_run(UUID(self.id)).state.name)


def asking() -> list[RunOf]:
    return runs_of("promote-family", FAMILY, ABOUT)


@pytest.fixture
def asked(serving: Place) -> Waiting:
    """The run that waits after three models were trained as a family."""
    add_family(serving, EACH, FAMILY)
    deploy(serving.workspace, [("flows.promote_model.promote_model", "promote")])
    assert run_family(FAMILY, "train_model", as_of=AS_OF, return_state=True).name == "Completed"
    (run,) = asking()
    assert not run.ended
    assert not runs_of("promote-model", FAMILY, {}), "a hundred members would be a hundred runs that wait"
    return Waiting()


def test_one_form_decides_about_a_family(serving: Place, asked: Waiting, plimsoll: Cli) -> None:
    def champions() -> list[str]:
        return [model for model in MEMBERS if serving.ledger("promoted", model=model)]

    assert asked.resume() == "Suspended"
    assert all(f"[{model} v1](" in asked.shown for model in MEMBERS)
    assert "/shown_from_jfk/v1-card.html" in asked.shown
    for answer, said in (
        ({"decision": "maybe"}, "Expected the decision approve or reject, found 'maybe'"),
        ({"who": "mallory"}, "'mallory' may not approve shown_from. May approve: ada, grace, you"),
        ({"models": "shown_from_jfk, shown_from_sfo"}, "'shown_from_sfo' is not in the table"),
        ({"code": "000000"}, "not the code"),
    ):
        given = {"decision": "approve", "who": APPROVER, "code": code_of(APPROVER), **answer}
        assert asked.resume(**given) == "Suspended"
        assert said in asked.shown or (said == "not the code" and "code" in asked.shown.split("## Shall")[0])
    assert [e["by"] for e in serving.ledger("code_refused", model=PEOPLE)] == [APPROVER], "only a code uses a try up"
    assert not champions()

    assert asked.resume(decision="approve", who=APPROVER, code=code_of(APPROVER), models=EWR.upper()) == "Suspended"
    assert champions() == [EWR]
    assert "Entered about 1 of 1" in asked.shown
    assert f"[{EWR} v1](" not in asked.shown

    (judged,) = serving.ledger("gates_passed", model=LGA)
    report = judged["facts"]["gate_report"]
    path = serving.home / f"store/objects/sha256/{report[:2]}/{report}"
    put_back = spoil(path, b"{}")
    pending = plimsoll("pending")
    assert (pending.code, "Nobody can approve these" in pending.out) == (0, True)
    told = {one["model"]: (one["state"], one["sentence"]) for one in json.loads(plimsoll("pending", "--json").out)}
    assert told[JFK][0] == "waiting"
    assert told[LGA][0] == "void"
    assert "the gate report changed" in told[LGA][1]
    assert f"plimsoll train {LGA}" in told[LGA][1]
    assert asked.resume(decision="approve", who=APPROVER, code=code_of(APPROVER), comment="all of them") == "Decided"
    assert champions() == [EWR, JFK]
    (refused,) = serving.ledger("approval_refused", model=LGA)
    assert (refused["facts"]["rule"], refused["facts"]["via"], refused["by"]) == ("void", "Prefect", APPROVER)
    (approved,) = serving.ledger("approved", model=JFK)
    code = serving.ledger("code_accepted", model=PEOPLE)[-1]
    assert code["facts"]["for"]["requests"] == [[JFK, 1, approved["facts"]["request"]]]
    assert approved["facts"]["prefect_run"] == asked.id
    shown = get_object(serving.workspace.store, approved["facts"]["shown"]).decode()
    assert f"[{JFK} v1](" in shown, "the entry names what the form showed"
    assert f"[{EWR} v1](" not in shown
    assert take_inputs(asked.id) == [], "Prefect would keep the codes"
    assert not reopen_approvals(serving.workspace), "nobody is asked about what is void"
    put_back()
    assert damage(serving) == ""

    (opened,) = reopen_approvals(serving.workspace)
    again = Waiting()
    assert (again.id, again.resume()) == (opened, "Suspended")
    with connected() as client:
        client.set_flow_run_state(UUID(again.id), Cancelled(), force=True)
    reopen_approvals(serving.workspace)
    last = Waiting()
    assert last.resume() == "Suspended"
    assert plimsoll("reject", LGA, 1, "--as", APPROVER).code == 0
    assert last.state != "Suspended", "it looks again, since what it shows is decided"
    assert last.resume() == "Decided"
