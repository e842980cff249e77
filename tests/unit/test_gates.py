"""Gates: what each says of rows that were made to show it, and what a config can ask of them."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.assembly import KEY, OUTCOME
from plimsoll.calibration_gate import judge_calibration
from plimsoll.champion_gate import confidence_of
from plimsoll.config_loading import check_config
from plimsoll.errors import ConfigError, DataError
from plimsoll.gate_result import GateResult, in_short
from plimsoll.gates import run_gates
from plimsoll.gates_config import AgainstChampion
from plimsoll.judged_rows import Judged, judged_rows
from plimsoll.ledger import Entry, Kind, append, read_ledger
from plimsoll.metrics import measure
from plimsoll.model_config import ModelConfig
from plimsoll.not_judged import not_judged_alone
from plimsoll.operations_gate import Machine
from plimsoll.row_groups import groups_of
from plimsoll.row_parts import DATE, rows_of
from plimsoll.tries import tried_facts, tries_on
from tasks.backtest_work import needed_columns
from tests.archives import archive_at

DAYS, ROWS_A_DAY = 14, 150
LIMITS = [{"metric": "auc", "at_least": 0.5}]
WELL = Machine(2**20, "", 1.1, "a" * 64, "champion v1")


def config_of(dated: bool = True, **gates: Any) -> ModelConfig:
    """A config of two features; region is a column of the rows and no feature."""
    features = [("size", "number"), ("colour", "category")]
    source = {"kind": "dates", "path": "rows", "key": ["id"], "event_time": "at"}
    table = {"kind": "table", "path": "rows.parquet", "key": ["id"]}
    outcome = {"path": "outcomes" if dated else "outcomes.parquet", "column": "late", "above": 0, "no_outcome": "none"}
    body = {
        "model": "made_up",
        "owner": "tests",
        "purpose": "tests",
        "source": source if dated else table,
        "outcome": outcome,
        "features": {"columns": [{"name": n, "kind": kind, "because": "known in time"} for n, kind in features]},
        "estimator": {"kind": "xgboost"},
        "gates": {"limits": LIMITS, **gates},
    }
    return check_config(ModelConfig, body, "made_up.yaml")


def frame_of(days: int = DAYS) -> pd.DataFrame:
    """Rows whose outcome comes true as often as their score says."""
    chance = np.random.default_rng(5)
    rows = days * ROWS_A_DAY
    odds = chance.uniform(0.05, 0.95, rows)
    at = pd.Timestamp("2026-01-01T12:00Z") + pd.to_timedelta(np.arange(rows) // ROWS_A_DAY, unit="D")
    frame = pd.DataFrame({"at": at, "p": odds, "size": chance.normal(size=rows)})
    frame["colour"] = pd.Series(chance.choice(["red", "blue"], rows), dtype="str")
    frame["region"] = pd.Series(chance.choice(["north", "south"], rows), dtype="str")
    frame[OUTCOME] = (chance.random(rows) < odds).astype(np.float64)
    frame[KEY] = [f"k{n}" for n in range(rows)]
    return frame.assign(**{DATE: frame["at"].dt.strftime("%Y-%m-%d")})


FRAME = frame_of()


def judge(
    config: ModelConfig, frame: pd.DataFrame = FRAME, rival: np.ndarray | None = None, tries: int = 1
) -> tuple[list[GateResult], dict[str, Any]]:
    """Return what the gates after the limits say of scores p, and what they leave for the page."""
    rows = rows_of(frame)
    score = frame["p"].to_numpy()
    name = "champion v1" if rival is not None else ""
    judged = judged_rows(rows, np.ones(len(frame), dtype=bool), config, score, rival, name, tries)
    found = run_gates(judged, measure(judged.outcome, score, judged.task), WELL)
    json.dumps([one.to_json() for one in found.results] + [dict(found.shown)], allow_nan=False)
    return list(found.results[1:]), dict(found.shown)


def worse(by: float) -> np.ndarray:
    """Scores that tell less, the more of them is noise."""
    chance = np.random.default_rng(6)
    return np.clip((1 - by) * FRAME["p"].to_numpy() + by * chance.random(len(FRAME)), 0.01, 0.99)


def test_a_challenger_has_to_be_surely_better_or_surely_not_worse() -> None:
    rules = [{"metric": "auc", "rule": "superiority"}, {"metric": "log_loss", "margin": 0.05}]
    results, shown = judge(config_of(champion=rules), rival=worse(0.5))
    assert [one.verdict for one in results] == ["pass", "pass"]
    assert "better by" in results[0].sentence
    assert "champion v1" in results[0].sentence
    assert "14 days" in results[0].sentence
    assert [one["metric"] for one in shown["champion"]] == ["auc", "log_loss"]
    same, _ = judge(config_of(champion=rules), rival=FRAME["p"].to_numpy())
    assert [one.verdict for one in same] == ["fail", "pass"], "an equal one is not better, and not worse"
    assert not judge(config_of(champion=rules))[0], "the first version has no champion"


def test_a_worse_challenger_is_refused_within_its_margin_only_when_that_is_wide() -> None:
    frame = FRAME.assign(p=worse(0.3))
    best = FRAME["p"].to_numpy()
    verdicts = {m: judge(config_of(champion=[{"metric": "auc", "margin": m}]), frame, best)[0][0] for m in (0.0, 0.2)}
    assert verdicts[0.0].verdict == "fail"
    assert verdicts[0.2].verdict == "pass"


def test_several_challengers_on_the_same_rows_share_the_error() -> None:
    gate = config_of(champion=[{"metric": "auc", "rule": "superiority"}])
    found = [judge(gate, rival=worse(0.15), tries=tries)[0][0] for tries in (1, 2, 3, 20, 200)]
    lows = [one.value for one in found if one.value is not None]
    assert len(lows) == 5, "however many were tried, the next one is judged"
    assert lows == sorted(lows, reverse=True)
    assert "with 96% confidence" in found[0].sentence
    assert "it is number 20 of the challengers tried on them" in found[3].sentence


@given(st.floats(0.5, 0.999), st.integers(1, 500))
def test_however_many_challengers_come_their_errors_add_up_to_the_gates(confidence: float, count: int) -> None:
    gate = AgainstChampion(metric="auc", confidence=confidence)
    errors = [1 - confidence_of(gate, tries) for tries in range(1, count + 1)]
    assert sum(errors) <= (1 - confidence) * (1 + 1e-9)
    assert errors[0] == pytest.approx(0.8 * (1 - confidence)), "the first is held to nearly what the config says"
    assert errors == sorted(errors, reverse=True)


class Tried:
    """A ledger in memory, with what tries are counted by."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def enter(self, kind: Kind, **facts: Any) -> Entry:
        about = (len(self.entries), "made_up", kind, "2026-01-01", "2026-01-01T00:00:00+00:00", "ada", facts)
        self.entries.append(Entry(*about))
        return self.entries[-1]

    def judged_once(self, version: int, bundle: str, day: str, champion: int | None) -> None:
        """Enter a version as ledgers of before have it."""
        self.enter("trained", version=version, bundle=bundle)
        self.enter("gates_failed", version=version, gate_report=f"{champion} {day}")

    def begin(self, bundle: str, champion: int | None = 1, day: str = "d1", run: str = "") -> Entry:
        """Enter a try."""
        return self.enter("challenger_tried", **tried_facts(bundle, champion, [day], None), run=run or bundle)

    def number(self, tried: Entry) -> int:
        """Return the number of a try."""

        def judged(entry: Entry) -> tuple[int | None, list[str]]:
            champion, day = entry.facts["gate_report"].split()
            return None if champion == "None" else int(champion), [day]

        return tries_on(self.entries, tried, judged)


