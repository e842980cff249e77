"""The long work of a backtest, in worker processes: rows, models, losses, duels, nights; each is kept at once."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plimsoll.assembly import KEY, OUTCOME
from plimsoll.backtest_nights import look_at_nights
from plimsoll.backtest_parts import NightLoss
from plimsoll.bundle import Bundle, reference_from_json
from plimsoll.drift_config import Drift
from plimsoll.errors import DataError
from plimsoll.gates import run_gates
from plimsoll.holdout import keep_out
from plimsoll.judged_rows import judged_rows
from plimsoll.leakage_gate import time_columns
from plimsoll.metrics import row_losses
from plimsoll.model_config import ModelConfig
from plimsoll.night_verdict import Observed
from plimsoll.outcomes import losses_by_slice
from plimsoll.profile import from_json, profile_batch, to_json
from plimsoll.row_parts import DATE, Rows, rows_of
from plimsoll.score_sketch import sketch_from_json, sketch_scores
from plimsoll.snapshot import Snapshot
from plimsoll.training import evaluate_scores, scores_of, split_rows, study_days, train_bundle
from tasks.backtest_kept import Kept
from tasks.scratch import scratch_folder
from tasks.thresholds import kept_curves
from tasks.trainers import own_booster
from tasks.training_rows import judge_date, with_outcomes
from tasks.workspace import Workspace

BUNDLES_HELD = 8
NIGHTS_AT_ONCE = 30  # scored together
_BUNDLES: dict[str, Bundle] = {}  # by the key of their model


@dataclass(frozen=True)
class Bench:
    """What every worker needs."""

    workspace: Workspace
    config: ModelConfig
    snapshot: Snapshot
    rows: Path  # valid rows with outcomes, a file a date, made when first read
    stopped: frozenset[str] = frozenset()  # dates that validation stopped

    @property
    def kept(self) -> Kept:
        """Where results are kept."""
        return Kept(self.workspace.archive)

    def path(self, date: str) -> Path:
        """Return where a date's rows lie once they were assembled."""
        return self.rows / f"{date}.arrow"

    def read(self, date: str) -> pd.DataFrame | None:
        """Return a date's valid rows, None where validation stopped it."""
        from pyarrow import feather

        path = self.path(date)
        if date in self.stopped or (not path.exists() and _assemble(self, date, path)):
            return None
        frame: pd.DataFrame = feather.read_table(path, memory_map=False).to_pandas()
        return frame.assign(**{DATE: date})


@dataclass(frozen=True)
class Training:
    """A model to train, and the later nights to score with it."""

    dates: tuple[str, ...]
    nights: tuple[str, ...]
    key: str
    losses_key: str


@dataclass(frozen=True)
class Looking:
    """Nights to look at for a model, and the nights that it has scored until their end."""

    model: str  # keys
    losses: str
    profiles: tuple[tuple[str, tuple[str, ...]], ...]  # of these nights, the last, and of blocks of nights before them
    seen: str
    drift: Drift
    served: tuple[str, ...]
    nights: tuple[str, ...]
    waiting: tuple[str, ...]  # nights of before that were too small to be judged
    serves: str = ""  # from when on it is champion


def assemble_dates(bench: Bench, dates: list[str]) -> dict[str, str]:
    """Write the valid rows of dates, as training reads them; return those that validation stopped, with the reason."""
    found = {date: _assemble(bench, date, bench.path(date)) for date in dates}
    return {date: reason for date, reason in found.items() if reason}


def train(bench: Bench, order: Training) -> None:
    """Train a model unless it is kept, score the later nights with it, and keep both."""
    if (body := bench.kept.get("model", order.key)) is None:
        body = _trained(bench, order)
        bench.kept.put("model", order.key, body)
    if body["refused"] or bench.kept.get("losses", order.losses_key) is not None:
        return
    bundle = _bundle(bench, order.key)
    losses: dict[str, list[Any]] = {}
    for start in range(0, len(order.nights), NIGHTS_AT_ONCE):
        losses |= _losses(bench, bundle, order.nights[start : start + NIGHTS_AT_ONCE])
    bench.kept.put("losses", order.losses_key, losses)


def study(bench: Bench, order: Training) -> None:
    """Keep what unseen rows of a model's training days lost, and their scores."""
    with _rows(bench, order) as rows, own_booster(bench.config.estimator) as booster:
        found = study_days(_bundle(bench, order.key), rows, bench.config, booster)
    body = found.to_json()
    bench.kept.put("folds", order.key, {name: body[name] for name in ("losses", "scores", "slices", "spread")})


def fight(bench: Bench, duel_key: str, challenger: str, champion: str, name: str) -> None:
    """Put a challenger through the gates, beside a champion when there is one, on the days that judge the challenger.

    What a machine is measured by is left out: other replays run on it.
    """
    rows = rows_of(pd.concat(_frames(bench, (bench.kept.get("model", challenger) or {})["judged"])))
    known = ~np.isnan(rows.outcome)
    sides = [scores_of(_bundle(bench, key), rows, known) for key in (challenger, champion) if key]
    mine = evaluate_scores(sides[0], rows, known, bench.config.task)
    judged = judged_rows(rows, known, bench.config, sides[0], sides[1] if champion else None, name, tries=1)
    results = run_gates(judged, mine.metrics, None).results
    bench.kept.put("duel", duel_key, [asdict(result) for result in results])


