"""What differs between two runs of a flow, in words: what was asked, data, config, code, environment, results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plimsoll.snapshot import Snapshot
from plimsoll.snapshot_difference import describe_difference

SHOWN = 12  # digits of a digest
NAMED = 20  # files or packages listed before the rest are counted
LABELS = ("name", "metric", "column")  # what tells the members of a list apart
NUMBERING = frozenset({"version", "mlflow_run", "ledger", "reading"})  # outputs that say nothing about a result
OF_SETTINGS = {  # the parts of these outputs that are compared; others are times, or follow from them
    "settings": ("origin", "values"),
    "search": ("trials_done", "best", "loss"),
    "shrink": ("taken",),
}


@dataclass(frozen=True, eq=False)
class RunView:
    """A run with everything that its record refers to by digest."""

    record: Mapping[str, Any]
    config: Mapping[str, Any]
    tree: Mapping[str, str]  # digest of every source file, by path
    packages: Mapping[str, str]
    snapshots: Sequence[Snapshot]
    metrics: Mapping[str, float | None]

    @property
    def outputs(self) -> Mapping[str, Any]:
        """What the run made; nothing for one that was cut off."""
        end = self.record["end"] or {}
        made = {name: value for name, value in end.get("outputs", {}).items() if name not in NUMBERING}
        parts = {name: kept for name, kept in OF_SETTINGS.items() if name in made}
        return {**made, **{name: {part: made[name].get(part) for part in kept} for name, kept in parts.items()}}

    @property
    def result(self) -> str:
        """How the run ended."""
        return str(self.record["end"]["result"]) if self.record["end"] else "cut off, or running"


@dataclass(frozen=True)
class Metric:
    """One metric of two runs, side by side."""

    name: str
    before: float | None
    now: float | None

    @property
    def change(self) -> float | None:
        """The second less the first, None where either is unknown."""
        return None if self.before is None or self.now is None else self.now - self.before


def compare_runs(before: RunView, now: RunView) -> dict[str, list[str]]:
    """Return by subject one sentence per thing that differs; a subject without one is the same in both."""
    old, new = before.record, now.record
    asked = [{"as of": r["as_of"], "model": r["model"], **r["parameters"]} for r in (old, new)]
    machines = [_machine(r["environment"]) for r in (old, new)]
    metrics = [f"{m.name}: {m.before} before, {m.now} now" for m in side_by_side(before, now) if m.before != m.now]
    result = [f"ended {before.result} before, {now.result} now"] if before.result != now.result else []
    return {
        "parameters": list(changes(*asked)),
        "data": _data(before.snapshots, now.snapshots),
        "config": list(changes(before.config, now.config)),
        "code": [*_code(old["code"], new["code"]), *_limited(before.tree, now.tree, "changed")],
        "environment": [*changes(*machines), *_limited(before.packages, now.packages, "")],
        "metrics": metrics,
        "outputs": [*result, *changes(before.outputs, now.outputs)],
    }


def side_by_side(before: RunView, now: RunView) -> list[Metric]:
    """Return every metric of either run."""
    names = dict.fromkeys([*before.metrics, *now.metrics])
    return [Metric(name, before.metrics.get(name), now.metrics.get(name)) for name in names]


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield one sentence per key whose value differs, however deep; members of a list are known by their name."""
    before, now = dict(_leaves("", old)), dict(_leaves("", new))
    for key in dict.fromkeys([*before, *now]):
        if before.get(key) != now.get(key) or (key in before) != (key in now):
            yield f"{key}: {_words(before, key)} before, {_words(now, key)} now"


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), inner)
    elif isinstance(value, list) and value and all(isinstance(inner, Mapping) and _label(inner) for inner in value):
        yield f"order of {path}", ", ".join(_label(inner) for inner in value)
        for inner in value:
            yield from _leaves(f"{path}[{_label(inner)}]", inner)
    else:
        yield path, value


def _label(member: Mapping[str, Any]) -> str:
    return next((str(member[name]) for name in LABELS if name in member), "")


def _words(values: Mapping[str, Any], key: str) -> str:
    if key not in values:
        return "not there"
    value = values[key]
    if value is None or value in ("", [], {}):
        return "nothing"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if len(text) == 64 and text.isalnum():
        return text[:SHOWN]
    return f"“{text}”" if " " in text else text


def _data(before: Sequence[Snapshot], now: Sequence[Snapshot]) -> list[str]:
    """Return what differs in the rows; snapshots of several dates are compared date by date."""
    if len(before) == len(now) == 1:
        return [*_rows(before[0], now[0]), *describe_difference(before[0], now[0])]
    old, new = ({s.dates: s for s in snapshots} for snapshots in (before, now))
    said = _slices([old[dates] for dates in old if dates not in new], "read before, not now")
    said += _slices([new[dates] for dates in new if dates not in old], "not read before, but now")
    shared = [dates for dates in old if dates in new]
    pairs = {dates: [*_rows(old[dates], new[dates]), *describe_difference(old[dates], new[dates])] for dates in shared}
    return said + [f"{_dates(dates)}: {words}" for dates, found in pairs.items() for words in found]


def _slices(snapshots: Sequence[Snapshot], what: str) -> list[str]:
    """Return one sentence about snapshots that only one of two runs read, with their rows by table."""
    if not snapshots:
        return []
    counts: dict[str, dict[str, int]] = {}  # by file: dates may share one
    for table, refs in (pair for snapshot in snapshots for pair in snapshot.tables.items()):
        counts.setdefault(table, {}).update({ref.digest: ref.rows or 0 for ref in refs})
    rows = ", ".join(f"{sum(count.values()):,} rows of {table}" for table, count in counts.items())
    dates = sorted({date for snapshot in snapshots for date in snapshot.dates})
    return [f"{_dates(dates)}: {what} ({rows})"]


def _rows(before: Snapshot, now: Snapshot) -> Iterator[str]:
    tables = dict.fromkeys([*before.tables, *now.tables])
    for table, old, new in ((table, before.rows(table), now.rows(table)) for table in tables):
        if old != new:
            yield f"{table}: {old:,} rows in all before, {new:,} now ({new - old:+,})"


def _dates(dates: Sequence[str]) -> str:
    if len(dates) <= 2:
        return " and ".join(dates) or "the table"
    return f"{dates[0]} to {dates[-1]}, {len(dates)} in all"


def _code(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old["commit"] != new["commit"]:
        yield f"commit {_commit(old)} before, {_commit(new)} now"
    if old["diff"] != new["diff"]:
        yield f"{_uncommitted(old)} before, {_uncommitted(new)} now"


def _commit(code: Mapping[str, Any]) -> str:
    return code["commit"][:SHOWN] or "outside git"


def _uncommitted(code: Mapping[str, Any]) -> str:
    return f"uncommitted changes {code['diff'][:SHOWN]}" if code["diff"] else "no uncommitted changes"


def _machine(environment: Mapping[str, Any]) -> dict[str, Any]:
    names = ("python", "platform", "cpu", "cores", "lock", "settings")
    variables = {f"variable {name}": "set" for name in environment["variables"]}
    return {**{name: environment[name] for name in names}, **variables}


def _limited(old: Mapping[str, str], new: Mapping[str, str], changed: str) -> Iterator[str]:
    """Yield what is gone, new or other among files (named only) or packages (with versions)."""
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    for name in names[:NAMED]:
        if name not in old or name not in new:
            yield f"{name} {'gone' if name in old else 'new'}"
        else:
            yield f"{name} {changed}" if changed else f"{name} {old[name]} before, {new[name]} now"
    if len(names) > NAMED:
        yield f"{len(names) - NAMED} more differ"