def test_tries_are_counted_beside_their_champion_refused_ones_too_and_equal_bundles_once() -> None:
    ledger = Tried()
    ledger.judged_once(1, "a", "d1", None)
    ledger.enter("promoted", version=1)
    ledger.judged_once(2, "b", "d1", 1)
    ledger.judged_once(3, "c", "d1", 1)
    ledger.judged_once(4, "d", "d2", 1)
    tries = [ledger.begin(*one) for one in (("b", 1), ("e", 1), ("f", 1, "d2"), ("f", 1, "d3"), ("e", 3))]
    assert [ledger.number(one) for one in tries] == [2, 3, 2, 1, 1], "v1 is the champion, whatever it was judged on"


def test_trainings_at_the_same_time_have_numbers_of_their_own_and_one_that_was_stopped_counts() -> None:
    ledger = Tried()
    ledger.enter("promoted", version=1)
    stopped, first, second = ledger.begin("a"), ledger.begin("b"), ledger.begin("c")
    ledger.enter("trained", version=3, bundle="c", run="c")
    ledger.enter("gates_passed", version=3, gate_report="1 d1", run="c")
    assert [ledger.number(one) for one in (stopped, first, second)] == [1, 2, 3], "each as if it looked at once"
    assert ledger.number(ledger.begin("d")) == 4, "what was entered before is not counted by its gates again"


