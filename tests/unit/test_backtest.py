"""Backtests: a night decides on what was known that night, rivals are real policies, and costs add up."""

import ast
import datetime as dt
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.backtest import INPUTS, foreseen, replay
from plimsoll.backtest_figures import Prices, freshest, is_false, paired, quantile, sentences, tally
from plimsoll.backtest_nights import look_at_nights, still_waiting
from plimsoll.backtest_parts import (
    BLOCK_NIGHTS,
    Course,
    Duel,
    Fight,
    History,
    Look,
    Model,
    Night,
    NightLoss,
    Request,
    Retraining,
    Seen,
    Served,
    Study,
    Train,
    block_of,
    known_dates,
    shifted,
)
from plimsoll.backtest_policies import CONFIGURED, MONTHLY, Policy, policies_of, refuse_names, rival_names
from plimsoll.bundle import Reference
from plimsoll.config_loading import parse_config
from plimsoll.drift_config import Drift
from plimsoll.errors import ConfigError, DataError, UserError
from plimsoll.families import Segment
from plimsoll.gate_result import GateResult
from plimsoll.model_config import ModelConfig
from plimsoll.night_verdict import NIGHTS_SEEN, Observed, judge_night
from plimsoll.pooling import waiting_dates
from plimsoll.profile import plan_profile, profile_batch
from plimsoll.quality_threshold import threshold_curve
from plimsoll.snapshot import FileRef, Snapshot
from tasks import backtest_keys, landing
from tasks.backtest_desk import last_blocks
from tasks.backtests import page_name, read_policies, require_outcomes
from tasks.workspace import open_workspace

FIRST = "2013-04-01"
CONFIG = parse_config(ModelConfig, Path("configs/models/flight_delay.yaml").read_text(), "the demo's")
LOST = GateResult("auc", "fail", 0.5, 0.6, "auc is 0.5")
WON = GateResult("auc", "pass", 0.7, 0.6, "auc is 0.7")


# words, shapes and checks: none of them changes a number that is kept
NO_RESULT = {
    "errors",
    "config_loading",
    "config_part",
    "model_config",
    "source_config",
    "drift_config",
    "backtest_parts",
    "standing",
    "diagnosis",
    "outcomes",
    "digest",
    "estimator_config",
    "families",
    "gates_config",
    "estimator_params",
    "ledger",
    "seal",
    "split_config",
}
IN_THE_DATES = {
    "assembled",
    "assembly",
    "lookups",
    "part_files",
    "snapshot",
    "validation",
}  # how rows were assembled is in the digest of each date
NOT_REPLAYED = {"holdout_gate", "newcomers", "operations_gate", "sources_gate", "trust_gate"}


