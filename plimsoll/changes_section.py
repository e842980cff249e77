"""What changed since the champion was trained, as a section of a candidate's page."""

from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.page import Child, Html, el, section, table

Changes = Mapping[str, Any]
TITLES = {
    "config": "Config",
    "code": "Code",
    "environment": "Environment",
    "parameters": "What was asked",
}


def changes_section(changes: Changes) -> Html:
    """Return the section; changes are empty where there is no champion."""
    if not changes:
        return section("What changed", el("p", "There is no champion to compare with.", class_="empty"))
    if "missing" in changes:
        return section("What changed", el("p", changes["missing"], class_="empty"))
    parts: list[Child] = [_data(changes["data"]), *_columns(changes["data"])]
    for name, title in TITLES.items():
        parts += [el("h3", title), _sentences(changes[name])]
    lead = f"From the training of version {changes['champion']}, the champion, to this one."
    return section(f"What changed since version {changes['champion']}", *parts, lead=lead)


def _data(tables: Sequence[Mapping[str, Any]]) -> Html:
    heads = ["Table", "Rows before", "Rows now", "Came", "Went", "Rewritten"]
    rows: list[Sequence[Child]] = [
        (
            one["table"],
            f"{one['before']:,}",
            f"{one['now']:,}",
            _span(one["came"]),
            _span(one["went"]),
            _rewritten(one),
        )
        for one in tables
    ]
    return table(heads, rows, numbers=(1, 2), empty="There are no tables.")


def _span(files: Mapping[str, Any]) -> str:
    if not files["files"]:
        return "nothing"
    if files["from"] == files["to"]:
        return f"{files['from']}: {files['rows']:,} rows"
    return f"{files['from']} to {files['to']}, {files['files']} files, {files['rows']:,} rows"


def _rewritten(one: Mapping[str, Any]) -> str:
    if not one["rewritten_files"]:
        return "nothing"
    named = [_one(file) for file in one["rewritten"]]
    more = one["rewritten_files"] - len(named)
    return "; ".join(named) + (f"; {more} more" if more else "")


def _one(file: Mapping[str, Any]) -> str:
    """Return what became of a rewritten file: by row where that was looked into, else by how many there are."""
    if rows := file["rows"]:
        return f"{file['file']}: {rows['other']:,} rows with other values, {rows['came']:,} came, {rows['went']:,} went"
    return f"{file['file']}: {file['before'] or 0:,} rows before, {file['now'] or 0:,} now"


def _columns(tables: Sequence[Mapping[str, Any]]) -> list[Child]:
    said = [
        f"{one['table']}: {words} {', '.join(one['columns'][kind])}"
        for one in tables
        for kind, words in (("new", "new"), ("gone", "gone"), ("type", "other type,"))
        if one["columns"][kind]
    ]
    return [el("h3", "Columns"), _sentences(said)]


def _sentences(said: Sequence[str]) -> Html:
    return el("ul", *(el("li", one) for one in said), class_="said") if said else el("p", "The same.", class_="soft")
