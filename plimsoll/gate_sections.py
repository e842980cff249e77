"""What the gates were judged by, as sections of a candidate's page: one for each gate that leaves a table."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from plimsoll.charts import bar_list
from plimsoll.page import Child, Html, badge, facts, more, section, table

CROSSED = " and "  # in the name of a column that stands for several
SOURCES = 25  # shown of many
Shown = Any  # JSON, as the gate of that name left it


def gate_sections(shown: Mapping[str, Shown], champion: str) -> Iterator[Html]:
    """Yield a section for everything that gates left, in the order of the gates; champion names it in words."""
    for name, draw in SECTIONS.items():
        if shown.get(name):
            yield draw(shown[name], champion)


def _champion(rows: Shown, champion: str) -> Html:
    heads = ["Measure", "This version", champion, "Better by", "Surely by", "Surely not by more than", "Asked"]
    body = [
        (
            one["metric"],
            _number(one["mine"]),
            _number(one["rival"]),
            *(_signed(one[name]) for name in ("gain", "low", "high")),
            _asked(one),
        )
        for one in rows
    ]
    tries = rows[0]["tries"]
    shared = f", the error shared by the {tries} challengers that were tried on them" if tries > 1 else ""
    sure = f"{rows[0]['confidence']:.1%} confidence{shared}"
    lead = f"Paired bootstrap over {rows[0]['units']}; each bound holds with {sure}."
    return section(
        "Beside the champion", table(heads, body, numbers=range(1, 6), empty="Nothing was compared."), lead=lead
    )


def _asked(one: Mapping[str, Any]) -> str:
    if one["rule"] == "superiority":
        return f"better by more than {one['margin']:g}"
    return f"worse by at most {one['margin']:g}"


def _calibration(found: Shown, _: str) -> Html:
    brier = found["brier"]
    pairs: list[tuple[str, Child]] = [
        ("Mean score less mean outcome", _with_interval(found, "bias")),
        ("Slope, 1 is right", _with_interval(found, "slope")),
        ("Expected calibration error", f"{_number(found['error'])}, by chance {_number(found['error_by_chance'])}"),
    ]
    if brier:
        parts = f"{_number(brier['reliability'])} − {_number(brier['resolution'])} + {_number(brier['uncertainty'])}"
        pairs.append(("Brier: reliability − resolution + uncertainty", parts))
    return section("Calibration", facts(pairs), lead="Intervals are 95 % and count days, where there are days.")


def _with_interval(found: Mapping[str, Any], name: str) -> str:
    low, high = found[f"{name}_interval"]
    return _number(found[name]) + ("" if low is None or high is None else f" ({_number(low)} to {_number(high)})")


def _stability(periods: Shown, champion: str) -> Html:
    heads = ["Period", "Rows", "Loss", champion]
    body = [(f"{p['from']} to {p['to']}", f"{p['rows']:,}", _number(p["loss"]), _number(p["rival"])) for p in periods]
    lead = "Mean loss of each period, counted back from the last day."
    return section("Stability", table(heads, body, numbers=(1, 2, 3), empty="There was one period only."), lead=lead)


def _slices(found: Shown, champion: str) -> Html:
    heads = ["Slice", "Rows", "Loss", "Times all rows", "Surely", f"More than {champion}", "Surely more"]
    body = [
        (
            one["name"],
            f"{one['rows']:,}",
            *(_number(one[name]) for name in ("loss", "ratio", "ratio_low")),
            *(_signed(one[name]) for name in ("behind", "behind_low")),
        )
        for one in found["worst"]
    ]
    small = f" Not judged, with fewer than {found['min_rows']} rows or too few days: {', '.join(found['small'])}."
    lead = (
        f"The worst of {found['looked_at']}, by rows times loss above the mean; bounds hold for all of them together."
    )
    lead += small if found["small"] else ""
    return section("Slices", table(heads, body, numbers=range(1, 7), empty="No slice has rows enough."), lead=lead)


def _leakage(powers: Shown, _: str) -> Html:
    lead = "How well each feature alone tells the outcome: AUC of a yes or no, R² of a number. The strongest ten."
    return section("Single features", bar_list(powers), lead=lead)


def _fairness(rates: Shown, _: str) -> Html:
    heads = ["Group", "Rate", "Value", "95 % interval", "Over rows", "Judged"]
    crossed = [one for one in rates if CROSSED in one["column"]]
    alone = table(heads, _rates([one for one in rates if one not in crossed]), numbers=(2, 4), empty="None.")
    more_of = table(heads, _rates(crossed), numbers=(2, 4), empty="None.")
    folded = more(f"{len(crossed)} rates of crossings", more_of) if crossed else None
    lead = "By group of protected columns. False positive rates are over rows whose outcome was no."
    return section("Fairness", alone, folded, lead=lead)


def _rates(rates: Shown) -> list[tuple[Child, ...]]:
    return [
        (
            one["group"],
            one["metric"].replace("_", " "),
            _number(one["rate"]),
            "–" if one["low"] is None else f"{_number(one['low'])} to {_number(one['high'])}",
            f"{one['rows']:,}",
            badge("good", "yes") if one["judged"] else badge("wait", "too few rows"),
        )
        for one in rates
    ]


def _sources(found: Shown, champion: str) -> Html:
    before = found["before"]
    names = list(dict.fromkeys([*found["shares"], *(before or {})]))
    then = {name: (before or {}).get(name, 0.0) for name in names}
    names.sort(key=lambda name: -max(found["shares"].get(name, 0.0), then[name]))
    heads = [found["by"].capitalize(), "Share", *([champion] if before is not None else [])]
    body = [
        (name, f"{found['shares'].get(name, 0.0):.1%}", *([f"{then[name]:.1%}"] if before is not None else []))
        for name in names[:SOURCES]
    ]
    most = f" The largest {SOURCES} of {len(names)}." if len(names) > SOURCES else ""
    lead = f"Where the {found['rows']:,} training rows come from.{most}"
    return section("Sources", table(heads, body, numbers=(1, 2), empty="There were no rows."), lead=lead)


def _holdout(found: Shown, champion: str) -> Html:
    rival, dates = found["rival"], found["dates"]
    heads = ["Measure", "This version", *([champion] if rival else [])]
    body = [
        (name, _number(value), *([_number(rival.get(name))] if rival else []))
        for name, value in found["metrics"].items()
    ]
    span = f" from {dates[0]} to {dates[-1]}" if dates else ""
    lead = (
        f"{found['name']}: {found['rows']:,} rows{span} that no training may touch; {found['changed']}. "
        f"{found['looks']} candidates were judged on them so far."
    )
    if found["champion_may_have_seen"]:
        lead += f" {champion} was trained before they were frozen and may have seen them."
    return section("Frozen holdout", table(heads, body, numbers=(1, 2), empty="Nothing was measured."), lead=lead)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}".replace("-", "−")


SECTIONS: Mapping[str, Callable[[Shown, str], Html]] = {
    "champion": _champion,
    "calibration": _calibration,
    "stability": _stability,
    "slices": _slices,
    "leakage": _leakage,
    "sources": _sources,
    "fairness": _fairness,
    "holdout": _holdout,
}