GROUPS = {"training": (), "duels": backtest_keys.DUELS, "looking": backtest_keys.LOOKING}


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_a_key_names_all_code_that_its_result_comes_of(group: tuple[ModuleType, ...]) -> None:
    files = [Path(str(module.__file__)) for module in (*group, *backtest_keys.TRAINING)]  # a model's key is in theirs
    trees = [ast.parse(file.read_text()) for file in files[: len(group)] or files]
    froms = [node.module or "" for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    used = {name.removeprefix("plimsoll.") for name in froms if name.startswith("plimsoll.")}
    assert used - {file.stem for file in files} <= NO_RESULT | IN_THE_DATES | NOT_REPLAYED


def nights(count: int, stopped: frozenset[int] = frozenset()) -> tuple[Night, ...]:
    return tuple(Night(shifted(FIRST, n), "cut at noon" if n in stopped else "") for n in range(count))


def past(over: tuple[Night, ...], delay_days: int, approval_days: int = 0) -> History:
    return History(over, delay_days, approval_days, CONFIG.split.window_days)


def policy(name: str, config: ModelConfig = CONFIG) -> Policy:
    return next(one for one in policies_of(config, {}) if one.name == name)


class World:
    """Answers a replay, and writes down what it was asked."""

    def __init__(
        self,
        history: History,
        bad: Callable[[str], bool] = lambda _: False,
        wins: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.history, self.bad, self.wins, self.asked = history, bad, wins, list[Request]()

    def __call__(self, request: Request) -> Any:
        self.asked.append(request)
        if isinstance(request, Train):
            losses = {night.date: NightLoss(0.5, 10) for night in self.history.nights if night.date > request.as_of}
            return Model(request.as_of, losses=losses, start=request.start)
        if isinstance(request, Fight):
            return Duel((WON if self.wins(request.challenger.as_of) else LOST,))
        if isinstance(request, Study):
            return (0.5,)
        block = [n.date for n in block_of(self.history, request.since, request.block) if not n.stopped]
        return {date: Seen(self.bad(date), tuple(self.bad(shifted(date, -n)) for n in (2, 1, 0))) for date in block}


def run(which: Policy, world: World) -> Course:
    course, answer = replay(which, world.history), None
    try:
        while True:
            answer = world(course.send(answer))
    except StopIteration as end:
        return end.value


SOME_NIGHTS = st.frozensets(st.integers(0, 79))


@settings(max_examples=40, deadline=None)
@given(SOME_NIGHTS, SOME_NIGHTS, SOME_NIGHTS, st.integers(1, 79), st.integers(0, 5), st.sampled_from(rival_names()))
def test_nothing_later_than_a_night_decides_it(
    stopped: frozenset[int], bad: frozenset[int], lost: frozenset[int], cut: int, approval: int, name: str
) -> None:
    alarms, losers = ({shifted(FIRST, n) for n in some} for some in (bad, lost))
    whole = World(past(nights(80, stopped), 1, approval), alarms.__contains__, lambda date: date not in losers)
    early = {date for date in alarms if date < shifted(FIRST, cut)}
    short = World(past(nights(cut, stopped), 1, approval), early.__contains__, lambda date: date not in losers)
    course, beginning = run(policy(name), whole), run(policy(name), short)
    assert course.nights[:cut] == beginning.nights
    assert [one for one in course.retrains if one.date < shifted(FIRST, cut)] == [*beginning.retrains]
    assert course == run(policy(name), whole), "the same facts, the same decisions"


@settings(max_examples=40, deadline=None)
@given(SOME_NIGHTS, SOME_NIGHTS, st.integers(0, 5), st.sampled_from(rival_names()))
def test_a_retrain_serves_after_its_night_and_its_approval_and_never_stands_on_broken_data(
    stopped: frozenset[int], bad: frozenset[int], approval: int, name: str
) -> None:
    alarms = {shifted(FIRST, n) for n in bad}
    history = past(nights(80, stopped), 1, approval)
    world = World(history, alarms.__contains__)
    course = run(policy(name), world)
    assert all(night.date > shifted(night.model, approval) for night in course.nights if night.model != history.eve)
    broken = {night.date for night in history.nights if night.stopped}
    assert not broken & {one.date for one in course.retrains}
    assert all(night.loss is None for night in course.nights if night.date in broken)
    asked = [request.as_of for request in world.asked if isinstance(request, Train)]
    assert asked == [history.eve, *(one.date for one in course.retrains)]
    days = [dt.date.fromisoformat(one.date) for one in course.retrains]
    wait = policy(name).retrain.cooldown_days
    assert all((b - a).days >= wait for a, b in pairwise(days))


@settings(max_examples=30, deadline=None)
@given(SOME_NIGHTS, SOME_NIGHTS, st.sampled_from(["never", "every 7 days", MONTHLY]))
def test_what_a_calendar_trains_is_known_beforehand_whoever_wins(
    stopped: frozenset[int], lost: frozenset[int], name: str
) -> None:
    losers = {shifted(FIRST, n) for n in lost}
    world = World(past(nights(80, stopped), 1), wins=lambda date: date not in losers)
    run(policy(name), world)
    asked = [request.as_of for request in world.asked if isinstance(request, Train)]
    assert asked == foreseen(policy(name), world.history)
    assert not [request for request in world.asked if isinstance(request, Look | Study)]


def test_calendars_keep_to_their_days_and_never_means_never() -> None:
    world = World(past(nights(62), 1))
    found = {name: [one.date for one in run(policy(name), world).retrains] for name in ("never", MONTHLY)}
    assert found == {"never": [], MONTHLY: [shifted(FIRST, 29), shifted(FIRST, 59)]}
    assert len(run(policy("every 7 days"), world).retrains) == 8


def test_each_signal_alone_decides_for_its_rival_and_both_for_the_configured_policy() -> None:
    def only(inputs: bool, quality: bool) -> World:
        class Half(World):
            def __call__(self, request: Request) -> Any:
                answer = super().__call__(request)
                if not isinstance(request, Look):
                    return answer
                return {date: Seen(inputs, (quality,) * 3) for date in answer}

        return Half(past(nights(20), 1))

    def rules(name: str, world: World) -> list[str]:
        return [one.rule for one in run(policy(name), world).retrains]

    inputs, quality = only(True, False), only(False, True)
    assert rules("drift alone", inputs) == [INPUTS, INPUTS]
    assert rules("drift alone", quality) == rules("quality alone", inputs) == rules(CONFIGURED, inputs) == []
    assert rules("quality alone", quality) == rules(CONFIGURED, quality) == ["late_losses", "late_losses"]
    assert {night.rule for night in run(policy(CONFIGURED), inputs).nights} == {"input_drift_informs"}


def test_a_challenger_that_loses_or_that_cannot_be_trained_never_serves() -> None:
    lost = run(policy("every 7 days"), World(past(nights(20), 1), wins=lambda _: False))
    assert {night.model for night in lost.nights} == {shifted(FIRST, -1)}
    assert [one.promoted for one in lost.retrains] == [False, False]
    assert lost.first == (LOST.sentence,), "the first model serves, and what refused it is told"

    class Hopeless(World):
        def __call__(self, request: Request) -> Any:
            answer = super().__call__(request)
            later = isinstance(request, Train) and request.as_of >= FIRST
            return Model(request.as_of, refused="too few rows") if later else answer

    failed = run(policy("every 7 days"), Hopeless(past(nights(20), 1)))
    assert [one.because for one in failed.retrains] == ["too few rows", "too few rows"]


class Risen(World):
    """Losses have been rising since a night, and alarm from another one on until a newer model serves."""

    def __init__(self, history: History, rose: str, alarms: str) -> None:
        super().__init__(history)
        self.rose, self.alarms = rose, alarms

    def __call__(self, request: Request) -> Any:
        answer = super().__call__(request)
        if not isinstance(request, Look) or request.model.as_of >= FIRST:
            return answer
        loud = Seen(quality_alarms=(True,) * 3, losses_rose_from=self.rose)
        return {date: loud if date >= self.alarms else Seen() for date in answer}


@pytest.mark.parametrize(("asked", "days", "learns"), [("since_change", 30, True), ("since_change", 29, False),
                                                       ("configured", 40, False)])  # fmt: skip
def test_a_retrain_learns_from_the_change_on_where_the_policy_says_so(asked: str, days: int, learns: bool) -> None:
    rose, alarms = shifted(FIRST, 5), shifted(FIRST, 5 + days)
    files = {"one": {"retrain": {"window": asked, "min_days_since_change": 30, "max_age_days": 900}}}
    which = next(one for one in policies_of(CONFIG, files) if one.name == "one")
    world = Risen(past(nights(60), 1), rose, alarms)
    course = run(which, world)
    challenger = Train(alarms, rose if learns else "")
    first = Train(shifted(FIRST, -1))
    assert [one for one in world.asked if isinstance(one, Train)] == [first, challenger]
    assert Fight(challenger, first) in world.asked
    assert Look(challenger, shifted(alarms, 1), which.drift, 0) in world.asked, "it is judged by what it learned"
    assert {night.model for night in course.nights} == {first.name, challenger.name}
    assert ("it learns from the days since then" in course.retrains[0].sentence) == learns


@pytest.mark.parametrize(("window", "starts"), [(None, "2013-01-01"), (200, "2013-01-01"), (30, "2013-03-01")])
def test_a_policy_of_a_file_may_learn_from_another_window(window: int | None, starts: str) -> None:
    config = CONFIG.model_copy(update={"split": CONFIG.split.model_copy(update={"window_days": 60})})
    files = {"one": {"split": {"window_days": window}}, "same": {"split": {"window_days": 60}}}
    found = {one.name: one for one in policies_of(config, files)}
    history = History(nights(60), 1, window_days=60, first="2013-01-01")
    other, own = World(history), World(history)
    run(found["one"], other), run(found["same"], own)
    assert other.asked[0] == Train(history.eve, starts)
    assert own.asked[0] == Train(history.eve), "as in the config: one model for both"


def test_a_window_that_leaves_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"split.window_days is 14, and split.test_days .* none is left"):
        policies_of(CONFIG, {"one": {"split": {"window_days": 14}}})


def test_two_windows_of_one_date_are_two_models() -> None:
    whole, since = Model("2013-04-02"), Model("2013-04-02", start="2013-03-01")
    models = {one.asked.name: one for one in (since, whole)}
    assert len(models) == 2
    assert freshest(models, "2013-04-03") is whole is freshest(dict(reversed(models.items())), "2013-04-03")


def test_without_a_first_model_there_is_nothing_to_replay() -> None:
    course = replay(policy("never"), past(nights(3), 1))
    assert isinstance(course.send(None), Train)
    with pytest.raises(DataError, match=r"No first model could be trained as of 2013-03-31: too few rows"):
        course.send(Model("2013-03-31", refused="too few rows"))


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 60),
    st.integers(0, 9),
    st.one_of(st.none(), st.integers(1, 30)),
    st.one_of(st.none(), st.integers(0, 60)),
)
def test_what_trains_is_what_train_model_would_take(
    day: int, delay: int, window: int | None, change: int | None
) -> None:
    landed = [shifted(FIRST, n) for n in range(60) if n % 9]
    as_of, start = shifted(FIRST, day), "" if change is None else shifted(FIRST, change)
    found = known_dates(landed, as_of, delay, window, start)
    assert all(date <= shifted(as_of, -delay) for date in found)
    outcome, split = SimpleNamespace(delay_days=delay), SimpleNamespace(window_days=window)
    source = SimpleNamespace(kind="dates", path=None, where="")
    config = SimpleNamespace(model="m", source=source, outcome=outcome, split=split)
    asked = SimpleNamespace(config=config, as_of=as_of, workspace=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing, "landed_dates", lambda *_: landed)
        try:
            since = dt.date.fromisoformat(start) if start else None
            real = landing.training_dates(asked, since, None)  # type: ignore[arg-type]
        except DataError:
            real = []
    assert found == real


