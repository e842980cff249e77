"""Model cards: what the records say stands in them, what they do not say is said to be missing."""

from collections.abc import Mapping
from typing import Any

import pytest

from plimsoll.candidate_changes import changes_between, table_change
from plimsoll.card_page import render_card
from plimsoll.changes_section import changes_section
from plimsoll.config_loading import check_config
from plimsoll.model_card import CardFacts, model_card
from plimsoll.model_config import ModelConfig
from plimsoll.run_difference import RunView
from plimsoll.snapshot import FileRef, Snapshot
from tests.unit.test_gates import config_of
from tests.unit.test_pages import EVIL, check, shown_by_gates

COLUMNS = (("id", "string"), ("size", "double"))


def moved(feature: str, *points: tuple[Any, float], kind: str = "number", tied: Any = ()) -> dict[str, Any]:
    return {"feature": feature, "kind": kind, "tied": tied, "points": [{"at": at, "mean": mean} for at, mean in points]}


def facts_of(**more: Any) -> CardFacts:
    config = config_of().model_dump(mode="json") | {"purpose": f"to test {EVIL}"}
    gate = {"gate": "auc ≥ limit", "verdict": "warn", "passed": True, "sentence": f"auc is 0.7 {EVIL}"}
    part = {"rows": 900, "dates": ["2026-01-01", "2026-01-02"], "metrics": {"auc": 0.7, "brier": None}}
    shown = shown_by_gates()
    known: dict[str, Any] = {
        "model": "made_up",
        "version": 2,
        "state": "requested",
        "config": config,
        "trained": {"bundle": "b" * 64, "snapshot": "c" * 64, "rows": 1234, "run": "the-run", "cause": EVIL},
        "judged": [gate],
        "report": {"candidate": part, "champion": part, "champion_version": 1, "shown": shown, "excluded_dates": {}},
        "evidence": {
            "metrics": {
                "auc": {"value": 0.7, "low": 0.6, "high": 0.8},
                "brier": {"value": 1, "low": None, "high": None},
            },
            "units": "14 days",
            "importance": [{"feature": "colour", "rise": 0.2}, {"feature": "size", "rise": 0.1}],
            "dependence": [
                moved("size", (1, 0.1), (2.5, 0.2), (1440, 0.4), tied=[["weight", 0.9]]),
                moved("weight", (0, 0.3), (1, 0.2), (2, 0.5), (3, 0.3), tied=[["size", 0.9]]),
                moved("colour", (f"re|d {EVIL}", 0.25), ("blue", 0.15), kind="category"),
                moved("flat", (0, 0.2), (1, 0.2)),
                moved("cold", (-3, 0.5), (9, 0.1)),
            ],
        },
        "snapshot": {"from": "2026-01-01", "to": "2026-02-28", "dates": 59, "outcomes_as_of": "2026-03-01"},
        "outputs": {"quarantined_rows": 7},
        "code": "commit `abc`",
    }
    return CardFacts(**{**known, **more})


def test_a_card_says_what_the_records_say() -> None:
    text = model_card(facts_of())
    for words in (
        "# Model card: made_up v2",
        "Valid rows: 1,234; set aside 7",
        "| auc | 0.7000 | 0.6000 to 0.8000 | 0.7000 |",
        "| brier | undefined | not known | undefined |",
        "It has seen 59 days, 2026-01-01 to 2026-02-28: of other seasons nobody knows.",
        "size and weight (+0.90)",
        "Nobody has approved it.",
        "- `size`: from 1 to 1440 the mean score goes from 0.1000 to 0.4000: it rises",
        "- `cold`: from -3 to 9 the mean score goes from 0.5000 to 0.1000: it falls",
        "- `weight`: from 0 to 3 the mean score goes from 0.3000 to 0.3000, both ways: 0.2000 at 1, 0.5000 at 2",
        "- `colour`: a category, lowest for blue (0.1500), highest for re|d",
        "- `flat`: from 0 to 1 the mean score stays 0.2000",
        "What it is not for, nobody has written down",
        "plimsoll reproduce the-run",
        "**warned**",
    ):
        assert words in text
    assert text.index("`colour` | category | 0.2000") < text.index("`size` | number | 0.1000"), (
        "the most important first"
    )
    assert text.count("size and weight") == 1


