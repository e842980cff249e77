"""Where a model stands, folded from its ledger: versions, champion, requests, batches, decisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from plimsoll.ledger import Entry

State = Literal["candidate", "refused", "requested", "champion", "former", "rejected", "retired"]


@dataclass(frozen=True)
class Version:
    """One model version and what became of it."""

    number: int
    state: State
    trained: Entry

    @property
    def bundle(self) -> str:
        """The digest of the version's bundle."""
        return str(self.trained.facts["bundle"])


@dataclass(frozen=True)
class Standing:
    """A model's present, as its ledger tells it."""

    model: str
    entries: tuple[Entry, ...]
    versions: tuple[Version, ...]
    champion: int | None
    previous: int | None  # champion before this one

    def version(self, number: int) -> Version | None:
        """Return a version by number, None when it was never trained."""
        return next((v for v in self.versions if v.number == number), None)

    def of_kind(self, *kinds: str) -> list[Entry]:
        """Return the entries of some kinds, in order."""
        return [e for e in self.entries if e.kind in kinds]

    def last(self, *kinds: str) -> Entry | None:
        """Return the latest entry of some kinds."""
        return next((e for e in reversed(self.entries) if e.kind in kinds), None)

    def newest(self, *kinds: str) -> Entry | None:
        """Return the entry of some kinds that is about the latest date, the latest of these where there are several.

        A ledger is in the order in which things were done, and the past may be done after the present.
        """
        return max(self.of_kind(*kinds), key=lambda e: (str(e.facts["date"]), e.n), default=None)

    def approvals(self, number: int) -> list[Entry]:
        """Return the approvals that decided about a version, in order; none while others are still needed."""
        about = [e for e in self.of_kind("promotion_requested", "approved") if e.facts["version"] == number]
        asked = next((e for e in reversed(about) if e.kind == "promotion_requested"), None)
        given = counted([e for e in about if e.kind == "approved" and (asked is None or e.n > asked.n)])
        needed = int((asked.facts.get("policy") or {}).get("approvals", 1)) if asked else 1
        alone = any(e.facts.get("identity") == "rule" for e in given)
        return given if alone or len(given) >= needed else []

    def batch(self, date: str, version: int | None = None) -> Entry | None:
        """Return the entry that committed a batch (with a version among its results), or the rejection.

        Without a version that is the current result: the latest of a champion, else the latest of any. A commit
        outranks every rejection of the same date, whichever came later.
        """
        about = [e for e in self.of_kind("batch_committed", "batch_rejected") if e.facts["date"] == date]
        committed = [e for e in about if e.kind == "batch_committed"]
        if version is not None:
            return next((e for e in committed if str(version) in e.facts["versions"]), None)
        return next(reversed([e for e in committed if by_champion(e)] or committed or about), None)

    def cleared(self, batch: Entry, version: int | None = None) -> list[Entry]:
        """Return what added rows to a committed batch that it had set aside, in order; of one version when asked."""
        mine = [e for e in self.of_kind("rows_cleared") if e.facts["batch_entry"] == batch.n]
        return [e for e in mine if version is None or str(version) in e.facts["versions"]]

    def wrote(self, date: str, version: int, run: str) -> Entry | None:
        """Return the entry about the rows that a run wrote of a batch: those it scored, or those it cleared."""
        about = [e for e in self.of_kind("batch_committed", "rows_cleared") if e.facts["date"] == date]
        mine = (e for e in about if str(version) in e.facts["versions"])
        return next((e for e in mine if e.facts["scored_by"] == run), None)

    def told_runs(self) -> dict[tuple[str, int], set[str]]:
        """Return by batch date and version the runs whose rows an entry tells of."""
        found: dict[tuple[str, int], set[str]] = {}
        for entry in self.of_kind("batch_committed", "rows_cleared"):
            for version in entry.facts["versions"]:
                found.setdefault((str(entry.facts["date"]), int(version)), set()).add(str(entry.facts["scored_by"]))
        return found

    def nights(self) -> dict[str, Entry]:
        """Return the drift decision about each date, in the order of dates.

        That is the first about a committed batch, whoever scored the date later; else the latest about a rejection.
        """
        found: dict[str, Entry] = {}
        for entry in self.of_kind("drift_decided"):
            before = found.get(str(entry.facts["date"]))
            if before is None or before.facts.get("batch") == "batch_rejected":
                found[str(entry.facts["date"])] = entry
        return dict(sorted(found.items()))

    def decision(self, date: str) -> Entry | None:
        """Return the drift decision about a date."""
        return self.nights().get(date)

    def night_batch(self, date: str) -> Entry | None:
        """Return what a date's decision is about: the first result of a champion, else the latest rejection.

        A date that only versions asked for by number have scored is answered by that result, which is not decided on.
        """
        about = [e for e in self.of_kind("batch_committed", "batch_rejected") if e.facts["date"] == date]
        first = next((e for e in about if e.kind == "batch_committed" and by_champion(e)), None)
        rejected = [e for e in about if e.kind == "batch_rejected"]
        return first or next(reversed(rejected or about), None)

    def owed_retrain(self) -> Entry | None:
        """Return the decision to retrain that nothing has followed (a process died between the two), else None.

        Any version trained since settles it, and so does a later decision to retrain.
        """
        asked = [e for e in self.of_kind("drift_decided") if e.facts["decision"]["retrain"]]
        after = [e for e in self.of_kind("retrain_started", "trained") if asked and e.n > asked[-1].n]
        return asked[-1] if asked and not after else None

    def undecided(self) -> list[str]:
        """Return the dates whose batch was committed or rejected and has no drift decision yet, in order."""
        about = {e.facts["date"]: e for e in self.of_kind("batch_rejected")}
        about |= {e.facts["date"]: e for e in reversed(self.of_kind("batch_committed")) if by_champion(e)}
        nights = self.nights()
        return sorted(date for date, entry in about.items() if not settles(nights.get(date), entry))


