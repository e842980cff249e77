"""Evidence as sections of a candidate's page: curves, importance, dependence, contributions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plimsoll.page import Child, Html, el, more, section, table
from plimsoll.swarm_chart import swarm_chart
from plimsoll.xy_chart import SMALL, XyChart, word_chart, xy_chart

Evidence = Mapping[str, Any]
LOSS = {"classification": "log loss", "regression": "absolute error"}
DRAWN = 6  # dependences that are open; the others open on a click


def evidence_sections(evidence: Evidence, task: str, names: tuple[str, str], base: float | None) -> Iterator[Html]:
    """Yield the sections that there is evidence for; names are the candidate's and the champion's, in words.

    base is the share of yes among the rows, None for a number.
    """
    if not evidence:
        return
    yield from _curves(evidence["curves"], names, base)
    yield _importance(evidence, task)
    if evidence["dependence"]:
        yield _dependence(evidence["dependence"], task)
    yield _contributions(evidence["contributions"])


def _curves(curves: Mapping[str, Any], names: tuple[str, str], base: float | None) -> Iterator[Html]:
    mine, rival = curves.get("candidate") or {}, curves.get("champion") or {}
    if "roc" in mine:
        drawn = el("div", _roc(mine, rival, names), _recall(mine, rival, names, base), class_="two")
        lead = "Left, how many of those that came true are found at the price of how many false alarms; right, how "
        lead += "many of those it names come true. Without skill it is the dashed line."
        yield section("Curves", drawn, lead=lead)
    if "residuals" in mine:
        lead = "Outcome less score, by score: the line is the median, the band holds eight in ten rows. At 0 it is "
        lead += "right as often too high as too low."
        yield section("Residuals", _residuals(mine, rival, names), lead=lead)


def _roc(mine: Mapping[str, Any], rival: Mapping[str, Any], names: tuple[str, str]) -> Html:
    lines = [(names[0], mine["roc"]), (names[1], rival.get("roc", ()))]
    words = ("share of no taken for a yes", "share of yes found")
    return xy_chart(XyChart("ROC curve", *words, lines, diagonal=True, unit_square=True))


def _recall(mine: Mapping[str, Any], rival: Mapping[str, Any], names: tuple[str, str], base: float | None) -> Html:
    lines = [(names[0], mine["recall"]), (names[1], rival.get("recall", ()))]
    words = ("share of yes found", "share of those named that come true")
    return xy_chart(XyChart("Precision against recall", *words, lines, level=base, unit_square=True))


def _residuals(mine: Mapping[str, Any], rival: Mapping[str, Any], names: tuple[str, str]) -> Html:
    lines = [
        (name, [(b["score"], b["middle"]) for b in side.get("residuals", ())])
        for name, side in zip(names, (mine, rival), strict=True)
    ]
    band = [(b["score"], b["low"], b["high"]) for b in mine["residuals"]]
    words = ("mean score of a tenth of the rows", "outcome less score")
    return xy_chart(XyChart("Residuals by score", *words, lines, band=band, level=0.0))


def _importance(evidence: Evidence, task: str) -> Html:
    ranked = evidence["importance"]
    longest = max((max(abs(one["rise"]), abs(one["high"] or 0)) for one in ranked), default=0.0) or 1.0
    cells: list[Html] = []
    for one in ranked:
        cells += [el("span", one["feature"], class_="input"), _reach(one, longest)]
        cells.append(el("span", f"{one['rise']:.4f}".replace("-", "−"), class_="push"))
    lead = (
        f"How much the mean {LOSS[task]} rises when one input is shuffled among the rows, with a 95 % interval that "
        f"counts days; on {evidence['rows']:,} of {evidence['of']:,} rows that it was not trained on. Of inputs that "
        "tell the same, each looks unimportant, since the others still tell it."
    )
    return section("What it looks at", el("div", *cells, class_="pushes"), lead=lead)


def _reach(one: Mapping[str, Any], longest: float) -> Html:
    """Return a bar from nothing to the rise, with its interval as a line across its end."""
    share = max(one["rise"], 0.0) / longest
    parts = [el("rect", x=0, y=0.2, width=max(share, 0.003), height=0.6, class_="bar")]
    if one["low"] is not None:
        low, high = (min(max(one[name] / longest, 0.0), 1.0) for name in ("low", "high"))
        parts.append(el("line", x1=low, x2=high, y1=0.5, y2=0.5, class_="whisker"))
    words = "" if one["low"] is None else f", {one['low']:.4f} to {one['high']:.4f}"
    title = el("title", f"{one['feature']}: {one['rise']:.4f}{words}")
    return el("svg", title, *parts, viewBox="0 0 1 1", preserveAspectRatio="none", role="img")


def _dependence(found: Sequence[Mapping[str, Any]], task: str) -> Html:
    drawn = [_varied(one, task) for one in found]
    rest = more(f"{len(drawn) - DRAWN} more", el("div", *drawn[DRAWN:], class_="multiples"))
    lead = (
        "The mean score when one input of the same rows is set to one value after another; the band holds eight in "
        "ten of them, and opens where the input does not work alike on all. The other inputs stay as they were, so "
        "where inputs hang together some of these rows never occur: it says what the model would do, not what the "
        "world does. Of a number that hangs together with others a second line compares only rows near each value "
        "(accumulated local effects): where the two part, the first rests on rows that do not occur."
    )
    shown = el("div", *drawn[:DRAWN], class_="multiples")
    return section("How its score moves", shown, rest if len(drawn) > DRAWN else None, lead=lead)


def _varied(one: Mapping[str, Any], task: str) -> Html:
    points, unit = one["points"], "mean score" if task == "classification" else "mean prediction"
    if one["kind"] == "category":
        drawn = word_chart(f"Partial dependence on {one['feature']}", points)
    else:
        line = [("all other inputs as they were", [(p["at"], p["mean"]) for p in points])]
        line += [("rows near each value", one["accumulated"])] if one.get("accumulated") else []
        band = [(p["at"], p["low"], p["high"]) for p in points]
        words = XyChart(f"Partial dependence on {one['feature']}", one["feature"], unit, line, band=band)
        drawn = xy_chart(words, SMALL)
    near = ", ".join(f"{name} ({rank:+.2f})".replace("-", "−") for name, rank in one["tied"][:3])
    tied = el("p", f"hangs together with {near}", class_="soft") if near else None
    return el("div", el("h3", one["feature"]), drawn, tied)


def _contributions(told: Mapping[str, Any]) -> Html:
    title = f"What moved the scores{', estimated' if told.get('estimated') else ''}"
    if "missing" in told:
        return section(title, el("p", told["missing"], class_="empty"))
    lead = (
        f"Each dot is one of {told['rows']:,} rows: to the right the input raised its score, in {told['unit']}. "
        "Blue is a low value of a number, orange a high one; a category has no order. "
        f"{told['method']}."
    )
    heads = ["Input", f"Mean push, {told['unit']}", "Direction"]
    rows: list[Sequence[Child]] = [(one["feature"], _push(one), direction(one)) for one in told["features"]]
    exact = more("In numbers", table(heads, rows, numbers=(1,), empty="None."))
    return section(title, swarm_chart(told["features"], told["unit"]), exact, lead=lead)


def _push(one: Mapping[str, Any]) -> str:
    """Return the mean push, with its mean standard error where it is an estimate."""
    return f"{one['mean']:.4f}{' ± {:.4f}'.format(one['error']) if 'error' in one else ''}"


def direction(one: Mapping[str, Any]) -> str:
    """Return in words which way a number pushes as it rises, by Spearman's rank correlation over the rows."""
    import pandas as pd

    if not one["places"]:
        return "a category"
    pairs = pd.DataFrame({"place": one["places"], "push": one["pushes"]}, dtype=float).rank()
    moves = pairs["place"].nunique() > 1 and pairs["push"].nunique() > 1  # a value that never changes pushes nothing
    rank = float(pairs["place"].corr(pairs["push"])) if moves else 0.0
    if not abs(rank) >= DIRECTED:
        return "up or down, by the other inputs or in turns"
    return f"a high value {'raises' if rank > 0 else 'lowers'} the score"


DIRECTED = 0.4  # rank correlation from which an input is said to push one way