def days_of(count: int, seed: int) -> dict[str, pd.DataFrame]:
    chance = np.random.default_rng(seed)
    return {shifted(FIRST, n): pd.DataFrame({"x": chance.normal(size=50)}) for n in range(count)}


def test_a_loss_is_not_looked_at_before_its_outcome_came() -> None:
    past = {shifted(date, -100): frame for date, frame in days_of(30, 1).items()}
    plan = plan_profile(pd.concat(past.values()), {"x": "number"})
    chance = np.random.default_rng(2)
    losses = {date: float(chance.normal(0.5, 0.02)) for date in past}
    reference = Reference(plan, {date: profile_batch(plan, frame) for date, frame in past.items()}, losses)
    nights = [Observed(date, profile_batch(plan, frame), None) for date, frame in days_of(14, 3).items()]
    tonight = [night.date for night in nights]
    quiet = {date: NightLoss(0.5, 50, 50) for date in tonight}
    for delay, at in ((0, 3), (1, 3), (5, 2)):
        loud = quiet | {date: NightLoss(9.0, 50, 50) for date in tonight[at:]}
        told = (Drift(), reference, "2013-03-01", tonight, nights)
        before, after = (look_at_nights(*told, known, delay, threshold_curve) for known in (quiet, loud))
        known_by = at + delay
        assert [*before.values()][:known_by] == [*after.values()][:known_by]
        assert all(one.quality_alarms[-1] for one in [*after.values()][known_by + 4 :]), "and once it came, it is"


