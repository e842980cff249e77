"""What the page about a version says of its settings: where they come from, all trials, and what was made smaller."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from plimsoll.page import Html, badge, facts, join, more, section, table
from plimsoll.point_chart import PointChart, Series, point_chart
from plimsoll.search_config import Value

BEST_SHOWN = 5
STATES = {"complete": ("good", "complete"), "pruned": ("calm", "given up early"), "failed": ("bad", "failed")}
FAR = 4  # times the median's distance from the best: losses beyond are drawn at the edge


def settings_sections(told: Mapping[str, Any]) -> Iterable[Html]:
    """Yield the sections about settings; nothing for a version whose config searches and shrinks nothing.

    told has `settings`, and where there was one `search` with all its trials and `shrink` with all its sizes.
    """
    if "settings" in told:
        yield _settings(told["settings"], told.get("search") or {})
    if told.get("search"):
        yield _search(told["search"])
    if told.get("shrink"):
        yield _shrink(told["shrink"], (told.get("search") or {}).get("loss_name", "loss"))


def _settings(settings: Mapping[str, Any], search: Mapping[str, Any]) -> Html:
    rows = [(name, shown(value)) for name, value in sorted(settings["values"].items())]
    lead = f"{settings['sentence']}. The days that judge this version were no part of it."
    lead = lead if search or settings["origin"] != "written" else f"{settings['sentence']}."
    return section("Settings", facts(rows) if rows else None, lead=lead)


def _search(search: Mapping[str, Any]) -> Html:
    trials, name = search["trials"], search["loss_name"]
    heads = ["Trial", "State", f"{name.capitalize()}", "Folds", "Seconds", "Settings"]
    complete = sorted((one for one in trials if one["state"] == "complete"), key=lambda one: one["losses"][-1])
    best = table(heads, [_row(one) for one in complete[:BEST_SHOWN]], numbers=(0, 2, 3, 4), empty="None is complete.")
    everything = table(heads, [_row(one) for one in trials], numbers=(0, 2, 3, 4), empty="None.")
    lead = (
        f"Each trial trains with other settings on earlier training days and is judged by its {name} on later ones; "
        f"lower is better. {search['trials_done']} trials took {search['seconds']:,.0f} s in all."
    )
    if search["trials_kept"]:
        lead += f" {search['trials_kept']} of them were kept from an earlier run."
    shut = more(f"All {len(trials)} trials", everything) if len(trials) > len(complete[:BEST_SHOWN]) else None
    return section("Trials", _chart(trials, name), best, shut, lead=lead)


def _chart(trials: Sequence[Mapping[str, Any]], name: str) -> Html:
    complete, pruned = (_points(trials, state) for state in ("complete", "pruned"))
    best = tuple(zip((x for x, _ in complete), accumulate((y for _, y in complete), min), strict=True))
    best += ((float(len(trials) - 1), best[-1][1]),) if best else ()
    losses = [y for _, y in complete]
    clip = min(losses) + FAR * (statistics.median(losses) - min(losses)) if len(losses) > 2 else None
    clip = clip if clip and clip > min(losses) else None
    edge = min(max(losses, default=0.0), clip or float("inf"))  # a loss over fewer folds is no height beside the others
    series = [
        Series("best so far", best, 2, "steps"),
        Series("complete", complete, 0, "dots"),
        Series("given up early (its height says nothing)", tuple((x, edge) for x, _ in pruned), 1, "rings"),
    ]
    return point_chart(
        PointChart("Loss by trial", "trial", f"{name} within the training days", tuple(series), clip=clip)
    )


def _points(trials: Sequence[Mapping[str, Any]], state: str) -> tuple[tuple[float, float], ...]:
    return tuple((one["number"], one["losses"][-1]) for one in trials if one["state"] == state and one["losses"])


def _row(trial: Mapping[str, Any]) -> tuple[Any, ...]:
    tone, word = STATES[trial["state"]]
    state = badge(tone, join(word, ": ", trial["error"]) if trial["error"] else word)  # type: ignore[arg-type]
    loss = f"{trial['losses'][-1]:.5f}" if trial["losses"] else "–"
    settings = ", ".join(f"{name} {shown(value)}" for name, value in sorted(trial["settings"].items()))
    return trial["number"], state, loss, len(trial["losses"]), f"{trial['seconds']:,.1f}", settings


def _shrink(told: Mapping[str, Any], name: str) -> Html:
    whole, chosen = told["whole"], told["chosen"]
    heads = ["Model", "Trees", "Depth", "Bytes", name.capitalize(), "Given up", "Surely at most", "Scores"]
    rows = [_size("Whole", whole, "1 ×")]
    if chosen != whole:
        rows.append(_size("Smaller", chosen, f"{told['speed']['ratio']:.2f} × as fast"))
    taken = badge("good", "The smaller one is taken.") if told["taken"] else _kept(told)
    lead = (
        f"The smallest model whose {name} on later training days is surely (one-sided, {told['confidence']:.0%}, by "
        f"day) no more than {told['margin']:g} above that of the whole one. Bytes and speed are those of the last "
        f"inner fold's models; speed is measured on this machine, {told['speed']['rows']:,} rows, encoding included."
    )
    return section("A smaller model", taken, table(heads, rows, numbers=range(1, 8), empty=""), _sizes(told), lead=lead)


def _kept(told: Mapping[str, Any]) -> Html:
    if told["chosen"] == told["whole"]:
        return badge("calm", "Nothing smaller surely stays within the margin.")
    return badge("wait", "It is offered, not taken: set shrink.take to true.")


def _size(name: str, size: Mapping[str, Any], speed: str) -> tuple[Any, ...]:
    bound = "–" if size["at_most"] is None else f"{size['at_most']:+.5f}"
    given = f"{size['given_up']:+.5f}" if name != "Whole" else "–"
    numbers = f"{size['rounds']:,}", str(size["max_depth"] or "free"), f"{size['bytes']:,}", f"{size['loss']:.5f}"
    return name, *numbers, given, bound if name != "Whole" else "–", speed


def _sizes(told: Mapping[str, Any]) -> Html:
    sizes, margin = told.get("sizes") or [], told["margin"]
    depths = list(dict.fromkeys(one["max_depth"] for one in sizes))
    lines = [
        Series(
            f"depth {depth or 'free'}",
            tuple((s["rounds"], s["at_most"]) for s in sizes if s["max_depth"] == depth and s["at_most"] is not None),
            at,
        )
        for at, depth in enumerate(depths)
    ]
    chosen = told["chosen"]
    dot = ((chosen["rounds"], chosen["at_most"]),) if chosen["at_most"] is not None else ()
    series = (*lines, Series("taken" if told["taken"] else "smallest that passes", dot, 5, "dots"))
    chart = PointChart(
        "Loss given up by size",
        "trees",
        "loss given up, surely at most",
        series,
        ("margin", margin),
        6 * margin or None,
    )
    return point_chart(chart)


def shown(value: Value) -> str:
    """Return a setting's value as a person reads it."""
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
