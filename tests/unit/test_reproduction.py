"""The verdict of a reproduction: identical, equal, or different and because of what."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.archive import Archive, put_sealed
from plimsoll.errors import UserError
from plimsoll.ledger import append
from plimsoll.reproduction import TrainingFacts, compare_inputs, judge_reproduction
from plimsoll.run_reference import find_run
from tests.archives import archive_at

SUITE = "great_expectations/expectations/m.json"
RUN = TrainingFacts(
    data="d" * 64,
    config="c" * 64,
    suite=SUITE,
    tree={SUITE: "1" * 64, "plimsoll/training.py": "2" * 64, "tasks/replay.py": "3" * 64},
    packages={"numpy": "2.4.6", "xgboost-cpu": "3.2.0", "pip": "23.2"},
    python="CPython 3.11.7",
    platform="Linux-6.1",
    processor="a processor",
    settings={"OMP_WAIT_POLICY": "PASSIVE"},
    seed=7,
    threads=2,
    rows=1000,
    rows_digest="e" * 64,
    bundle="b" * 64,
    files={"bundle.json": "4" * 64, "model.ubj": "5" * 64},
    metrics={"auc": 0.75, "log_loss": 0.49},
)
EXPIRED = "20250101T1-train_model-dd"
OTHER = {  # in the order in which a difference is blamed
    "data": {"data": "0" * 64},
    "config": {"config": "0" * 64},
    "expectations": {"tree": {**RUN.tree, SUITE: "0" * 64}},
    "code": {"tree": {**RUN.tree, "plimsoll/training.py": "0" * 64}},
    "packages": {"packages": {**RUN.packages, "xgboost-cpu": "3.3.0"}},
    "python": {"python": "CPython 3.11.9"},
    "platform": {"platform": "macOS-15"},
    "processor": {"processor": "another"},
    "threads": {"threads": 4},
    "settings": {"settings": {"OMP_NUM_THREADS": "1", **RUN.settings}},
    "seed": {"seed": 8},
}
WORSE = {"bundle": "0" * 64, "metrics": {"auc": 0.74, "log_loss": 0.49}}


def test_the_same_bytes_are_identical_and_that_although_inputs_differ() -> None:
    same = judge_reproduction(RUN, RUN)
    assert (same.verdict, "byte for byte" in same.sentence) == ("identical", True)
    assert all(one.same for one in same.inputs)
    elsewhere = judge_reproduction(RUN, replace(RUN, processor="another", packages={"numpy": "2.4.7"}))
    assert elsewhere.verdict == "identical"
    assert "although other packages, processor" in elsewhere.sentence


def test_other_bytes_with_the_same_metrics_are_equal_and_the_file_is_named() -> None:
    found = replace(RUN, bundle="0" * 64, files={**RUN.files, "model.ubj": "0" * 64})
    equal = judge_reproduction(RUN, found)
    assert equal.verdict == "equal"
    assert "model.ubj of the bundle has other bytes" in equal.sentence
    assert "Every input that was recorded is the same" in equal.sentence
    assert "the bundle has other bytes" in judge_reproduction(replace(RUN, files={}), found).sentence


@pytest.mark.parametrize("name", OTHER)
def test_the_input_that_differs_is_named(name: str) -> None:
    different = judge_reproduction(RUN, replace(RUN, **WORSE, **OTHER[name]))
    assert different.verdict == "different"
    assert different.sentence.startswith(f"Different, because of the {name}: ")
    assert "auc was 0.75, is 0.74." in different.sentence
    assert [one.name for one in different.inputs if not one.same] == [name]


@given(st.sets(st.sampled_from(list(OTHER)), min_size=1))
def test_of_several_differences_the_first_is_blamed(names: set[str]) -> None:
    if {"code", "expectations"} <= names:
        names = names - {"code"}
    changes = {field: value for name in names for field, value in OTHER[name].items()}
    found = judge_reproduction(RUN, replace(RUN, **WORSE, **changes))
    first = next(name for name in OTHER if name in names)
    assert found.sentence.startswith(f"Different, because of the {first}: ")
    assert {one.name for one in found.inputs if not one.same} == names
    assert list(OTHER) == [one.name for one in found.inputs]


def test_a_package_is_named_with_both_versions_and_installers_do_not_count() -> None:
    found = replace(RUN, packages={"numpy": "2.4.6", "xgboost-cpu": "3.3.0", "pip": "24.0", "extra": "1.0"})
    [packages] = [one for one in compare_inputs(RUN, found) if one.name == "packages"]
    assert packages.differs == "extra is not in the record, xgboost-cpu 3.2.0 recorded, 3.3.0 here"
    fewer = replace(RUN, packages={"xgboost-cpu": "3.2.0"})
    assert "numpy is missing here" in next(o.differs for o in compare_inputs(RUN, fewer) if o.name == "packages")


def test_an_unexplained_difference_says_so_and_where_the_two_part() -> None:
    fitting = judge_reproduction(RUN, replace(RUN, **WORSE))
    assert "every input that was recorded is the same" in fitting.sentence
    assert "they fit" in fitting.sentence
    rows = judge_reproduction(RUN, replace(RUN, **WORSE, rows=999, rows_digest="0" * 64))
    assert "the assembled rows are not (1,000 recorded, 999 here)" in rows.sentence
    unknown = judge_reproduction(replace(RUN, rows_digest=""), replace(RUN, **WORSE))
    assert "cannot be told where" in unknown.sentence


def test_an_undefined_metric_is_equal_to_itself() -> None:
    nothing = replace(RUN, metrics={"auc": None})
    assert judge_reproduction(nothing, replace(nothing, bundle="0" * 64)).verdict == "equal"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An archive with three runs, the first of which trained v1; the upkeep removed the one that trained v2."""
    archive = archive_at(tmp_path)
    for run in ("20260101T1-train_model-aa", "20260101T2-score_batch-bb", "20260102T1-train_model-cc"):
        archive.store.put_if_absent(f"records/{run}/start.json", b"{}")
    facts = {"version": 1, "bundle": "b", "run": "20260101T1-train_model-aa"}
    about = {"as_of": "2026-01-01", "recorded_at": "2026-01-01T00:00:00+00:00", "by": "t"}
    append(archive, "m", "trained", facts=facts, **about)
    append(archive, "m", "trained", facts={**facts, "version": 2, "run": EXPIRED}, **about)
    for run in ("20260101T1-train_model-aa", EXPIRED):  # the first was cut off before its record went
        note = {"run": run, "expired_at": "2026-03-01T03:00", "by": "2026-run", "policy": "retention: 400 days"}
        put_sealed(archive, f"expired/{run}.json", note)
    return archive


@pytest.mark.parametrize("text", ["20260101T1-train_model-aa", "20260101T1", "m:v1", "m:1"])
def test_a_run_is_found_by_id_beginning_or_version(archive: Archive, text: str) -> None:
    assert find_run(archive, text) == "20260101T1-train_model-aa"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("20250", "Run 20250101T1-train_model-dd is gone: on 2026-03-01 the upkeep 2026-run removed its record"),
        ("m:v2", "Run 20250101T1-train_model-dd is gone.*retention: 400 days.*Restore the store from a backup"),
        ("20260101", "2 runs begin with '20260101': 20260101T1-train_model-aa, 20260101T2-score_batch-bb"),
        ("2027", "No run begins with '2027'"),
        ("m:v3", "has no v3; it has v1, v2"),
        ("m:champion", "has no champion; it has v1, v2"),
        ("n:v1", "has no v1; it has no versions"),
        ("m v1", "does not name a run"),
        ("", "does not name a run"),
    ],
)
def test_what_names_no_run_is_refused_in_words(archive: Archive, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        find_run(archive, text)
