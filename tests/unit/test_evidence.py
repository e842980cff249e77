"""Evidence: what curves, importance, dependence and contributions say of models whose answers are known."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.adopted import adopt
from plimsoll.assembly import KEY, OUTCOME
from plimsoll.bundle import Bundle
from plimsoll.config_loading import check_config
from plimsoll.contributions import (
    PREDICTED,
    PROBABILITY,
    WIDEST,
    estimate,
    explain,
    explainable,
    sampled_contributions,
)
from plimsoll.curves import curves_of
from plimsoll.dependence import partial_dependence, tied_numbers
from plimsoll.encoder import Matrix
from plimsoll.evidence import gather_evidence, summary
from plimsoll.evidence_sections import direction, evidence_sections
from plimsoll.importance import permutation_importance
from plimsoll.judged_rows import judged_rows
from plimsoll.local_effects import accumulated_effects
from plimsoll.metric_intervals import metric_intervals
from plimsoll.metrics import Numbers, measure
from plimsoll.model_config import ModelConfig
from plimsoll.page import join
from plimsoll.row_parts import DATE, Rows, rows_of, sampled
from plimsoll.shapley import shapley
from plimsoll.training import scores_of, split_rows, train_bundle

ROWS, DAYS = 1400, 14


def config_of(kind: str = "xgboost", above: float | None = 0.0) -> ModelConfig:
    """A config of two numbers that matter, a word that does, and a number that does not."""
    columns = [("a", "number"), ("twin", "number"), ("word", "category"), ("noise", "number")]
    body: dict[str, Any] = {
        "model": "made_up",
        "owner": "tests",
        "purpose": "tests",
        "source": {"kind": "dates", "path": "rows", "key": ["id"], "event_time": "at"},
        "outcome": {"path": "outcomes", "column": "late", "no_outcome": "none"},
        "features": {"columns": [{"name": n, "kind": kind, "because": "known in time"} for n, kind in columns]},
        "estimator": {"kind": kind, "threads": 1, **({"rounds": 30} if kind == "xgboost" else {})},
        "split": {"test_days": 6},
        "gates": {"limits": [{"metric": "rmse" if above is None else "log_loss", "at_most": 99}]},
    }
    if above is not None:
        body["outcome"]["above"] = above
    return check_config(ModelConfig, body, "made_up.yaml")


def frame_of() -> pd.DataFrame:
    chance = np.random.default_rng(3)
    frame = pd.DataFrame({"a": chance.normal(size=ROWS), "noise": chance.normal(size=ROWS)})
    frame["twin"] = 0.9 * frame["a"] + 0.1 * chance.normal(size=ROWS)
    frame["word"] = pd.Series(chance.choice(["x", "y", "z"], ROWS, p=[0.5, 0.3, 0.2]), dtype="str")
    told = 1.5 * frame["a"] + frame["word"].map({"x": -1.0, "y": 0.0, "z": 1.5}) + chance.normal(0, 0.5, ROWS)
    frame[OUTCOME] = (told > 0).astype(np.float64)
    frame[KEY] = [f"k{n}" for n in range(ROWS)]
    return frame.assign(**{DATE: np.repeat([f"2026-01-{n + 1:02d}" for n in range(DAYS)], ROWS // DAYS), "told": told})


FRAME = frame_of()
ROWS_OF = rows_of(FRAME)
BUNDLES = {kind: train_bundle(FRAME, config_of(kind), folds=False) for kind in ("xgboost", "logistic")}
NUMBER = train_bundle(FRAME.assign(**{OUTCOME: FRAME["told"]}), config_of("ridge", None), folds=False)


def foreign() -> Bundle:
    """A model that nobody can take apart exactly: a naive Bayes, adopted."""
    import skops.io
    from sklearn.naive_bayes import GaussianNB

    numbers = ("a", "noise")
    learner = GaussianNB().fit(FRAME[[*numbers]].to_numpy(dtype=np.float32), FRAME[OUTCOME])
    fitted = adopt("model.skops", skops.io.dumps(learner), "classification", 1, numbers)
    known = BUNDLES["xgboost"]
    encoder = type(known.encoder)(numbers, {})
    return Bundle("made_up", "classification", 1, encoder, fitted, known.reference, known.trained_through)


def evidence_of(bundle: Bundle, config: ModelConfig, rows: Rows = ROWS_OF) -> dict[str, Any]:
    _, later = split_rows(rows, config)
    score = scores_of(bundle, rows, later)
    judged = judged_rows(rows, later, config, score, score, "champion v1", 1)
    return gather_evidence(judged, bundle, rows, later)


@pytest.mark.parametrize("kind", ["xgboost", "logistic"])
def test_evidence_is_the_same_each_time_small_and_json(kind: str) -> None:
    found = [evidence_of(BUNDLES[kind], config_of(kind)) for _ in range(2)]
    assert found[0] == found[1]
    text = json.dumps(found[0], allow_nan=False)
    assert len(text) < 200_000
    assert {one["feature"] for one in found[0]["importance"]} == {"a", "twin", "word", "noise"}
    assert len(found[0]["curves"]["candidate"]["roc"]) == len(found[0]["curves"]["champion"]["roc"])
    drawn = join(*evidence_sections(found[0], "classification", ("version 2", "version 1"), 0.5))
    for title in ("Curves", "What it looks at", "How its score moves", "What moved the scores"):
        assert f"<h2>{title}</h2>" in drawn


def test_a_numbers_evidence_has_residuals() -> None:
    rows = rows_of(FRAME.assign(**{OUTCOME: FRAME["told"]}))
    found = evidence_of(NUMBER, config_of("ridge", None), rows)
    assert "roc" not in found["curves"]["candidate"]
    assert all(one["low"] <= one["middle"] <= one["high"] for one in found["curves"]["candidate"]["residuals"])
    assert "<h2>Residuals</h2>" in join(*evidence_sections(found, "regression", ("version 2", "version 1"), None))


def test_what_matters_costs_loss_and_what_does_not_costs_none() -> None:
    bundle = BUNDLES["xgboost"]
    matrix, outcome = bundle.encoder.encode(FRAME), FRAME[OUTCOME].to_numpy()
    unit = (np.arange(ROWS) // (ROWS // DAYS)).astype(np.int32)
    found = {one.feature: one for one in permutation_importance(bundle, matrix, outcome, unit, DAYS, 7)}
    assert found["word"].rise > found["noise"].rise
    low, high = found["word"].low, found["word"].high
    assert low is not None
    assert high is not None
    assert 0 < low < found["word"].rise < high
    still = Bundle(*(getattr(bundle, name) for name in ("model", "task", "threads", "encoder")), *constant(bundle))
    assert {one.rise for one in permutation_importance(still, matrix, outcome, unit, DAYS, 7)} == {0.0}


def constant(bundle: Bundle) -> tuple[Any, ...]:
    """A learner that always says the same, in the place of a bundle's."""

    class Same:
        file_name = "none"

        def predict(self, matrix: Any) -> Any:
            return np.full(len(matrix), 0.5)

    return Same(), bundle.reference, bundle.trained_through


