"""References: which objects a ledger entry, a run record or a snapshot manifest cannot do without."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from plimsoll.ledger import Entry

Kind = Literal["object", "snapshot", "bundle", "tree"]
OF_A_FACT: dict[str, Kind] = {
    "snapshot": "snapshot",
    **dict.fromkeys(("gate_report", "validation", "probe", "secret", "shown"), "object"),
}
OF_A_SEARCH = {"search": "trials", "shrink": "sizes"}  # what every part of a run's outputs names
OF_EVIDENCE: dict[str, Kind] = {"snapshot": "snapshot", "code": "object", "config": "object", "gate_report": "object"}


@dataclass(frozen=True)
class Reference:
    """An object by its digest, and who needs it."""

    digest: str
    kind: Kind
    by: str  # in words for a person

    @property
    def short(self) -> str:
        """The first digits of the digest, as sentences show it."""
        return self.digest[:12]


def named_by_entry(entry: Entry) -> Iterator[Reference]:
    """Yield what a ledger entry names; the bundle of a version is its own matter, since it may be retired."""
    facts, by = entry.facts, f"entry {entry.n} of {entry.model} ({entry.kind.replace('_', ' ')})"
    yield from _of(facts, OF_A_FACT, by)
    if entry.kind == "promotion_requested":
        yield from _of(facts.get("evidence", {}), OF_EVIDENCE, by)
    for digest in facts.get("profiles", {}).values():
        yield Reference(str(digest), "object", by)


def named_by_record(record: Mapping[str, Any]) -> Iterator[Reference]:
    """Yield what a run record names: config, code, environment, the data that it read, and what it showed."""
    by, code, environment = f"the record of run {record['run_id']}", record["code"], record["environment"]
    yield Reference(record["config"], "object", by)
    yield Reference(code["tree"], "tree" if code["kept"] else "object", by)
    yield from _of({"diff": code["diff"], **environment}, dict.fromkeys(("diff", "lock", "packages"), "object"), by)
    end = record["end"] or {}
    outputs = end.get("outputs", {})
    searched = {**outputs, **{f"all {name}": outputs.get(part, {}).get(name) for part, name in OF_A_SEARCH.items()}}
    yield from _of(searched, dict.fromkeys(("settled_config", "all trials", "all sizes"), "object"), by)
    for digest in end.get("snapshots", ()):
        yield Reference(digest, "snapshot", by)
    # what a person was shown of a candidate
    yield from _of(outputs, {"evidence": "object", "table": "object"}, by)
    for digest in outputs.get("reading", {}).values():
        yield Reference(digest, "object", by)


def named_by_version(trained: Entry) -> Reference:
    """Return the bundle of the version that an entry is about."""
    return Reference(str(trained.facts["bundle"]), "bundle", f"{trained.model} v{trained.facts['version']}")


def runs_named_by(entry: Entry) -> str:
    """Return the run that made an entry, empty when a person did."""
    return str(entry.facts.get("run") or "")


def _of(facts: Mapping[str, Any], kinds: Mapping[str, Kind], by: str) -> Iterator[Reference]:
    for name, kind in kinds.items():
        if digest := facts.get(name):
            yield Reference(str(digest), kind, by)