def look(bench: Bench, order: Looking) -> None:
    """Profile nights on a model's plan unless that is kept, judge them, and keep what they showed."""
    bundle = _bundle(bench, order.model)
    *before, nights = [_observed(bench, bundle, key, dates) for key, dates in order.profiles]
    reference = reference_from_json({**bundle.reference.to_json(), **(bench.kept.get("folds", order.model) or {})})
    losses = {date: NightLoss(*night) for date, night in (bench.kept.get("losses", order.losses) or {}).items()}
    late = (bundle.trained_through, order.served, nights, losses, bench.config.outcome.delay_days)
    curves, earlier = kept_curves(bench.workspace.archive), [night for block in before for night in block]
    seen = look_at_nights(order.drift, reference, *late, curves, earlier, order.waiting, order.serves)
    bench.kept.put("seen", order.seen, {date: asdict(one) for date, one in seen.items()})


def _observed(bench: Bench, bundle: Bundle, key: str, dates: Sequence[str]) -> list[Observed]:
    """Return nights as a model sees them; their profiles are made unless they are kept."""
    if (profiles := bench.kept.get("profiles", key)) is None:
        frames = {date: frame for date in dates if (frame := bench.read(date)) is not None}
        profiles = {date: _profile(bundle, frame) for date, frame in frames.items()}
        bench.kept.put("profiles", key, profiles)
    return [Observed(date, from_json(told := profiles[date]), sketch_from_json(told["scores"])) for date in dates]


def _profile(bundle: Bundle, frame: pd.DataFrame) -> dict[str, Any]:
    scores = sketch_scores(bundle.score(frame))
    return {**to_json(profile_batch(bundle.reference.plan, frame)), "scores": scores.to_json()}


def _trained(bench: Bench, order: Training) -> dict[str, Any]:
    """Return a kept model's body: trained by train_model's own code on the rows that it would have read that day."""
    config = bench.config
    with _rows(bench, order) as rows, own_booster(config.estimator) as booster:
        try:
            _, later = split_rows(rows, config)
            bundle = train_bundle(rows, config, None, booster, folds=False)
        except DataError as error:
            return {"refused": str(error)}
        return {
            "refused": "",
            "trained_through": bundle.trained_through,
            "judged": [*rows.dates(later)],
            "losses": dict(bundle.reference.losses),
            "rows": len(rows),
            "bundle": bundle.digest,
            "files": bench.kept.put_bundle(bundle),
        }


@contextmanager
def _rows(bench: Bench, order: Training) -> Iterator[Rows]:
    """Yield the rows that train a model, in memory or in files as the config says."""
    with tempfile.TemporaryDirectory(prefix="rows-", dir=bench.rows) as folder:
        frames = _frames(bench, order.dates)
        size = sum(map(len, frames)), len(bench.config.feature_names)
        rows = Rows(None if bench.config.estimator.memory_for(*size) == "in_memory" else Path(folder))
        for frame in frames:
            rows.add(frame)
        yield rows


def _frames(bench: Bench, dates: Sequence[str]) -> list[pd.DataFrame]:
    """Return the rows of dates that may train and judge, of each date that has any."""
    there = (frame for date in dates if (frame := bench.read(date)) is not None)
    return [kept for frame in there if len(kept := keep_out(frame, bench.config.split.holdout))]


def _assemble(bench: Bench, date: str, path: Path) -> str:
    """Write a date's valid rows, whole or not at all; return why validation stopped it, nothing when it did not."""
    from pyarrow import feather

    with scratch_folder(bench.workspace) as place:
        found, verdict, stop = judge_date(bench.workspace, bench.config, bench.snapshot, date, place)
        if found is None or verdict is None:
            return stop
        good = map(verdict.keep_good, found.chunks())
        parts = with_outcomes(bench.workspace, bench.config, bench.snapshot, good, date)
        rows = needed_columns(pd.concat(parts, ignore_index=True), bench.config)
        feather.write_feather(rows, draft := place / "rows", compression="uncompressed")
        draft.replace(path)
    return ""


def needed_columns(frame: pd.DataFrame, config: ModelConfig) -> pd.DataFrame:
    """Return the columns of assembled rows that models and gates read, the times among them."""
    times = time_columns(frame) if config.gates.leakage and config.gates.leakage.later_times else []
    return frame.filter([*dict.fromkeys([KEY, OUTCOME, *config.feature_names, *config.gates.looked_at, *times])])


def _losses(bench: Bench, bundle: Bundle, dates: Sequence[str]) -> dict[str, list[Any]]:
    """Return mean loss and number of outcomes of each date; rows are scored together, which is quicker."""
    found: dict[str, list[Any]] = {date: [None, 0, 0, {}, {}] for date in dates}
    frames = [frame for date in dates if (frame := bench.read(date)) is not None]
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({OUTCOME: []})
    if len(rows):
        losses = row_losses(rows[OUTCOME].to_numpy(dtype=np.float64), bundle.score(rows), bundle.task)
        slices = rows[[KEY, *bench.config.drift.slices]]
        for date in rows[DATE].unique():
            here = (rows[DATE] == date).to_numpy()
            came = here & ~np.isnan(losses)
            parts = losses_by_slice(rows.loc[came, KEY], losses[came], slices[here])
            mean = float(losses[came].mean()) if came.any() else None
            found[str(date)] = [mean, int(came.sum()), int(here.sum()), *parts]
    return found


def _bundle(bench: Bench, key: str) -> Bundle:
    """Return a kept model's bundle; the last few stay in memory."""
    if key not in _BUNDLES:
        if len(_BUNDLES) == BUNDLES_HELD:
            del _BUNDLES[next(iter(_BUNDLES))]
        _BUNDLES[key] = bench.kept.bundle(key, bench.kept.get("model", key) or {}, bench.config.model)
    return _BUNDLES[key]
