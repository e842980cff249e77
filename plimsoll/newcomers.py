"""Newcomers: what a snapshot holds that the champion's did not, beside what both hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from plimsoll.bundle import Bundle
from plimsoll.encoder import Matrix
from plimsoll.label_screen import Answered
from plimsoll.metrics import Numbers, row_losses
from plimsoll.row_groups import groups_of
from plimsoll.row_parts import Mask, Rows, sampled
from plimsoll.snapshot import Snapshot

SAMPLE = 20_000  # rows of each kind, at most
PAST = 4 * SAMPLE  # of all days that a champion knows: as many a day as of those that judged it


@dataclass(frozen=True, eq=False)
class Newcomers:
    """Rows and files since the champion's snapshot, and those before; rows are seeded samples."""

    since: str  # last date of the champion's snapshot
    compared: int  # dated files that both snapshots hold
    rewritten: tuple[str, ...]  # those of other bytes, as table and date
    known: Matrix  # encoded rows of dates that the champion's snapshot holds
    new: Matrix  # encoded rows of later dates, and of dates that it left out
    held_losses: Numbers  # of known rows that the champion did not train on, by the champion
    new_losses: Numbers  # of new rows, by the champion
    held: Answered  # the rows of held_losses, and the groups that are asked for
    came: Answered  # those of new_losses
    past: Answered  # all rows with outcomes that the champion's snapshot holds, learnt from or not


def newcomers_of(
    rows: Rows,
    bundle: Bundle,
    champion: Bundle,
    before: Snapshot,
    now: Snapshot,
    seed: int,
    columns: Sequence[str] = (),
) -> Newcomers:
    """Return what is new in a candidate's snapshot and rows since the champion's snapshot; columns make groups."""
    dates = np.isin(rows.days, before.dates)
    known = dates[rows.day] if len(rows.days) else np.zeros(0, dtype=bool)
    answered = ~np.isnan(rows.outcome)
    unseen = (rows.days > champion.trained_through)[rows.day]
    both = [(table, date) for table, date in _dated(before) if _digest(now, table, date)]
    changed = [
        f"{table} of {date}" for table, date in both if _digest(before, table, date) != _digest(now, table, date)
    ]
    held, came = sampled(known & unseen & answered, SAMPLE, seed), sampled(~known & answered, SAMPLE, seed)
    masks = held, came, sampled(known & answered, PAST, seed)
    before_it, since, past = (
        Answered(rows.outcome[mask], _scores(champion, rows, mask), rows.day[mask], named)
        for mask, named in zip(masks, _groups(rows, masks, columns), strict=True)
    )
    return Newcomers(
        before.dates[-1] if before.dates else "",
        len(both),
        tuple(changed),
        _encoded(bundle, rows, sampled(known, SAMPLE, seed)),
        _encoded(bundle, rows, sampled(~known, SAMPLE, seed)),
        _losses(before_it, champion.task),
        _losses(since, champion.task),
        before_it,
        since,
        past,
    )


def _dated(snapshot: Snapshot) -> list[tuple[str, str]]:
    dates = set(snapshot.dates)
    return [(table, ref.name) for table, refs in sorted(snapshot.tables.items()) for ref in refs if ref.name in dates]


def _digest(snapshot: Snapshot, table: str, date: str) -> str:
    ref = snapshot.file(table, date)
    return ref.digest if ref and ref.name == date else ""


def _encoded(bundle: Bundle, rows: Rows, mask: Mask) -> Matrix:
    parts = [bundle.encoder.encode(frame) for frame in rows.frames(mask, bundle.encoder.columns)]
    return np.concatenate(parts) if parts else np.empty((0, len(bundle.encoder.columns)), dtype=np.float32)


def _scores(champion: Bundle, rows: Rows, mask: Mask) -> Numbers:
    parts = [champion.score(frame) for frame in rows.frames(mask, champion.encoder.columns)]
    return np.concatenate(parts) if parts else np.empty(0)


def _losses(some: Answered, task: str) -> Numbers:
    return row_losses(some.outcome, some.score, task) if len(some.score) else np.empty(0)


def _groups(rows: Rows, masks: Sequence[Mask], columns: Sequence[str]) -> list[dict[str, Mask]]:
    """Return for each mask which of its rows are in each group of the columns, cut over all alike."""
    frames = [[*rows.frames(mask, columns)] if columns else [] for mask in masks]
    if not all(frames):
        return [{} for _ in masks]
    counts = [sum(map(len, parts)) for parts in frames]
    whole = pd.concat([part for parts in frames for part in parts], ignore_index=True)
    found = {n: g.of_row == code for c in columns for g in [groups_of(whole[c])] for code, n in enumerate(g.names)}
    ends = np.cumsum([0, *counts])
    return [{n: m[start:end] for n, m in found.items()} for start, end in pairwise(ends.tolist())]