def settles(decision: Entry | None, batch: Entry) -> bool:
    """Return whether a date's decision is the one about a batch; one about a committed batch is so for every other."""
    if decision is None:
        return False
    return decision.facts.get("batch") != "batch_rejected" or decision.facts["batch_entry"] == batch.n


def counted(approvals: Sequence[Entry]) -> list[Entry]:
    """Return a request's approvals without those of which a later one says that they counted no more by then."""
    gone = {int(n) for e in approvals for n in e.facts.get("lapsed", ())}
    return [e for e in approvals if e.n not in gone]


def by_champion(entry: Entry) -> bool:
    """Return whether a committed batch has the result of a champion, and not only of versions asked for by number."""
    return "champion" in entry.facts["versions"].values()


def stand(model: str, entries: Sequence[Entry]) -> Standing:
    """Fold a model's ledger into where it stands."""
    states: dict[int, State] = {}
    trained: dict[int, Entry] = {}
    line: list[int] = []  # champions, oldest first; a rollback is a move like any other
    for entry in entries:
        number = int(entry.facts.get("version", 0))
        if entry.kind == "trained":
            trained[number], states[number] = entry, "candidate"
        elif entry.kind in ("promoted", "rolled_back"):
            if line:
                states[line[-1]] = "former"
            line.append(number)
            states[number] = "champion"
        elif (state := _AFTER.get(entry.kind)) and states.get(number, "retired") != "retired":  # which is for ever
            states[number] = state
    versions = tuple(Version(n, states[n], trained[n]) for n in sorted(trained))
    champion = line[-1] if line else None
    previous = next((n for n in reversed(line) if n != champion), None)
    return Standing(model, tuple(entries), versions, champion, previous)


_AFTER: dict[str, State] = {
    "gates_failed": "refused",
    "promotion_requested": "requested",
    "rejected": "rejected",
    "retired": "retired",
}


def summary(standing: Standing) -> dict[str, Any]:
    """Return a model's standing as JSON for lists."""
    last_batch = standing.newest("batch_committed")
    return {
        "model": standing.model,
        "champion": standing.champion,
        "previous": standing.previous,
        "waiting": [v.number for v in standing.versions if v.state == "requested"],
        "versions": {str(v.number): v.state for v in standing.versions},
        "last_batch": last_batch.facts["date"] if last_batch else None,
        "entries": len(standing.entries),
    }
