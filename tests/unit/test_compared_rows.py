"""Which rows a comparison is about: those that both scored, of a table each once; and how sure many are together."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.anytime import anytime_gain
from plimsoll.assembly import KEY
from plimsoll.compared import Compared, Facts, cells
from plimsoll.fleet_line import FleetLine, together, unknown_line
from plimsoll.metrics import row_losses
from plimsoll.overview_page import render_overview
from plimsoll.paired_bootstrap import Gain
from plimsoll.recommendation import Contender, Role, recommend
from plimsoll.side_by_side import DAY, ERROR, OUTCOME, Beside, Measured, rows_gain, side_by_side
from tasks.family_comparing import HEADS, MemberCompared

GAIN = Gain(0.05, 0.04, 0.06, 0.5, 0.55, 20)
CHAMPION = Contender("v1", "m", 1, "champion", False, 0, 0, None, (), 10, 45)
ASKS = Contender("v2", "m", 2, "challenger", True, 9, 9, GAIN, (), 5, 45)


def scored(rows: int, seed: int = 3) -> pd.DataFrame:
    """Return rows of one day: v1 knows what decides the outcome, v2 guesses a little worse."""
    random = np.random.default_rng(seed)
    hidden = random.uniform(0.05, 0.95, rows)
    blurred = np.clip(hidden + random.normal(0, 0.1, rows), 0.02, 0.98)
    outcome = (random.uniform(size=rows) < hidden).astype(float)
    return pd.DataFrame({DAY: "2026-01-01", OUTCOME: outcome, "v1": hidden, "v2": blurred})


def as_table(rows: pd.DataFrame, nights: int) -> pd.DataFrame:
    """Return a table without days as it is scored on some nights: the same rows each time."""
    keyed = rows.assign(**{KEY: [f"k{n}" for n in range(len(rows))]})
    return pd.concat([keyed.assign(**{DAY: f"2026-01-{n:02d}"}) for n in range(1, nights + 1)], ignore_index=True)


@pytest.mark.parametrize("rows", [40, 142, 900])
def test_a_table_that_is_scored_again_is_no_new_evidence(rows: int) -> None:
    once, often = (as_table(scored(rows), nights) for nights in (1, 20))
    first, again = (side_by_side(table, ["v1", "v2"], "classification", 7)[1] for table in (once, often))
    assert first == again
    assert (again.rows, again.outcomes, again.nights) == (rows, rows, rows)
    loss, gain = again.metrics["log_loss"], again.gain
    assert loss.low is not None and loss.high is not None and loss.low < loss.high - 0.01  # noqa: PT018
    assert gain is not None and gain.high - gain.low > 0.001  # noqa: PT018
    assert rows_gain(once, "v2", "v1", "classification", 1) == rows_gain(often, "v2", "v1", "classification", 1)


def test_a_row_of_a_table_counts_as_it_was_scored_last_by_both() -> None:
    table = as_table(scored(60), 2)
    changed = table.assign(v2=table["v2"].where(table[DAY] == "2026-01-02", 0.5))
    assert side_by_side(changed, ["v1", "v2"], "classification", 7) == side_by_side(
        table, ["v1", "v2"], "classification", 7
    )
    left = table.assign(v2=table["v2"].mask(table[KEY].isin(["k1", "k2"])))
    assert [one.outcomes for one in side_by_side(left, ["v1", "v2"], "classification", 7)] == [60, 58]


def test_what_is_sure_of_a_table_is_sure_over_its_rows() -> None:
    table = as_table(scored(600).assign(v2=0.5), 3)
    found = rows_gain(table, "v2", "v1", "classification", 1)
    assert found is not None and (found.nights, found.surely) == (600, "worse")  # noqa: PT018
    one = replace(ASKS, lasting=found, nights=600, basis="rows")
    told = recommend([CHAMPION, one])[1]
    assert (told.rule, "over 600 rows, however often somebody looks" in told.sentence) == ("worse", True)
    few = recommend([CHAMPION, replace(one, gain=None, lasting=None, nights=1)])[1]
    assert "1 row with outcomes that both scored and neither learned from" in few.sentence
    assert rows_gain(table.iloc[:0], "v2", "v1", "classification", 1) is None


@pytest.mark.campaign
def test_rows_of_equal_models_are_seldom_called_different_while_the_table_grows() -> None:
    wrong = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        rows = as_table(scored(400, seed), 1)
        rows["v2"] = np.clip(rows["v1"] + random.normal(0, 0.1, 400), 0.02, 0.98)
        rows["v1"] = np.clip(rows["v1"] + random.normal(0, 0.1, 400), 0.02, 0.98)
        looks = [rows_gain(rows.iloc[:n], "v2", "v1", "classification", 1) for n in range(20, 401, 20)]
        wrong += any(one is not None and one.surely for one in looks)
    assert wrong <= 12, "5 % of 100 are 5; more than 12 have a probability of one in a thousand"


def test_another_version_is_measured_on_the_rows_of_the_champion_alone() -> None:
    rows = pd.concat([scored(80, seed).assign(**{DAY: f"2026-01-{seed:02d}"}) for seed in range(1, 9)])
    rows = rows.reset_index(drop=True).assign(v1=rows["v1"].where(np.arange(len(rows)) % 4 == 0).to_numpy())
    champion, other = side_by_side(rows, ["v1", "v2"], "classification", 1)
    mine = rows[rows["v1"].notna()]
    expected = row_losses(mine[OUTCOME].to_numpy(), mine["v2"].to_numpy(), "classification").mean()
    assert (other.rows, other.outcomes, champion.rows) == (160, 160, 160)
    assert other.metrics["log_loss"].value == pytest.approx(expected)
    assert other.champion_loss == champion.metrics["log_loss"]
    assert champion.champion_loss is None
    assert other.gain is not None
    assert other.gain.mine == pytest.approx(other.metrics["log_loss"].value)
    assert other.gain.rival == pytest.approx(champion.metrics["log_loss"].value)


def test_a_family_shows_every_version_that_scored_beside_a_member() -> None:
    told: tuple[tuple[str, Role, str], ...] = (
        ("v1", "champion", ""),
        ("v2", "challenger", ""),
        ("v3", "challenger", "retired"),
        ("late v1", "other", ""),
    )
    versions = []
    for name, role, ended in told:
        facts = Facts("m", 1, role, False, 3, 9, None, 2048, (), ended, "quiet")
        loss = Measured(0.46, 0.4, 0.5), None if role == "champion" else Measured(0.47, 0.4, 0.5)
        beside = Beside(name, 60, 50, 3, {"log_loss": loss[0]}, None, None, loss[1])
        versions.append((facts, beside, recommend([facts.contender(beside, 45)])[0]))
    found = Compared("m", "classification", "2026-01-01", "2026-01-28", 1, False, (), tuple(versions), 3)
    rows = MemberCompared("m", found).rows
    assert [row[0] for row in rows] == ["m v1", "  v2, challenger", "  v3, retired", "  late v1"]
    assert rows[1][1:] == ["0.4600", "0.4700", "not yet: 3 nights", "wait"]
    nothing = MemberCompared("m", None, "no champion")
    assert {len(row) for row in [HEADS, *rows, *nothing.rows]} == {5}
    assert (MemberCompared("m", found).asked, nothing.asked) == ([], [("m", "no champion")])
    assert "0.4600 (0.4000 to 0.5000), the champion's 0.4700" in cells(found)[1]


@given(st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=40), st.floats(1e-6, 0.2), st.floats(1e-6, 0.2))
@settings(max_examples=60, deadline=None)
def test_bounds_held_to_another_error_are_those_made_for_it(won: list[float], was: float, asked: float) -> None:
    made, then = (anytime_gain(won, [1] * len(won), error) for error in (asked, was))
    held = then.held_to(asked, was) if then else None
    if then and made:
        assert held is not None
        assert (held.low, held.high, held.nights) == pytest.approx((made.low, made.high, made.nights))
    else:
        assert held is None


def lines(models: int, nights: int = 20) -> list[FleetLine]:
    """Return lines of models of which each has a version that is just surely better, as if it were alone."""
    won = np.random.default_rng(2).normal(1, 1.2, nights)
    alone = anytime_gain(won, np.ones(nights), ERROR)
    assert alone is not None and alone.surely == "better"  # noqa: PT018
    line = replace(unknown_line("m", ""), champion=1, contenders=(CHAMPION, replace(ASKS, lasting=alone)))
    return [replace(line, model=f"m{n}") for n in range(models)]


def test_what_is_sure_of_one_model_is_not_yet_of_one_among_many() -> None:
    plain = replace(unknown_line("plain", ""), champion=1, contenders=(CHAMPION,))
    (alone, _) = together([*lines(1), plain])
    assert [what.action for _, what in alone.recommended] == ["promote"]
    among = together([*lines(400), plain])
    assert {what.action for line in among for _, what in line.recommended} == {"wait"}
    page = render_overview(among, ())
    assert "these 400 models together" in page
    assert "at most 5 %" in page


def test_the_fleet_shows_what_is_gained_with_bounds_and_cost() -> None:
    (line,) = lines(1)
    one = replace(line.contenders[1], seconds_per_million=2.26)
    page = render_overview([replace(line, contenders=(CHAMPION, one))], ["m0/compare.html"])
    assert one.lasting is not None
    said = f"{one.lasting.low:+.4f} to {one.lasting.high:+.4f}, 20 nights"
    assert all(part in page for part in ("+0.0500", said, "2.3 s per million rows", 'href="m0/compare.html"'))


def test_the_fleet_does_not_judge_a_table_by_its_nights() -> None:
    told = recommend([CHAMPION, replace(ASKS, basis="none", gain=None)])[1]
    assert (told.action, told.rule, "plimsoll compare m" in told.sentence) == ("wait", "undated", True)
