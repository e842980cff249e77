"""Quality before outcomes have come: what loss nights with such scores have had, and how good that guess was.

The estimate trusts that a score still means what it meant on the reference days. It sees that a night is harder; it
cannot see that the same inputs now lead to other outcomes. For that there are late losses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plimsoll.drift_level import alarming_ranks
from plimsoll.loss_sizes import LossScale
from plimsoll.quality import MIN_REFERENCE_NIGHTS

BAND = 1.96  # sd of the error on either side of an estimate: 19 nights of 20, were errors normal


@dataclass(frozen=True)
class EstimateVerdict:
    """Tonight's estimated loss against those of the reference nights; judged=False: the sentence says why not."""

    judged: bool
    alarm: bool
    estimate: float | None
    threshold: float | None
    usual: float | None  # median estimate of the reference nights
    error_sd: float | None  # of estimates around the losses that came, on reference nights
    bias: float | None  # mean of estimate less loss, on reference nights
    correlation: float | None  # of estimates and losses, on reference nights; None where either does not move
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as a JSON value."""
        return asdict(self)


def judge_estimate(
    tonight: float | None,
    estimates: Mapping[str, float],
    losses: Mapping[str, float],
    one_in_nights: int,
    scale: LossScale | None = None,
    rows: int = 0,
) -> EstimateVerdict:
    """Return whether tonight's estimated loss is higher than one night in one_in_nights of the reference is.

    estimates and losses are of the reference nights, by date. The rank decides (conformal p-value), so the level
    holds whatever the distribution. scale is that of the estimates and rows are tonight's: chance moves the estimate of
    few rows further, and the alarm lies as much further away. Raises ValueError when one_in_nights is below 2.
    """
    if one_in_nights < 2:
        raise ValueError(f"one_in_nights: expected 2 or more, found {one_in_nights}.")
    if (why := _too_little(tonight, len(estimates))) or tonight is None:
        return EstimateVerdict(False, False, tonight, None, None, None, None, None, why)
    nights = len(estimates)
    threshold = high_estimate(estimates, one_in_nights, scale, rows)
    sd, bias, correlation = _goodness(estimates, losses)
    usual, alarm = float(np.median([*estimates.values()])), tonight > threshold
    said = f"Estimated loss {'is high' if alarm else 'as usual'}: {tonight:.4g}"
    band = f" ± {BAND * sd:.2g}" if sd is not None else ""
    sentence = (
        f"{said}{band} before outcomes, {usual:.4g} in the median of {nights} reference nights, alarm over "
        f"{threshold:.4g}.{_few(scale, rows)}{goodness_words(sd, bias, correlation)}"
    )
    return EstimateVerdict(True, alarm, tonight, threshold, usual, sd, bias, correlation, sentence)


def high_estimate(estimates: Mapping[str, float], one_in_nights: int, scale: LossScale | None, rows: int) -> float:
    """Return the estimate that a night of so many rows has to exceed to be called high."""
    held = scale.held(estimates) if scale else [*estimates.values()]
    highest = sorted(held)[len(held) - alarming_ranks(len(held), one_in_nights)]
    return scale.centre + (highest - scale.centre) / scale.shrinkage(rows) if scale else highest


def _few(scale: LossScale | None, rows: int) -> str:
    if scale is None or rows >= scale.needed:
        return ""
    return (
        f" It is of {rows:,} rows, a reference night of {scale.typical:,}: chance moves it further, so the alarm lies "
        "further away."
    )


def _too_little(tonight: float | None, nights: int) -> str:
    if not nights:
        return (
            "No loss was estimated: this version keeps no scores of its reference days, because it was trained before "
            "they were kept. The next version has them."
        )
    if nights < MIN_REFERENCE_NIGHTS:
        return f"No loss was estimated: {nights} reference nights have scores, {MIN_REFERENCE_NIGHTS} are needed."
    return "No loss was estimated: the batch has no scores." if tonight is None else ""


def _goodness(
    estimates: Mapping[str, float], losses: Mapping[str, float]
) -> tuple[float | None, float | None, float | None]:
    """Return sd and mean of the errors on the nights that have both, and the correlation."""
    both: Sequence[str] = [date for date in estimates if date in losses]
    if len(both) < MIN_REFERENCE_NIGHTS:
        return None, None, None
    guessed, came = np.array([estimates[d] for d in both]), np.array([losses[d] for d in both])
    moves = guessed.std() > 0 and came.std() > 0
    correlation = float(np.corrcoef(guessed, came)[0, 1]) if moves else None
    return float((guessed - came).std(ddof=1)), float((guessed - came).mean()), correlation


def goodness_words(error_sd: float | None, bias: float | None, correlation: float | None) -> str:
    """Say how good estimates were on the reference nights, after a space; nothing where that is not known."""
    if error_sd is None or bias is None:
        return ""
    moved = f", and explained {max(correlation, 0) ** 2:.0%} of how losses moved" if correlation is not None else ""
    missed = f"{error_sd:.2g} (sd), {bias:+.1g} on average"
    return f" On the reference nights estimates missed the real loss by {missed}{moved}."