@pytest.mark.parametrize("delay", [0, 15, 20])
def test_recent_losses_are_judged_however_late_outcomes_come(delay: int) -> None:
    past = {shifted(date, -100): frame for date, frame in days_of(30, 1).items()}
    plan = plan_profile(pd.concat(past.values()), {"x": "number"})
    chance = np.random.default_rng(2)
    losses = {date: float(chance.normal(0.5, 0.02)) for date in past}
    reference = Reference(plan, {date: profile_batch(plan, frame) for date, frame in past.items()}, losses)
    nights = [Observed(date, profile_batch(plan, frame), None) for date, frame in days_of(30, 3).items()]
    tonight = [night.date for night in nights]
    known = {date: NightLoss(0.5 if n < 5 else 0.9, 50, 50) for n, date in enumerate(tonight)}
    seen = look_at_nights(Drift(), reference, "2013-03-01", tonight, nights, known, delay, threshold_curve)
    assert [seen[date].recent_alarm for date in tonight] == [n > 5 + delay for n in range(30)], (
        "two bad nights are enough"
    )


@pytest.mark.parametrize("small", [frozenset({13, 14}), frozenset({2, 3, 9, 12, 15, 20, 21, 33}), frozenset(range(40))])
def test_small_nights_are_pooled_across_blocks_as_the_nightly_check_pools_them(small: frozenset[int]) -> None:
    past = {shifted(date, -100): frame for date, frame in days_of(60, 1).items()}
    plan = plan_profile(pd.concat(past.values()), {"x": "number"})
    reference = Reference(plan, {date: profile_batch(plan, frame) for date, frame in past.items()}, {})
    told = {date: frame.head(15 if n in small else 50) for n, (date, frame) in enumerate(days_of(40, 3).items())}
    observed = [Observed(date, profile_batch(plan, frame), None) for date, frame in told.items()]
    real: dict[str, tuple[bool, bool, tuple[str, ...]]] = {}
    ledger: list[dict[str, Any]] = []
    for n, tonight in enumerate(observed):
        waiting = waiting_dates(ledger, 7)
        found = judge_night(Drift(), reference, "", observed[max(n - NIGHTS_SEEN + 1, 0) : n + 1], (), waiting=waiting)
        real[tonight.date] = found.input_alarm, found.inputs.pool.waits, found.inputs.pool.nights
        ledger.append({"date": tonight.date, "version": 7, "inputs": found.inputs.to_json()})
    seen: dict[str, Seen] = {}
    losses = {date: NightLoss(None, 0) for date in told}
    for start in range(0, 40, BLOCK_NIGHTS):
        block, before = observed[start : start + BLOCK_NIGHTS], observed[:start][-NIGHTS_SEEN:]
        given = (Drift(), reference, "", [*told], block, losses, 1, threshold_curve, before, still_waiting(seen))
        seen |= look_at_nights(*given)
    assert {date: (one.input_alarm, one.waits, one.pooled) for date, one in seen.items()} == real
    assert any(len(one.pooled) > 1 and not one.waits for one in seen.values())