def test_challengers_that_are_entered_at_once_never_share_a_number(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)

    def train(n: int) -> int:
        facts = tried_facts(f"bundle {n}", 1, ["d1", "d2"], None)
        about = {"as_of": "2026-01-01", "recorded_at": "2026-01-01T00:00:00+00:00", "by": "flow:train_model"}
        tried = append(archive, "m", "challenger_tried", facts={**facts, "run": str(n)}, **about)
        return tries_on(read_ledger(archive, "m"), tried, lambda _: (None, ()))

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(train, range(8))) == list(range(1, 9))


def test_a_rollback_and_back_gives_no_error_to_spend_anew_and_another_champion_does() -> None:
    ledger = Tried()
    for version in (1, 2):
        ledger.enter("promoted", version=version)
    ledger.begin("a", 2)
    for version in (1, 2):
        ledger.enter("rolled_back", version=version)
    assert ledger.number(ledger.begin("b", 2)) == 2
    ledger.enter("promoted", version=3)
    assert ledger.number(ledger.begin("c", 3)) == 1


def test_too_few_days_to_compare_refuse_and_say_what_to_do() -> None:
    few = frame_of(3)
    [result], _ = judge(config_of(champion=[{"metric": "auc"}]), few, few["p"].to_numpy())
    assert result.verdict == "fail"
    assert "split.test_days" in result.sentence


def test_few_days_can_tell_a_fourth_challenger_that_is_much_better_and_no_other() -> None:
    five = frame_of(5)
    gate = config_of(champion=[{"metric": "auc", "rule": "superiority"}])
    noise = np.random.default_rng(6).random(len(five))
    verdicts = [judge(gate, five, rival, tries=4)[0][0].verdict for rival in (noise, five["p"].to_numpy())]
    assert verdicts == ["pass", "fail"]


def test_a_gate_that_only_warns_refuses_nothing_and_the_record_says_so() -> None:
    frame = FRAME.assign(p=worse(0.3))
    gate = {"metric": "auc", "effect": "warn"}
    [result], _ = judge(config_of(champion=[gate]), frame, FRAME["p"].to_numpy())
    assert (result.verdict, result.passed, result.effect) == ("warn", True, "warn")
    assert "the config says effect: warn" in result.sentence
    assert in_short([result]) == "passed every gate that blocks, with 1 warning,"
    [passing], _ = judge(config_of(champion=[gate]), rival=worse(0.3))
    assert (passing.verdict, passing.to_json()["effect"]) == ("pass", "warn")


