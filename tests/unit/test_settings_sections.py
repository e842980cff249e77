"""The page about a version shows how its settings came to be, whatever became of the trials."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.point_chart import PointChart, Series, point_chart
from plimsoll.settings_sections import settings_sections

SETTINGS = {"sentence": "Best of 3 trials", "values": {"max_depth": 3}, "origin": "found"}


def told(*trials: dict[str, Any]) -> dict[str, Any]:
    search = {
        "trials": list(trials),
        "loss_name": "log loss",
        "trials_done": len(trials),
        "seconds": 2,
        "trials_kept": 1,
    }
    return {"settings": SETTINGS, "search": search}


def trial(number: int, state: str, *losses: float, error: str = "") -> dict[str, Any]:
    settings = {"max_depth": number, "growth": "<b>"}
    told = {"number": number, "state": state, "losses": losses, "seconds": 1.5, "error": error}
    return {**told, "settings": settings}


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=30))
def test_a_chart_draws_any_points_within_its_frame(points: list[tuple[float, float]]) -> None:
    page = point_chart(PointChart("t", "x", "y", (Series("a", tuple(points), 0, "dots"),), ("margin", 0.0), clip=1.0))
    assert page.count("<circle") == 2 * len(points) + 1, "drawn twice, and once in the key"
    assert "nan" not in page
    assert "inf" not in page.replace("info", "")


def test_a_chart_of_nothing_says_so() -> None:
    assert "nothing to draw" in point_chart(PointChart("Loss by trial", "x", "y", (Series("a", ()),)))


@pytest.mark.parametrize(
    "trials",
    [
        [trial(0, "complete", 0.5)],
        [trial(0, "failed", error="no <script> can be trained")],
        [trial(0, "complete", 0.5, 0.4), trial(1, "pruned", 0.9), trial(2, "complete", 0.5, 0.4)],
        [trial(0, "complete", 0.5), *(trial(n, "complete", 9e9) for n in range(1, 8))],
    ],
)
def test_whatever_came_of_the_trials_the_page_shows_them_all(trials: list[dict[str, Any]]) -> None:
    page = "".join(settings_sections(told(*trials)))
    for one in trials:
        assert f"max_depth {one['number']}" in page
    assert "<script>" not in page
    assert "growth &lt;b&gt;" in page


def test_a_version_without_a_search_has_no_such_section() -> None:
    assert not list(settings_sections({}))


@pytest.mark.parametrize(("taken", "smaller", "said"), [(True, True, "is taken"), (False, True, "offered, not taken")])
def test_the_smaller_model_stands_beside_the_whole_one(taken: bool, smaller: bool, said: str) -> None:
    whole = {"rounds": 20, "max_depth": 0, "bytes": 999, "loss": 0.5, "given_up": 0.0, "at_most": 0.0, "passes": True}
    chosen = {**whole, "rounds": 7, "bytes": 333, "given_up": 0.001, "at_most": None}
    shrink = {"whole": whole, "chosen": chosen, "taken": taken, "margin": 0.0, "confidence": 0.95}
    shrink |= {"speed": {"ratio": 1.5, "rows": 10}, "sizes": [whole, chosen]}
    page = "".join(settings_sections({"settings": SETTINGS, "shrink": shrink}))
    assert said in page
    assert "1.50 × as fast" in page
    assert "free" in page, "a depth without a limit"
    alone = "".join(settings_sections({"settings": SETTINGS, "shrink": {**shrink, "chosen": whole, "taken": False}}))
    assert "Nothing smaller" in alone
