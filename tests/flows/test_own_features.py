"""A new feature function beside the old one: the champion scores on, a new version is promoted, and back again."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from plimsoll.store import get_json, get_object
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, Answer, Place, damage

Cli = Callable[..., Answer]
FEATURES = "configs/features/flights.py"
THIRD, FOURTH = (NEXT + dt.timedelta(days=n) for n in (1, 2))
COLUMN = '    - {name: weekday, kind: number, because: "from the scheduled date"}\n'
NEW_COLUMN = '    - {name: hour, kind: number, because: "scheduled local time of day, from the timetable"}\n'
TURNED = '''

def build_turned(batch: pd.DataFrame) -> pd.DataFrame:
    """Return batch with what build adds and the hour; weekday is 0 on Sundays."""
    from .hours import of

    built = build(batch)
    return built.assign(weekday=6 - built["weekday"], hour=of(built["departure_minute"]))
'''
HOURS = "def of(minute):\n    return minute // 60\n"
ABOUT_HOUR = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "hour", "min_value": 0, "max_value": 23},
    "meta": {"level": "batch", "says": "A day has 24 hours"},
}


def add_beside(place: Place) -> None:
    """Add a function beside the old one, name it in the config, and ask something of its new column."""
    path = place.root / FEATURES
    path.write_text(path.read_text() + TURNED)
    path.with_name("hours.py").write_text(HOURS)
    place.configure("function: flights:build", "function: flights:build_turned")
    place.configure(COLUMN, COLUMN + NEW_COLUMN)
    suite = place.root / f"great_expectations/expectations/{MODEL}.json"
    body = json.loads(suite.read_text())
    suite.write_text(json.dumps({**body, "expectations": [*body["expectations"], ABOUT_HOUR]}))


def scored(place: Place, day: dt.date) -> dict[int, str]:
    """Return the versions that scored a date and their roles."""
    rows = place.predictions(day)
    return dict(zip(rows["version"].astype(int), rows["role"], strict=True))


def trace(plimsoll: Cli, place: Place, day: dt.date, version: int) -> bool:
    """Return whether a version's score of a row is what its inputs come to now, bit for bit."""
    rows = place.predictions(day)
    key = rows.loc[rows["version"].astype(int) == version, "key"].iloc[5]
    found = json.loads(plimsoll("explain", key, "--date", day, "--version", version, "--json").out)["explanation"]
    return bool(found["same_bits"])


def test_features_change_without_a_night_lost(serving: Place, plimsoll: Cli) -> None:
    add_beside(serving)
    done = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert done.code == 0, done.said
    first, second = serving.ledger("gates_passed")
    report, before = (get_json(serving.workspace.store, e["facts"]["gate_report"]) for e in (second, first))
    assert report["champion"]["metrics"] == before["candidate"]["metrics"], "the champion is judged with its own"
    record = serving.records()[-1]
    assert record["end"]["outputs"]["champion_features"]["function"] == "flights:build"

    done = plimsoll("score", MODEL, "--date", DAY, "--as-of", DAY)
    assert done.code == 0, done.said
    assert "did not score" not in done.said
    assert scored(serving, DAY) == {1: "champion", 2: "challenger"}
    assert trace(plimsoll, serving, DAY, 1), "v1 scored what flights:build makes"
    assert trace(plimsoll, serving, DAY, 2), "v2 scored what flights:build_turned makes"

    hours = serving.root / "configs/features/hours.py"
    hours.write_text(HOURS.replace("60", "30"))
    done = plimsoll("approve", MODEL, 2, "--as", APPROVER)
    assert "the code changed since then" in done.said, "a module that it imports is part of a function"
    done = plimsoll("score", MODEL, "--date", NEXT, "--as-of", NEXT)
    assert f"{FEATURES}, by configs/features/hours.py that it imports, computes something else" in done.said
    assert scored(serving, NEXT) == {1: "champion"}, "the champion does not reach it"
    hours.write_text(HOURS + "# as it was\n")
    done = plimsoll("approve", MODEL, 2, "--as", APPROVER, "--json")
    assert done.code == 0, done.said
    told = json.loads(done.out)
    assert told["shown"] == serving.ledger("approved")[-1]["facts"]["shown"]
    assert get_object(serving.workspace.store, told["shown"]).decode() == told["evidence"]
    assert "## Shall flight_delay v2 become champion?" in told["evidence"]
    done = plimsoll("score", MODEL, "--date", THIRD, "--as-of", THIRD)
    assert scored(serving, THIRD) == {1: "previous", 2: "champion"}, done.said
    assert plimsoll("check", MODEL, "--date", THIRD).code == 0
    done = plimsoll("rollback", MODEL, "--as", APPROVER, "--as-of", THIRD)
    assert "v1 is champion again" in done.out, done.said
    assert damage(serving) == ""

    path = serving.root / FEATURES
    path.write_text(path.read_text().replace("def build(", "def build_first(").replace("= build(", "= build_first("))
    done = plimsoll("score", MODEL, "--date", FOURTH, "--as-of", FOURTH)
    assert done.code == 2
    assert f"{MODEL} v1 was trained with the feature function flights:build" in done.said
    assert "expected a function build(batch), found none" in done.said
    assert "and the new one beside it under another name" in done.said
    done = plimsoll("train", MODEL, "--as-of", FOURTH)
    assert done.code == 0, done.said
    judged = max(serving.ledger("gates_passed") + serving.ledger("gates_failed"), key=lambda entry: entry["n"])
    report = get_json(serving.workspace.store, judged["facts"]["gate_report"])
    [warned] = [one for one in report["gates"] if one["gate"] == "the champion's features"]
    assert (warned["verdict"], "flights:build" in warned["sentence"]) == ("warn", True)


def test_rows_are_joined_as_they_were_at_the_training(serving: Place, lived_home: Path, plimsoll: Cli) -> None:
    serving.configure("decision_lead_minutes: 120", "decision_lead_minutes: 0")
    serving.configure("max_age_hours: 6", "max_age_hours: 1")
    done = plimsoll("score", MODEL, "--date", DAY, "--as-of", DAY)
    assert done.code == 0, done.said
    before = replace(serving, home=lived_home).predictions(DAY).query("role == 'champion'")
    now = serving.predictions(DAY)
    assert dict(zip(now["key"], now["score"], strict=True)) == dict(zip(before["key"], before["score"], strict=True))

    serving.configure("- name: weather", "- name: hourly_weather")
    done = plimsoll("score", MODEL, "--date", NEXT, "--as-of", NEXT)
    assert done.code == 2
    assert "v1 was trained with the lookup weather, which configs/models/flight_delay.yaml does not name" in done.said


def test_a_request_is_void_once_the_config_asks_for_another_outcome(waiting: Place, plimsoll: Cli) -> None:
    waiting.configure("decision_lead_minutes: 120", "decision_lead_minutes: 0")
    (one,) = json.loads(plimsoll("pending", "--json").out)
    assert one["state"] == "waiting", "it would score by the joins of its training"
    waiting.configure("above: 15", "above: 30")
    (one,) = json.loads(plimsoll("pending", "--json").out)
    assert (one["state"], "the config changed since then" in one["sentence"]) == ("void", True), one