def test_a_card_names_its_use_and_who_approved_it() -> None:
    config = facts_of().config | {"card": {"intended_use": "planning", "not_for": "claims", "contact": "desk"}}
    approval = {
        "by": "grace",
        "as_of": "2026-03-02",
        "identity": "verified",
        "comment": "ok",
        "entry": 4,
        "evidence": {"bundle": "b"},
    }
    came = {"how": "made champion again", "by": "ada", "as_of": "2026-03-09", "entry": 7}
    text = model_card(facts_of(config=config, approval=approval, arrival=came, state="champion", entry=9))
    for words in (
        "Intended use: planning",
        "Not for: claims",
        "Contact: desk",
        "State: champion at ledger entry 9\n",
        "Approved by grace as of 2026-03-02, identity verified (ledger entry 4): ok",
        "Made champion again as of 2026-03-09, by ada (ledger entry 7)",
    ):
        assert words in text


def test_a_card_of_the_training_does_not_say_that_nobody_approved_it() -> None:
    text = model_card(facts_of(state="candidate", entry=3, at_training=True))
    assert "Nobody has approved it" not in text
    assert "State: candidate at ledger entry 3, when it was trained" in text
    assert "What was decided since: `plimsoll card made_up 2`" in text


def test_a_version_from_before_has_a_card_that_says_what_is_missing() -> None:
    bare = facts_of(report={}, evidence={}, judged=[], missing=["There is no gate report: it was trained before."])
    text = model_card(bare)
    assert "There is no gate report" in text
    assert "How good it is" not in text
    assert "How its score moves" not in text


def test_a_card_as_a_page_is_whole_and_safe() -> None:
    html = render_card(model_card(facts_of()), "made_up", 2, EVIL, "Written by a test.")
    check(html)
    assert EVIL not in html
    for title in ("Data", "Inputs", "How its score moves", "Limits", "Gates"):
        assert f"<h2>{title}</h2>" in html
    assert "<td" in html


def test_the_configs_card_is_text_and_a_misspelt_field_is_named() -> None:
    body = config_of().model_dump(mode="json")
    assert check_config(ModelConfig, {**body, "card": {"not_for": "claims"}}, "x").card.not_for == "claims"
    with pytest.raises(Exception, match="Did you mean not_for"):
        check_config(ModelConfig, {**body, "card": {"notfor": "claims"}}, "x")


def files(*names: str, columns: Any = COLUMNS, digest: str = "0") -> tuple[FileRef, ...]:
    return tuple(FileRef(name, digest * 64, 10, 100, columns) for name in names)


def snapshot(batch: tuple[FileRef, ...]) -> Snapshot:
    return Snapshot("made_up", tuple(ref.name for ref in batch), "2026-01-09", {"batch": batch})


def test_what_changed_in_the_data_is_told_by_table() -> None:
    other = (("id", "string"), ("size", "float"), ("hue", "string"))
    old = snapshot(files("2026-01-01", "2026-01-02", "2026-01-03"))
    new = snapshot((*files("2026-01-02"), *files("2026-01-03", digest="1"), *files("2026-01-04", columns=other)))
    found = table_change(old, new, "batch")
    assert (found["came"]["from"], found["came"]["rows"]) == ("2026-01-04", 100)
    assert found["went"]["from"] == "2026-01-01"
    assert [one["file"] for one in found["rewritten"]] == ["2026-01-03"]
    looked = table_change(old, new, "batch", lambda _, ref: {"k1": int(ref.digest[0]), "k2": 5, f"n{ref.digest[0]}": 1})
    assert looked["rewritten"][0]["rows"] == {"came": 1, "went": 1, "other": 1}
    assert table_change(old, new, "batch", lambda *_: None)["rewritten"][0]["rows"] is None
    assert found["columns"] == {"new": ["hue (string)"], "gone": [], "type": ["size: double before, float now"]}
    assert table_change(old, Snapshot("made_up", (), "", {}), "batch")["now"] == 0


def view(config: Mapping[str, Any], commit: str) -> RunView:
    code = {"commit": commit, "diff": ""}
    environment = {
        "python": "3.11",
        "platform": "",
        "cpu": "",
        "cores": 2,
        "lock": "l",
        "settings": {},
        "variables": [],
    }
    record = {"as_of": "2026-01-09", "model": "made_up", "parameters": {}, "code": code, "environment": environment}
    return RunView({**record, "end": None}, config, {"a.py": commit}, {}, [snapshot(files("2026-01-01"))], {})


def test_what_changed_since_the_champion_is_told_and_safe() -> None:
    found = changes_between(view({"rounds": 10}, "c0"), view({"rounds": 20, "why": EVIL}, "c1"), 1)
    assert found["config"][0] == "rounds: 10 before, 20 now"
    assert "a.py changed" in found["code"]
    html = changes_section(found)
    assert EVIL not in html
    assert "since version 1" in html
    assert "no champion" in changes_section({})
    assert "cannot be read" in changes_section({"missing": "it cannot be read"})