def test_nights_of_another_form_are_left_out_and_counted() -> None:
    past = {shifted(date, -100): frame for date, frame in days_of(30, 1).items()}
    plan = plan_profile(pd.concat(past.values()), {"x": "number"})
    reference = Reference(plan, {date: profile_batch(plan, frame) for date, frame in past.items()}, {})
    nights = [Observed(date, profile_batch(plan, frame), None) for date, frame in days_of(5, 3).items()]
    older = [Observed(night.date, None, None) for night in nights[:2]]
    found = judge_night(Drift(), reference, "", [*older, *nights[2:]], ())
    assert "2 nights are left out of the last nights" in found.inputs.to_json()["sentence"]
    assert "left out" not in judge_night(Drift(), reference, "", nights, ()).inputs.sentence
    with pytest.raises(DataError, match="is in a form that another version of Plimsoll wrote"):
        judge_night(Drift(), reference, "", [*nights, Observed("2013-05-01", None, None)], ())


def test_a_block_is_looked_at_beside_all_nights_that_a_check_sees() -> None:
    history = past(nights(90), 1)
    blocks = [tuple(n.date for n in block_of(history, FIRST, n)) for n in range(6)]
    for last in range(1, 7):
        given = last_blocks(blocks[:last])
        before = sum(map(len, given[:-1]))
        assert given[-1] == blocks[last - 1]
        assert before >= min(NIGHTS_SEEN - 1, BLOCK_NIGHTS * (last - 1))