def test_calibration_tells_right_from_overconfident_and_shifted() -> None:
    gate = config_of(calibration={"max_bias": 0.03, "max_error": 0.06, "slope_from": 0.8, "slope_to": 1.25})
    results, shown = judge(gate)
    assert {one.verdict for one in results} == {"pass"}
    low, high = shown["calibration"]["slope_interval"]
    assert low < 1 < high
    odds = np.log(FRAME["p"] / (1 - FRAME["p"]))
    overconfident, _ = judge(gate, FRAME.assign(p=1 / (1 + np.exp(-2.5 * odds))))
    assert {one.gate for one in overconfident if not one.passed} == {"calibration error", "calibration slope ≥ limit"}
    shifted, _ = judge(gate, FRAME.assign(p=FRAME["p"] * 0.8))
    assert "calibration bias" in {one.gate for one in shifted if not one.passed}
    assert "scores are below outcomes" in shifted[0].sentence


def test_briers_parts_add_up_but_for_the_spread_in_the_bins() -> None:
    found = judge(config_of(calibration={"max_bias": 1}))[1]["calibration"]["brier"]
    brier = float(np.mean((FRAME["p"] - FRAME[OUTCOME]) ** 2))
    assert found["reliability"] - found["resolution"] + found["uncertainty"] == pytest.approx(brier, abs=2e-3)


def test_a_bad_week_is_told_from_a_bad_model() -> None:
    gate = config_of(stability={"max_ratio": 1.2})
    [steady], shown = judge(gate)
    assert steady.verdict == "pass"
    assert [one["rows"] for one in shown["stability"]] == [7 * ROWS_A_DAY] * 2
    last = FRAME[DATE] > "2026-01-07"
    [broken], _ = judge(gate, FRAME.assign(p=FRAME["p"].where(~last, 1 - FRAME["p"])))
    assert broken.verdict == "fail"
    assert "2026-01-08 to 2026-01-14" in broken.sentence
    [short], _ = judge(gate, frame_of(5))
    assert short.verdict == "fail"
    assert "less than two periods" in short.sentence


def test_a_slice_that_is_worse_off_is_found_declared_or_not() -> None:
    bad = (FRAME["colour"] == "red") & (FRAME["size"] > 0.7)
    frame = FRAME.assign(p=FRAME["p"].where(~bad, 1 - FRAME["p"]))
    blind, shown = judge(config_of(slices={"columns": ["region"], "max_ratio": 1.3}), frame)
    assert blind[0].verdict == "pass", "region has nothing to do with it"
    assert shown["slices"]["looked_at"] == 2
    found, shown = judge(config_of(slices={"find": True, "max_ratio": 1.3}), frame)
    assert found[0].verdict == "fail"
    assert "size > 0.7" in found[0].sentence
    assert "colour=red" in found[0].sentence
    fine, _ = judge(config_of(slices={"find": True, "max_ratio": 1.3}))
    assert fine[0].verdict == "pass", "nothing is found where nothing is"


def test_columns_are_cut_into_groups_that_hold_every_row_but_the_rarest_words() -> None:
    few = groups_of(pd.Series([1.0, 2.0, None, 2.0], name="stops"))
    assert few.names == ("stops=2.0", "stops=1.0", "stops=missing")
    assert list(few.of_row) == [1, 0, 2, 0]
    words = pd.Series([f"w{n // 2:02d}" for n in range(60)], name="dest", dtype="str")
    many = groups_of(words, most=20)
    assert len(many.names) == 20
    assert (many.of_row == -1).sum() == 20, "ten words are too rare"
    assert set(groups_of(words).of_row) == set(range(30)), "of a column that somebody named every value counts"
    numbers = groups_of(pd.Series([*range(100), None], name="size", dtype="float64"))
    assert numbers.names == ("size ≤ 24.75", "size 24.75 to 49.5", "size 49.5 to 74.25", "size > 74.25", "size=missing")
    assert list(np.bincount(numbers.of_row)) == [25, 25, 25, 25, 1]


