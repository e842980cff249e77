"""The charts of a model's page: nightly losses, drift of inputs and scores, loss of quality."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from plimsoll.axes import is_date
from plimsoll.business_date import business_dates
from plimsoll.chart_events import Marker
from plimsoll.estimate import BAND
from plimsoll.model_story import ModelStory
from plimsoll.outcomes import NightlyQuality
from plimsoll.page import Html, Tone, section
from plimsoll.time_band import Band
from plimsoll.time_chart import Line, Point, Role, TimeChart, time_chart

OVER_NIGHTS, FEW_NIGHTS = 30, 10  # that a sentence counts; with fewer none is called another season
CLIP_AT = 4.0  # load lines; a night of broken data must not flatten all the others
ROLES: dict[str, Role] = {"champion": "champion", "challenger": "challenger", "previous": "previous"}
LOSS = {"classification": "mean log loss", "regression": "mean absolute error"}
MARKED: dict[str, tuple[str, Tone]] = {
    "promoted": ("v{version} champion", "good"),
    "rolled_back": ("back to v{version}", "bad"),
    "retrain_started": ("retrain", "wait"),
    "batch_rejected": ("batch rejected", "bad"),
}


def quality_section(story: ModelStory) -> Html:
    """Return the section about nightly losses, one colour per version, one stroke per role."""
    unit = LOSS.get(story.task, "loss")
    lines = [
        line
        for colour, (version, nights) in enumerate(sorted(story.quality.items()))
        for line in _by_role(story, version, colour, [n for n in nights if is_date(n.date)])
    ]
    band = expected_band(story)
    chart = TimeChart("Quality by night", unit, tuple(lines), markers=markers(story), band=band, span=story.span)
    lead = (
        f"The {unit} of each night, once its outcomes came; lower is better. Versions are judged on the same rows."
        f"{' A night above the band lost more than the scores of its rows explain.' if band.nights else ''}"
    )
    return section("Quality", time_chart(chart), lead=lead)


def _by_role(story: ModelStory, version: int, colour: int, nights: Sequence[NightlyQuality]) -> list[Line]:
    """Return a version's losses as one line per stretch in one role; a stretch starts where the last one ended."""
    stretches: list[tuple[Role, list[Point]]] = []
    for night in nights:
        role = _role(story.roles.get((version, night.date)))
        if not stretches or stretches[-1][0] != role:
            stretches.append((role, stretches[-1][1][-1:] if stretches else []))
        stretches[-1][1].append((night.date, night.loss))
    return [Line(f"v{version}", tuple(points), colour, role) for role, points in stretches]


def _role(name: str | None) -> Role:
    return ROLES.get(name or "", "plain")


def expected_band(story: ModelStory) -> Band:
    """Return where the champion's loss was to be expected on each night, by the scores of its rows."""
    said = [(str(e.facts["date"]), e.facts.get("estimate") or {}) for e in story.nightly]
    known = [
        (date, one["estimate"], BAND * one["error_sd"]) for date, one in said if one.get("error_sd") and is_date(date)
    ]
    nights = tuple((date, max(guess - wide, 0.0), guess + wide) for date, guess, wide in known)
    return Band("expected of the champion by its scores, 19 nights of 20", nights)


def markers(story: ModelStory) -> tuple[Marker, ...]:
    """Return what happened to a model as marks on its charts, the same on all of them."""
    found, moved = [], business_dates(story.standing.entries)
    for entry in story.standing.of_kind(*MARKED):
        label, tone = MARKED[entry.kind]
        if is_date(on := moved.get(entry.n, entry.as_of)):
            found.append(Marker(on, label.format(version=entry.facts.get("version")), tone))
    return tuple(dict.fromkeys(found))


def input_section(story: ModelStory) -> Html:
    """Return the section about the input statistic against its load line."""
    lead = (
        "How strange each night's inputs are beside the reference days of the champion. It informs, and retrains "
        "nothing."
    )
    single = (
        "Look below, night by night, for the columns that pushed it, and ask whoever sends them when the change is not "
        "one of the world."
    )
    return _statistic_section(story, "inputs", "Input drift", lead, single)


def score_section(story: ModelStory) -> Html:
    """Return the section about the statistic of score drift against its load line."""
    lead = (
        "How strange the champion's scores of each night are beside its scores of the reference days. It informs, and "
        "retrains nothing."
    )
    single = "Losses say whether that harms."
    return _statistic_section(story, "scores", "Score drift", lead, single)


