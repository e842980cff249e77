"""What changed between the champion's training and a candidate's: data, columns, config, code, environment."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plimsoll.run_difference import RunView, compare_runs
from plimsoll.snapshot import FileRef, Snapshot

SUBJECTS = ("config", "code", "environment", "parameters")
SHOWN = 40  # sentences of a subject
NAMED = 20  # rewritten files
LOOKED_INTO = 5  # rewritten files of a table that are compared row by row
Look = Callable[[str, FileRef], Mapping[str, int] | None]


def changes_between(before: RunView, now: RunView, champion: int, look: Look | None = None) -> dict[str, Any]:
    """Return what differs between two training runs, as JSON: data by table, and sentences by subject.

    look returns the keys of a file's rows with a hash of each, None where they cannot be told; without it files are
    compared as a whole.
    """
    found = compare_runs(before, now)
    said = {name: _limited(found[name]) for name in SUBJECTS}
    old, new = before.snapshots[-1], now.snapshots[-1]
    data = [table_change(old, new, table, look) for table in dict.fromkeys([*old.tables, *new.tables])]
    return {"champion": champion, "data": data, **said}


def table_change(old: Snapshot, new: Snapshot, table: str, look: Look | None = None) -> dict[str, Any]:
    """Return what came, went and was rewritten of a table's files, with rows, and which columns differ."""
    before, after = (dict(_files(snapshot, table)) for snapshot in (old, new))
    came, went = [n for n in after if n not in before], [n for n in before if n not in after]
    rewritten = [n for n in after if n in before and after[n].digest != before[n].digest]
    looks = [look] * LOOKED_INTO + [None] * len(rewritten)
    changed = [_rewritten(table, before[n], after[n], into) for n, into in zip(rewritten, looks, strict=False)]
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


def row_changes(old: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
    """Return how many rows came, went, and have other values, from a hash of each row by its key."""
    both = old.keys() & new.keys()
    other = sum(old[key] != new[key] for key in both)
    return {"came": len(new) - len(both), "went": len(old) - len(both), "other": other}


def _rewritten(table: str, old: FileRef, new: FileRef, look: Look | None) -> dict[str, Any]:
    told = {"file": new.name, "before": old.rows, "now": new.rows}
    sides = [look(table, ref) for ref in (old, new)] if look else [None, None]
    return {**told, "rows": None if sides[0] is None or sides[1] is None else row_changes(sides[0], sides[1])}


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
