"""The pages made for people: safe, whole, self-contained, with much, little and nothing to tell."""

import datetime as dt
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from plimsoll.axes import Scale
from plimsoll.candidate import Candidate
from plimsoll.candidate_page import render_candidate
from plimsoll.config_loading import parse_config
from plimsoll.estimate import goodness_words
from plimsoll.fleet_line import fold_line, unknown_line
from plimsoll.ledger import Entry, Kind
from plimsoll.model_config import ModelConfig
from plimsoll.model_story import ModelStory, chapters
from plimsoll.outcomes import NightlyQuality
from plimsoll.overview_page import render_overview
from plimsoll.page import VOID, Html, el, link
from plimsoll.run_record import CodeVersion, Environment
from plimsoll.standing import stand
from plimsoll.time_band import Band, draw_band
from plimsoll.timeline_page import render_timeline
from plimsoll.validation_page import Finding, Validation, render_validation, render_validation_index

EVIL = '<script>alert("x")</script>'
NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
FIRST = dt.date(2013, 3, 1)
CONFIG = Path(__file__).parents[2] / "configs/models/flight_delay.yaml"


class Balance(HTMLParser):
    """Notes every tag that is not closed in order, and every address."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in VOID:
            self.wrong.append(f"<{tag}/>")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action", "srcset")]


def check(html: str) -> Balance:
    page = Balance(html)
    assert page.wrong == []
    assert page.open == []
    assert not page.tags & {"script", "link", "img", "iframe", "base"}
    assert [a for a in page.addresses if ":" in a or a.startswith("/")] == []
    assert "url(" not in html
    assert "@import" not in html
    return page


class Ledger:
    """Entries written one after another."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, kind: Kind, as_of: str, by: str = "flow:check_drift", **facts: Any) -> Entry:
        entry = Entry(len(self.entries), "flight_delay", kind, as_of, "2026-11-21T10:00:00+00:00", by, facts)
        self.entries.append(entry)
        return entry

    def train(self, version: int, as_of: str) -> None:
        gate = {
            "gate": "auc ≥ limit",
            "verdict": "pass",
            "passed": True,
            "value": 0.7,
            "threshold": 0.62,
            "sentence": "auc is 0.7",
        }
        self.add("trained", as_of, version=version, bundle="b", trained_through=as_of, rows=51062, cause=EVIL)
        self.add("gates_passed", as_of, version=version, gate_report="g", gates=[gate])
        facts = {"requested_by": "grace", "policy": {}, "evidence": {"gate_report": "a" * 64}}
        self.add("promotion_requested", as_of, "grace", version=version, expires_at="2026-12-01T00:00:00Z", **facts)

    def promote(self, version: int, as_of: str) -> None:
        self.add("approved", as_of, "ada", version=version, comment=EVIL)
        self.add("promoted", as_of, "ada", version=version)

    def night(self, date: str, version: int, statistic: float, rule: str = "nothing", retrain: bool = False) -> None:
        batch = self.add("batch_committed", date, date=date, versions={str(version): "champion"}, rows=900)
        inputs: dict[str, Any] = {"statistic": statistic, "threshold": 2.0, "alarm": statistic > 2, "sentence": EVIL}
        inputs |= {"judged": True, "columns": [{"words": EVIL}]}
        guess = {
            "judged": True,
            "alarm": False,
            "estimate": 0.5,
            "threshold": 0.6,
            "error_sd": 0.1,
            "bias": 0.01,
            "correlation": 0.5,
        }
        quality = {"statistic": statistic, "threshold": 5.0, "alarm": statistic > 5, "path": [[date, 0.5, statistic]]}
        decision = {"retrain": retrain, "rule": rule, "sentence": f"No retrain on {date}: {EVIL}"}
        facts = {
            "inputs": inputs,
            "quality": quality,
            "scores": {**inputs, "statistic": 0.4},
            "slices": {EVIL: {"alarm": True, **{name: quality[name] for name in ("statistic", "threshold", "path")}}},
            "estimate": guess,
            "diagnosis": EVIL,
            "decision": decision,
            "report": f"flight_delay/drift-{date}-v1.html",
        }
        self.add("drift_decided", date, date=date, batch_entry=batch.n, version=version, **facts)


