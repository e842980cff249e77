"""Loss of quality, from outcomes that arrive late: a CUSUM of normal scores of the nightly loss.

Page, "Continuous inspection schemes", Biometrika 1954; sequential normal scores: Conover, Tercero-Gómez,
Cordero-Franco, arXiv 1705.03496. The thresholds were tuned by simulation at 60 reference nights.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_REFERENCE_NIGHTS = 20
ALLOWANCE = 0.5  # half of the shift, in sd of a night, that the chart is quickest to find
THRESHOLDS = {  # (false alarm share, horizon in nights) → h for independent nights
    (0.1, 60): 4.7,
    (0.1, 90): 5.2,
    (0.1, 180): 6.0,
    (0.05, 60): 5.5,
    (0.05, 90): 6.2,
    (0.05, 180): 7.1,
}
MAX_RHO = 0.7
TUNED_RHO = (0.0, 0.2, 0.3, 0.5, MAX_RHO)
TUNED_H = (4.7, 6.3, 7.2, 10.5, 13.8)  # the last by the slope of the two before it

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class QualityVerdict:
    """Nightly losses against the reference's; judged=False: none was decided, and the sentence says why."""

    judged: bool
    alarm: bool  # on the last night
    path: tuple[tuple[str, float, float], ...]  # (date, loss, S)
    statistic: float | None
    threshold: float | None
    rho: float | None  # lag-1 autocorrelation of the reference nights, corrected for its bias
    reference_median: float | None
    alarm_nights: tuple[str, ...]
    sentence: str


def judge_quality(
    reference: Sequence[float],
    nightly: Sequence[tuple[str, float]],
    false_alarm_share: float,
    horizon_nights: int,
) -> QualityVerdict:
    """Return whether the nightly losses (date, loss) have risen above those of the reference nights.

    Both are in order of time; higher is worse. An unchanged model alarms within horizon_nights with a
    chance of about false_alarm_share. Raises ValueError for a loss that is not finite and for a pair of
    share and horizon that was not tuned.
    """
    tuned = _tuned(false_alarm_share, horizon_nights)
    past, losses = _finite("reference", reference), _finite("nightly", [loss for _, loss in nightly])
    median = float(np.median(past)) if past.size else None
    if why := _too_little(past.size, losses.size):
        return QualityVerdict(False, False, (), None, None, None, median, (), why)
    rho = autocorrelation(past)
    threshold = round(tuned * float(np.interp(rho, TUNED_RHO, TUNED_H)) / TUNED_H[0], 6)
    sums = _cusum(_normal_scores(past, losses))
    path = tuple((date, float(loss), s) for (date, loss), s in zip(nightly, sums, strict=True))
    nights = tuple(date for date, _, s in path if s > threshold)
    sentence = _sentence(path, threshold, past, nights)
    if len(path) > horizon_nights:
        sentence += f" The false alarm share holds for {horizon_nights} nights; these are {len(path)}."
    return QualityVerdict(True, sums[-1] > threshold, path, sums[-1], threshold, rho, median, nights, sentence)


def to_json(verdict: QualityVerdict) -> dict[str, Any]:
    """Return a verdict as a JSON value."""
    body = asdict(verdict)
    return {**body, "path": [list(p) for p in verdict.path], "alarm_nights": list(verdict.alarm_nights)}


def autocorrelation(past: Floats) -> float:
    """Return ρ̂ of nights in order of time: r + (1 + 3r)/n on their normal scores, clipped to [0, 0.7].

    r falls short of ρ by about (1 + 3ρ)/n (Marriott and Pope, Biometrika 1954).
    """
    z = _normal_scores(past, past)
    z = z - z.mean()
    power = float(z @ z)
    r = float(z[1:] @ z[:-1]) / power if power > 0 else 0.0
    return min(max(r + (1 + 3 * r) / past.size, 0.0), MAX_RHO)


def _tuned(share: float, horizon: int) -> float:
    if (share, horizon) not in THRESHOLDS:
        known = "; ".join(f"{s} in {nights}" for s, nights in THRESHOLDS)
        raise ValueError(f"No threshold was tuned for {share} false alarms in {horizon} nights. Tuned: {known}.")
    return THRESHOLDS[share, horizon]


def _finite(name: str, losses: Sequence[float]) -> Floats:
    values = np.asarray(losses, dtype=np.float64)
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(f"The {name} losses must be finite numbers; number {at + 1} of {len(values)} is {values[at]}.")
    return values


def _too_little(reference: int, nights: int) -> str:
    if reference < MIN_REFERENCE_NIGHTS:
        return (
            f"Quality was not judged: {reference} reference nights have losses, {MIN_REFERENCE_NIGHTS} are "
            "needed. Wait for more outcomes, or evaluate the model on earlier nights."
        )
    return "" if nights else "Quality was not judged: no outcomes have arrived since the reference nights."


def _normal_scores(reference: Floats, losses: Floats) -> Floats:
    """Return Φ⁻¹((#{reference < x} + ½ ties + ½)/(n + 1)) of every loss x."""
    from scipy.special import ndtri

    ordered = np.sort(reference)
    ranks = (np.searchsorted(ordered, losses, "left") + np.searchsorted(ordered, losses, "right")) / 2
    scores: Floats = ndtri((ranks + 0.5) / (len(ordered) + 1))
    return scores


def _cusum(scores: Floats) -> list[float]:
    sums, s = [], 0.0
    for z in scores.tolist():
        s = max(0.0, s + z - ALLOWANCE)
        sums.append(s)
    return sums


def _sentence(path: Sequence[tuple[str, float, float]], threshold: float, past: Floats, nights: Sequence[str]) -> str:
    date, loss, s = path[-1]
    said, of = ("Late losses alarm", "over") if s > threshold else ("Late losses are quiet", "of")
    text = (
        f"{said} on {date}: CUSUM {s:.1f} {of} {threshold:.1f}, loss {loss:.4g} against a median of "
        f"{np.median(past):.4g} on {past.size} reference nights."
    )
    return text + (f" Over on {len(nights)} of {len(path)} nights, first {nights[0]}." if nights else "")
