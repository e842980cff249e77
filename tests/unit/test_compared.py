"""Side by side: what figures mean, which recommendation follows from which, and what one line of the fleet keeps."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.agreement import Agreement
from plimsoll.anytime import Anytime, anytime_gain
from plimsoll.approval import Request, find_request, request_status
from plimsoll.config_loading import parse_config
from plimsoll.errors import ConfigError
from plimsoll.fleet_line import FleetLine, Waiting, fold_line, in_order, line_from_json, unknown_line
from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.outcomes import NightlyQuality, refused_words
from plimsoll.overview_page import render_overview, state_of
from plimsoll.paired_bootstrap import Gain, interval, tally
from plimsoll.recommendation import PATIENCE_NIGHTS, Contender, recommend
from plimsoll.retirement import check_retirement
from plimsoll.side_by_side import DAY, ERROR, OUTCOME, confidence_of_each, nightly_gain, side_by_side
from plimsoll.standing import stand

CONFIG = Path(__file__).parents[2] / "configs/models/flight_delay.yaml"
NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
BETTER, WORSE, EVEN = (Gain(g, g - 0.01, g + 0.01, 0.5, 0.5 + g, 20) for g in (0.05, -0.05, 0.0))
SURE, WRONG, OPEN = (Anytime(low, high, 20) for low, high in ((0.01, 0.09), (-0.09, -0.01), (-0.01, 0.01)))
CHAMPION = Contender("v1", "m", 1, "champion", False, 0, 0, None, (), 10, 45)
ASKS = Contender("v2", "m", 2, "challenger", True, 9, 9, EVEN, (), 5, 45)


def days_of(scores: dict[str, float], days: int = 12, rows: int = 80, seed: int = 1) -> pd.DataFrame:
    """Return rows whose outcome is likelier where a hidden number is high; a score is that number, blurred."""
    random = np.random.default_rng(seed)
    hidden = random.uniform(0.05, 0.95, days * rows)
    names = [f"2026-01-{n + 1:02d}" for n in range(days)]
    frame = pd.DataFrame(
        {DAY: np.repeat(names, rows), OUTCOME: (random.uniform(size=days * rows) < hidden).astype(float)}
    )
    for name, blur in scores.items():
        frame[name] = np.clip(hidden + random.normal(0, blur, days * rows), 0.02, 0.98)
    return frame


@pytest.mark.parametrize(
    ("one", "action", "rule"),
    [
        (replace(ASKS, gain=None, nights=3), "wait", "too_few_nights"),
        (replace(ASKS, gain=BETTER, lasting=SURE), "promote", "better"),
        (replace(ASKS, gain=BETTER, lasting=SURE, asks=False), "promote", "better"),
        (replace(ASKS, gain=WORSE, lasting=WRONG), "retire", "worse"),
        (ASKS, "wait", "undecided"),
        (replace(ASKS, gain=BETTER), "wait", "undecided"),
        (replace(ASKS, gain=WORSE, lasting=OPEN), "wait", "undecided"),
        (replace(ASKS, shadow_nights=PATIENCE_NIGHTS), "retire", "no_better"),
        (replace(ASKS, asks=False), "retire", "expired"),
        (replace(ASKS, role="former", asks=False), "keep", "at_hand"),
        (replace(ASKS, role="former", asks=False, shadow_nights=PATIENCE_NIGHTS), "retire", "no_better"),
        (replace(ASKS, role="former", asks=False, gain=BETTER, lasting=SURE), "promote", "better"),
        (replace(ASKS, role="other", gain=BETTER), "keep", "another_model"),
        (replace(ASKS, ended="retired", gain=BETTER, lasting=SURE), "nothing", "retired"),
        (replace(ASKS, ended="rejected", gain=WORSE, lasting=WRONG), "nothing", "rejected"),
    ],
)
def test_each_rule_leads_to_its_recommendation(one: Contender, action: str, rule: str) -> None:
    champion, told = recommend([CHAMPION, one])
    assert (told.action, told.rule) == (action, rule)
    assert champion.rule == ("beaten" if action == "promote" else "champion")
    assert f"`{rule}`" in (Path(__file__).parents[2] / "docs/compare.md").read_text()


@pytest.mark.parametrize(
    ("one", "command"),
    [
        (replace(ASKS, gain=BETTER, lasting=SURE), "plimsoll approve m 2"),
        (replace(ASKS, gain=BETTER, lasting=SURE, asks=False), "plimsoll train m"),
        (replace(ASKS, gain=BETTER, lasting=SURE, asks=False, role="former"), "plimsoll rollback m --to 2"),
        (replace(ASKS, gain=WORSE, lasting=WRONG), "plimsoll reject m 2"),
        (replace(ASKS, gain=WORSE, lasting=WRONG, asks=False), "plimsoll retire m 2"),
    ],
)
def test_a_recommendation_names_the_command_that_follows_it(one: Contender, command: str) -> None:
    assert command in recommend([CHAMPION, one])[1].sentence


def test_of_two_better_ones_the_best_is_promoted_and_the_champion_says_what_is_wrong_with_it() -> None:
    best = replace(ASKS, name="v3", version=3, gain=replace(BETTER, gain=0.06), lasting=SURE)
    champion, second, first = recommend([CHAMPION, replace(ASKS, gain=BETTER, lasting=SURE), best])
    assert (second.rule, first.rule) == ("another_is_better", "better")
    assert "until v3" in champion.sentence
    assert recommend([replace(CHAMPION, alarms=("late losses",))])[0].rule == "alarmed"
    assert recommend([replace(CHAMPION, age_days=46)])[0].rule == "old"


def test_a_sharper_version_is_surely_better_and_a_blurred_one_surely_worse() -> None:
    champion, sharp, blurred, same = side_by_side(
        days_of({"v1": 0.15, "v2": 0.01, "v3": 0.4}).assign(v4=lambda rows: rows["v1"]),
        ["v1", "v2", "v3", "v4"],
        "classification",
        7,
    )
    assert champion.gain is None
    assert sharp.gain is not None and sharp.gain.low > 0  # noqa: PT018
    assert blurred.gain is not None and blurred.gain.high < 0  # noqa: PT018
    assert same.gain is not None and (same.gain.low, same.gain.gain, same.gain.high) == (0, 0, 0)  # noqa: PT018
    assert same.agreement is not None
    assert (same.agreement.same_answer, same.agreement.mean_difference) == (1, 0)
    assert same.agreement.rank_correlation == pytest.approx(1)
    auc = sharp.metrics["auc"]
    assert auc.low is not None and auc.value is not None and auc.high is not None  # noqa: PT018
    assert auc.low < auc.value < auc.high


def test_only_rows_that_both_scored_count_and_too_few_days_are_no_verdict() -> None:
    rows = days_of({"v1": 0.1, "v2": 0.1})
    rows.loc[rows[DAY] < "2026-01-09", "v2"] = np.nan
    rows.loc[rows[DAY] > "2026-01-11", OUTCOME] = np.nan
    champion, second = side_by_side(rows, ["v1", "v2"], "classification", 1)
    assert (champion.rows, champion.nights, second.rows, second.nights) == (960, 11, 320, 3)
    assert second.gain is None
    assert second.agreement is not None
    assert second.agreement.rows == 320
    nothing = side_by_side(rows.assign(**{OUTCOME: np.nan}), ["v1", "v2"], "classification", 1)
    assert [one.metrics["log_loss"].value for one in nothing] == [None, None]
    empty = side_by_side(rows.iloc[:0], ["v1", "v2"], "regression", 1)
    assert [(one.rows, one.metrics["mae"].value) for one in empty] == [(0, None), (0, None)]


@given(st.integers(5, 14), st.integers(1, 6), st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_the_gain_of_nights_is_the_gain_of_their_rows(days: int, compared: int, seed: int) -> None:
    rows = days_of({"v1": 0.1, "v2": 0.2}, days, 20, seed)
    names = ["v1", "v2", *(f"x{n}" for n in range(compared - 1))]
    found = side_by_side(rows.assign(**dict.fromkeys(names[2:], 0.5)), names, "classification", seed)[1].gain
    nights = {
        name: [
            NightlyQuality(str(date), 1, float(loss_of(part, name)), len(part), len(part), 0)
            for date, part in rows.groupby(DAY)
        ]
        for name in ("v1", "v2")
    }
    count, gain = nightly_gain(nights["v2"], nights["v1"], "classification", compared, seed)
    assert count == days
    assert (found is None) == (gain is None)
    if found and gain:
        assert (gain.gain, gain.low, gain.high) == pytest.approx((found.gain, found.low, found.high))


def loss_of(rows: pd.DataFrame, name: str) -> float:
    said, truth = rows[name], rows[OUTCOME]
    return float(-(truth * np.log(said) + (1 - truth) * np.log(1 - said)).mean())


@pytest.mark.campaign
def test_equal_versions_are_called_different_less_often_than_stated() -> None:
    wrong = 0
    for seed in range(60):
        rows = days_of({f"v{n}": 0.2 for n in range(1, 5)}, 20, 30, seed)
        found = side_by_side(rows, ["v1", "v2", "v3", "v4"], "regression", seed)
        wrong += any(one.gain is not None and (one.gain.low > 0 or one.gain.high < 0) for one in found)
    assert wrong <= 9, "5 % of 60 are 3; more than 9 have a probability below one in a thousand"


def test_the_more_are_compared_the_surer_each_has_to_be() -> None:
    assert confidence_of_each(1) == 1 - ERROR / 2
    assert confidence_of_each(10) == pytest.approx(1 - ERROR / 20)
    assert confidence_of_each(0) == confidence_of_each(1)


def test_an_interval_holds_its_metric_and_says_when_it_cannot() -> None:
    rows = days_of({"v1": 0.1})
    units = np.repeat(np.arange(12), 80).astype(np.int32)
    one = tally("auc", rows[OUTCOME].to_numpy(), rows["v1"].to_numpy(), units, 12)
    value, low, high = interval(one, 0.975, 3)
    assert low < value < high
    assert interval(one, 0.975, 3) == (value, low, high)
    few = one.of(np.arange(3))
    assert np.isnan(interval(few, 0.975, 3)[1:]).all()


NIGHTS = st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=60)


@pytest.mark.campaign
def test_whoever_looks_every_night_is_seldom_misled() -> None:
    chance = np.random.default_rng(5)
    always = misled = 0
    for won in chance.normal(0, 3, (400, 60)):
        looks = [anytime_gain(won[:n], [700] * n, ERROR) for n in range(5, 61)]
        always += any(one is not None and one.surely for one in looks)
        t = [abs(won[:n].mean()) / won[:n].std(ddof=1) * np.sqrt(n) > 2.05 for n in range(5, 61)]
        misled += any(t)
    assert always <= 30, "5 % of 400 are 20; more than 30 have a probability of one in a hundred"
    assert misled > 80, "else nothing had to be bounded"


@given(NIGHTS, st.floats(0.01, 100), st.integers(1, 10**6))
def test_bounds_hold_the_gain_and_neither_units_nor_rows_decide(won: list[float], unit: float, rows: int) -> None:
    one = anytime_gain(won, [rows] * len(won), ERROR)
    other = anytime_gain([unit * night for night in won], [1] * len(won), ERROR)
    turned = anytime_gain([-night for night in won], [rows] * len(won), ERROR)
    assert (one is None) == (other is None) == (turned is None)
    if one and other and turned:
        assert one.low <= np.mean(won) / rows <= one.high
        assert (one.low, one.high) == pytest.approx((other.low / unit / rows, other.high / unit / rows))
        assert (turned.low, turned.high) == pytest.approx((-one.high, -one.low))
        looser = anytime_gain(won, [rows] * len(won), 0.5)
        assert looser is None or (looser.low >= one.low and looser.high <= one.high)


def test_a_few_nights_say_nothing_and_many_say_all() -> None:
    chance = np.random.default_rng(1)
    won = chance.normal(1, 1, 200).tolist()
    found = [anytime_gain(won[:n], [1] * n, ERROR) for n in (0, 1, 5, 200)]
    assert found[:3] == [None, None, None]
    assert found[3] is not None and found[3].surely == "better" and found[3].nights == 200  # noqa: PT018
    same = anytime_gain([0.0] * 28, [700] * 28, ERROR)
    assert same is not None and (same.low, same.high, same.surely) == (0, 0, "")  # noqa: PT018


class Book:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, kind: Any, by: str = "ada", as_of: str = "2026-11-01", **facts: Any) -> "Book":
        n, clock = len(self.entries), "2026-11-20T00:00:00+00:00"
        self.entries.append(Entry(n, "m", kind, as_of, clock, by, facts, digest=f"{n:064x}"))
        return self

    def trained(self, version: int) -> "Book":
        self.add("trained", version=version, bundle="b", trained_through="2026-10-30", rows=1)
        policy = {"policy": "person", "approvals": 1}
        asked = {"evidence": {}, "requested_by": "ada", "expires_at": "2026-12-01T00:00:00+00:00", "policy": policy}
        return self.add("promotion_requested", version=version, **asked)

    def champion(self, version: int) -> "Book":
        return self.trained(version).add("approved", "grace", version=version).add("promoted", version=version)


def test_who_may_not_be_retired_is_told_why() -> None:
    book = Book().champion(1).trained(2).trained(3).add("approved", "grace", version=3)
    for version, rule in ((1, "champion"), (2, None), (3, "owed"), (4, "unknown_version")):
        refusal = check_retirement("m", book.entries, version)
        assert (refusal.rule if refusal else None) == rule
    book.add("promoted", version=3)
    assert check_retirement("m", book.entries, 1) is None


def test_a_retired_version_stays_retired_and_its_request_is_void() -> None:
    book = Book().champion(1).trained(2).add("retired", "grace", version=2)
    request = find_request(book.entries, 2)
    assert isinstance(request, Request)
    status = request_status(book.entries, request, NOW)
    assert (status.state, "retired by grace" in status.sentence) == ("void", True)
    for kind in ("gates_failed", "promotion_requested", "rejected"):
        assert stand("m", [*book.entries, *Book().add(kind, version=2).entries]).versions[1].state == "retired"
    assert fold_line(config(), stand("m", book.entries)).waiting == ()


def config() -> ModelConfig:
    return parse_config(ModelConfig, CONFIG.read_text(), str(CONFIG))


def line(name: str, **facts: Any) -> FleetLine:
    return replace(unknown_line(name, ""), champion=1, entries=9, batch="2026-11-01", max_age_days=45, **facts)


def test_who_needs_a_person_comes_first() -> None:
    better = (CHAMPION, replace(ASKS, gain=BETTER, lasting=SURE))
    lines = [
        unknown_line("broken", "entry 3 was changed"),
        line("rejected", rejected="375 flights"),
        line("waits", waiting=(Waiting(2, "2026-12-01T00:00:00+00:00"),)),
        line("losing", alarms=("late losses",)),
        line("unread", refused="Outcomes of 2026-10-31 cannot be used"),
        line("beaten", contenders=better),
        line("useless", contenders=(CHAMPION, replace(ASKS, gain=WORSE, lasting=WRONG))),
        line("strange", alarms=("inputs",)),
        replace(line("untried"), champion=None),
        line("fine", contenders=(CHAMPION, ASKS)),
        replace(line("new"), champion=None, entries=0),
    ]
    assert [one.model for one in in_order(reversed(lines))] == [one.model for one in lines]
    assert line("old", age_days=46).urgency == lines[7].urgency


def test_outcomes_that_cannot_be_read_are_named_in_the_line_and_an_old_date_no_longer() -> None:
    book, why = stand("m", Book().champion(1).entries), "two outcomes for row 7. Send one per row."
    told = replace(fold_line(config(), book, {}, {"2026-10-30": why, "2013-01-01": why}), waiting=())
    assert told.refused == f"Outcomes of 2026-10-30 cannot be used, and count as not come: {why}"
    assert state_of(told) == ("note", "outcomes cannot be read")
    page = render_overview([told], ())
    assert "Outcomes of 2026-10-30 cannot be used" in page
    assert "2013-01-01" not in page
    assert fold_line(config(), book, {}, {"2013-01-01": why}).refused == ""
    many = {f"2026-10-{n}": why for n in range(10, 16)}
    assert refused_words(many).startswith("Outcomes of 2026-10-10, 2026-10-11, 2026-10-12 and 3 more dates cannot")


def test_inputs_that_moved_are_no_open_alarm() -> None:
    page = render_overview([line("strange", alarms=("inputs",)), line("losing", alarms=("late losses", "inputs"))], ())
    assert "models with high losses; inputs moved in 2" in page
    assert line("strange", alarms=("inputs",)).harms == ()
    assert line("losing", alarms=("late losses", "inputs")).harms == ("late losses",)


def test_a_line_is_kept_whole_and_a_request_expires_in_it() -> None:
    told = fold_line(config(), stand("m", Book().champion(1).trained(2).entries))
    again = line_from_json(json.loads(json.dumps(told.to_json())))
    assert again == told
    agreed = Agreement(9, 0.5, None, 0.25)
    with_gain = replace(told, contenders=(CHAMPION, replace(ASKS, gain=BETTER, lasting=SURE, agreement=agreed)))
    assert line_from_json(json.loads(json.dumps(with_gain.to_json()))) == with_gain
    assert [one.version for one in told.at(NOW).waiting] == [2]
    assert with_gain.at(NOW).contenders[1].asks
    late = with_gain.at(NOW + dt.timedelta(days=30))
    assert (late.waiting, late.contenders[1].asks) == ((), False)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
@settings(max_examples=30, deadline=None)
def test_nothing_that_lies_in_the_place_of_a_line_is_taken_for_one(body: Any) -> None:
    assert line_from_json(body) is None


def test_a_line_of_another_release_is_folded_anew() -> None:
    body = unknown_line("m", "").to_json()
    assert line_from_json(body) is not None
    for wrong in ({**body, "format": 0}, {**body, "more": 1}, {k: v for k, v in body.items() if k != "loss"}):
        assert line_from_json(wrong) is None


def test_no_model_takes_the_name_of_anothers_candidates() -> None:
    with pytest.raises(ConfigError, match="may not end in _candidates"):
        parse_config(ModelConfig, CONFIG.read_text().replace("model: flight_delay", "model: flight_candidates"), "x")
