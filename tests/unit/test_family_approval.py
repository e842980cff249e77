"""What an approver reads about a family, and which lines of it an answer is about."""

import datetime as dt
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.approval import Request, Status
from plimsoll.errors import ApprovalError
from plimsoll.family_approval import TOLD, Asked, chosen, family_markdown, require_one_each
from plimsoll.model_config import Approval

SHOWN = [("late_ewr", 1, 5), ("late_jfk", 1, 5), ("late_jfk", 2, 9), ("late_lga", 3, 20)]


def asked(model: str, state: str = "waiting", **more: Any) -> Asked:
    summary = {
        "metrics": {"auc": 0.7, "log_loss": 0.41234},
        "champion": {"version": 1, "metrics": {"log_loss": 0.5}},
        "gates": [{"verdict": "pass", "sentence": "a"}, {"verdict": "warn", "sentence": "bias is | high"}],
        "page": f"{model}/v2.html",
        "card": "yes",
    }
    until = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    request = Request(7, model, 2, "2026-11-01", "ada", until, Approval(**more), {}, summary, "run")
    said = f"The request for {model} v2 is void: the bundle changed since then."
    page = f"http://127.0.0.1:4280/{model}/v2.html"
    return Asked(request, Status(state, said), 1, (), ("grace", "you"), page)  # type: ignore[arg-type]


@pytest.mark.parametrize("said", ["", "all", " ALL ", ",", "all,"])
def test_nothing_said_means_every_line(said: str) -> None:
    assert chosen(said, SHOWN) == SHOWN


def test_lines_are_named_by_their_models() -> None:
    assert chosen("late_jfk", SHOWN) == SHOWN[1:3]
    assert chosen(" LATE_EWR ; late_lga,", SHOWN) == [SHOWN[0], SHOWN[3]]
    assert chosen("late_jfk V2, late_lga v3", SHOWN) == SHOWN[2:]
    with pytest.raises(ApprovalError, match=r"'late_jkf' is not in the table. Nothing was decided. Did you mean"):
        chosen("late_ewr, late_jkf", SHOWN)


def test_one_answer_makes_no_two_versions_of_a_model_champion() -> None:
    two = [asked("late_jfk").request, replace(asked("late_jfk").request, version=4)]
    with pytest.raises(ApprovalError, match=r"late_jfk v2 and late_jfk v4 cannot both .* plimsoll approve late_jfk 4"):
        require_one_each([asked("late_ewr").request, *two])
    require_one_each([asked("late_ewr").request, two[0]])


@given(st.text())
def test_whatever_is_typed_names_lines_that_were_shown_or_is_refused(said: str) -> None:
    with suppress(ApprovalError):
        found = chosen(said, SHOWN)
        assert found
        assert set(found) <= set(SHOWN)


def test_a_line_says_what_its_gates_and_its_champion_say() -> None:
    page = family_markdown("late", [asked("late_ewr"), asked("late_jfk", "void")], "1 of 2", {"grace"})
    assert "> 1 of 2" in page
    assert "Shall this version of late become champion?" in page
    assert "/late_ewr/v2-card.html) | 1 passed, **1 warned** | 0.4123 | 0.5000 (v1) |" in page
    assert "/late_ewr/v2-card.html" in page
    assert "- late_ewr v2: bias is | high" in page
    assert "Not to be decided:\n\n- The request for late_jfk v2 is void" in page
    assert "without a code then: you" in page
    assert "Asked by **ada** · the first expires **2026-12-01 00:00 UTC**" in page
    assert "0 of 2 " in family_markdown("late", [asked("late_ewr", approvals=2)])


def test_a_hundred_lines_are_one_table_and_few_sentences() -> None:
    page = family_markdown("late", [asked(f"late_{n:03d}") for n in range(100)])
    assert "Shall these 100 versions of late become champion?" in page
    lines = page.splitlines()
    assert sum(line.startswith("| [late_") for line in lines) == 100
    assert sum("bias is" in line for line in lines) == TOLD
    assert f"- and {100 - TOLD} more" in lines
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1, "a bar in a cell would break it"


def test_who_requested_a_line_may_not_approve_it_and_may_approve_the_others() -> None:
    mine = replace(asked("late_ewr"), approvers=("ada", "grace"))
    theirs = replace(mine, request=replace(mine.request, model="late_jfk", requested_by="schedule"))
    assert "may approve some or all: **grace** ·" in family_markdown("late", [mine], "", ())
    assert "without a code then: grace (" in family_markdown("late", [mine], "", ())
    assert "may approve some or all: **ada, grace** ·" in family_markdown("late", [mine, theirs])
    alone = replace(mine, request=replace(mine.request, policy=Approval(not_requester=False)))
    assert "may approve some or all: **ada, grace** ·" in family_markdown("late", [alone])
