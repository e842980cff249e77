"""Data Docs: Great Expectations' own wording of its results on pages that need no network.

Its HTML loads styles and scripts from five content networks; its renderers do not, so their words are set
in our own page.
"""

from collections.abc import Iterable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from plimsoll.page import Html, el, join
from plimsoll.standing import Standing
from plimsoll.store import get_json
from plimsoll.telling import validation_page_path
from plimsoll.validation_page import Finding, Validation, Verdict, render_validation, render_validation_index
from tasks.champion import standing_of
from tasks.pages import write_page
from tasks.suite_run import LEVEL_ROW
from tasks.workspace import Workspace

HEAVY = ("unexpected_index_query", "unexpected_list", "unexpected_index_list")  # one item per bad row


def build_data_docs(workspace: Workspace, model: str, results: list[dict[str, Any]] | None = None) -> Path:
    """Write a page per batch and the list of all that were written; return the list's path.

    results are the facts of batch_committed or batch_rejected entries; None takes every rejection and the
    last good batch. A batch that could not even be read has no result and gets no page.
    """
    standing = standing_of(workspace, model)
    for facts in told_batches(standing) if results is None else results:
        if facts.get("validation"):
            html = render_validation(read_validation(workspace, model, facts))
            write_page(workspace.reports / validation_page_path(model, facts), html)
    index = workspace.reports / "data_docs" / model / "index.html"
    return write_page(index, render_validation_index(model, list(_written(workspace, standing))))


def told_batches(standing: Standing) -> list[dict[str, Any]]:
    """Return the facts of every rejected batch and of the last good one."""
    last = standing.newest("batch_committed")
    return [e.facts for e in (*standing.of_kind("batch_rejected"), *([last] if last else []))]


def read_validation(workspace: Workspace, model: str, facts: Mapping[str, Any]) -> Validation:
    """Return what validation said about the batch of a ledger entry, from the kept result."""
    result = get_json(workspace.store, facts["validation"])
    release = str(result.get("meta", {}).get("great_expectations_version", ""))
    findings = tuple(_findings(result))
    return Validation(model, str(facts["date"]), facts, findings, str(result.get("suite_name", "")), release)


def _written(workspace: Workspace, standing: Standing) -> Iterator[tuple[str, str, bool, str]]:
    for entry in reversed(standing.of_kind("batch_committed", "batch_rejected")):
        path = workspace.reports / validation_page_path(standing.model, entry.facts)
        if entry.facts.get("validation") and path.is_file():
            rejected = entry.kind == "batch_rejected"
            yield entry.facts["date"], path.name, rejected, str(entry.facts.get("reason", ""))


def _findings(result: Mapping[str, Any]) -> Iterator[Finding]:
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResultSchema

    light = [{**one, "result": _light(one["result"])} for one in result["results"]]
    loaded = ExpectationSuiteValidationResultSchema().load({**result, "results": light})
    for body, one in zip(result["results"], loaded.results, strict=True):
        yield _finding(body, one)


def _light(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name not in HEAVY}


def _finding(body: Mapping[str, Any], loaded: Any) -> Finding:
    asks, found = _words_of(loaded)
    config, result = body["expectation_config"], body["result"]
    meta = config.get("meta") or {}
    index = result.get("unexpected_index_list") or []
    counts = result.get("partial_unexpected_counts") or []
    return Finding(
        verdict=_verdict(body, meta),
        column=str(config["kwargs"].get("column", "")),
        asks=asks,
        found=found,
        says=str(meta.get("says", "")),
        values=tuple((str(one["value"]), int(one["count"])) for one in counts if "value" in one),
        keys=tuple(str(value) for row in index for name, value in row.items() if name == "__key__"),
    )


def _verdict(body: Mapping[str, Any], meta: Mapping[str, Any]) -> Verdict:
    bad = int(body["result"].get("unexpected_count") or 0)
    if meta.get("level") == LEVEL_ROW and bad:
        return "rows set aside"
    return "met" if body["success"] else "stops the batch"


def _words_of(loaded: Any) -> tuple[Html, str]:
    """Return (what is asked, what was found) in Great Expectations' words, without its markup."""
    from great_expectations.render.renderer.content_block import ValidationResultsTableContentBlockRenderer

    [[_, asked, observed]] = ValidationResultsTableContentBlockRenderer.render(
        [loaded], include_column_name=False
    ).table
    said, *more = (_read(part) for part in _strings(asked))
    seen = "" if observed == "--" else str(observed)
    return said.words, ". ".join(text for text in (seen, *(part.text for part in more)) if text)


def _strings(cell: Any) -> Iterable[Any]:
    """Return the sentences of a cell; its tables and tracebacks are left out."""
    cells = cell if isinstance(cell, list) else [cell]
    return [one for one in cells if type(one).__name__ == "RenderedStringTemplateContent"]


def _read(content: Any) -> "_Reader":
    from great_expectations.render.view import DefaultJinjaComponentView

    reader = _Reader()
    reader.feed(DefaultJinjaComponentView().render({"content_block": content.to_json_dict()}))
    return reader


class _Reader(HTMLParser):
    """Reads text out of markup, escaped again; only its badges, which hold values, stay marked."""

    def __init__(self) -> None:
        super().__init__()
        self._badge = False
        self._parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that opens."""
        self._badge = tag == "span" and "badge" in (dict(attrs).get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        """Note a tag that closes."""
        self._badge = self._badge and tag != "span"

    def handle_data(self, data: str) -> None:
        """Keep the words between tags."""
        self._parts.append(el("b", data) if self._badge else data)

    @property
    def words(self) -> Html:
        """The text with its values marked."""
        return Html(" ".join(join(*self._parts).split()))

    @property
    def text(self) -> str:
        """The text alone."""
        return " ".join("".join(self._parts).split())