def test_importance_of_one_day_has_no_interval() -> None:
    bundle, rows = BUNDLES["xgboost"], FRAME.head(100)
    one = permutation_importance(
        bundle, bundle.encoder.encode(rows), rows[OUTCOME].to_numpy(), np.zeros(100, np.int32), 1, 7
    )
    assert {(each.low, each.high) for each in one} == {(None, None)}


def test_dependence_of_a_linear_score_is_its_line_and_twins_are_named() -> None:
    matrix = NUMBER.encoder.encode(FRAME.head(200))
    found = {one["feature"]: one for one in partial_dependence(NUMBER, matrix, ["a", "word", "noise"])}
    points = found["a"]["points"]
    steps = np.diff([p["mean"] for p in points]) / np.diff([p["at"] for p in points])
    assert np.allclose(steps, steps[0], rtol=1e-3)
    assert np.ptp([p["high"] - p["low"] for p in points]) < 1e-3, "it works alike on all rows"
    scores = partial_dependence(BUNDLES["xgboost"], matrix, ["a"])[0]["points"]
    assert all(0 <= p["low"] <= p["mean"] <= p["high"] <= 1 for p in scores), "a band of scores holds scores"
    assert found["a"]["tied"][0][0] == "twin"
    assert not found["noise"]["tied"]
    assert [p["at"] for p in found["word"]["points"]] == ["x", "y", "z"], "the most frequent first"
    assert sum(p["share"] for p in found["word"]["points"]) == pytest.approx(1)


def test_local_effects_of_a_linear_score_are_its_line_and_of_twins_each_is_told_by_itself() -> None:
    matrix = NUMBER.encoder.encode(FRAME)
    points = accumulated_effects(NUMBER, matrix, ["a"])["a"]
    steps = np.diff([height for _, height in points]) / np.diff([at for at, _ in points])
    assert np.allclose(steps, steps[0], rtol=1e-3)
    line = partial_dependence(NUMBER, matrix[:200], ["a"])[0]["points"]
    slope = (line[-1]["mean"] - line[0]["mean"]) / (line[-1]["at"] - line[0]["at"])
    assert steps[0] == pytest.approx(slope, rel=1e-3), "where nothing interacts both tell the same"
    assert len(points) == 16
    inside = (matrix[:, 0] >= points[0][0]) & (matrix[:, 0] <= points[-1][0])
    heights = np.interp(matrix[inside, 0], *zip(*points, strict=True))
    assert heights.mean() == pytest.approx(NUMBER.fitted.predict(matrix[inside]).mean(), abs=0.02)


