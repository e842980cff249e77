"""What differs between two runs, key by key, file by file, package by package."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.run_difference import RunView, changes, compare_runs, side_by_side
from plimsoll.snapshot import FileRef, Snapshot

ENVIRONMENT = {
    "lock": "1" * 64,
    "packages": "2" * 64,
    "python": "CPython 3.11.7",
    "platform": "Linux",
    "cpu": "a processor",
    "cores": 2,
    "settings": {"OMP_WAIT_POLICY": "PASSIVE"},
    "variables": ("PLIMSOLL_HOME",),
}
CODE = {"commit": "a" * 40, "remote": "", "diff": "", "tree": "3" * 64, "kept": False}
END = {"result": "done", "outputs": {"version": 1, "mlflow_run": "x", "rows": 10, "bundle": "4" * 64}}
RECORD = {"as_of": "2026-01-01", "model": "m", "parameters": {"start": None}, "code": CODE}
BATCH = FileRef("2026-01-01", "5" * 64, 10, 10, (("a", "int64"),))
RUN = RunView(
    {**RECORD, "environment": ENVIRONMENT, "end": END},
    {"estimator": {"rounds": 20}, "features": {"columns": [{"name": "a", "kind": "number"}, {"name": "b"}]}},
    {"plimsoll/a.py": "6" * 64, "plimsoll/b.py": "7" * 64},
    {"numpy": "2.4.6", "scipy": "1.17"},
    [Snapshot("m", ("2026-01-01",), "2026-01-01", {"batch": (BATCH,)})],
    {"auc": 0.75, "brier": None},
)


def with_record(**parts: Any) -> RunView:
    return replace(RUN, record={**RUN.record, **parts})


def test_a_run_does_not_differ_from_itself_nor_from_its_twin() -> None:
    twin = with_record(end={**END, "outputs": {**END["outputs"], "version": 2, "mlflow_run": "y"}})
    assert not any(compare_runs(RUN, RUN).values())
    assert not any(compare_runs(RUN, twin).values())


@pytest.mark.parametrize(
    ("now", "subject", "sentence"),
    [
        (with_record(parameters={"start": "2026-01-01"}), "parameters", "start: nothing before, 2026-01-01 now"),
        (
            replace(RUN, config={**RUN.config, "estimator": {"rounds": 21}}),
            "config",
            "estimator.rounds: 20 before, 21 now",
        ),
        (with_record(code={**CODE, "commit": "b" * 40}), "code", f"commit {'a' * 12} before, {'b' * 12} now"),
        (
            with_record(code={**CODE, "diff": "9" * 64}),
            "code",
            f"no uncommitted changes before, uncommitted changes {'9' * 12} now",
        ),
        (replace(RUN, tree={**RUN.tree, "plimsoll/a.py": "0" * 64}), "code", "plimsoll/a.py changed"),
        (replace(RUN, tree={"plimsoll/a.py": "6" * 64}), "code", "plimsoll/b.py gone"),
        (replace(RUN, tree={**RUN.tree, "tasks/c.py": "0" * 64}), "code", "tasks/c.py new"),
        (replace(RUN, packages={**RUN.packages, "numpy": "2.5"}), "environment", "numpy 2.4.6 before, 2.5 now"),
        (with_record(environment={**ENVIRONMENT, "cores": 8}), "environment", "cores: 2 before, 8 now"),
        (replace(RUN, metrics={"auc": 0.7, "brier": None}), "metrics", "auc: 0.75 before, 0.7 now"),
        (
            with_record(environment={**ENVIRONMENT, "variables": ("PLIMSOLL_HOME", "PREFECT_API_URL")}),
            "environment",
            "variable PREFECT_API_URL: not there before, set now",
        ),
        (with_record(end=None), "outputs", "ended done before, cut off, or running now"),
        (
            replace(RUN, snapshots=[replace(RUN.snapshots[0], tables={"batch": (replace(BATCH, rows=12),)})]),
            "data",
            "batch 2026-01-01: 10 rows before, 12 rows now",
        ),
        (
            replace(RUN, snapshots=[replace(RUN.snapshots[0], tables={"batch": (replace(BATCH, rows=12),)})]),
            "data",
            "batch: 10 rows in all before, 12 now (+2)",
        ),
        (replace(RUN, snapshots=[]), "data", "2026-01-01: read before, not now (10 rows of batch)"),
        (replace(RUN, config={**RUN.config, "purpose": "a b"}), "config", "purpose: not there before, “a b” now"),
    ],
)
def test_each_difference_is_said_under_its_subject(now: RunView, subject: str, sentence: str) -> None:
    found = compare_runs(RUN, now)
    assert sentence in found[subject]
    assert [name for name, said in found.items() if said and name not in (subject, "outputs")] == []


def test_of_a_search_what_it_found_is_compared_and_not_how_long_it_took() -> None:
    def found(depth: int, seconds: float) -> RunView:
        settings = {"origin": "found", "values": {"max_depth": depth}, "found_by": f"run-{seconds}"}
        search = {"trials_done": 3, "best": 1, "loss": 0.5, "seconds": seconds, "trials": f"{seconds}"}
        shrink = {"taken": True, "speed": {"ratio": seconds}}
        end = {**RUN.record["end"], "outputs": {"settings": settings, "search": search, "shrink": shrink}}
        return with_record(end=end)

    assert not compare_runs(found(3, 1.0), found(3, 2.0))["outputs"]
    assert compare_runs(found(3, 1.0), found(4, 1.0))["outputs"] == ["settings.values.max_depth: 3 before, 4 now"]


def test_members_of_a_list_are_known_by_their_name_wherever_they_stand() -> None:
    old = {"columns": [{"name": "a", "kind": "number"}, {"name": "b", "kind": "number"}]}
    new = {"columns": [{"name": "b", "kind": "category"}, {"name": "a", "kind": "number"}]}
    said = list(changes(old, new))
    assert said == ["order of columns: “a, b” before, “b, a” now", "columns[b].kind: number before, category now"]


def test_dates_that_only_one_run_read_are_one_line_with_their_rows() -> None:
    def dated(day: int) -> Snapshot:
        date, lookup = f"2026-01-{day:02d}", replace(BATCH, name="all", digest="8" * 64, rows=3)
        tables = {"batch": (replace(BATCH, digest=f"{day:064d}"),), "lookup": (lookup,)}
        return replace(RUN.snapshots[0], dates=(date,), tables=tables)

    found = compare_runs(
        replace(RUN, snapshots=[dated(day) for day in range(1, 10)]),
        replace(RUN, snapshots=[dated(9), dated(10), dated(11)]),
    )
    assert found["data"] == [
        "2026-01-01 to 2026-01-08, 8 in all: read before, not now (80 rows of batch, 3 rows of lookup)",
        "2026-01-10 and 2026-01-11: not read before, but now (20 rows of batch, 3 rows of lookup)",
    ]


def test_many_files_are_counted() -> None:
    found = compare_runs(RUN, replace(RUN, tree={f"tasks/f{n:02d}.py": "0" * 64 for n in range(30)}))
    assert len(found["code"]) == 21
    assert found["code"][-1] == "12 more differ"


def test_metrics_stand_side_by_side() -> None:
    auc, brier, added = side_by_side(RUN, replace(RUN, metrics={"auc": 0.7, "mae": 1.0}))
    assert auc.change == pytest.approx(-0.05)
    assert (brier.change, added.change) == (None, None)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3) | st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("xyz"), values), st.dictionaries(st.sampled_from("xyz"), values))
def test_no_difference_is_missed_and_none_is_made_up(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert bool(list(changes(old, new))) == (_plain(old) != _plain(new))


def _plain(value: Any) -> Any:
    """Empty mappings inside a config say nothing."""
    if isinstance(value, dict):
        found = {key: _plain(inner) for key, inner in value.items()}
        return {key: inner for key, inner in found.items() if inner != {}}
    return value
