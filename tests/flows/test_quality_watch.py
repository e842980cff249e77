"""What a nightly check says of quality: in slices, before outcomes come, with few or none, and of older versions."""

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from plimsoll.errors import DataError
from tests.flows.made_once import Common
from tests.flows.places import (
    APPROVER,
    AS_OF,
    DAY,
    MODEL,
    NEXT,
    REQUESTER,
    Answer,
    Place,
    change,
    code_of,
    copy_home,
    copy_project,
    standing_at,
)

Cli = Callable[..., Answer]
THIRD = dt.date(2013, 3, 4)


@pytest.fixture(scope="session")
def watched_home(common: Common, landing: Path, small_project: Path, prefect_server: str) -> Path:
    """A project and a home whose champion has reference nights enough, and watches the airports each for itself."""

    def make(folder: Path) -> None:
        place = Place(folder / "home", landing, copy_project(small_project, folder / "project"))
        place.configure("window_days: 20", "window_days: 25")
        place.configure("drift:\n", "drift:\n  slices: [origin]\n")
        with standing_at(place, prefect_server):
            from flows.train_model import train_model
            from tasks.approvals import submit_decision

            train_model(MODEL, as_of=AS_OF, requested_by=REQUESTER)
            code = code_of(APPROVER)
            assert submit_decision(place.workspace, MODEL, 1, "approve", APPROVER, "", code=code).accepted

    return common.once("watched", make)


@pytest.fixture
def watched(empty: Place, watched_home: Path) -> Place:
    """A place of its own with that project and home."""
    copy_home(watched_home / "home", empty.home)
    shutil.copy(watched_home / f"project/configs/models/{MODEL}.yaml", empty.root / "configs/models")
    return empty


def checked(place: Place, plimsoll: Cli) -> dict[str, Any]:
    """Score three days, check them, and return the facts of the last decision."""
    assert plimsoll("score", MODEL, "--date", DAY, "--to", THIRD, "--as-of", THIRD).code == 0
    answer = plimsoll("check", MODEL, "--as-of", THIRD)
    assert answer.code == 0, answer.said
    facts: dict[str, Any] = place.ledger("drift_decided")[-1]["facts"]
    return facts


def test_slices_are_judged_each_for_itself_on_the_losses_that_came(watched: Place, plimsoll: Cli) -> None:
    facts = checked(watched, plimsoll)
    assert set(facts["slices"]) == {"origin=EWR", "origin=JFK", "origin=LGA"}
    assert all(chart["judged"] for chart in facts["slices"].values())
    assert facts["slices"]["origin=JFK"]["threshold"] > facts["quality"]["threshold"] * 0.8
    late = facts["late"]
    assert late["date"] == str(NEXT)
    assert late["slices"] == pytest.approx(losses_by_origin(watched, NEXT))


def losses_by_origin(place: Place, day: dt.date) -> dict[str, float]:
    """The same from the table, the outcomes and the export, by hand."""
    rows = place.predictions(day)
    came = pq.ParquetFile(place.data / f"outcomes/{day}.parquet").read().to_pandas()
    sent = pq.ParquetFile(place.flights(day)).read().to_pandas()
    both = rows.merge(came, left_on="key", right_on="flight_id").merge(sent[["flight_id", "origin"]], on="flight_id")
    both = both[both["arrival_delay_minutes"].notna()]
    chance = np.where(both["arrival_delay_minutes"] > 15, both["score"], 1 - both["score"])
    lost: pd.Series = pd.Series(-np.log(chance)).groupby(both["origin"].to_numpy()).mean()
    return {f"origin={name}": float(loss) for name, loss in lost.items()}


def test_a_night_is_estimated_before_its_outcomes_come(watched: Place, plimsoll: Cli) -> None:
    facts = checked(watched, plimsoll)
    assert facts["late"]["date"] < facts["date"]
    assert facts["estimate"]["judged"]
    assert 0.2 < facts["estimate"]["estimate"] < 0.8
    assert "missed the real loss by" in facts["estimate"]["sentence"]
    assert facts["scores"]["judged"]
    assert facts["diagnosis"]


def test_no_outcomes_ever_leave_the_estimate_and_the_age(watched: Place, plimsoll: Cli) -> None:
    for path in (watched.data / "outcomes").glob("2013-03-0[2-9].parquet"):
        path.unlink()
    facts = checked(watched, plimsoll)
    assert facts["late"] is None
    assert not facts["quality"]["judged"]
    assert "no outcomes have arrived" in facts["quality"]["sentence"]
    assert facts["estimate"]["judged"]
    assert "Whether the model got worse is not known" in facts["diagnosis"]
    assert not facts["decision"]["retrain"]