class Product:
    """A score that is one input times the other."""

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        return np.asarray(matrix[:, 0] * matrix[:, 1], dtype=np.float64)


def test_where_inputs_hang_together_only_rows_that_occur_are_compared() -> None:
    places = np.linspace(-1, 1, 2001, dtype=np.float32)
    matrix = np.stack([places, places], axis=1)  # the second is the first: the score is its square
    bundle: Any = SimpleNamespace(fitted=Product(), encoder=SimpleNamespace(columns=("a", "twin"), words={}))
    effects = dict(accumulated_effects(bundle, matrix, ["a"])["a"])
    assert max(effects.values()) - min(effects.values()) == pytest.approx(0.5, abs=0.05), (
        "half of the square is its own"
    )
    flat = partial_dependence(bundle, matrix[::20], ["a"])[0]["points"]
    assert np.ptp([p["mean"] for p in flat]) < 0.05, "which partial dependence does not see"


def test_a_number_with_few_values_or_none_has_local_effects_or_none() -> None:
    matrix = NUMBER.encoder.encode(FRAME.head(60).assign(a=np.nan, noise=1.0, twin=[0.0, 1.0] * 30))
    found = accumulated_effects(NUMBER, matrix, ["a", "noise", "twin"])
    assert list(found) == ["twin"]
    assert len(found["twin"]) == 2
    shown = partial_dependence(NUMBER, matrix, ["twin"])
    before = {"curves": {}, "importance": [], "dependence": shown, "contributions": {"missing": "x"}}
    sections = evidence_sections({**before, "rows": 1, "of": 1}, "regression", ("a", "b"), None)
    assert "figcaption" not in str(join(*sections)), "evidence of before has one line"


def test_a_column_without_values_or_with_one_has_no_dependence() -> None:
    frame = FRAME.head(50).assign(a=np.nan, noise=1.0)
    found = partial_dependence(NUMBER, NUMBER.encoder.encode(frame), ["a", "noise", "twin"])
    assert [one["feature"] for one in found] == ["twin"]
    assert tied_numbers(NUMBER, NUMBER.encoder.encode(frame)) == {}


def test_curves_of_a_perfect_and_of_a_single_class() -> None:
    outcome = np.array([0.0, 0.0, 1.0, 1.0])
    found = curves_of(outcome, np.array([0.1, 0.2, 0.8, 0.9]), "classification")
    assert {y for _, y in found["roc"]} == {1.0}
    assert {y for _, y in found["recall"]} == {1.0}
    assert curves_of(np.ones(4), np.arange(4.0), "classification") == {}


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=4, max_size=80))
@settings(max_examples=60, deadline=None)
def test_curves_rise_and_fall_as_they_must(pairs: list[tuple[bool, float]]) -> None:
    outcome, score = np.array([float(y) for y, _ in pairs]), np.array([s for _, s in pairs])
    found = curves_of(outcome, score, "classification")
    if found:
        assert (np.diff([y for _, y in found["roc"]]) >= -1e-6).all()
        assert (np.diff([y for _, y in found["recall"]]) <= 1e-6).all()
        assert found["recall"][-1][1] >= outcome.mean() - 1e-6


def test_intervals_hold_the_value_and_few_days_have_none() -> None:
    config = config_of()
    _, later = split_rows(ROWS_OF, config)
    score = scores_of(BUNDLES["xgboost"], ROWS_OF, later)
    judged = judged_rows(ROWS_OF, later, config, score, None, "", 1)
    found = metric_intervals(judged)
    plain = measure(judged.outcome, score, "classification")
    for name, one in found.items():
        assert one["value"] == pytest.approx(plain[name], rel=1e-5)
        assert one["low"] < one["value"] < one["high"]
    few = ROWS_OF.day >= DAYS - 2
    short = judged_rows(ROWS_OF, few, config, scores_of(BUNDLES["xgboost"], ROWS_OF, few), None, "", 1)
    assert metric_intervals(short)["auc"]["low"] is None


def test_an_input_that_never_changes_or_never_pushes_has_no_direction() -> None:
    for places, pushes in (([1.0, 1.0], [0.1, 0.2]), ([1.0, 2.0], [0.0, 0.0])):
        assert direction({"places": places, "pushes": pushes}) == "up or down, by the other inputs or in turns"


