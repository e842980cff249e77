"""Explanations in words and as a picture: the steps lead from the base to the score, and cautions are said."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.contributions import LOG_ODDS, PROBABILITY, UNITS, Explanation
from plimsoll.explanation_page import render_explanation
from plimsoll.explanation_words import cautions, level, sentences, steps_of
from tests.unit.test_pages import EVIL, check

NUMBERS = st.floats(-4, 4)


def told(
    pushes: list[float], unit: str = LOG_ODDS, base: float = -1.2, method: str = "TreeSHAP, exact"
) -> dict[str, Any]:
    parts = [{"feature": f"f{n}", "value": n, "contribution": push} for n, push in enumerate(pushes)]
    parts.sort(key=lambda part: -abs(part["contribution"]))
    total = base + math.fsum(pushes)
    score = 1 / (1 + math.exp(-total)) if unit == LOG_ODDS else total
    found = Explanation(method, unit, base, tuple(parts), score)
    return {"explanation": found.to_json(score), "reasons": parts}


@given(st.lists(NUMBERS, max_size=30), st.sampled_from([LOG_ODDS, UNITS, PROBABILITY]))
def test_the_steps_lead_from_the_base_to_the_score(pushes: list[float], unit: str) -> None:
    found = told(pushes, unit)
    steps = steps_of(found["explanation"], found["reasons"])
    ends = [found["explanation"]["base"], *(step["after"] for step in steps)]
    assert [step["before"] for step in steps] == ends[:-1]
    assert ends[-1] == pytest.approx(found["explanation"]["total"], abs=1e-9)
    assert len(steps) <= 9
    assert len(list(sentences(found["explanation"], found["reasons"]))) == len(steps) + 1


def test_words_say_what_raised_the_chance() -> None:
    found = told([0.8, -0.3])
    told_so = [one.replace("\N{NO-BREAK SPACE}", " ") for one in sentences(found["explanation"], found["reasons"])]
    first, second, third = told_so
    assert first == "Before it looks at any input it says 23.1 %."
    assert second == "f0 = 0 raised the chance from 23.1 % to 40.1 % (+0.800)."
    assert third == "f1 = 1 lowered the chance from 40.1 % to 33.2 % (−0.300)."
    number = told([2.0], UNITS, 7.0)
    assert "raised the prediction from 7 to 9" in list(sentences(number["explanation"], number["reasons"]))[1]
    assert level(0.25, PROBABILITY) == "25.0\N{NO-BREAK SPACE}%"


def test_reasons_of_a_row_that_the_code_changed_since_are_those_of_todays_score() -> None:
    today = told([0.8, -0.3])["explanation"]
    parts = ({"feature": "f0", "value": 0, "contribution": 0.8}, {"feature": "f1", "value": 1, "contribution": -0.3})
    found = Explanation("exact", LOG_ODDS, today["base"], parts, today["score_now"])
    changed = found.to_json(0.9)
    assert (changed["same_bits"], changed["adds_up"]) == (False, True)
    assert "do not rely" not in " ".join(cautions(changed))
    wrong = Explanation("exact", LOG_ODDS, today["base"], parts, 0.9)
    assert not wrong.to_json(0.9)["adds_up"], "another link than its task has"


def test_cautions_fit_the_method() -> None:
    exact, sampled = told([0.5])["explanation"], told([0.5], PROBABILITY, 0.1, "sampled: an estimate")["explanation"]
    assert "depend on the order" in " ".join(cautions(exact))
    assert "estimated by sampling" in " ".join(cautions(sampled))
    assert "not what causes the outcome" in " ".join(cautions(sampled))
    assert "do not rely on the shares" in " ".join(cautions({**exact, "adds_up": False}))


@pytest.mark.parametrize("stored", [0.5, None])
def test_the_page_is_whole_and_safe(stored: float | None) -> None:
    found = told([0.8, -0.3, 0.0])
    found["reasons"][0] |= {"feature": EVIL, "value": EVIL, "error": 0.1}
    found["reasons"][1] |= {"error": 0.1}
    found["reasons"][2] |= {"error": 0.0}
    about = {
        "model": "made_up",
        "key": EVIL,
        "date": "2026-01-01",
        "score": stored,
        "role": "champion" if stored else "",
    }
    more = {"prediction": about, "version": 2, "outcome": {"outcome": None, "meaning": EVIL}}
    html = render_explanation({**found, **more}, EVIL, "Written by a test.")
    check(html)
    assert EVIL not in html
    assert ("did not score" in html) == (stored is None)