def test_a_block_is_counted_from_the_night_since_which_a_model_serves() -> None:
    history = past(nights(30), 1)
    assert block_of(history, shifted(FIRST, 10), 0)[0].date == shifted(FIRST, 10)
    assert len(block_of(history, shifted(FIRST, 10), 1)) == 30 - 10 - BLOCK_NIGHTS


def test_a_new_champion_is_judged_with_its_time_as_a_challenger() -> None:
    waits = 3
    world = World(past(nights(40), 1, waits), {shifted(FIRST, n) for n in (10, 11, 12)}.__contains__)
    course = run(policy("quality alone"), world)
    asked = [one for one in world.asked if isinstance(one, Look) and one.model.as_of >= FIRST]
    trained = course.retrains[0].date
    assert {(one.since, one.serves) for one in asked} == {(shifted(trained, 1), shifted(trained, 1 + waits))}
    assert not [one for one in world.asked if isinstance(one, Look) and one.model.as_of < FIRST and one.serves]


def test_small_nights_of_a_challenger_wait_for_nobody() -> None:
    past = {shifted(date, -100): frame for date, frame in days_of(60, 1).items()}
    plan = plan_profile(pd.concat(past.values()), {"x": "number"})
    reference = Reference(plan, {date: profile_batch(plan, frame) for date, frame in past.items()}, {})
    told = {date: frame.head(15) for date, frame in days_of(6, 3).items()}
    observed = [Observed(date, profile_batch(plan, frame), None) for date, frame in told.items()]
    given = (Drift(), reference, "", [*told], observed, {date: NightLoss(None, 0) for date in told}, 1, threshold_curve)
    champion, challenger = look_at_nights(*given), look_at_nights(*given, serves=observed[3].date)
    assert champion[observed[1].date].pooled == tuple(told)[:2]
    assert challenger[observed[3].date].pooled == (observed[3].date,), "what it scored before was no decision"
    assert challenger[observed[4].date].pooled == tuple(told)[3:5]


def test_a_backtest_without_any_outcome_ends_before_anything_is_made() -> None:
    outcomes = (FileRef("2013-03-01", "a" * 64, 1, 1),)
    snapshot = Snapshot("m", ("2013-03-01", "2013-03-02"), "2013-04-01", {"outcome": outcomes})
    require_outcomes("m", snapshot, dt.date(2013, 3, 1))
    with pytest.raises(DataError, match="no outcomes have landed for any night from 2013-03-02 to 2013-03-02"):
        require_outcomes("m", snapshot, dt.date(2013, 3, 2))


def test_two_backtests_of_the_same_dates_have_a_page_each() -> None:
    history, files = past(nights(5), 1), {"calm": {"drift": {"recent_one_in_nights": 30}}}
    some = policies_of(CONFIG, files)
    bolder = policies_of(CONFIG, {"calm": {"drift": {"recent_one_in_nights": 7}}})
    names = [
        page_name(some, history, Prices()),
        page_name(bolder, history, Prices()),
        page_name(some, history, Prices(retrain=30)),
        page_name(some, past(nights(5), 1, 3), Prices()),
    ]
    assert len({*names}) == len(names)
    assert names[0] == page_name(policies_of(CONFIG, files), past(nights(5), 1), Prices()), "the same has the same"


# what it gave and cost


def model(as_of: str, losses: list[float], start: str = FIRST) -> Model:
    nightly = {shifted(start, n): NightLoss(loss, 10) for n, loss in enumerate(losses)}
    return Model(as_of, reference=tuple(n / 100 for n in range(100)), losses=nightly)


def course(name: str, losses: list[float | None], retrains: int = 0, rule: str = "maximum_age") -> Course:
    served = tuple(
        Served(shifted(FIRST, n), "2013-03-31", loss, 0 if loss is None else n + 1, "nothing", False)
        for n, loss in enumerate(losses)
    )
    made = tuple(Retraining(FIRST, rule, "", "2013-03-31", True, "") for _ in range(retrains))
    return Course(name, served, made)


