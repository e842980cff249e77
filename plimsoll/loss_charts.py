"""The charts of late losses: of all rows, and of every slice that is watched for itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from plimsoll.bundle import Reference
from plimsoll.drift_config import Drift
from plimsoll.loss_sizes import WHOLE, LossScale, cautious_scale, loss_scale
from plimsoll.outcomes import NightlyQuality
from plimsoll.pooling import LossPoint, pool_losses
from plimsoll.quality import MIN_REFERENCE_NIGHTS, NO_OUTCOMES, QualityVerdict, judge_quality
from plimsoll.quality_threshold import ALLOWANCE, Curves
from plimsoll.unseen_losses import MIN_SLICE_ROWS

WHOLE_SHARE = 0.5  # of the false alarms, where slices are watched too: they share the rest


def judge_losses(
    policy: Drift, reference: Reference, late: Sequence[NightlyQuality], curves: Curves
) -> tuple[QualityVerdict, dict[str, QualityVerdict]]:
    """Return the chart of all rows and of every slice; together they alarm as often as the policy says (Bonferroni).

    late are the nights after the training, in order; those with too few outcomes are not judged, small ones are judged
    together, and where none is left the sentence says so. Slices are watched that the policy names and the reference
    has losses of; half of the false alarms are those of all rows, the slices that can be judged share the rest.
    """
    watched = {name: past for name, past in reference.slices.items() if _column(name, policy)}
    judgeable = sum(len(past) >= MIN_REFERENCE_NIGHTS for past in watched.values())
    share = policy.quality_false_alarm_share * (WHOLE_SHARE if judgeable else 1)
    rest = policy.quality_false_alarm_share * (1 - WHOLE_SHARE) / max(judgeable, 1)
    enough = [n for n in late if has_enough(n, policy)]
    nothing = _why_none(policy, late, enough)

    def judged(name: str, past: Mapping[str, float], share: float, why: str) -> QualityVerdict:
        scale, nights = _sized(reference, name, past, enough)
        return _judge(past, scale, nights, (share, policy.quality_horizon_nights, curves), why)

    whole = judged(WHOLE, reference.losses, share, nothing)
    parts = {name: judged(name, past, rest, nothing or _too_small(name)) for name, past in watched.items()}
    return replace(whole, sentence=" ".join(filter(None, [whole.sentence, _not_watched(policy, watched)]))), parts


def has_enough(night: NightlyQuality, policy: Drift) -> bool:
    """Return whether enough of a night's rows have an outcome for its loss to be judged."""
    return night.loss is not None and night.coverage >= policy.min_coverage


def _sized(
    reference: Reference, name: str, past: Mapping[str, float], nights: Sequence[NightlyQuality]
) -> tuple[LossScale, list[tuple[str, float, int]]]:
    """Return the scale of a slice's reference losses, or of the whole's, and its nights as (date, loss, rows).

    What is not known of a slice is taken from the whole: a night of half its rows has half of the slice's.
    """
    rows = reference.rows
    spread = reference.spread.get(name)
    scale = loss_scale(past, spread) if spread else cautious_scale(past, rows)
    if name == WHOLE:
        return scale, [(n.date, n.loss, n.outcomes) for n in nights if n.loss is not None]
    part = scale.typical / cautious_scale(past, rows).typical
    here = [n for n in nights if name in n.slices]
    sized = [n.slice_outcomes.get(name, 0) if spread else 0 for n in here]
    known = [size or max(round(n.outcomes * part), 1) for n, size in zip(here, sized, strict=True)]
    return scale, [(n.date, n.slices[name], size) for n, size in zip(here, known, strict=True)]


def _judge(
    past: Mapping[str, float],
    scale: LossScale,
    nights: Sequence[tuple[str, float, int]],
    stated: tuple[float, int, Curves],
    nothing: str,
) -> QualityVerdict:
    points, waits = pool_losses(nights, scale.needed)
    held = scale.held(past), [scale.bring(point.loss, point.rows) for point in points]
    together = max(1, round(sum(point.nights for point in points) / len(points))) if points else 1
    wait = _waiting(nights, waits, scale)
    dated = [(point.date, point.loss) for point in points]
    chart = judge_quality([*past.values()], dated, *stated, wait if waits else nothing, held, together)
    said = [chart.sentence]
    if chart.judged:
        said += [_pooled(points[-1], scale), wait[:1].upper() + wait[1:]]
    return replace(chart, waits=tuple(waits), sentence=" ".join(filter(None, said)))


def _pooled(last: LossPoint, scale: LossScale) -> str:
    """Say how the last night was judged where it was small, and what cannot be seen so."""
    shrinkage = scale.shrinkage(last.rows)
    if last.rows >= scale.needed and last.nights == 1:
        return ""
    nights = f"{last.nights} nights with {last.rows:,} outcomes are judged as one" if last.nights > 1 else ""
    said = f"{nights}, where a reference night has {scale.typical:,}."
    if last.rows < scale.needed:
        least = ALLOWANCE / shrinkage
        said += f" So few show little: a rise of less than {least:.1f} reference sd is hardly seen."
    if not scale.known:
        said += " How far rows lie apart is kept from the next version on; until then all movement is taken for chance."
    return said


def _waiting(nights: Sequence[tuple[str, float, int]], waits: Sequence[str], scale: LossScale) -> str:
    """Say which nights at the end are too small and wait; nothing when there is none."""
    if not waits:
        return ""
    rows = sum(size for date, _, size in nights if date in waits)
    told = f"1 night, {waits[0]}, waits" if len(waits) == 1 else f"{len(waits)} nights, from {waits[0]} on, wait"
    return f"{told} to be judged with the next: {rows:,} outcomes, {scale.needed:,} are needed."


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