def _statistic_section(story: ModelStory, which: str, title: str, lead: str, single: str) -> Html:
    nights = [(str(e.facts["date"]), e.facts.get("version"), e.facts.get(which) or {}) for e in story.nightly]
    chart = _against_load_line(story, nights)
    chart = replace(chart, title=title, unit="statistic", clip=CLIP_AT * _highest(chart.threshold), informs=True)
    return section(title, time_chart(chart), lead=f"{lead} {_over_words(nights, single)}".strip())


def _over_words(nights: Sequence[tuple[str, Any, Mapping[str, Any]]], single: str) -> str:
    """Say how many of a version's last nights were over their load line, and what to do; single, of few of them."""
    last = [said for _, version, said in nights if version == nights[-1][1] and said.get("statistic") is not None]
    over = [bool(said.get("alarm")) for said in last[-OVER_NIGHTS:]]
    if not any(over):
        return ""
    was = "was" if sum(over) == 1 else "were"
    many = f"{sum(over)} of the last {len(over)} nights of v{nights[-1][1]} {was} over the load line."
    if len(over) >= FEW_NIGHTS and sum(over) >= len(over) / 2:
        return (
            f"{many} That is another time than its reference days, as a new season is, and not one night's fault. "
            "While the loss of quality is quiet nothing is to be done; the next version learns from these days."
        )
    return f"{many} {single}"


def late_section(story: ModelStory) -> Html:
    """Return the section about the rank-CUSUM of late losses against its load line."""
    said = ((e.facts.get("version"), e.facts.get("quality") or {}) for e in story.nightly)
    nights = [(str(quality["path"][-1][0]), version, quality) for version, quality in said if quality.get("path")]
    chart = replace(_against_load_line(story, nights), title="Loss of quality", unit="CUSUM of nightly losses")
    lead = (
        "The sum rises while nights are worse than the reference nights. Enough nights over the load line ask for a "
        "retrain. Each champion has a sum of its own, over every night that it has scored since its training. "
        f"{_last_sentence(story, 'quality')}"
    )
    return section("Loss of quality", time_chart(chart), lead=lead)


def recent_section(story: ModelStory) -> Html:
    """Return the section about the moving average of late losses against its load line."""
    said = ((e.facts.get("version"), e.facts.get("quality") or {}, e.facts.get("recent") or {}) for e in story.nightly)
    nights = [
        (str(quality["path"][-1][0]), version, recent) for version, quality, recent in said if quality.get("path")
    ]
    chart = replace(_against_load_line(story, nights), title="Recent losses", unit="moving average", from_zero=False)
    lead = (
        "Bad nights come in rows: are they to be expected now? An average of the last nights' losses, half of it of "
        f"the last two. {_last_sentence(story, 'recent')}"
    )
    return section("Recent losses", time_chart(chart), lead=lead)


def _last_sentence(story: ModelStory, question: str) -> str:
    said = [verdict for e in story.nightly if (verdict := e.facts.get(question))]
    return str(said[-1].get("sentence", "")) if said else ""


def _against_load_line(story: ModelStory, nights: Sequence[tuple[str, Any, Mapping[str, Any]]]) -> TimeChart:
    """Return a chart of the nights' statistics, one line per champion, over (date, version, verdict)."""
    known = {(d, v): said for d, v, said in nights if is_date(d) and said.get("statistic") is not None}
    versions = list(dict.fromkeys(version for _, version in known))
    order = sorted(story.quality) or versions
    lines = [Line("", _statistics(known, v), order.index(v) if v in order else 0) for v in versions]
    return TimeChart(
        title="",
        unit="",
        lines=tuple(lines),
        threshold=tuple(sorted({date: float(said["threshold"]) for (date, _), said in known.items()}.items())),
        markers=markers(story),
        alarms=frozenset(date for (date, _), said in known.items() if said.get("alarm")),
        from_zero=True,
        span=story.span,
    )


def _statistics(known: Mapping[tuple[str, Any], Mapping[str, Any]], version: Any) -> tuple[Point, ...]:
    return tuple((date, float(said["statistic"])) for (date, v), said in known.items() if v == version)


def _highest(threshold: Sequence[Point]) -> float:
    return max((value for _, value in threshold if value is not None), default=1.0)
