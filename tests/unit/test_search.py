"""A search: seeded, gone on with after a kill, blind to the days that judge, bounded, asked for in words that fit."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.assembly import OUTCOME
from plimsoll.errors import ConfigError, DataError, IntegrityError
from plimsoll.inner_folds import Folds, inner_folds
from plimsoll.model_config import ModelConfig
from plimsoll.references import named_by_record
from plimsoll.row_parts import DATE, Rows
from plimsoll.search_space import OF_KIND
from plimsoll.settings import question_of, reused, searches_anew, settle
from plimsoll.training import split_rows, train_bundle
from plimsoll.trials import Trial, best_of, is_hopeless, rounded
from tasks import searching
from tasks.proposals import propose
from tasks.searching import Place, key_of, run_trials
from tests.archives import archive_at
from tests.searched import SPACE, config_of, days_of_rows


def trials_of(config: ModelConfig, rows: Rows, place: Place) -> list[Trial]:
    assert config.search
    return [
        trial for trial, _ in run_trials(inner_folds(rows, config, config.search.folds), config, config.search, place)
    ]


def timeless(trials: list[Trial]) -> list[dict[str, Any]]:
    return [{**one.to_json(), "seconds": 0} for one in trials]


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Place]:
    return iter(Place(archive_at(tmp_path / str(n)), "a search") for n in range(9))


def test_the_same_seed_tries_the_same_and_another_does_not(places: Iterator[Place]) -> None:
    rows, config = days_of_rows(), config_of()
    first, second = (timeless(trials_of(config, rows, next(places))) for _ in range(2))
    assert first == second
    other = config_of(search={"space": SPACE, "trials": 8, "seed": 8})
    assert timeless(trials_of(other, rows, next(places)))[1:] != first[1:]
    assert first[0]["settings"]["learning_rate"] == 0.3, "the start value is tried first"


@pytest.mark.parametrize("cut_after", [1, 5, 9])
def test_a_search_that_was_cut_off_goes_on_to_the_same_best(
    places: Iterator[Place], cut_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, config = days_of_rows(), config_of(search={"space": SPACE, "trials": 14})
    whole = trials_of(config, rows, next(places))
    assert config.search
    place, folds = next(places), inner_folds(rows, config, 3)
    some = run_trials(folds, config, config.search, place)
    for _ in range(cut_after):
        next(some)
    fits, fit = [], Folds.fit
    monkeypatch.setattr(Folds, "fit", lambda self, *a: fits.append(1) or fit(self, *a))
    again = list(run_trials(folds, config, config.search, place))
    assert [kept for _, kept in again] == [True] * cut_after + [False] * (14 - cut_after)
    assert timeless([one for one, _ in again]) == timeless(whole)
    assert 0 < len(fits) <= 3 * (14 - cut_after), "what was finished is not trained again"


def test_more_trials_go_on_from_those_that_were_made(places: Iterator[Place]) -> None:
    rows, place = days_of_rows(), next(places)
    few = trials_of(config_of(search={"space": SPACE, "trials": 4}), rows, place)
    many = trials_of(config_of(search={"space": SPACE, "trials": 6}), rows, place)
    assert many[:4] == few, "seconds and all: they were read, not made"
    assert len(many) == 6


def test_the_key_is_that_of_what_could_change_a_trial() -> None:
    def key(rows: str = "r", lock: str = "l", **parts: Any) -> str:
        config = config_of(**parts)
        assert config.search
        return key_of(config, config.search, rows, lock)

    base = {"space": SPACE}
    assert key(search={**base, "trials": 4}) == key(search={**base, "trials": 9, "minutes": 1, "when": "always"})
    others = [{**base, "seed": 1}, {**base, "folds": 2}, {"space": {"max_depth": {"low": 1, "high": 2}}}]
    keys = {key(), key("other"), key(lock="other"), *(key(search=one) for one in others)}
    assert len(keys) == 6


def test_days_that_judge_the_model_never_judge_a_trial(places: Iterator[Place]) -> None:
    rows, turned = days_of_rows(), Rows()
    _, later = split_rows(rows, config_of())
    for frame in rows.frames():
        judged = frame[DATE].isin(rows.dates(later))
        turned.add(frame.assign(**{OUTCOME: frame[OUTCOME].where(~judged, 1 - frame[OUTCOME])}))
    assert not np.array_equal(rows.outcome, turned.outcome)
    mine, theirs = (timeless(trials_of(config_of(), one, next(places))) for one in (rows, turned))
    assert mine == theirs


@given(days=st.integers(9, 25), count=st.integers(2, 3), dated=st.booleans())
@settings(max_examples=20, deadline=None)
def test_inner_folds_lie_within_the_training_days_and_go_forward(days: int, count: int, dated: bool) -> None:
    source: dict[str, Any] = {"kind": "table", "path": "rows.parquet", "key": ["id"]}
    source = {"kind": "dates", "path": "rows", "key": ["id"], "event_time": "at"} if dated else source
    config, rows = config_of(source=source), days_of_rows(days, 20)
    train, _ = split_rows(rows, config)
    folds = inner_folds(rows, config, count).folds
    assert len(folds) == count
    for fold in folds:
        assert not (fold.inside & fold.outside).any()
        assert not ((fold.inside | fold.outside) & ~train).any()
        if dated:
            assert rows.day[fold.inside].max() < rows.day[fold.outside].min()
    judged = sum(fold.outside.astype(int) for fold in folds)
    assert judged.max() == 1


def test_too_few_days_for_the_folds_is_said(places: Iterator[Place]) -> None:
    with pytest.raises(DataError, match="3 inner folds need at least 5 training days with outcomes, found 4"):
        inner_folds(days_of_rows(7), config_of(), 3)


def test_a_trial_that_cannot_be_trained_is_no_end(places: Iterator[Place]) -> None:
    space = {"l1_ratio": {"low": 0, "high": 1}, "C": {"low": 0.01, "high": 10, "log": True}}
    config = config_of(
        estimator={"kind": "logistic", "params": {"solver": "newton-cholesky"}}, search={"space": space, "trials": 3}
    )
    trials = trials_of(config, days_of_rows(), next(places))
    assert {one.state for one in trials} == {"failed"}
    assert "newton-cholesky" in trials[0].error
    assert best_of(trials) is None


def test_time_ends_a_search_and_a_second_run_does_not_begin_where_it_is_up(places: Iterator[Place]) -> None:
    rows, place = days_of_rows(), next(places)
    brief = config_of(search={"space": SPACE, "trials": 500, "minutes": 0.005})
    first = trials_of(brief, rows, place)
    assert 1 <= len(first) < 100
    assert trials_of(brief, rows, place) == first


def test_pruning_gives_up_trials_that_the_whole_search_would_not_choose(places: Iterator[Place]) -> None:
    rows = days_of_rows()
    pruned, whole = (
        trials_of(config_of(search={"space": SPACE, "trials": 25, "prune": prune}), rows, next(places))
        for prune in (True, False)
    )
    assert {one.state for one in whole} == {"complete"}
    assert sum(one.state == "pruned" for one in pruned) >= 3
    assert all(len(one.losses) < 3 for one in pruned if one.state == "pruned")
    best = best_of(pruned)
    assert best
    assert best.state == "complete"


def test_a_trial_is_hopeless_against_those_that_came_as_far() -> None:
    before = [Trial(n, {}, "complete", (1.0, 0.1), 1.0) for n in range(5)]
    assert not is_hopeless(before[:4], [9.0]), "four say little"
    assert is_hopeless(before, [1.01])
    assert not is_hopeless(before, [1.0])
    assert is_hopeless(before, [0.5, 0.2]), "a first fold that was easy is no excuse later"


def test_the_same_settings_are_not_trained_twice(places: Iterator[Place]) -> None:
    config = config_of(search={"space": {"max_depth": {"low": 1, "high": 2}}, "trials": 9})
    trials = trials_of(config, days_of_rows(), next(places))
    assert len(trials) == 9
    assert len({one.losses for one in trials}) == 2
    assert sum(one.seconds > 0 for one in trials) == 2


def test_a_damaged_trial_is_not_used(places: Iterator[Place], tmp_path: Path) -> None:
    rows, place = days_of_rows(), next(places)
    trials_of(config_of(), rows, place)
    path = next(tmp_path.rglob("0003.json"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"losses":[0.', b'"losses":[0.0', 1))
    with pytest.raises(IntegrityError, match=r"0003\.json.*train again") as found:
        trials_of(config_of(), rows, place)
    assert "Nothing of it was used" in str(found.value)


def test_found_settings_train_the_same_bytes_as_written_ones() -> None:
    rows = days_of_rows()
    found = settle(config_of(), {"max_depth": 2, "learning_rate": 0.1, "rounds": 7})
    params = {"max_depth": 2, "learning_rate": 0.1}
    written = config_of(estimator={"kind": "xgboost", "rounds": 7, "threads": 1, "params": params}, search=None)
    assert train_bundle(rows, found).digest == train_bundle(rows, written).digest
    assert ModelConfig.model_validate(found.model_dump(mode="json")) == found, "a replay reads it again"


def test_when_a_training_searches() -> None:
    def anew(when: str, known: bool, asked: bool = False) -> bool:
        config = config_of(search={"space": SPACE, "when": when})
        settings = reused(config, told(config), 3) if known else None
        return searches_anew(config, asked, settings)

    def told(config: ModelConfig, **other: Any) -> dict[str, Any]:
        body = {"question": question_of(config), "values": {"max_depth": 2}, "origin": "found", "found_by": "run-1"}
        return body | other

    assert anew("first", False)
    assert not anew("first", True)
    assert anew("always", True)
    assert not anew("asked", False)
    assert all(anew(when, True, asked=True) for when in ("first", "always", "asked"))
    config = config_of()
    again = reused(config, told(config, origin="champion"), 3)
    assert again
    assert again.found_by == "run-1"
    assert "v3" in again.sentence
    assert reused(config, told(config, origin="written"), 3) is None
    assert reused(config_of(estimator={"kind": "xgboost", "rounds": 11}), told(config), 3) is None
    assert reused(config_of(search={"space": SPACE, "trials": 99}), told(config), 3), "a budget is no question"


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9), st.floats(0, 1))
def test_a_rounded_number_stays_within_its_limits(one: float, other: float, share: float) -> None:
    low, high = sorted((one, other))
    value = low + share * (high - low)
    found = rounded(min(max(value, low), high), low, high)
    assert low <= found <= high
    assert found == pytest.approx(value, rel=1e-5)


def test_what_is_proposed_lies_in_the_space() -> None:
    search = config_of().search
    assert search
    before: list[Trial] = []
    for number in range(25):
        told = propose(search, "xgboost", before)
        assert 1 <= told["max_depth"] <= 4  # type: ignore[operator]
        assert isinstance(told["max_depth"], int)
        assert 0.01 <= told["learning_rate"] <= 0.5  # type: ignore[operator]
        assert told["subsample"] in (0.5, 1.0)
        before.append(Trial(number, told, "complete", (float(told["learning_rate"]),), 1.0))
    assert np.mean([one.losses[0] for one in before[15:]]) < np.mean([one.losses[0] for one in before[:10]])


MISTAKES = {
    "Did you mean max_depth?": {"space": {"max_dept": {"low": 1, "high": 2}}},
    "Did you mean learning_rate?": {"space": {"eta": {"low": 0.1, "high": 0.2}}},
    "no setting of xgboost that can be searched": {"space": {"C": {"low": 0.1, "high": 0.2}}},
    "low has to be below high, found 3 and 3": {"space": {"max_depth": {"low": 3, "high": 3}}},
    "log needs a low above 0, found 0": {"space": {"gamma": {"low": 0, "high": 3, "log": True}}},
    "needs whole numbers, found 2.5": {"space": {"max_depth": {"low": 2.5, "high": 3}}},
    "has to be above 0 and at most 1, found 1.5": {"space": {"subsample": {"low": 0.5, "high": 1.5}}},
    "needs whole numbers, found 3.0": {"space": {"max_depth": {"choices": [2, 3.0]}}},
    "needs both low and high": {"space": {"max_depth": {"low": 3}}},
    "either low and high, or choices": {"space": {"max_depth": {"low": 3, "high": 4, "choices": [3, 4]}}},
    "choices needs two or more values": {"space": {"max_depth": {"choices": [3]}}},
    "choices among depthwise, lossguide": {"space": {"grow_policy": {"choices": ["depthwise", "other"]}}},
    "start has to lie": {"space": {"max_depth": {"low": 3, "high": 4, "start": 9}}},
    "also fixed by estimator.rounds (10)": {"space": {"rounds": {"low": 3, "high": 4}}},
    "unknown key search.trails. Did you mean trials?": {"space": SPACE, "trails": 3},
    "search.space": {"space": {}},
    "search.minutes": {"space": SPACE, "minutes": 0},
    "needs numbers, found 'many'": {"space": {"max_depth": {"choices": [3, "many"]}}},
}


@pytest.mark.parametrize("said", MISTAKES)
def test_a_mistake_in_a_search_is_a_sentence(said: str) -> None:
    with pytest.raises(ConfigError) as found:
        config_of(search=MISTAKES[said])
    assert said in str(found.value)
    assert "search" in str(found.value)


def test_a_setting_is_fixed_or_searched_under_whichever_name() -> None:
    for name in ("learning_rate", "eta"):
        with pytest.raises(ConfigError, match=f"also fixed by estimator.params.{name}"):
            config_of(estimator={"kind": "xgboost", "params": {name: 0.1}})
    with pytest.raises(ConfigError, match="search needs an estimator that is trained here, found kind external"):
        config_of(estimator={"kind": "external", "external": {"path": "m.ubj", "sha256": "a" * 64}})


def test_a_linear_model_is_searched_too(places: Iterator[Place]) -> None:
    space = {"C": {"low": 1e-4, "high": 10, "log": True}}
    config = config_of(estimator={"kind": "logistic"}, search={"space": space, "trials": 6})
    best = best_of(trials_of(config, days_of_rows(), next(places)))
    assert best
    assert best.loss is not None
    assert searching.FORMAT == 1


def test_rows_in_files_are_searched_to_the_same_trials(places: Iterator[Place], tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    ways = days_of_rows(), days_of_rows(scratch=tmp_path / "scratch")
    mine, theirs = (timeless(trials_of(config_of(), rows, next(places))) for rows in ways)
    assert mine == theirs


def test_two_runs_of_one_search_agree_on_who_was_first(places: Iterator[Place]) -> None:
    place, trial = next(places), Trial(0, {"max_depth": 2}, "complete", (0.5,), 1.0)
    assert place.keep(trial) == trial
    assert place.keep(Trial(0, {"max_depth": 2}, "complete", (0.5,), 9.0)) == trial, "its seconds count"


def test_whole_numbers_may_be_written_with_a_point(places: Iterator[Place]) -> None:
    search = config_of(search={"space": {"max_depth": {"low": 2.0, "high": 4.0, "start": 3.0}}}).search
    assert search
    assert propose(search, "xgboost", []) == {"max_depth": 3}
    assert isinstance(propose(search, "xgboost", [])["max_depth"], int)


def test_a_record_needs_what_its_search_named() -> None:
    machine = {"lock": "", "packages": ""}
    record = {"run_id": "r", "config": "c" * 64, "code": {"tree": "d" * 64, "kept": False, "diff": ""}}
    outputs = {"settled_config": "1" * 64, "search": {"trials": "2" * 64}, "shrink": {"sizes": "3" * 64}}
    named = {one.digest for one in named_by_record({**record, "environment": machine, "end": {"outputs": outputs}})}
    assert {"1" * 64, "2" * 64, "3" * 64} <= named
    plain = {one.digest for one in named_by_record({**record, "environment": machine, "end": None})}
    assert named - plain == {"1" * 64, "2" * 64, "3" * 64}


def test_the_example_in_the_docs_is_a_config() -> None:
    text = (Path(__file__).parents[2] / "docs/tuning.md").read_text()
    body = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    config = config_of(**body)
    assert config.search
    assert config.shrink
    assert set(propose(config.search, "xgboost", [])) == set(config.search.space)


def test_every_setting_that_can_be_searched_is_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs/models.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("What can be searched"))
    for kind, known in OF_KIND.items():
        told = line.split(f"of `{kind}`")[1].split(";")[0].split(". ")[0]
        assert set(re.findall(r"`(\w+)`", told)) == set(known)