def test_quarters_whose_edges_agree_in_six_digits_are_slices_of_their_own() -> None:
    stamp = 1e9 + np.repeat([0.0, 1.0, 2.0, 3.0], 30) + np.tile(np.linspace(0, 0.5, 30), 4)
    names = groups_of(pd.Series(stamp, name="stamp")).names
    assert len(set(names)) == len(names) == 5
    frame = FRAME.assign(size=1e9 + FRAME["size"])
    _, shown = judge(config_of(slices={"columns": ["size"], "max_ratio": 1.3}), frame)
    assert shown["slices"]["looked_at"] == 4
    assert sum(one["rows"] for one in shown["slices"]["worst"]) == len(FRAME)


def test_a_slice_that_got_worse_than_under_the_champion_is_refused() -> None:
    frame = FRAME.assign(p=FRAME["p"].where(FRAME["region"] == "south", 0.5))
    gate = config_of(slices={"columns": ["region"], "champion_margin": 0.05})
    [result], _ = judge(gate, frame, FRAME["p"].to_numpy())
    assert result.verdict == "fail"
    assert "region=north" in result.sentence
    assert not judge(gate)[0], "nothing to compare with"


def test_small_slices_are_named_and_not_judged() -> None:
    frame = FRAME.assign(region=FRAME["region"].mask(FRAME.index < 30, "west"))
    results, shown = judge(config_of(slices={"columns": ["region"], "max_ratio": 1.3}), frame)
    assert "not judged: region=west" in results[0].sentence
    assert shown["slices"]["small"] == ["region=west"]


@pytest.mark.parametrize("leak", ["copy", "code", "gap"])
def test_a_feature_that_knows_the_answer_is_found_however_it_says_so(leak: str) -> None:
    known = FRAME[OUTCOME]
    noise = np.random.default_rng(8).random(len(FRAME)) < 0.02
    told = known.where(~noise, 1 - known)
    copies = {"copy": {"size": told}, "code": {"colour": told.map({0.0: "a", 1.0: "b"}).astype("str")}}
    frame = FRAME.assign(**copies.get(leak, {"size": FRAME["size"].mask(told == 1)}))
    gate = config_of(leakage={"max_power": 0.9})
    results, _ = judge(gate, frame)
    assert results[0].verdict == "fail"
    assert f"of {'colour' if leak == 'code' else 'size'} alone" in results[0].sentence
    assert judge(gate)[0][0].verdict == "pass"


def test_times_after_the_decision_are_found_unless_they_are_planned() -> None:
    frame = FRAME.assign(landed=FRAME["at"] + pd.Timedelta(hours=1))
    [result], _ = judge(config_of(leakage={}), frame)
    assert result.verdict == "fail"
    assert "landed" in result.sentence
    [planned], _ = judge(config_of(leakage={"planned_times": ["landed"]}), frame)
    assert planned.verdict == "pass"
    assert "the rows hold no time to look at" in planned.sentence
    replayed = needed_columns(frame, config_of(leakage={}))
    assert {"at", "landed"} <= {*replayed}, "a backtest looks at times too"
    assert "p" not in replayed


def test_an_unfair_model_is_refused_by_a_column_that_is_no_feature() -> None:
    limits = {"selection_rate": 0.1, "false_positive_rate": 0.1, "false_negative_rate": 0.1}
    gate = config_of(fairness={"columns": ["region"], **limits})
    fair, shown = judge(gate)
    assert {one.verdict for one in fair} == {"pass"}
    assert len(fair) == 3
    rate = shown["fairness"][0]
    assert rate["low"] < rate["rate"] < rate["high"]
    harsh = FRAME.assign(p=FRAME["p"].where(FRAME["region"] == "north", FRAME["p"] ** 3))
    unfair, _ = judge(gate, harsh)
    failed = {one.gate for one in unfair if one.verdict == "fail"}
    assert "selection_rate by region" in failed
    assert "false_negative_rate by region" in failed
    assert "region=north" in unfair[0].sentence


