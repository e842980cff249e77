"""Reproduction: what a training run had and made, beside what its repetition had and made, and the verdict."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["identical", "equal", "different"]
SHOWN = 12  # digits of a digest
NAMED = 3  # files, packages or settings named in one line
INSTALLERS = frozenset({"pip", "setuptools", "uv", "wheel"})  # they install packages; they compute nothing


@dataclass(frozen=True)
class TrainingFacts:
    """What a training run had, and what it made of it."""

    data: str  # id of the snapshot
    config: str  # digest of the effective config
    suite: str  # path of the model's suite in the tree
    tree: Mapping[str, str]  # digest of every source file, by path
    packages: Mapping[str, str]  # version of every installed distribution
    python: str
    platform: str
    processor: str
    settings: Mapping[str, str]  # variables that change how numbers are computed
    seed: int | None
    threads: int | None
    rows: int  # that were assembled, to train and to judge
    rows_digest: str  # empty where the run did not keep it
    bundle: str  # digest
    files: Mapping[str, str]  # digest of every file of the bundle; empty where that is not known
    metrics: Mapping[str, float | None]  # on the rows that judge


@dataclass(frozen=True)
class Input:
    """One thing that a training run depends on: as it was recorded, as it was found."""

    name: str
    recorded: str
    found: str
    differs: str = ""  # in words; empty when it is the same

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.differs


@dataclass(frozen=True)
class Reproduction:
    """What came of training again."""

    verdict: Kind
    sentence: str
    inputs: tuple[Input, ...]  # in the order in which a difference explains the most
    recorded: Mapping[str, Any]  # bundle, metrics, rows
    found: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        inputs = [{**asdict(one), "same": one.same} for one in self.inputs]
        kept = {"verdict": self.verdict, "sentence": self.sentence, "inputs": inputs}
        return {**kept, "recorded": dict(self.recorded), "found": dict(self.found)}


def judge_reproduction(recorded: TrainingFacts, found: TrainingFacts) -> Reproduction:
    """Return identical (the same bytes), equal (the same metrics) or different, and the first input that differs."""
    inputs = compare_inputs(recorded, found)
    other = [one for one in inputs if not one.same]
    if recorded.bundle == found.bundle:
        kind: Kind = "identical"
        sentence = f"Identical: training again made the same model, byte for byte (bundle {found.bundle[:SHOWN]})."
        sentence += _although(other)
    elif recorded.metrics == found.metrics:
        kind = "equal"
        sentence = f"Equal: every metric is the same to the last digit, but {_other_files(recorded, found)}."
        sentence += f" {_because(other[0])}" if other else " Every input that was recorded is the same."
    else:
        kind = "different"
        because = f"because of the {other[0].name}: {other[0].differs}" if other else _unexplained(recorded, found)
        sentence = f"Different, {because}. {_worst_metric(recorded.metrics, found.metrics)}"
    return Reproduction(kind, sentence, inputs, _made(recorded), _made(found))


def compare_inputs(recorded: TrainingFacts, found: TrainingFacts) -> tuple[Input, ...]:
    """Return every input as recorded and as found; the first that differs is the one to blame."""
    old, new = recorded, found
    trees = _without(old.tree, {old.suite}), _without(new.tree, {new.suite})
    suites = old.tree.get(old.suite, ""), new.tree.get(old.suite, "")
    packages = _without(old.packages, INSTALLERS), _without(new.packages, INSTALLERS)
    return (
        _plain("data", old.data[:SHOWN], new.data[:SHOWN], old.data != new.data),
        _plain("config", old.config[:SHOWN], new.config[:SHOWN], old.config != new.config),
        _plain("expectations", suites[0][:SHOWN], suites[1][:SHOWN], suites[0] != suites[1]),
        _mapping("code", *trees, f"{len(old.tree)} files", f"{len(new.tree)} files"),
        _mapping("packages", *packages, f"{len(packages[0])} packages", f"{len(packages[1])} packages"),
        _plain("python", old.python, new.python),
        _plain("platform", old.platform, new.platform),
        _plain("processor", old.processor, new.processor),
        _plain("threads", _number(old.threads), _number(new.threads)),
        _mapping("settings", old.settings, new.settings, _listed(old.settings), _listed(new.settings)),
        _plain("seed", _number(old.seed), _number(new.seed)),
    )


def _plain(name: str, recorded: str, found: str, differs: bool | None = None) -> Input:
    different = recorded != found if differs is None else differs
    return Input(name, recorded, found, f"{recorded or 'nothing'} recorded, {found or 'nothing'} here" * different)


def _mapping(name: str, old: Mapping[str, str], new: Mapping[str, str], recorded: str, found: str) -> Input:
    return Input(name, recorded, found, _changes(old, new))


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Return in words what differs between two mappings of short texts or digests, empty when nothing does."""
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    said = [f"{name} {_change(old.get(name), new.get(name))}" for name in names[:NAMED]]
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join([*said, *more])


def _change(old: str | None, new: str | None) -> str:
    if old is None or new is None:
        return "is not in the record" if old is None else "is missing here"
    short = [text[:SHOWN] if len(text) == 64 else text for text in (old, new)]
    return f"{short[0] or 'nothing'} recorded, {short[1] or 'nothing'} here"


def _without(values: Mapping[str, str], names: frozenset[str] | set[str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in names}


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(values.items())) or "none"


def _number(value: int | None) -> str:
    return "none" if value is None else str(value)


def _although(other: list[Input]) -> str:
    return f" And that although other {', '.join(one.name for one in other)} did it." if other else ""


def _because(first: Input) -> str:
    return f"The first input that differs is the {first.name}: {first.differs}."


def _other_files(recorded: TrainingFacts, found: TrainingFacts) -> str:
    if not recorded.files:
        return "the bundle has other bytes"
    names = sorted({*recorded.files, *found.files})
    other = [name for name in names if recorded.files.get(name) != found.files.get(name)]
    return f"{' and '.join(other)} of the bundle {'has' if len(other) == 1 else 'have'} other bytes"


def _unexplained(recorded: TrainingFacts, found: TrainingFacts) -> str:
    """Return what can be said when every recorded input is the same and yet the result is not."""
    where = "and it cannot be told where they part"
    if recorded.rows_digest and recorded.rows_digest == found.rows_digest:
        where = "and the assembled rows are the same, so the two part while they fit"
    elif recorded.rows_digest:
        where = f"but the assembled rows are not ({recorded.rows:,} recorded, {found.rows:,} here), so they part there"
    return (
        f"although every input that was recorded is the same, {where}; look for code that reads a clock, "
        "chance without a seed, or anything outside the snapshot"
    )


def _worst_metric(recorded: Mapping[str, float | None], found: Mapping[str, float | None]) -> str:
    other = [name for name in sorted({*recorded, *found}) if recorded.get(name) != found.get(name)]
    said = [f"{name} was {recorded.get(name)}, is {found.get(name)}" for name in other[:NAMED]]
    return f"{'; '.join(said)}." if said else ""


def _made(facts: TrainingFacts) -> dict[str, Any]:
    kept = {"bundle": facts.bundle, "files": dict(facts.files), "metrics": dict(facts.metrics)}
    return {**kept, "rows": facts.rows, "rows_digest": facts.rows_digest}