def day(number: int) -> str:
    return (FIRST + dt.timedelta(days=number)).isoformat()


def told(ledger: Ledger, **more: Any) -> ModelStory:
    standing = stand("flight_delay", ledger.entries)
    facts = {"purpose": EVIL, "owner": EVIL, "task": "classification", "standing": standing, "now": NOW}
    return ModelStory(**{"model": "flight_delay", **facts, **more})


def months(nights: int) -> ModelStory:
    ledger = Ledger()
    ledger.train(1, day(0))
    ledger.promote(1, day(0))
    for number in range(nights):
        ledger.night(day(number), 1, 30.0 if number % 50 == 49 else 1.0)
        if number == 20:
            ledger.add("batch_rejected", day(number), date=day(number), reason=EVIL, validation="c0ffee00" * 8, rows=3)
    ledger.train(2, day(nights))
    late = tuple(
        NightlyQuality(day(n), 1, None if n % 9 == 8 else 0.4 + n % 7 / 20, 900, 880, 0) for n in range(nights)
    )
    pages = frozenset({"flight_delay/v1.html", f"data_docs/flight_delay/{day(20)}-c0ffee00.html"})
    return told(ledger, quality={1: late}, pages=pages)


def shown_by_gates() -> dict[str, Any]:
    """What every gate leaves for a page, in the words of somebody who means no good."""
    worst = {"name": EVIL, "rows": 300, "loss": 0.7, "ratio": 1.4, "ratio_low": 1.1, "behind": -0.1, "behind_low": None}
    rate = {"column": "c", "group": EVIL, "metric": "selection_rate", "rate": 0.3, "low": 0.2, "high": None, "rows": 9}
    numbers = {"bias": 0.1, "slope": None, "error": 0.03, "error_by_chance": 0.01, "intercept": None}
    parts = {"reliability": 0.01, "resolution": 0.02, "uncertainty": 0.2}
    beside = {"metric": "auc", "rule": "superiority", "margin": 0.0, "confidence": 0.95, "tries": 1, "units": "14 days"}
    return {
        "champion": [{**beside, "mine": 0.7, "rival": 0.6, "gain": 0.1, "low": -0.01, "high": 0.2}],
        "calibration": {**numbers, "bias_interval": [0.0, 0.2], "slope_interval": [None, None], "brier": parts},
        "stability": [{"from": day(0), "to": day(1), "rows": 900, "loss": 0.5, "rival": None}],
        "slices": {"worst": [worst], "looked_at": 9, "small": [EVIL], "min_rows": 200},
        "leakage": {EVIL: 0.6, "size": 0.5},
        "fairness": [{**rate, "judged": False}, {**rate, "low": None, "judged": True}],
    }


def candidate(task: str = "classification") -> Candidate:
    config = parse_config(ModelConfig, CONFIG.read_text(), str(CONFIG))
    bins = [{"score": n / 10, "observed": n / 11, "rows": 90.0} for n in range(10)]
    part = {"rows": 900, "dates": [day(0), day(1)], "metrics": {"auc": 0.7, "log_loss": 0.5, "brier": None}}
    part |= {"loss_by_day": {day(0): 0.5, day(1): 0.6}, "calibration": bins}
    gate = {
        "gate": "auc ≥ limit",
        "verdict": "fail",
        "passed": False,
        "value": None,
        "threshold": 0.62,
        "sentence": EVIL,
    }
    report = {
        "gates": [gate, {**gate, "verdict": "warn", "passed": True, "threshold": None}],
        "shown": shown_by_gates(),
        "candidate": part,
        "champion": part,
        "champion_version": 1,
        "excluded_dates": {EVIL: EVIL},
    }
    if task == "regression":
        config = config.model_copy(update={"outcome": config.outcome.model_copy(update={"above": None})})
        report["champion"], report["champion_version"] = None, None
    return Candidate(
        config=config,
        version=2,
        report=report,
        **dict.fromkeys(("run", "requested_by", "cause"), EVIL),
        as_of=day(2),
        dates=(day(0), day(1)),
        rows=900,
        quarantined=3,
        digests={"snapshot": "a" * 64, "bundle": "b" * 64},
        code=CodeVersion("c" * 40, "", "d" * 64, "e" * 64, kept=False),
        environment=Environment("f" * 64, "9" * 64, "CPython 3.11", "Linux", "", 2, {}, ()),
    )