def test_contributions_are_shown_exactly_or_as_an_estimate_that_says_so() -> None:
    bundle = BUNDLES["xgboost"]
    told = summary(bundle, bundle.encoder.encode(FRAME.head(60)), ["a", "word"], 7)
    assert "estimated" not in told
    assert direction(told["features"][0]) == "a high value raises the score"
    assert direction(told["features"][1]) == "a category"
    other = foreign_bundle()
    assert not explainable(other)
    matrix = other.encoder.encode(FRAME.head(300))
    found = summary(other, matrix, ["a", "noise"], 7)
    assert found == summary(other, matrix, ["a", "noise"], 7)
    assert (found["rows"], found["unit"], found["estimated"]) == (100, PROBABILITY, True)
    assert "an estimate" in found["method"]
    a, noise = found["features"]
    assert a["mean"] > 0.2 > 10 * noise["mean"], "what the model goes by pushes, what it does not does not"
    assert direction(a) == "a high value raises the score"
    assert 0 < a["error"] < a["mean"] / 4
    drawn = join(*evidence_sections(evidence_of(other, config_of()), "classification", ("version 2", "version 1"), 0.5))
    assert "<h2>What moved the scores, estimated</h2>" in drawn
    assert f"{a['mean']:.4f}"[:4] in drawn
    assert " ± 0.0" in drawn


def test_contributions_that_cannot_be_sampled_are_said_to_be_missing() -> None:
    other = foreign_bundle()
    assert "there are no rows to sample" in summary(other, other.encoder.encode(FRAME.head(0)), ["a"], 7)["missing"]
    assert "2,001 inputs are too many" in summary(other, np.zeros((3, WIDEST + 1), np.float32), ["a"], 7)["missing"]


@pytest.mark.parametrize("width", [1, 17, 400, WIDEST])
def test_sampling_costs_no_more_than_it_may(width: int) -> None:
    asked = []

    class Counted:
        file_name = "model.skops"

        def predict(self, matrix: Matrix) -> Numbers:
            asked.append(len(matrix))
            return np.asarray(matrix.sum(axis=1), dtype=np.float64)

    bundle = replace(foreign_bundle(), fitted=Counted())
    found = sampled_contributions(bundle, np.random.default_rng(1).normal(size=(300, width)).astype(np.float32), 7)
    assert found is not None
    assert 9 <= len(found[1]) <= 100
    assert found[1].shape == found[2].shape == (len(found[1]), width)
    assert sum(asked) <= PREDICTED
    assert max(asked) * width <= 50_000_000, "and never more than fits in memory"


def test_sampled_shares_add_up_and_find_those_of_a_line() -> None:
    row, background = FRAME.head(1), FRAME.tail(80)
    found = estimate(NUMBER, row, background, 7)
    assert found.total == pytest.approx(found.score)
    exact = {part["feature"]: part["contribution"] for part in explain(NUMBER, row).parts}
    centre = summary_of_background(background)
    for part in found.parts:
        assert abs(part["contribution"] - (exact[part["feature"]] - centre[part["feature"]])) < 5 * part["error"] + 1e-6


def summary_of_background(background: pd.DataFrame) -> dict[str, float]:
    """The mean contribution of each input of a linear model: what a row is compared with."""
    parts = [explain(NUMBER, background.iloc[[n]]).parts for n in range(len(background))]
    names = [part["feature"] for part in parts[0]]
    return {n: float(np.mean([p["contribution"] for ps in parts for p in ps if p["feature"] == n])) for n in names}


@given(st.integers(0, 2**32 - 1), st.integers(0, 200))
@settings(max_examples=15, deadline=None)
def test_walks_of_any_seed_end_at_the_score(seed: int, at: int) -> None:
    bundle = foreign_bundle()
    row, background = bundle.encoder.encode(FRAME.iloc[[at]]), bundle.encoder.encode(FRAME.tail(20))
    shares, errors = shapley(bundle, row, background, seed, walks=30)
    assert shares.sum() == pytest.approx(float(bundle.fitted.predict(row)[0]))
    assert (errors >= 0).all()


_FOREIGN: list[Bundle] = []


def foreign_bundle() -> Bundle:
    """The foreign model, made once."""
    if not _FOREIGN:
        _FOREIGN.append(foreign())
    return _FOREIGN[0]


def test_an_estimate_says_that_it_is_one_and_repeats_itself() -> None:
    bundle = foreign_bundle()
    first, second = (estimate(bundle, FRAME.head(1), FRAME.tail(30), 7) for _ in range(2))
    assert first == second
    assert first.unit == PROBABILITY
    assert "estimate" in first.method
    assert all(part["error"] >= 0 for part in first.parts)


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 50))
@settings(max_examples=50, deadline=None)
def test_a_sample_is_of_the_rows_asked_for(chosen: list[bool], most: int) -> None:
    mask = np.array(chosen, dtype=bool)
    found = sampled(mask, most, 7)
    assert found.sum() == min(most, mask.sum())
    assert not (found & ~mask).any()
