"""Operations: can the bundle be run where it will run, as it was made, and as fast as the one before?"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from plimsoll.bundle import Bundle
from plimsoll.errors import IntegrityError
from plimsoll.estimators import load
from plimsoll.gate_result import GateResult, Judgement, compared, judged
from plimsoll.gates_config import Operations

TURNS = 7  # of each side; the first of each is not counted
MIB = 2**20


@dataclass(frozen=True)
class Machine:
    """What was measured of a bundle on this machine."""

    bundle_bytes: int
    refused: str  # why its own bytes are not loaded; empty when they are
    slowdown: float | None  # times the champion's seconds for the same rows; None without a champion
    lock: str  # digest of the environment's lock file; empty where the store does not hold it whole
    champion: str = ""


def measure_machine(
    bundle: Bundle, champion: Bundle | None, frame: pd.DataFrame, lock: str, name: str, clock: Callable[[], float]
) -> Machine:
    """Return size, and how long assembled rows take beside the champion, in turns so that both meet the same load."""
    size = sum(len(data) for data in bundle.files.values())
    slowdown = None if champion is None else _slowdown(bundle, champion, frame, clock)
    return Machine(size, why_not_loaded(bundle), slowdown, lock, name)


def why_not_loaded(bundle: Bundle) -> str:
    """Return why a bundle's own bytes are not loaded, as a type that is not on our list; empty when they are."""
    name = bundle.fitted.file_name
    try:
        load(name, bundle.files[name], bundle.task, bundle.threads)
    except IntegrityError as error:
        return str(error)
    return ""


def judge_operations(gate: Operations | None, machine: Machine | None) -> Judgement:
    """Return whether a bundle can be run as asked; nothing without a gate, or where nothing was measured."""
    if gate is None or machine is None:
        return Judgement()
    loads = machine.refused or "the bundle loads from its own bytes, and holds allowed types only"
    lock = (
        f"environment lock {machine.lock[:12]} is kept"
        if machine.lock
        else "the environment's lock is not in the store as this run kept it, so nobody could install it again"
    )
    results = [
        judged(gate, "types", not machine.refused, float(bool(machine.refused)), 0.0, loads),
        judged(gate, "environment lock", bool(machine.lock), float(bool(machine.lock)), 1.0, lock),
        *_limits(gate, machine),
    ]
    return Judgement(tuple(results))


def _limits(gate: Operations, machine: Machine) -> list[GateResult]:
    found = []
    if gate.max_bundle_mib is not None:
        size = machine.bundle_bytes / MIB
        reason = "MiB, all files of the bundle"
        found.append(compared(gate, "bundle size", "bundle size", size, gate.max_bundle_mib, reason))
    if gate.max_slowdown is not None and machine.slowdown is not None:
        reason = f"times the seconds of {machine.champion} for the same rows, in turns, on this machine"
        found.append(compared(gate, "scoring time", "scoring time", machine.slowdown, gate.max_slowdown, reason))
    return found


def _slowdown(bundle: Bundle, champion: Bundle, frame: pd.DataFrame, clock: Callable[[], float]) -> float:
    return time_ratio(lambda: bundle.score(frame), lambda: champion.score(frame), clock)


def time_ratio(mine: Callable[[], object], theirs: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return how many times as long one thing takes as another: a median of turns, so that both meet the same load."""
    turns = [(_seconds(mine, clock), _seconds(theirs, clock)) for _ in range(TURNS)]
    return statistics.median(one / max(other, 1e-9) for one, other in turns[1:])


def _seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    begun = clock()
    work()
    return clock() - begun
