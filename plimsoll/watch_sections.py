"""The parts of a model's page about what drift decisions saw: guessed and real losses, outcomes, what pushed inputs."""

from typing import Any

from plimsoll.axes import is_date
from plimsoll.estimate import goodness_words
from plimsoll.ledger import Entry
from plimsoll.model_story import ModelStory
from plimsoll.outcomes import correction_words
from plimsoll.page import Child, Html, badge, day, section, table
from plimsoll.time_chart import COLOURS, Line, TimeChart, time_chart
from plimsoll.timeline_charts import expected_band, markers

SHOWN_NIGHTS = 14  # of the table of what pushed inputs, newest first
SHOWN_COLUMNS = 3


def estimate_section(story: ModelStory) -> Html:
    """Return the section about losses that were estimated before outcomes came, beside those that came."""
    nights = [(e, e.facts["estimate"]) for e in _judged(story) if (e.facts.get("estimate") or {}).get("judged")]
    if not nights:
        return section(
            "Estimated quality", lead="No version that keeps the scores of its reference days was checked yet."
        )
    guessed = tuple((str(e.facts["date"]), float(said["estimate"])) for e, said in nights)
    came = {(version, night.date): night.loss for version, late in story.quality.items() for night in late}
    real = tuple(
        (date, came.get((int(e.facts["version"]), date))) for (e, _), (date, _) in zip(nights, guessed, strict=True)
    )
    chart = TimeChart(
        "Estimated quality",
        "mean loss of the night",
        (Line("real", real, 1, marked=False), Line("estimated", guessed, 0, "main")),
        threshold=tuple((str(e.facts["date"]), float(said["threshold"])) for e, said in nights),
        alarms=frozenset(str(e.facts["date"]) for e, said in nights if said["alarm"]),
        markers=markers(story),
        named_below=True,
        band=expected_band(story),
        span=story.span,
    )
    lead = (
        "What nights with such scores have lost before, guessed before outcomes come. It sees harder nights; it cannot "
        f"see that the same inputs now lead to other outcomes.{_goodness(nights[-1][1])}"
    )
    return section("Estimated quality", time_chart(chart), lead=lead)


def slice_section(story: ModelStory) -> Html:
    """Return the section about the late losses of every slice against its load line; nothing where none is watched."""
    seen: dict[str, list[tuple[str, float]]] = {}
    pooled: dict[str, int] = {}
    for entry in _judged(story):
        for name, chart in (entry.facts.get("slices") or {}).items():
            if chart.get("path") and chart.get("threshold"):
                night = str(chart["path"][-1][0]), chart["statistic"] / chart["threshold"]
                seen.setdefault(name, []).append(night)
                pooled[name] = int(chart.get("together", 1))
    if not seen:
        return Html("")
    worst = sorted(seen, key=lambda name: -max(height for _, height in seen[name]))[:COLOURS]
    lines = [Line(name, tuple(dict(seen[name]).items()), at, marked=False) for at, name in enumerate(sorted(worst))]
    nights = sorted({date for name in worst for date, _ in seen[name]})
    chart = TimeChart(
        "Loss of quality by slice",
        "CUSUM of the slice's losses, as a share of its load line",
        tuple(lines),
        threshold=tuple((date, 1.0) for date in nights),
        markers=markers(story),
        from_zero=True,
        named_below=True,
        span=story.span,
    )
    left = f" Of {len(seen)} slices the {COLOURS} that came highest are drawn." if len(seen) > COLOURS else ""
    small = ", ".join(f"{name} ({nights})" for name, nights in sorted(pooled.items()) if nights > 1)
    together = f" Small nights are judged as one, so rises are seen later: {small} nights each." if small else ""
    lead = f"Losses may rise for some rows and not as a whole.{left}{together}"
    return section("Loss of quality by slice", time_chart(chart), lead=lead)


def coverage_section(story: ModelStory) -> Html:
    """Return the section about the share of each night's rows whose outcome is known, of the champion of the night."""
    served = {v: [n for n in late if _served(story, v, n.date)] for v, late in sorted(story.quality.items())}
    order, nights = sorted(served), [night for late in served.values() for night in late]
    lines = tuple(Line("", tuple((n.date, n.coverage) for n in late), order.index(v)) for v, late in served.items())
    unit = "share of rows with an outcome"
    chart = TimeChart("Outcomes", unit, lines, markers=markers(story), from_zero=True, span=story.span)
    unknown = sum(n.unknown_keys for n in nights)
    lead = "A night's loss is judged once enough of its outcomes have come."
    said = f" {unknown:,} outcomes name no row that was scored; they are not used." if unknown else ""
    return section("Outcomes", time_chart(chart), lead=lead + said + correction_words(nights))


def _served(story: ModelStory, version: int, date: str) -> bool:
    return is_date(date) and story.roles.get((version, date)) == "champion"


def pushed_section(story: ModelStory) -> Html:
    """Return which columns pushed the inputs in the last nights, and what the night's answers mean together."""
    nights = _judged(story)[-SHOWN_NIGHTS:]
    rows = [_pushed_row(e) for e in reversed(nights)]
    shown = table(["Night", "Inputs", "Scores", "Most pushed", "What it means"], rows, empty="No night was judged yet.")
    return section("Night by night", shown, lead="The last nights, newest first." if rows else "")


def _pushed_row(entry: Entry) -> list[Child]:
    inputs = entry.facts["inputs"]
    words = [column["words"] for column in inputs.get("columns", ())[:SHOWN_COLUMNS]]
    slices = [name for name, chart in (entry.facts.get("slices") or {}).items() if chart.get("alarm")]
    meaning = str(entry.facts.get("diagnosis") or "–")
    if slices:
        meaning += f" Losses rose in {', '.join(slices)}."
    answers = [_alarm(inputs), _alarm(entry.facts.get("scores"))]
    return [day(entry.facts["date"]), *answers, "; ".join(words) or "–", meaning]


def _alarm(verdict: Any) -> Child:
    if not verdict or not verdict.get("judged"):
        return "not judged"
    return badge("note", "moved") if verdict["alarm"] else "as usual"


def _goodness(said: dict[str, Any]) -> str:
    return goodness_words(*(said.get(name) for name in ("error_sd", "bias", "correlation")))


def _judged(story: ModelStory) -> list[Entry]:
    return [e for e in story.nightly if e.facts.get("inputs") and is_date(str(e.facts["date"]))]