def test_a_models_page_shows_guesses_outcomes_and_what_pushed_its_inputs() -> None:
    story = months(40)
    for entry in story.decisions:
        entry.facts["scores"] = None
    days = ("04-01-2013-12-31", "05-01-2013-06-30-1a2b3c4d")
    older, newer = (f"flight_delay/backtest-2013-{span}.html" for span in days)
    page = render_timeline(replace(story, pages=story.pages | {older, newer}))
    assert "Backtest: 1 Apr 2013 to 31 Dec 2013<" in page
    assert "Backtest: 1 May 2013 to 30 Jun 2013, 1a2b3c4d<" in page
    assert goodness_words(0.1, 0.01, 0.5) in page, "as in the sentence of the night"
    assert page.count("not judged") >= 14, "no scores were kept for these nights"
    assert "Losses rose in" in page


CHARTS = (
    "Quality by night",
    "Input drift",
    "Score drift",
    "Loss of quality",
    "Loss of quality by slice",
    "Estimated quality",
    "Outcomes",
)


def test_all_charts_of_a_model_have_one_time_axis_with_its_decisions() -> None:
    story = months(40)
    late = {1: story.quality[1][7:30]}  # outcomes came for some nights only
    page = render_timeline(replace(story, quality=late))
    for title in CHARTS:
        wide, narrow = re.findall(rf"<svg[^>]*><title>{title}, (.*?)</title>(.*?)</svg>", page, re.DOTALL)
        for span, drawn in (wide, narrow):
            assert span == "1 Mar 2013 to 9 Apr 2013", title
            assert "v1 champion" in drawn, title
            assert ("band usual" in drawn) == (title in ("Quality by night", "Estimated quality")), title
            assert ("loadline" in drawn) == (title not in ("Quality by night", "Outcomes")), title


def test_slices_are_drawn_only_where_they_are_watched() -> None:
    assert "Loss of quality by slice" not in render_timeline(told(Ledger()))
    story = months(10)
    assert "Small nights are judged as one" not in render_timeline(story)
    for entry in story.decisions:
        entry.facts["slices"] = {"origin=JFK": {**(entry.facts["slices"] or {})[EVIL], "together": 3}}
    assert "rises are seen later: origin=JFK (3) nights each." in render_timeline(story)


def test_a_band_is_cut_where_a_night_is_missing() -> None:
    band = Band("usual", ((day(0), 0.1, 0.2), (day(1), 0.1, 0.3), (day(3), 0.2, 0.3)))
    drawn = draw_band(band, Scale(0, 1e6, 0, 1e6), Scale(0, 1, 0, 100))
    assert [path.count("L") for path in drawn.split("<path")[1:]] == [7, 5]
    assert draw_band(Band("usual", ()), Scale(0, 1, 0, 1), Scale(0, 1, 0, 1)) == ""


def test_elements_escape_what_is_not_markup() -> None:
    assert el("p", "<b>", title='"') == '<p title="&quot;">&lt;b&gt;</p>'
    assert el("p", Html("<b>x</b>"), None, 0) == "<p><b>x</b>0</p>"


@pytest.mark.parametrize("address", ["https://example.org", "//example.org", "javascript:alert(1)", "/etc/passwd"])
def test_links_stay_beside_the_page(address: str) -> None:
    with pytest.raises(ValueError, match="beside"):
        link(address, "x")


@pytest.mark.parametrize("nights", [0, 1, 2, 30, 400])
def test_a_timeline_is_whole_and_safe(nights: int) -> None:
    html = render_timeline(months(nights))
    check(html)
    assert EVIL not in html
    assert "plimsoll approve flight_delay 2" in html
    assert len(html) < 400_000


def test_an_empty_ledger_says_so() -> None:
    html = render_timeline(told(Ledger(), model=EVIL))
    check(html)
    assert "None yet" in html
    assert "Nothing was decided yet." in html


def test_only_pages_that_exist_are_linked() -> None:
    addresses = check(render_timeline(months(30))).addresses
    assert set(addresses) == {
        "../index.html",
        "../flight_delay/v1.html",
        f"../data_docs/flight_delay/{day(20)}-c0ffee00.html",
    }


