"""What differs between two snapshots, in words: slices, places and queries, schemas, files, rows."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from plimsoll.snapshot import FileRef, Snapshot


def describe_difference(old: Snapshot, new: Snapshot) -> Sequence[str]:
    """Return one sentence per thing that differs, `old` first; none when the snapshots are the same."""
    said = [
        f"{word}: {before} before, {after} now"
        for word, before, after in (
            ("model", old.model, new.model),
            ("dates", _span(old.dates), _span(new.dates)),
            ("outcomes known through", old.as_of, new.as_of),
        )
        if before != after
    ]
    for table in dict.fromkeys([*old.tables, *new.tables]):
        if table not in new.tables or table not in old.tables:
            said.append(f"{table}: {'gone' if table in old.tables else 'new'}")
            continue
        said += _source(table, old.sources.get(table, {}), new.sources.get(table, {}))
        said += _files(table, {f.name: f for f in old.tables[table]}, {f.name: f for f in new.tables[table]})
    return said


def _source(table: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what differs in where a table came from; a query is quoted, since it is short and decides all."""
    before, after = _flat(old), _flat(new)
    keys = [key for key in dict.fromkeys([*before, *after]) if before.get(key) != after.get(key)]
    return [f"{table}: {key} {_shown(before.get(key))} before, {_shown(after.get(key))} now" for key in keys]


def _flat(source: Mapping[str, Any]) -> dict[str, Any]:
    nested = {k: v for k, v in source.items() if isinstance(v, Mapping)}
    flat = {f"{outer}.{key}": value for outer, inner in nested.items() for key, value in inner.items()}
    return {k: v for k, v in source.items() if k not in nested} | flat


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    return ", ".join(map(str, value)) if isinstance(value, list) else repr(value)


def _files(table: str, old: Mapping[str, FileRef], new: Mapping[str, FileRef]) -> list[str]:
    gone, come = [n for n in old if n not in new], [n for n in new if n not in old]
    said = [f"{table}: {_count(gone)} gone ({_span(gone)})"] if gone else []
    said += [f"{table}: {_count(come)} new ({_span(come)})"] if come else []
    changed = [(_change(old[n], new[n]), n) for n in old if n in new and old[n] != new[n]]
    for words, group in groupby(sorted(changed), key=lambda pair: pair[0]):
        said.append(f"{table} {_span([name for _, name in group])}: {words}")
    return said


def _change(old: FileRef, new: FileRef) -> str:
    """Return what differs between two files of one name."""
    parts = _columns(dict(old.columns), dict(new.columns))
    if not parts and old.columns != new.columns:
        parts = ["the order of columns differs"]
    if old.flaw != new.flaw:
        parts.append("cannot be read any more" if new.flaw else "can be read now")
    if old.rows != new.rows:
        parts.append(f"{_rows(old)} before, {_rows(new)} now")
    elif old.digest != new.digest:
        parts.append(f"the same number of rows ({_rows(new)}), other bytes")
    if old.version != new.version:
        parts.append(f"{old.version or 'no version'} before, {new.version or 'no version'} now")
    return "; ".join(parts) or "the same bytes, kept in another way"


def _columns(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    said = [f"column {name} gone" for name in old if name not in new]
    said += [f"column {name} ({new[name]}) new" for name in new if name not in old]
    return said + [f"column {n} was {old[n]}, is {new[n]}" for n in old if n in new and old[n] != new[n]]


def _rows(ref: FileRef) -> str:
    return "unreadable" if ref.rows is None else f"{ref.rows:,} row{'' if ref.rows == 1 else 's'}"


def _count(names: Sequence[str]) -> str:
    return f"{len(names)} file{'' if len(names) == 1 else 's'}"


def _span(names: Sequence[str]) -> str:
    if len(names) <= 2:
        return " and ".join(names) or "none"
    return f"{min(names)} to {max(names)}, {len(names)} in all"