def test_costs_add_up() -> None:
    first = {"2013-03-31": model("2013-03-31", [0.5] * 10)}
    courses = [course(CONFIGURED, [0.5, None, 0.7], 3), course(MONTHLY, [0.5, None, 0.5], 1)]
    own, monthly = tally(courses, first, Prices(retrain=7, quality=2))
    assert (own.mean_loss, own.nights, own.retrain_cost) == (pytest.approx(0.6), 2, 21)
    assert own.row_loss == pytest.approx((0.5 * 1 + 0.7 * 3) / 4)
    assert own.quality_cost == pytest.approx(2 * 20 * 2), "20 % on each of two nights, at 2 a point"
    assert (own.cost, monthly.cost) == (pytest.approx(101), 7)
    assert (own.against_monthly, own.worse_nights) == (pytest.approx(0.1), 1)
    assert "with as many retrains or more (3 against 1)" in sentences([own, monthly])[1]
    assert "every 30 days costs least: 7" in sentences([own, monthly])[2]


def test_policies_that_tie_are_said_to() -> None:
    first = {"2013-03-31": model("2013-03-31", [0.5] * 10)}
    tied = [course(name, [0.5] * 7) for name in (CONFIGURED, MONTHLY, "never")]
    assert sentences(tally(tied, first, Prices())) == [
        "All policies lost the same, 0.5000 in the mean: 7 nights cannot tell them apart.",
        "At these prices all policies cost the same: 0.",
    ]
    dearer = [course(CONFIGURED, [0.5], 1), course(MONTHLY, [0.5]), course("never", [0.5])]
    assert sentences(tally(dearer, first, Prices())) == [
        "All policies lost the same, 0.5000 in the mean: 1 night cannot tell them apart.",
        "At these prices every 30 days and never cost least: 0. The configured policy: 10.",
    ]


def test_an_alarm_is_false_unless_two_of_the_next_seven_nights_were_bad() -> None:
    limit = quantile([n / 100 for n in range(100)], 0.95)
    assert limit == 0.94
    for bad, false in ((0, True), (1, True), (2, False), (7, False)):
        after = [0.99] * bad + [limit] * (7 - bad)
        assert is_false(model("2013-03-31", [0.99, *after, 0.99, 0.99]), FIRST) == false
    assert not is_false(Model("2013-03-31"), FIRST), "without a reference nothing is called false"
    alarmed, aged = (course(CONFIGURED, [0.5] * 9, 1, rule) for rule in ("late_losses", "maximum_age"))
    models = {"2013-03-31": model("2013-03-31", [0.5] * 9)}
    monthly = course(MONTHLY, [0.5] * 9)
    told = [tally([one, monthly], models, Prices())[0] for one in (alarmed, aged)]
    assert [(one.alarms, one.false_alarms) for one in told] == [(1, 1), (0, 0)]


def test_the_freshest_model_is_one_that_was_trained_before_the_night() -> None:
    models = {date: model(date, [0.1] * 9) for date in ("2013-03-31", "2013-04-02")}
    models["2013-04-01"] = Model("2013-04-01", refused="too few rows")
    assert freshest(models, "2013-04-02").as_of == "2013-03-31"  # type: ignore[union-attr]
    assert freshest(models, "2013-04-03").as_of == "2013-04-02"  # type: ignore[union-attr]
    assert freshest(models, "2013-03-31") is None