def test_groups_too_small_are_said_to_be_and_one_group_alone_cannot_be_judged() -> None:
    gate = config_of(fairness={"columns": ["region"], "selection_rate": 0.1})
    results, shown = judge(gate, FRAME.assign(region=FRAME["region"].mask(FRAME.index < 30, "west")))
    assert [one.verdict for one in results] == ["pass", "warn"]
    assert "region=west (30 rows)" in results[1].sentence
    assert not next(one for one in shown["fairness"] if one["group"] == "region=west")["judged"]
    alone, _ = judge(gate, FRAME.assign(region="north"))
    assert alone[0].verdict == "fail"
    assert "two are needed" in alone[0].sentence


@pytest.mark.parametrize(("at", "who"), [(0.999, "nobody"), (0.0, "everybody")])
def test_a_yes_that_nobody_gets_is_said_to_make_everybody_even(at: float, who: str) -> None:
    limits = {"selection_rate": 0.1, "false_positive_rate": 0.1, "false_negative_rate": 0.1}
    gate = config_of(fairness={"columns": ["region"], "selected_from": at, **limits})
    results, _ = judge(gate)
    assert [one.verdict for one in results] == ["pass"] * 3 + ["warn"]
    assert results[-1].sentence.startswith(f"{who} is selected at a score of {at:g}")


@pytest.mark.parametrize(("name", "limit"), [("selection_rate", 5), ("false_negative_rate", 1), ("selected_from", 50)])
def test_a_limit_that_nothing_can_exceed_is_an_error_of_the_config(name: str, limit: float) -> None:
    limits = {"selection_rate": 0.1, name: limit}
    with pytest.raises(ConfigError, match=name):
        config_of(fairness={"columns": ["region"], **limits})


def test_a_first_version_says_which_gates_judged_nothing() -> None:
    asked = config_of(champion=[{"metric": "auc"}], slices={"columns": ["region"], "champion_margin": 0.1}).gates
    [line] = not_judged_alone(asked).results
    assert (line.verdict, line.value) == ("pass", None)
    assert line.sentence.startswith("there is no champion yet, so gates.champion, gates.slices.champion_margin judged")
    assert not not_judged_alone(config_of(slices={"columns": ["region"], "max_ratio": 2}).gates).results


def test_of_a_named_column_every_value_is_judged_or_said_to_be_too_small() -> None:
    region = pd.Series([f"r{n % 22:02d}" for n in range(len(FRAME))], dtype="str")
    region[region == "r00"] = "r01"  # so that r21 is not among the twenty most frequent
    frame = FRAME.assign(region=region.mask(FRAME.index < 30, "tiny"), p=FRAME["p"].mask(region == "r21", 0.01))
    results, _ = judge(config_of(fairness={"columns": ["region"], "selection_rate": 0.6, "min_rows": 50}), frame)
    assert results[0].verdict == "pass"
    [strict, small] = judge(config_of(fairness={"columns": ["region"], "selection_rate": 0.3, "min_rows": 50}), frame)[
        0
    ]
    assert strict.verdict == "fail"
    assert "region=r21 (0.000" in strict.sentence
    assert "region=tiny (30 rows)" in small.sentence
    found, shown = judge(config_of(slices={"columns": ["region"], "max_ratio": 1.3, "min_rows": 50}), frame)
    assert (shown["slices"]["looked_at"], shown["slices"]["small"]) == (21, ["region=tiny"])
    assert "region=r21" in found[0].sentence