def test_outcomes_for_a_tenth_wait_for_more_and_are_shown(watched: Place, plimsoll: Cli) -> None:
    for path in (watched.data / "outcomes").glob("2013-03-0[2-9].parquet"):
        change(path, lambda rows: rows.iloc[: len(rows) // 10])
    facts = checked(watched, plimsoll)
    assert facts["late"]["coverage"] == pytest.approx(0.1, abs=0.02)
    assert not facts["quality"]["judged"]
    assert facts["quality"]["path"] == []
    assert "2 nights have outcomes, none for drift.min_coverage (50 %) of its rows" in facts["quality"]["sentence"]


def test_a_later_delivery_that_corrects_a_night_is_said_to(serving: Place, plimsoll: Cli) -> None:
    path = serving.data / f"outcomes/{DAY}.parquet"
    whole = path.read_bytes()
    change(path, lambda rows: rows.iloc[: len(rows) * 3 // 4])
    assert plimsoll("score", MODEL, "--date", DAY, "--to", THIRD, "--as-of", THIRD).code == 0

    def late_of(date: dt.date) -> dict[str, Any]:
        assert plimsoll("check", MODEL, "--date", date, "--as-of", date).code == 0
        late: dict[str, Any] = serving.ledger("drift_decided")[-1]["facts"]["late"]
        return late

    first = late_of(NEXT)
    assert (first["former"], first["corrected"]) == (None, [])
    path.write_bytes(whole)
    change(path, lambda rows: rows.assign(arrival_delay_minutes=-rows["arrival_delay_minutes"]))
    second = late_of(THIRD)
    [told] = second["corrected"]
    assert (told["date"], told["former"]["digest"], told["former"]["loss"]) == (
        str(DAY),
        first["digest"],
        first["loss"],
    )
    assert told["loss"] > first["loss"]
    assert 0 < told["former"]["changed"] < first["outcomes"]
    page = (serving.workspace.reports / MODEL / "index.html").read_text()
    assert f"Corrected by a later delivery: {DAY} ({told['former']['changed']} outcomes, loss" in page


def test_profiles_that_another_version_wrote_stop_no_decision(
    serving: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks import observed
    from tasks.bundles import fetch_bundle
    from tasks.champion import standing_of

    assert plimsoll("score", MODEL, "--date", DAY, "--to", NEXT, "--as-of", THIRD).code == 0
    place, standing = serving.workspace, standing_of(serving.workspace, MODEL)
    bundle = fetch_bundle(place, MODEL, 1, standing.versions[0].bundle)

    def seen() -> list[observed.Observed]:
        return observed.observed_nights(place, place.model(MODEL), standing, bundle, 1, str(NEXT))

    def unreadable(_: object) -> None:
        raise DataError("of another form")

    kept = seen()
    monkeypatch.setattr(observed, "from_json", unreadable)
    assert [night.profile is None for night in seen()] == [True, False]
    assert seen()[-1] == kept[-1], "made again from the snapshot it is what was kept"
    assert plimsoll("check", MODEL, "--date", NEXT, "--as-of", THIRD).code == 0
    inputs = serving.ledger("drift_decided")[-1]["facts"]["inputs"]
    assert inputs["judged"]
    assert "1 night is left out of the last nights" in inputs["sentence"]


def test_two_outcomes_for_one_row_count_as_none_and_stop_nothing(serving: Place, plimsoll: Cli) -> None:
    change(
        serving.data / f"outcomes/{DAY}.parquet",
        lambda rows: pd.concat([rows, rows.head(1).assign(arrival_delay_minutes=-500.0)]),
    )
    facts = checked(serving, plimsoll)
    assert facts["late"]["date"] == str(NEXT), "the other night counts"
    assert "two outcomes for" in facts["outcomes_refused"][str(DAY)]
    assert f"Outcomes of {DAY} cannot be used, and count as not come: " in facts["diagnosis"]
    assert "Send one per row" in facts["diagnosis"]


def test_the_check_after_a_missed_night_catches_up_in_order(serving: Place, plimsoll: Cli) -> None:
    assert plimsoll("score", MODEL, "--date", DAY, "--as-of", DAY).code == 0
    assert plimsoll("score", MODEL, "--date", THIRD, "--as-of", THIRD).code == 0
    assert plimsoll("score", MODEL, "--date", NEXT, "--as-of", THIRD).code == 0
    assert plimsoll("check", MODEL, "--as-of", THIRD).code == 0
    assert [e["facts"]["date"] for e in serving.ledger("drift_decided")] == [str(DAY), str(NEXT), str(THIRD)]