def test_quiet_nights_are_told_together() -> None:
    ledger = Ledger()
    for number in range(12):
        ledger.night(day(number), 1, 1.0)
    ledger.night(day(12), 1, 1.0, rule="late_losses", retrain=True)
    assert [len(chapter.entries) for chapter in chapters(told(ledger))] == [12, 1]
    assert "12 quiet nights" in render_timeline(told(ledger))


def inputs_over(over: set[int]) -> str:
    ledger = Ledger()
    for number in range(20):
        ledger.night(day(number), 1, 3.0 if number in over else 1.0)
    return render_timeline(told(ledger))


def test_what_only_informs_is_not_drawn_as_an_alarm_and_says_what_to_do() -> None:
    season = inputs_over(set(range(4, 20)))
    check(season)
    assert 'class="alarm told"' in season
    assert 'class="alarm"' not in season, "no loss alarmed"
    assert "16 of the last 20 nights of v1 were over the load line. That is another time" in season
    assert "While the loss of quality is quiet nothing is to be done" in season
    single = inputs_over({7})
    assert "1 of the last 20 nights of v1 was over the load line. Look below" in single
    assert "over the load line. That" not in single
    assert "nights of v1" not in inputs_over(set())


def test_a_request_waits_for_a_person_until_it_expires() -> None:
    ledger = Ledger()
    ledger.train(1, day(0))
    waits = render_timeline(told(ledger))
    check(waits)
    assert "plimsoll approve flight_delay 1" in waits
    assert "plimsoll approve" not in render_timeline(told(ledger, now=dt.datetime(2027, 1, 1, tzinfo=dt.UTC)))


def test_a_table_without_dates_draws_no_chart_over_time() -> None:
    ledger = Ledger()
    ledger.night("part-01", 1, 1.0)
    check(render_timeline(told(ledger)))


def test_the_overview_lists_every_model() -> None:
    config = parse_config(ModelConfig, CONFIG.read_text(), str(CONFIG))
    standing = months(3).standing
    other = stand("breast_cancer", ())
    lines = [fold_line(config, standing), fold_line(config.model_copy(update={"model": "breast_cancer"}), other)]
    html = render_overview([*lines, unknown_line("broken", EVIL)], {"breast_cancer/index.html"})
    assert "breast_cancer/index.html" in check(html).addresses
    assert "broken/index.html" not in html
    assert EVIL not in html
    check(render_overview([], ()))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_candidate_page_is_whole_and_safe(task: str) -> None:
    html = render_candidate(candidate(task))
    check(html)
    assert EVIL not in html
    assert ("Reliability" in html) == (task == "classification")
    for title in ("Beside the champion", "Calibration", "Stability", "Slices", "Single features", "Fairness"):
        assert f"<h2>{title}</h2>" in html
    assert "too few rows" in html
    assert "1 of 2 failed" in html
    assert "in the published timetable, months ahead" in html


def test_on_a_phone_a_long_name_beside_a_number_takes_two_lines() -> None:
    wide, narrow = render_candidate(candidate()).split("@media screen and (max-width: 720px)")[:2]
    assert "Surely not by more than" in narrow
    assert ".number { text-align: right; white-space: nowrap; }" in wide
    assert re.search(r"td\.number \{[^}]*white-space: normal", narrow), "else it is written over the number"


def test_a_champion_that_saw_the_answers_is_said_to_have() -> None:
    seen = replace(candidate(), champion_trained_through=day(1))
    assert "has seen rows" in render_candidate(seen)
    assert "has seen rows" not in render_candidate(candidate())


def test_a_validation_page_is_whole_and_safe() -> None:
    found = Finding("stops the batch", EVIL, el("b", EVIL), EVIL, EVIL, ((EVIL, 3),), (EVIL,))
    batch = {"reason": EVIL, "rows": 3, "validation": "a" * 64}
    batch["quarantined"] = [{"key": EVIL, "column": EVIL, "value": EVIL, "says": EVIL}]
    html = render_validation(Validation("flight_delay", "2013-03-12", batch, (found,), EVIL, "1.24"))
    check(html)
    assert EVIL not in html
    check(render_validation_index("flight_delay", [("2013-03-12", "2013-03-12-aa.html", True, EVIL)]))
