"""Loss of quality, from outcomes that arrive late: a CUSUM of normal scores of the nightly loss.

Page, "Continuous inspection schemes", Biometrika 1954; sequential normal scores: Conover, Tercero-Gómez,
Cordero-Franco, arXiv 1705.03496. The threshold is simulated for this reference's length and autocorrelation.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.quality_threshold import Curves, autocorrelation, cusum, normal_scores, threshold_curve

MIN_REFERENCE_NIGHTS = 20
NO_OUTCOMES = "no outcomes have arrived since the reference nights."

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
    scores: tuple[float, ...] = ()  # normal scores of the path's nights
    waits: tuple[str, ...] = ()  # small nights at the end that are judged with the next
    together: int = 1  # how many nights one of the path stands for, where small ones are judged as one


def judge_quality(
    reference: Sequence[float],
    nightly: Sequence[tuple[str, float]],
    false_alarm_share: float,
    horizon_nights: int,
    curves: Curves = threshold_curve,
    nothing: str = NO_OUTCOMES,
    held: tuple[Sequence[float], Sequence[float]] | None = None,
    together: int = 1,
) -> QualityVerdict:
    """Return whether the nightly losses (date, loss) have risen above those of the reference nights.

    Both are in order of time; higher is worse. An unchanged model alarms within horizon_nights with a chance of about
    false_alarm_share; curves says from which CUSUM on. nothing says why there is no night, where there is none. held
    are both losses as they are ranked, where nights differ in size; together is how many nights each of nightly stands
    for. Raises ValueError for a loss that is not finite.
    """
    past, losses = _finite("reference", reference), _finite("nightly", [loss for _, loss in nightly])
    median = float(np.median(past)) if past.size else None
    if why := _too_little(past.size, losses.size, nothing):
        return QualityVerdict(False, False, (), None, None, None, median, (), why)
    ranked, new = (_finite("held", side) for side in held) if held else (past, losses)
    rho = float(autocorrelation(normal_scores(ranked, ranked)))
    threshold = curves(past.size, math.ceil(horizon_nights / together), false_alarm_share).at(rho)
    scores = normal_scores(ranked, new)
    sums = cusum(scores).tolist()
    path = tuple((date, float(loss), s) for (date, loss), s in zip(nightly, sums, strict=True))
    nights = tuple(date for date, _, s in path if s > threshold)
    sentence = _sentence(path, threshold, past, nights)
    if len(path) * together > horizon_nights:
        sentence += f" The false alarm share holds for {horizon_nights} nights; these are {len(path) * together}."
    told = median, nights, sentence, tuple(scores.tolist())
    found = QualityVerdict(True, sums[-1] > threshold, path, sums[-1], threshold, rho, *told)
    return replace(found, together=together)


def rose_from(verdict: QualityVerdict) -> str | None:
    """Return the night after the chart was last at zero (Page's estimate of when it changed); None without an alarm."""
    rising = None
    for date, _, s in verdict.path if verdict.alarm else ():
        rising = None if s == 0 else rising or date
    return rising


def to_json(verdict: QualityVerdict) -> dict[str, Any]:
    """Return a verdict as a JSON value."""
    body = {name: value for name, value in asdict(verdict).items() if name != "scores"}
    body["waits"] = [*verdict.waits]
    return {**body, "path": [list(p) for p in verdict.path], "alarm_nights": list(verdict.alarm_nights)}


def _finite(name: str, losses: Sequence[float]) -> Floats:
    values = np.asarray(losses, dtype=np.float64)
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(f"The {name} losses must be finite numbers; number {at + 1} of {len(values)} is {values[at]}.")
    return values


def _too_little(reference: int, nights: int, nothing: str) -> str:
    if reference < MIN_REFERENCE_NIGHTS:
        return (
            f"Quality was not judged: {reference} reference nights have losses, {MIN_REFERENCE_NIGHTS} are "
            "needed. Wait for more outcomes, or evaluate the model on earlier nights."
        )
    return "" if nights else f"Quality was not judged: {nothing}"


def _sentence(path: Sequence[tuple[str, float, float]], threshold: float, past: Floats, nights: Sequence[str]) -> str:
    date, loss, s = path[-1]
    said, of = ("Late losses alarm", "over") if s > threshold else ("Late losses are quiet", "of")
    text = (
        f"{said} on {date}: CUSUM {s:.1f} {of} {threshold:.1f}, loss {loss:.4g} against a median of "
        f"{np.median(past):.4g} on {past.size} reference nights."
    )
    return text + (f" Over on {len(nights)} of {len(path)} nights, first {nights[0]}." if nights else "")
