"""The page about a backtest: what each policy would have done, what it cost, and what was reachable."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plimsoll.axes import short_date
from plimsoll.backtest import AGE
from plimsoll.backtest_figures import Prices, Tally, losses_of, sentences
from plimsoll.backtest_parts import (
    Course,
    History,
    Retraining,
)
from plimsoll.backtest_policies import CONFIGURED, FOR_EVER_DAYS, MONTHLY, Policy
from plimsoll.chart_events import Marker
from plimsoll.model_config import ModelConfig
from plimsoll.page import Child, Html, badge, code, day, el, join, link, more, render_page, section, table, tiles
from plimsoll.time_chart import Line, Point, TimeChart, time_chart
from plimsoll.timeline_charts import LOSS

SMOOTH_NIGHTS = 7
HEADS = [
    "Policy",
    "Mean loss",
    "Retrains",
    "Won",
    "Alarms",
    "False",
    "Worse nights",
    "Retrains cost",
    "Quality cost",
    "Cost",
]
EXPLAINED = (
    ("Mean loss", "over nights, each night the same; outcomes that came after the last night count too."),
    ("Won", "retrains whose challenger passed every gate, the champion's among them, and served."),
    ("Alarms", "retrains that something seen asked for: late losses or inputs, not age or a calendar."),
    (
        "False",
        "alarms after which fewer than two of the next seven nights were bad for the model that was complained about. "
        "Bad is above the 95th percentile of its reference losses.",
    ),
    (
        "Worse nights",
        "nights on which the model that served lost over 2 % more than the youngest model that any policy here had "
        "trained by then: a better one was to be had.",
    ),
)


@dataclass(frozen=True)
class BacktestStory:
    """All that the page shows."""

    config: ModelConfig
    run: str
    policies: tuple[Policy, ...]
    history: History
    courses: tuple[Course, ...]
    tallies: tuple[Tally, ...]
    prices: Prices


def render_backtest(story: BacktestStory) -> str:
    """Return the page as HTML, self-contained; its one link leads to the list of models."""
    nights = story.history.nights
    span = f"{short_date(nights[0].date, year=True)} to {short_date(nights[-1].date, year=True)}"
    return render_page(
        f"Backtest of {story.config.model}",
        [_tiles(story), _reachable(story), _quality(story), _figures(story), *_retrains(story), _policies(story)],
        kicker=link("../index.html", "All models"),
        lead=f"What each retrain policy would have done from {span}, on what was known each night.",
        aside=el("p", f"Owned by {story.config.owner}", class_="soft"),
        foot=join("Run ", code(story.run), ". Nothing about the model was changed."),
    )


def _tiles(story: BacktestStory) -> Html:
    own, nights = story.tallies[0], story.history.nights
    best = min(story.tallies, key=lambda one: one.mean_loss)
    cheap = min(story.tallies, key=lambda one: one.cost)
    stopped = sum(bool(night.stopped) for night in nights)
    return tiles(
        [
            ("Nights replayed", f"{len(nights):,}", f"validation stopped {stopped} of them"),
            ("Configured policy", f"{own.mean_loss:.4f}", f"mean loss, {_count(own)}"),
            ("Lowest loss", f"{best.mean_loss:.4f}", f"{best.policy}, {_count(best)}"),
            ("Lowest cost", f"{cheap.cost:,.0f}", f"{cheap.policy}, {_count(cheap)}"),
        ]
    )


def _count(one: Tally) -> str:
    return "1 retrain" if one.retrains == 1 else f"{one.retrains} retrains"


def _reachable(story: BacktestStory) -> Html:
    return section("What was reachable", *(el("p", one, style="margin-top:8px") for one in sentences(story.tallies)))


def _quality(story: BacktestStory) -> Html:
    own = next(course for course in story.courses if course.policy == CONFIGURED)
    markers = tuple(Marker(one.date, _mark(one), "good" if one.promoted else "bad") for one in own.retrains)
    unit = f"{LOSS.get(story.config.task, 'loss')}, mean of {SMOOTH_NIGHTS} nights"
    nightly = {course.policy: losses_of(course) for course in story.courses}
    monthly = nightly[MONTHLY]
    apart = {name: {date: loss - monthly[date] for date, loss in own.items()} for name, own in nightly.items()}
    lead = (
        "Lower is better. Policies that learn from as many days start with the same model, and all are judged on the "
        "same rows. The bold line and the upright marks are the configured policy and its retrains."
    )
    between = f"The same, less the loss under {MONTHLY}: below zero a policy did better than that calendar."
    charts = [
        TimeChart("Quality by night", unit, _lines(nightly), markers=markers, named_below=True),
        TimeChart(f"Against {MONTHLY}", f"difference, {unit}", _lines(apart), markers=markers, named_below=True),
    ]
    drawn = [time_chart(chart) for chart in charts]
    return section("Quality by night", drawn[0], el("h3", f"Against {MONTHLY}"), el("p", between), drawn[1], lead=lead)


def _lines(nightly: Mapping[str, Mapping[str, float]]) -> tuple[Line, ...]:
    """Return a line a policy, the configured one last, so that none covers it."""
    lines = [
        Line(name, smoothed(losses), at, "main" if name == CONFIGURED else "plain")
        for at, (name, losses) in enumerate(nightly.items())
    ]
    return tuple(sorted(lines, key=lambda line: line.name == CONFIGURED))


def _mark(one: Retraining) -> str:
    why = "age" if one.rule == AGE else one.rule.replace("_", " ")
    return why if one.promoted else f"{why}, refused"


def smoothed(losses: Mapping[str, float]) -> tuple[Point, ...]:
    """Return the mean of each night and those before it, so many in all; a night without a loss is left out."""
    known = sorted(losses.items())
    return tuple(
        (date, statistics.fmean(loss for _, loss in known[max(at - SMOOTH_NIGHTS + 1, 0) : at + 1]))
        for at, (date, _) in enumerate(known)
    )


def _figures(story: BacktestStory) -> Html:
    prices = story.prices
    shown = table(HEADS, [_row(one) for one in story.tallies], numbers=range(1, len(HEADS)), empty="No policy.")
    lead = (
        f"Prices: {prices.retrain:g} for a retrain, {prices.quality:g} for a point of quality, which is one percent of "
        "the lowest mean loss on one night. Quality is charged against the policy with the lowest mean loss."
    )
    words = [el("p", el("strong", f"{name}: "), text, class_="soft") for name, text in EXPLAINED]
    return section("What it gave and cost", shown, more("What the columns mean", *words), lead=lead)


def _row(one: Tally) -> list[Child]:
    name = el("strong", one.policy) if one.policy == CONFIGURED else one.policy
    alarms = (f"{one.alarms}", f"{one.false_alarms}") if one.alarms else ("–", "–")
    costs = (f"{one.retrain_cost:,.0f}", f"{one.quality_cost:,.0f}", f"{one.cost:,.0f}")
    return [
        name, f"{one.mean_loss:.4f}", f"{one.retrains}", f"{one.promotions}", *alarms, f"{one.worse_nights}", *costs,
    ]  # fmt: skip


def _retrains(story: BacktestStory) -> Sequence[Html]:
    """Return the retrains of every policy that decided, the configured one's open."""
    found = []
    for course in story.courses:
        rows = [_retrain(one) for one in course.retrains]
        shown = table(["Night", "Why", "Challenger", "Gates"], rows, empty="It never retrained.")
        if course.policy == CONFIGURED:
            notes = [badge("bad", f"The first model would have been refused: {one}") for one in course.first]
            found.append(section("Retrains of the configured policy", *notes, shown))
        elif course.retrains:
            found.append(more(f"Retrains of {course.policy}: {len(course.retrains)}", shown))
    return found


def _retrain(one: Retraining) -> list[Child]:
    verdict = badge("good", "served") if one.promoted else badge("bad", "refused")
    return [day(one.date), one.sentence, verdict, el("span", one.because, class_="soft")]


def _policies(story: BacktestStory) -> Html:
    rows: list[list[Child]] = [[one.name, one.words, one.sees, _rules(one, story)] for one in story.policies]
    lead = (
        "Rivals are real policies that are shown less. The gates, the split and the training are the model's own; "
        "a policy in a file may learn from another window."
    )
    return section("The policies", table(["Policy", "What it is", "Sees", "Rules"], rows, empty="None."), lead=lead)


def _rules(policy: Policy, story: BacktestStory) -> str:
    retrain = policy.retrain
    if policy.sees == "nothing":
        return "–"
    age = f", maximum age {retrain.max_age_days} days" if retrain.max_age_days < FOR_EVER_DAYS else ""
    change = "; learns from the change on" if retrain.window == "since_change" else ""
    days = f"the last {policy.window_days}" if policy.window_days else "all"
    window = f"; learns from {days} days" if policy.window_days != story.config.split.window_days else ""
    return f"cooldown {retrain.cooldown_days} days, at most {retrain.monthly_budget} in 30 days{age}{window}{change}"
