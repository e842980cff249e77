"""Data trust: what came since the champion's snapshot, poisoned and not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from plimsoll.assembly import KEY, OUTCOME
from plimsoll.bundle import Bundle
from plimsoll.config_loading import check_config
from plimsoll.errors import ConfigError
from plimsoll.gate_result import GateResult
from plimsoll.gates_config import Trust
from plimsoll.model_config import ModelConfig
from plimsoll.newcomers import Newcomers, newcomers_of
from plimsoll.row_parts import DATE, rows_of
from plimsoll.snapshot import FileRef, Snapshot
from plimsoll.training import train_bundle
from plimsoll.trust_gate import judge_trust

DATES = [f"2026-01-{day:02d}" for day in range(1, 21)]
OLD = DATES[:14]  # of the champion's snapshot; it was judged on the last four
GATE = Trust(max_rewritten=0, max_outlier_share=0.05, max_surprise_share=0.05)


def config_of(kind: str = "dates", **gates: Any) -> ModelConfig:
    """A config of two numbers."""
    path = "rows" if kind == "dates" else "rows.parquet"
    time = {"event_time": "at"} if kind == "dates" else {}
    body = {
        "model": "made_up",
        "owner": "tests",
        "purpose": "tests",
        "source": {"kind": kind, "path": path, "key": ["id"], **time},
        "outcome": {"path": path.replace("rows", "outcomes"), "column": "late", "above": 0, "no_outcome": "none"},
        "features": {"columns": [{"name": n, "kind": "number", "because": "known in time"} for n in ("a", "b")]},
        "estimator": {"kind": "xgboost", "rounds": 20, "threads": 1},
        "split": {"test_days": 4},
        "gates": {"limits": [{"metric": "auc", "at_least": 0.5}], **gates},
    }
    return check_config(ModelConfig, body, "made_up.yaml")


def frame_of() -> pd.DataFrame:
    """Twenty days of a hundred rows whose outcome one column tells nearly always, some values missing."""
    chance = np.random.default_rng(4)
    frame = pd.DataFrame({"a": chance.normal(size=2000), "b": chance.normal(size=2000)})
    frame[OUTCOME] = (frame["a"] + chance.normal(0, 0.3, 2000) > 0).astype(np.float64)
    frame.loc[chance.random(2000) < 0.1, "b"] = np.nan
    frame[KEY] = [f"k{n}" for n in range(2000)]
    return frame.assign(**{DATE: np.repeat(DATES, 100)})


FRAME = frame_of()
NEW = FRAME[DATE] > OLD[-1]


def champion() -> Bundle:
    return train_bundle(FRAME[~NEW].reset_index(drop=True), config_of(), folds=False)


CHAMPION = champion()


def snapshot_of(dates: list[str], changed: str = "") -> Snapshot:
    files = [FileRef(date, ("f" if date == changed else "0") * 64, 10) for date in dates]
    planes = (FileRef("all", str(len(dates)) * 32, 10),)  # a register grows; it has no dates
    return Snapshot("made_up", tuple(dates), dates[-1], {"batch": tuple(files), "planes": planes})


def judge(frame: pd.DataFrame, changed: str = "", champion_dates: list[str] = OLD) -> dict[str, GateResult]:
    rows = rows_of(frame)
    found = newcomers_of(rows, CHAMPION, CHAMPION, snapshot_of(champion_dates), snapshot_of(DATES, changed), 7)
    return {one.gate: one for one in judge_trust(GATE, found).results}


def test_days_like_those_before_are_trusted() -> None:
    found = judge(FRAME)
    assert {name: one.verdict for name, one in found.items()} == dict.fromkeys(
        ("rewritten files", "outliers", "surprising outcomes"), "pass"
    )
    assert "0 of 14 dated files" in found["rewritten files"].sentence
    assert "of 600 rows since 2026-01-14" in found["outliers"].sentence


def test_flipped_labels_are_seen_and_rows_stay_trusted() -> None:
    flip = NEW & (np.random.default_rng(1).random(len(FRAME)) < 0.15)
    found = judge(FRAME.assign(**{OUTCOME: FRAME[OUTCOME].where(~flip, 1 - FRAME[OUTCOME])}))
    assert found["surprising outcomes"].verdict == "fail"
    assert found["outliers"].verdict == "pass"


def labels(frame: pd.DataFrame, champion_dates: list[str] = OLD[:9]) -> GateResult:
    """What the screen of labels says, where the champion was judged on nine days and eleven came since."""
    gate = Trust(max_label_change=0.05, label_columns=["c"])
    bundle = train_bundle(FRAME[FRAME[DATE] <= DATES[7]].reset_index(drop=True), config_of(), folds=False)
    before, now = snapshot_of(champion_dates), snapshot_of(DATES)
    [found] = judge_trust(gate, newcomers_of(rows_of(frame), bundle, bundle, before, now, 7, ["c"])).results
    return found


GROUPED = FRAME.assign(c=np.where(np.random.default_rng(9).random(len(FRAME)) < 0.4, "x", "y"))
CAME = FRAME[DATE] > OLD[8]


def flipped(some: Any, to: Any) -> pd.DataFrame:
    return GROUPED.assign(**{OUTCOME: GROUPED[OUTCOME].mask(CAME & some, to)})


def test_outcomes_like_those_before_are_trusted() -> None:
    found = labels(GROUPED)
    assert found.verdict == "pass", found.sentence
    assert (
        "nothing surely changed by more than 0.05 (5 things looked at on 1,100 rows since 2026-01-09)" in found.sentence
    )


def test_a_tenth_of_flipped_labels_is_seen_in_what_random_flips_change() -> None:
    some = np.random.default_rng(3).random(len(FRAME)) < 0.1
    found = labels(flipped(some, 1 - FRAME[OUTCOME]))
    assert found.verdict == "fail"
    assert "mean loss went from" in found.sentence


def test_labels_of_one_group_are_seen_though_they_surprise_less_than_ever() -> None:
    found = labels(flipped(GROUPED["c"] == "x", 0.0))
    assert found.verdict == "fail"
    assert "outcomes above the champion's scores of c=x beside the rest of the day went from" in found.sentence


def test_too_few_days_since_or_before_cannot_tell() -> None:
    assert "no rows came since" in labels(GROUPED, DATES).sentence
    few = labels(GROUPED, DATES[:17])
    assert (few.verdict, few.value) == ("fail", None)
    assert "300 of 3 days came since; either needs 200 of 5 days" in few.sentence
    with pytest.raises(ConfigError, match="label_columns needs max_label_change"):
        config_of(trust={"max_rewritten": 0, "label_columns": ["c"]})


def test_rows_unlike_any_before_are_seen() -> None:
    planted = NEW & (np.random.default_rng(2).random(len(FRAME)) < 0.15)
    found = judge(FRAME.assign(a=FRAME["a"].mask(planted, -6.0), b=FRAME["b"].mask(planted, 8.0)))
    assert found["outliers"].verdict == "fail"
    assert found["outliers"].value == pytest.approx(0.15, abs=0.05)


def test_a_past_that_was_rewritten_is_named() -> None:
    found = judge(FRAME, changed="2026-01-05")
    assert found["rewritten files"].verdict == "fail"
    assert "batch of 2026-01-05" in found["rewritten files"].sentence
    assert judge(FRAME, changed="2026-01-18")["rewritten files"].verdict == "pass", "the champion never saw that day"


def test_nothing_new_is_nothing_to_distrust_and_too_little_before_is_no_ground() -> None:
    same = judge(FRAME, champion_dates=DATES)
    assert "no rows came since" in same["outliers"].sentence
    few = judge(FRAME[FRAME[DATE] > "2026-01-13"].reset_index(drop=True))
    assert few["surprising outcomes"].verdict == "fail"
    assert "100 rows of the champion's are among these" in few["surprising outcomes"].sentence


def test_new_rows_without_any_known_ones_cannot_be_judged() -> None:
    found = judge(FRAME[NEW].reset_index(drop=True))
    for name in ("outliers", "surprising outcomes"):
        assert found[name].verdict == "fail"
        assert "0 rows of the champion's are among these" in found[name].sentence


def test_large_tables_are_sampled_by_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plimsoll.newcomers.SAMPLE", 150)

    def some() -> Newcomers:
        return newcomers_of(rows_of(FRAME), CHAMPION, CHAMPION, snapshot_of(OLD), snapshot_of(DATES), 7)

    one, other = some(), some()
    assert (len(one.known), len(one.new), len(one.new_losses)) == (150, 150, 150)
    assert np.array_equal(one.new, other.new, equal_nan=True)


def test_without_a_champion_or_dates_there_is_nothing_to_compare() -> None:
    assert not judge_trust(GATE, None).results
    with pytest.raises(ConfigError, match=r"gates.trust needs a time axis"):
        config_of("table", trust={"max_rewritten": 0})
    with pytest.raises(ConfigError, match="needs max_rewritten"):
        config_of(trust={"effect": "warn"})