def test_a_difference_is_uncertain_by_its_weeks() -> None:
    losses = {shifted(FIRST, n): 0.5 + (0.1 if n // 7 == 1 else 0.0) for n in range(28)}
    mean, error = paired(losses, dict.fromkeys(losses, 0.5))
    assert mean == pytest.approx(0.025)
    assert error == pytest.approx(2 * 0.05 / math.sqrt(4))
    assert paired({FIRST: 1.0}, {FIRST: 0.5}) == (0.5, None)


# policies of files


def test_a_policy_file_says_only_what_differs() -> None:
    found = policies_of(CONFIG, {"bold": {"retrain": {"max_age_days": 5}}})
    bold = next(one for one in found if one.name == "bold")
    assert bold.retrain == CONFIG.retrain.model_copy(update={"max_age_days": 5})
    assert bold.drift == CONFIG.drift
    assert [one.name for one in found] == [CONFIGURED, "bold", *rival_names()[1:]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("retrain: {max_age: 5}", r"bold.yaml: unknown key retrain.max_age. Did you mean max_age_days?"),
        ("retrian: {}", r"unknown key retrian. Did you mean retrain?"),
        ("drift: {one_in_nights: 1}", r"drift.one_in_nights: "),
        ("split: {test_days: 7}", r"unknown key split.test_days"),
        ("[1, 2]", r"expected a mapping of keys to values, found list"),
    ],
)
def test_a_wrong_policy_file_is_named_with_its_mistake(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bold.yaml").write_text(text)
    with pytest.raises(ConfigError) as found:
        read_policies([tmp_path / "bold.yaml"])
    assert said in str(found.value)


@pytest.mark.parametrize(("asked", "own"), [("[nonsense]", "none"), ("[origin, carrier]", "none"), ("[]", "carrier")])
def test_a_policy_that_watches_other_slices_is_refused(asked: str, own: str) -> None:
    slices = () if own == "none" else (own,)
    config = CONFIG.model_copy(update={"drift": CONFIG.drift.model_copy(update={"slices": slices})})
    body = {"drift": {"slices": asked.strip("[]").split(", ") if asked != "[]" else []}}
    said = rf"--policy bold: drift.slices is .*, and the config of flight_delay says {own}\. Slices are fixed when"
    with pytest.raises(ConfigError, match=said):
        policies_of(config, {"bold": body})
    assert policies_of(config, {"bold": {"drift": {"slices": slices}}})[1].drift.slices == slices


def test_a_policy_that_could_never_ask_is_refused_once_it_is_laid_over_the_config(tmp_path: Path) -> None:
    (tmp_path / "slow.yaml").write_text("retrain: {persistence_nights: 5}")
    bodies = read_policies([tmp_path / "slow.yaml"])
    with pytest.raises(ConfigError, match=r"--policy slow: retrain: persistence_nights is 5 of the last"):
        policies_of(CONFIG, bodies)
    longer = CONFIG.model_copy(update={"retrain": CONFIG.retrain.model_copy(update={"persistence_of": 7})})
    assert policies_of(longer, bodies)[1].retrain.persistence_nights == 5


@pytest.mark.parametrize("price", [math.inf, math.nan, -1.0])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    with pytest.raises(UserError, match=r"--retrain-price: expected a number of nought or more, found"):
        Prices(retrain=price)
    with pytest.raises(UserError, match=r"--quality-price: "):
        Prices(quality=price)


def test_a_policy_file_that_is_missing_or_has_the_name_of_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone.yaml: expected a YAML with drift:, retrain: or split:, found none"):
        read_policies([tmp_path / "gone.yaml"])
    with pytest.raises(ConfigError, match=r"another --policy"):
        refuse_names(["bold", "bold"], rival_names())
    for name in ("never", "every_7_days", "Drift-alone", "configured"):
        with pytest.raises(ConfigError, match=r"that every backtest has. A policy is called as its file: rename it"):
            refuse_names([name], rival_names())


def test_what_is_kept_of_a_segment_is_not_taken_for_another_ones() -> None:
    workspace = open_workspace()
    ref = FileRef("2013-03-01", "f" * 64, 10, 1, (("origin", "string"),))
    snapshot = Snapshot("flight_delay", ("2013-03-01",), "2013-03-02", {"batch": (ref,)}, {})
    config = workspace.model("flight_delay")

    def made(value: str | None) -> backtest_keys.Made:
        segment = Segment(column="origin", value=value) if value else None
        return backtest_keys.Made(workspace, config.model_copy(update={"segment": segment}), snapshot)

    keys = [(one.history(), one.model(["2013-03-01"])) for one in map(made, (None, "EWR", "LGA"))]
    assert len({key for pair in keys for key in pair}) == 6
