"""The charts of late losses: of all rows, and of every slice that is watched for itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from plimsoll.bundle import Reference
from plimsoll.drift_config import Drift
from plimsoll.outcomes import NightlyQuality
from plimsoll.quality import NO_OUTCOMES, QualityVerdict, judge_quality
from plimsoll.quality_threshold import Curves
from plimsoll.unseen_losses import MIN_SLICE_ROWS


def judge_losses(
    policy: Drift, reference: Reference, late: Sequence[NightlyQuality], curves: Curves
) -> tuple[QualityVerdict, dict[str, QualityVerdict]]:
    """Return the chart of all rows and of every slice; together they alarm as often as the policy says (Bonferroni).

    late are the nights after the training, in order; those with too few outcomes are not judged, and where none is left
    the sentence says so. Slices are watched that the policy names and the reference has losses of.
    """
    watched = {name: past for name, past in reference.slices.items() if _column(name, policy)}
    share = policy.quality_false_alarm_share / (1 + len(watched))
    enough = [n for n in late if has_enough(n, policy)]
    nothing = _why_none(policy, late, enough)

    def judged(past: Mapping[str, float], losses: Sequence[tuple[str, float]], why: str) -> QualityVerdict:
        return judge_quality([*past.values()], losses, share, policy.quality_horizon_nights, curves, why)

    whole = judged(reference.losses, [(n.date, n.loss) for n in enough if n.loss is not None], nothing)
    parts = {
        name: judged(past, [(n.date, n.slices[name]) for n in enough if name in n.slices], nothing or _too_small(name))
        for name, past in watched.items()
    }
    return replace(whole, sentence=" ".join(filter(None, [whole.sentence, _not_watched(policy, watched)]))), parts


def has_enough(night: NightlyQuality, policy: Drift) -> bool:
    """Return whether enough of a night's rows have an outcome for its loss to be judged."""
    return night.loss is not None and night.coverage >= policy.min_coverage


def _why_none(policy: Drift, late: Sequence[NightlyQuality], enough: Sequence[NightlyQuality]) -> str:
    """Return why no night's loss can be judged, nothing where one can."""
    some = [n for n in late if n.outcomes]
    if enough:
        return ""
    if not some:
        return NO_OUTCOMES
    nights = "1 night has" if len(some) == 1 else f"{len(some)} nights have"
    return (
        f"{nights} outcomes, none for drift.min_coverage ({100 * policy.min_coverage:g} %) of its rows; the newest, "
        f"{some[-1].date}, for {some[-1].outcomes:,} of {some[-1].rows:,}."
    )


def _too_small(name: str) -> str:
    return f"no night has {MIN_SLICE_ROWS} rows of {name} with an outcome since the reference nights."


def _not_watched(policy: Drift, watched: Mapping[str, object]) -> str:
    """Return which declared slices this version cannot watch: it has nothing to hold their losses against."""
    missing = [column for column in policy.slices if not any(_column(name, policy) == column for name in watched)]
    if not missing:
        return ""
    return (
        f"Slices by {', '.join(missing)} are watched from the next version on: this one keeps no losses of theirs from "
        f"its training days, where a slice has {MIN_SLICE_ROWS} rows a day."
    )


def _column(name: str, policy: Drift) -> str:
    """Return the declared column that a slice is of, nothing when it is no longer declared."""
    return next((column for column in policy.slices if name.startswith(f"{column}=")), "")
