"""What changed between the champion's training and a candidate's: data, columns, config, code, environment."""

from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.run_difference import RunView, compare_runs
from plimsoll.snapshot import FileRef, Snapshot

SUBJECTS = ("config", "code", "environment", "parameters")
SHOWN = 40  # sentences of a subject
NAMED = 20  # rewritten files


def changes_between(before: RunView, now: RunView, champion: int) -> dict[str, Any]:
    """Return what differs between two training runs, as JSON: data by table, and sentences by subject."""
    found = compare_runs(before, now)
    said = {name: _limited(found[name]) for name in SUBJECTS}
    old, new = before.snapshots[-1], now.snapshots[-1]
    data = [table_change(old, new, table) for table in dict.fromkeys([*old.tables, *new.tables])]
    return {"champion": champion, "data": data, **said}


def table_change(old: Snapshot, new: Snapshot, table: str) -> dict[str, Any]:
    """Return what came, went and was rewritten of a table's files, with rows, and which columns differ."""
    before, after = (dict(_files(snapshot, table)) for snapshot in (old, new))
    came, went = [n for n in after if n not in before], [n for n in before if n not in after]
    rewritten = [n for n in after if n in before and after[n].digest != before[n].digest]
    changed = [{"file": n, "before": before[n].rows, "now": after[n].rows} for n in rewritten]
    return {
        "table": table,
        "came": _span(came, after),
        "went": _span(went, before),
        "rewritten": changed[:NAMED],
        "rewritten_files": len(changed),
        "before": _rows(before.values()),
        "now": _rows(after.values()),
        "columns": column_changes(before, after),
    }


def column_changes(before: Mapping[str, FileRef], after: Mapping[str, FileRef]) -> dict[str, list[str]]:
    """Return the columns that are new, gone, or of another type, by the last file of each side."""
    old, new = (dict(files[max(files)].columns) if files else {} for files in (before, after))
    return {
        "new": [f"{name} ({new[name]})" for name in new if name not in old],
        "gone": [f"{name} ({old[name]})" for name in old if name not in new],
        "type": [f"{n}: {old[n]} before, {new[n]} now" for n in new if n in old and old[n] != new[n]],
    }


def _files(snapshot: Snapshot, table: str) -> list[tuple[str, FileRef]]:
    return [(ref.name, ref) for ref in snapshot.tables.get(table, ())]


def _span(names: Sequence[str], files: Mapping[str, FileRef]) -> dict[str, Any]:
    first, last = (min(names), max(names)) if names else ("", "")
    return {"files": len(names), "from": first, "to": last, "rows": _rows(files[name] for name in names)}


def _rows(files: Any) -> int:
    return sum(ref.rows or 0 for ref in files)


def _limited(sentences: Sequence[str]) -> list[str]:
    more = len(sentences) - SHOWN
    return [*sentences[:SHOWN], *([f"{more} more differ"] if more > 0 else [])]