def test_what_cannot_be_run_is_refused() -> None:
    config = config_of(operations={"max_bundle_mib": 2, "max_slowdown": 1.5})
    good, _ = judge(config)
    assert [one.verdict for one in good] == ["pass"] * 4
    judged = judged_rows(rows_of(FRAME), np.ones(len(FRAME), dtype=bool), config, FRAME["p"].to_numpy(), None, "", 1)
    bad = Machine(3 * 2**20, "The model holds types that are not allowed: os.system.", 4.0, "", "champion v1")
    assert [one.verdict for one in run_gates(judged, {"auc": 0.7}, bad).results[1:]] == ["fail"] * 4


def test_a_column_that_the_rows_do_not_have_is_named_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"gates.fairness.columns names regio, .* Did you mean region\?"):
        judge(config_of(fairness={"columns": ["regio"], "selection_rate": 0.1}))


def test_rows_without_dates_are_units_of_their_own_and_blocks_when_many() -> None:
    rows, config = rows_of(FRAME), config_of(dated=False)
    few = np.zeros(len(FRAME), dtype=bool)
    few[:60] = True
    small = judged_rows(rows, few, config, FRAME["p"].to_numpy()[:60], None, "", 1)
    assert (len(small.units), small.unit_word) == (60, "rows")
    many = judged_rows(rows, ~few | few, config, FRAME["p"].to_numpy(), None, "", 1)
    assert (len(many.units), many.unit_word) == (400, "blocks of rows")
    assert np.ptp(np.bincount(many.unit)) <= 1


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ({"limits": [{"metric": "rmse", "at_most": 1}]}, "gates ask for rmse, which does not exist"),
        ({"champion": [{"metric": "auc", "marign": 0.1}]}, "Did you mean margin?"),
        ({"calibration": {}}, "needs max_bias, max_error, slope_from or slope_to"),
        ({"slices": {"columns": ["region"]}}, "needs max_ratio or champion_margin"),
        ({"fairness": {"columns": ["region"]}}, "needs a limit for selection_rate"),
        ({"fairness": {"columns": ["late"], "selection_rate": 0.1}}, "which is the outcome itself"),
        ({"limits": []}, "gates.limits"),
        ({"leakage": {"effect": "dry_run"}}, "should be 'block' or 'warn'"),
    ],
)
def test_a_gate_that_cannot_be_asked_is_an_error_of_the_config(gates: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(**gates)
    assert expected in str(caught.value)


def test_a_table_has_no_weeks() -> None:
    with pytest.raises(ConfigError, match="stability needs a time axis"):
        config_of(dated=False, stability={"max_ratio": 2})


def test_scores_that_tell_all_outcomes_apart_have_no_slope_and_say_so() -> None:
    gate = config_of(calibration={"slope_from": 0.5})
    [result], _ = judge(gate, FRAME.assign(p=FRAME[OUTCOME].map({0.0: 0.1, 1.0: 0.9})))
    assert result.verdict == "fail"
    assert result.value is None
    assert "undefined on these rows" in result.sentence


def test_a_number_that_is_always_guessed_the_same_has_no_slope() -> None:
    gate = config_of(calibration={"slope_from": 0.5})
    gate = gate.model_copy(update={"outcome": gate.outcome.model_copy(update={"above": None})})
    guess = np.full(len(FRAME), 12.3)
    rows = judged_rows(rows_of(FRAME), np.ones(len(FRAME), dtype=bool), gate, guess, None, "", 1)
    [result] = judge_calibration(gate.gates.calibration, rows).results
    assert (result.verdict, result.value) == ("fail", None)
    assert "cannot be judged: one score" in result.sentence


def test_a_judged_row_is_a_row_of_the_mask() -> None:
    mask = (FRAME[DATE] > "2026-01-10").to_numpy()
    some = judged_rows(rows_of(FRAME), mask, config_of(), FRAME["p"].to_numpy()[mask], None, "", 1)
    assert isinstance(some, Judged)
    assert some.units == tuple(sorted(FRAME.loc[mask, DATE].unique()))
    assert list(some.columns(["region"], "x")["region"]) == list(FRAME.loc[mask, "region"])
    assert replace(some, tries=2).unit_word == "days"
