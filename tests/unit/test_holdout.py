"""Frozen holdouts: no row of one ever trains, however rows are cut, and what changed in one is found."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.assembly import KEY, OUTCOME
from plimsoll.config_loading import check_config
from plimsoll.errors import ConfigError, DataError
from plimsoll.gates_config import HoldoutGate
from plimsoll.holdout import Changed, compare_rows, definition, held_rows, keep_out, looks_at, require_kept, wholly_held
from plimsoll.holdout_gate import HeldOut, judge_holdout
from plimsoll.judged_rows import judged_rows
from plimsoll.ledger import Entry, Kind
from plimsoll.metrics import measure
from plimsoll.model_config import ModelConfig
from plimsoll.row_parts import DATE, rows_of
from plimsoll.split_config import Holdout
from plimsoll.standing import stand
from plimsoll.tries import tried_facts, tries_on_holdout
from tests.unit.test_gates import FRAME, config_of, worse

DATES = [f"2026-01-{n:02d}" for n in range(1, 21)]
RANGE = Holdout(name="winter", start=dt.date(2026, 1, 5), end=dt.date(2026, 1, 9))
TENTH = Holdout(name="tenth", share=0.1)
ONE_LOOK = HoldoutGate.model_validate({"limits": [{"metric": "auc", "at_least": 0.6}], "max_looks": 2})


def rows_at(dates: list[str], keys: list[str]) -> pd.DataFrame:
    return pd.DataFrame({DATE: dates, KEY: keys, "a": 1.0, OUTCOME: 1.0})


@given(
    st.lists(
        st.tuples(st.sampled_from(DATES), st.text(min_size=1, max_size=12)), max_size=120, unique_by=lambda p: p[1]
    ),
    st.lists(st.sampled_from([RANGE, TENTH, Holdout(name="half", share=0.5)]), unique=True),
    st.integers(0, 120),
)
@settings(max_examples=80, deadline=None)
def test_no_key_of_a_holdout_is_left_however_rows_are_cut(
    pairs: list[tuple[str, str]], holdouts: list[Holdout], cut: int
) -> None:
    frame = rows_at([date for date, _ in pairs], [key for _, key in pairs])
    left = keep_out(frame, holdouts)
    held = {key for one in holdouts for key in frame[held_rows(frame, one)][KEY]}
    assert not held & set(left[KEY])
    assert len(held) + len(left) == len(frame)
    parts = [keep_out(part, holdouts) for part in (frame.iloc[:cut], frame.iloc[cut:])]
    assert list(pd.concat(parts)[KEY]) == list(left[KEY])


def test_a_share_is_about_that_of_the_keys_and_another_name_another_one() -> None:
    frame = rows_at(["2026-01-01"] * 5000, [f"k{n}" for n in range(5000)])
    first, second = held_rows(frame, TENTH), held_rows(frame, Holdout(name="other", share=0.1))
    assert 0.08 < first.mean() < 0.12
    assert (first & second).mean() < 0.03


@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=60),
    st.sampled_from(["int", "float", "text"]),
    st.integers(0, 60),
)
@settings(max_examples=60, deadline=None)
def test_all_rows_of_an_entity_are_on_one_side_however_they_come(
    rows: list[tuple[int, bool]], kind: str, cut: int
) -> None:
    half = Holdout(name="half", share=0.5, by="customer")
    frame = rows_at(["2026-01-01"] * len(rows), [f"k{n}" for n in range(len(rows))])
    frame["customer"] = [who for who, _ in rows]
    whole = dict(zip(frame["customer"], held_rows(frame, half), strict=True))
    assert all(whole[who] == held for who, held in zip(frame["customer"], held_rows(frame, half), strict=True))
    other = frame.astype({"customer": {"int": "int32", "float": "float64", "text": "str"}[kind]})
    assert list(held_rows(other, half)) == list(held_rows(frame, half)), "a null in its day made it a float"
    parts = [part for part in (other.iloc[:cut], other.iloc[cut:]) if len(part)]
    assert [held for part in parts for held in held_rows(part, half)] == list(held_rows(frame, half))


def test_rows_of_nobody_go_by_their_keys_and_a_column_that_is_not_there_is_named() -> None:
    tenth = Holdout(name="tenth", share=0.1, by="customer")
    frame = rows_at(["2026-01-01"] * 4000, [f"k{n}" for n in range(4000)]).assign(customer=None)
    assert 0.08 < held_rows(frame, tenth).mean() < 0.12
    with pytest.raises(DataError, match=r"tenth goes by customer, which is not among .* Did you mean custommer\?"):
        held_rows(frame.rename(columns={"customer": "custommer"}), tenth)
    entries = frozen_ledger(tenth)
    with pytest.raises(ConfigError, match=r"was frozen in ledger entry 0 as share 0.1, by customer, and the config"):
        require_kept(stand("made_up", entries.found), [TENTH])
    assert definition(TENTH) == {"name": "tenth", "share": 0.1}, "those frozen before are what they were"


def test_dates_are_held_with_both_ends() -> None:
    frame = rows_at(DATES, [f"k{n}" for n in range(20)])
    assert list(frame[held_rows(frame, RANGE)][DATE]) == DATES[4:9]
    assert wholly_held("2026-01-09", (RANGE,))
    assert not wholly_held("2026-01-10", (RANGE,))
    assert not wholly_held("2026-01-09", (TENTH,))


class Entries:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.found: list[Entry] = []

    def add(self, kind: Kind, **facts: Any) -> None:
        self.found.append(Entry(len(self.found), "made_up", kind, "2026-01-01", "", "test", facts))


def frozen_ledger(*holdouts: Holdout) -> Entries:
    entries = Entries()
    for one in holdouts:
        entries.add("holdout_frozen", holdout=definition(one), snapshot="a" * 64)
    return entries


def test_a_frozen_holdout_can_be_added_to_and_neither_changed_nor_left_out() -> None:
    standing = stand("made_up", frozen_ledger(RANGE).found)
    require_kept(standing, [RANGE])
    require_kept(standing, [RANGE, TENTH])
    with pytest.raises(ConfigError, match=r"winter was frozen in ledger entry 0 .* does not name it any more"):
        require_kept(standing, [TENTH])
    moved = RANGE.model_copy(update={"end": dt.date(2026, 1, 8)})
    with pytest.raises(ConfigError, match="the config says start 2026-01-05, end 2026-01-08 now"):
        require_kept(standing, [moved])


def test_looks_are_counted_by_holdout() -> None:
    entries = frozen_ledger(RANGE)
    for bundle in ("b1", "b2"):
        entries.add("holdout_looked", snapshot="a" * 64, bundle=bundle)
    entries.add("holdout_looked", snapshot="c" * 64, bundle="b1")
    assert len(looks_at(stand("made_up", entries.found), "a" * 64)) == 2


def test_challengers_on_a_holdout_share_the_error_beside_one_champion_older_looks_too() -> None:
    entries, held = frozen_ledger(RANGE), "a" * 64

    def number(bundle: str, champion: int) -> int:
        entries.add("challenger_tried", **tried_facts(bundle, champion, ["2026-01-01"], held), run=bundle)
        tried = entries.found[-1]
        entries.add("holdout_looked", snapshot=held, bundle=bundle, run=bundle)
        return tries_on_holdout(entries.found, tried, looks_at(stand("made_up", entries.found), held))

    entries.add("holdout_looked", snapshot=held, bundle="b1")
    entries.add("promoted", version=1)
    entries.add("holdout_looked", snapshot=held, bundle="b2")
    assert [number("b3", 1), number("b4", 1), number("b3", 1)] == [2, 3, 3], "b1 had no champion beside it"
    entries.add("promoted", version=4)
    assert [number("b3", 4), number("b5", 4)] == [1, 2]
    entries.add("rolled_back", version=1)
    assert number("b6", 1) == 4


def test_what_changed_in_a_holdout_is_found_by_key() -> None:
    then = rows_at(DATES[:4], ["k0", "k1", "k2", "k3"])
    then.loc[3, OUTCOME] = np.nan
    assert not compare_rows(then, then.sample(frac=1, random_state=1), ["a"], whole=True).count
    now = then.assign(a=[1.0, 2.0, 1.0, 1.0]).drop(index=2)
    now.loc[3, OUTCOME] = 1.0  # it had none, so it judged nothing
    now.loc[9] = {DATE: DATES[0], KEY: "k9", "a": 1.0, OUTCOME: 1.0}
    found = compare_rows(then, now, ["a"], whole=True)
    assert (found.other, found.gone, found.new) == (("k1",), ("k2",), ("k9",))
    assert "1 with other values (k1), 1 gone (k2), 1 new (k9)" in found.sentence
    assert not compare_rows(then, now, ["a"], whole=False).new, "of a share new rows are no news"
    flipped = then.assign(**{OUTCOME: [0.0, 1.0, 1.0, np.nan]})
    assert compare_rows(then, flipped, ["a"], whole=True).other == ("k0",)


def held_out(rival: np.ndarray | None = None, tries: int = 1, **more: Any) -> HeldOut:
    score = FRAME["p"].to_numpy()
    whole = np.ones(len(FRAME), dtype=bool)
    rows = judged_rows(
        rows_of(FRAME), whole, config_of(), score, rival, "champion v1" if rival is not None else "", tries
    )
    facts: dict[str, Any] = {
        "name": "winter",
        "snapshot": "a" * 64,
        "rows": rows,
        "metrics": measure(rows.outcome, score, "classification"),
        "rival_metrics": None if rival is None else measure(rows.outcome, rival, "classification"),
        "changed": Changed(len(FRAME)),
        "looks": 1,
        "champion_may_have_seen": False,
    }
    return HeldOut(**{**facts, **more})


def test_limits_hold_on_the_holdout_and_looks_are_told() -> None:
    found = judge_holdout(ONE_LOOK, held_out())
    assert [one.verdict for one in found.results] == ["pass", "pass", "pass"]
    assert "on the holdout winter, auc is" in found.results[1].sentence
    worn = judge_holdout(ONE_LOOK, held_out(looks=3)).results[-1]
    assert worn.verdict == "warn"
    assert "3 different candidates were judged on it, more than 2" in worn.sentence
    assert not judge_holdout(ONE_LOOK, None).results


def test_a_changed_holdout_blocks_whatever_the_config_says() -> None:
    lenient = ONE_LOOK.model_copy(update={"effect": "warn"})
    changed = Changed(9, other=("k1",))
    assert judge_holdout(lenient, held_out(changed=changed)).results[0].verdict == "fail"
    strict = HoldoutGate.model_validate({"limits": [{"metric": "auc", "at_least": 0.999}], "effect": "warn"})
    assert judge_holdout(strict, held_out()).results[1].verdict == "warn"


def test_a_champion_that_may_have_learnt_the_rows_is_not_compared() -> None:
    gate = HoldoutGate.model_validate({"champion": [{"metric": "auc", "rule": "superiority"}]})
    fair = judge_holdout(gate, held_out(worse(0.5)))
    assert [one.verdict for one in fair.results] == ["pass", "pass", "pass"]
    assert fair.shown["holdout"]["rival"]["auc"] < fair.shown["holdout"]["metrics"]["auc"]
    seen = judge_holdout(gate, held_out(FRAME["p"].to_numpy(), champion_may_have_seen=True))
    assert [one.verdict for one in seen.results] == ["pass", "warn", "pass"]
    assert "may have learnt its rows" in seen.results[1].sentence


def test_what_a_config_may_ask() -> None:
    body = config_of().model_dump(mode="json")
    limits = {"limits": [{"metric": "auc", "at_least": 0.6}]}

    def asked(holdout: Any, gate: Any, **source: Any) -> ModelConfig:
        changed = {**body, "split": {**body["split"], "holdout": holdout}, "gates": {**body["gates"], "holdout": gate}}
        return check_config(ModelConfig, {**changed, "source": {**body["source"], **source}}, "made_up.yaml")

    assert asked([definition(RANGE), definition(TENTH)], limits).split.holdout[1].name == "tenth"
    for holdout, gate, words in (
        ([definition(RANGE)], None, "no gate looks at"),
        ([], limits, "nothing keeps back"),
        ([definition(TENTH)] * 2, limits, "names tenth twice"),
        ([{"name": "x"}], limits, "needs start and end, or share"),
        ([{**definition(RANGE), "by": "a"}], limits, "names by a, which goes with share"),
        ([{"name": "x", "start": "2026-01-05"}], limits, "needs start and end, or share"),
        ([{**definition(RANGE), "share": 0.1}], limits, "needs start and end, or share"),
        ([{"name": "x", "start": "2026-01-05", "end": "2026-01-04"}], limits, "before its start"),
        ([definition(TENTH)], {}, "needs limits or champion"),
        ([definition(TENTH)], {"limits": [{"metric": "rmse", "at_most": 1}]}, "does not exist for a classification"),
    ):
        with pytest.raises(ConfigError, match=words):
            asked(holdout, gate)
