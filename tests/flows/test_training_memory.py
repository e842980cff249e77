"""Where rows lie while they train: in memory or in files, the bundle is the same and nothing is left behind."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.places import AS_OF, MODEL, Answer, Place

Cli = Callable[..., Answer]


def trained(place: Place) -> tuple[dict[str, object], dict[str, object]]:
    """Return what ledger and record say of v1."""
    [record] = [one for one in place.records() if one["flow"] == "train_model"]
    return place.ledger("trained")[0]["facts"], record


def left_behind(place: Place) -> list[Path]:
    return [path for path in (place.home / "scratch").rglob("*") if path.is_file()]


@pytest.mark.campaign
def test_training_from_files_gives_the_bundle_of_training_in_memory(
    judged: Place, trained_home: Path, plimsoll: Cli, tmp_path: Path
) -> None:
    from tasks.replay import replay

    facts, record = trained(Place(trained_home, judged.data, judged.root))
    assert record["end"]["outputs"]["training_memory"] == "in_memory"
    judged.configure("estimator:\n", "estimator:\n  memory: external\n")
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    from_files, itself = trained(judged)
    assert itself["end"]["outputs"]["training_memory"] == "external"
    assert from_files["bundle"] == facts["bundle"]
    assert from_files["probe"] == facts["probe"]
    told = ("rows", "rows_digest", "excluded_dates", "quarantined_rows", "gate_report")
    assert [itself["end"]["outputs"][name] for name in told] == [record["end"]["outputs"][name] for name in told]
    assert not left_behind(judged)
    store = tmp_path / "alone"
    shutil.copytree(judged.home / "store/objects", store / "objects")
    request = {"store": str(store), "config": itself["config"], "snapshot": facts["snapshot"]}
    again = replay(request, judged.root)
    assert (again["bundle"], again["rows_digest"]) == (facts["bundle"], itself["end"]["outputs"]["rows_digest"])


def test_a_training_that_fails_leaves_no_files_behind(
    judged: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plimsoll import training

    def broken(*_: object) -> None:
        assert left_behind(judged), "the rows lie there"
        raise RuntimeError("in mid-fit")

    judged.configure("estimator:\n", "estimator:\n  memory: external\n")
    monkeypatch.setattr(training, "fit", broken)
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 1
    assert not left_behind(judged)
