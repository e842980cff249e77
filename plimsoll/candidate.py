"""A candidate as its page shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plimsoll.model_config import ModelConfig
from plimsoll.run_record import CodeVersion, Environment


@dataclass(frozen=True)
class Candidate:
    """All that the page about a version shows."""

    config: ModelConfig
    version: int
    report: Mapping[str, Any]  # gates, candidate, champion, champion_version, excluded_dates: what an approval binds
    run: str
    as_of: str
    requested_by: str
    cause: str
    dates: Sequence[str]  # of the snapshot
    rows: int
    quarantined: int
    digests: Mapping[str, str]  # snapshot, bundle, gate report, config …: full digests by name
    code: CodeVersion
    environment: Environment
    mlflow_run: str = ""
    champion_trained_through: str = ""
    tuning: Mapping[str, Any] = field(default_factory=dict)  # settings, and the search and shrinking that found them
    evidence: Mapping[str, Any] = field(default_factory=dict)  # curves, importance, dependence, what changed
    card: str = ""  # the model card, as markdown

    @property
    def champion(self) -> str:
        """The version it was compared with, in words; empty when there was none."""
        number = self.report.get("champion_version")
        return f"Version {number}" if number else ""

    @property
    def champion_saw_the_answers(self) -> bool:
        """Whether the champion was trained on days that judge here."""
        dates = self.report["candidate"]["dates"]
        return bool(self.champion_trained_through and dates and dates[0] <= self.champion_trained_through)
