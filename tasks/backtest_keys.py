"""What the results of a backtest are made of: each is kept under the digest of all that could change it.

A threshold of the policy is no part of a model or a loss; of a duel the `gates` section is, and of what a night shows
the `drift` section.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from plimsoll import (
    backtest_nights,
    bundle,
    calibration_gate,
    champion_gate,
    clustered,
    column_kinds,
    drift,
    drift_level,
    drift_measures,
    drift_together,
    encoder,
    estimate,
    estimators,
    fairness_gate,
    gate_result,
    gates,
    gates_config,
    holdout,
    judged_rows,
    keys,
    leakage_gate,
    limits_gate,
    loss_charts,
    loss_sizes,
    matrices,
    metrics,
    night_verdict,
    own_features,
    paired_bootstrap,
    pooling,
    profile,
    quality,
    quality_threshold,
    recent_losses,
    row_groups,
    row_parts,
    score_reference,
    score_sketch,
    segment_rows,
    slice_gate,
    slice_search,
    stability_gate,
    thinning,
    trailing,
    training,
    unseen_losses,
    whole_columns,
)
from plimsoll.code_digests import code_of
from plimsoll.digest import sha256_file, sha256_json
from plimsoll.drift_config import Drift
from plimsoll.model_config import ModelConfig
from plimsoll.snapshot import Snapshot
from tasks import training_rows
from tasks.assemble import source_of
from tasks.environment import LOCK
from tasks.expectations import suite_path
from tasks.workspace import Workspace

FORMAT = 1
TRAINING = (
    bundle,
    encoder,
    estimators,
    holdout,
    keys,
    loss_sizes,
    matrices,
    metrics,
    own_features,
    profile,
    row_parts,
    score_reference,
    score_sketch,
    segment_rows,
    training,
    training_rows,
    unseen_losses,
    whole_columns,
)
DUELS = (
    calibration_gate,
    champion_gate,
    clustered,
    column_kinds,
    fairness_gate,
    gate_result,
    gates,
    gates_config,
    judged_rows,
    leakage_gate,
    limits_gate,
    metrics,
    paired_bootstrap,
    row_groups,
    slice_gate,
    slice_search,
    stability_gate,
)
JUDGING = (
    drift,
    drift_level,
    drift_measures,
    drift_together,
    estimate,
    loss_charts,
    pooling,
    quality,
    quality_threshold,
    recent_losses,
    thinning,
    trailing,
)
LOOKING = (backtest_nights, night_verdict, *JUDGING)


@dataclass(frozen=True, eq=False)
class Made:
    """What everything in one backtest is made of."""

    workspace: Workspace
    config: ModelConfig
    snapshot: Snapshot

    @cached_property
    def dates(self) -> dict[str, str]:
        """The digest of what each date's valid rows and outcomes are made of."""
        suite = sha256_file(suite_path(self.workspace.root, self.config.suite_name))
        found = {}
        for date in self.snapshot.dates:
            source = source_of(self.workspace, self.config, self.snapshot, date)
            outcome = self.snapshot.file("outcome", date)
            found[date] = sha256_json([source, outcome.digest if outcome else "", suite, self._how])
        return found

    @cached_property
    def _how(self) -> dict[str, Any]:
        return {
            "outcome": self.config.outcome.model_dump(mode="json"),
            "quarantined": self.config.scoring.max_quarantined_share,
            "segment": [segment.column, segment.value] if (segment := self.config.segment) else None,
            "lock": sha256_file(self.workspace.root / LOCK),
            "format": FORMAT,
        }

    def history(self) -> str:
        """Return the key of which dates validation stopped."""
        return sha256_json(["history", self.dates])

    def model(self, dates: list[str]) -> str:
        """Return the key of the model that dates train."""
        how = self.config.model_dump(mode="json", include={"model", "estimator", "split", "features"})
        how["slices"] = self.config.drift.slices
        del how["split"]["window_days"]  # the dates say which they are
        return sha256_json(["model", how, self._of(dates), code_of(TRAINING)])

    def losses(self, model: str, nights: list[str]) -> str:
        """Return the key of a model's losses on nights."""
        return sha256_json(["losses", model, self._of(nights)])

    def duel(self, challenger: str, champion: str) -> str:
        """Return the key of a duel of two models; the days are those that judge the challenger."""
        asked = self.config.gates.model_dump(mode="json", exclude={"operations", "trust", "holdout"})
        return sha256_json(["duel", challenger, champion, asked, code_of(DUELS)])

    def profiles(self, model: str, nights: list[str]) -> str:
        """Return the key of nights' profiles on a model's plan."""
        return sha256_json(["profiles", model, self._of(nights)])

    def seen(
        self, model: str, drift_policy: Drift, served: list[str], nights: list[str], waiting: list[str], serves: str
    ) -> str:
        """Return the key of what nights showed about a model that had scored some nights until their end."""
        rule, delay = drift_policy.model_dump(mode="json", exclude={"report"}), self.config.outcome.delay_days
        return sha256_json(["seen", model, rule, delay, self._of(served), nights, waiting, serves, code_of(LOOKING)])

    def _of(self, dates: list[str]) -> list[list[str]]:
        return [[date, self.dates[date]] for date in dates]
