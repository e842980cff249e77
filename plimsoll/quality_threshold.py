"""The threshold of the quality chart, by simulation: what an unchanged model reaches within so many nights.

Nights hang together, and how much is known only from the few nights of the reference. So both are drawn: a lag-1
autocorrelation, small ones more often, and nights that have it. Of the draws whose reference shows the same estimate
as ours, the threshold leaves the asked share above it: it allows for the estimate's own error, which a table by
estimate does not.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = 20_000
NEAREST = 2_000  # draws whose estimate is nearest to ours: they answer for it
SEED = 1954  # of the year of Page's paper; fixed, so that equal references have equal thresholds
MAX_RHO = 0.7  # nights that hang together more than this are a trend, and no chart tells a trend from a loss
FALLING_TO = 1.2  # the density of a drawn autocorrelation falls on a line that would reach nought here
RHOS = tuple(n / 40 for n in range(29))  # 0 to MAX_RHO
ALLOWANCE = 0.9  # half of the shift, in sd of a night, that the chart is quickest to find
BLOCK = 4_000  # draws at a time: some megabytes of nights

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ThresholdCurve:
    """The chart's threshold by the reference's estimated autocorrelation, for a share of false alarms in a horizon."""

    reference_nights: int
    horizon_nights: int
    share: float
    heights: tuple[float, ...]  # at RHOS

    def at(self, rho: float) -> float:
        """Return the CUSUM that an unchanged model exceeds within the horizon with the chance `share`."""
        return round(float(np.interp(rho, RHOS, self.heights)), 3)

    def to_json(self) -> dict[str, Any]:
        """Return the curve as JSON."""
        return {**asdict(self), "heights": list(self.heights)}


Curves = Callable[[int, int, float], ThresholdCurve]  # of reference nights, horizon in nights, share


def curve_from_json(body: Mapping[str, Any]) -> ThresholdCurve:
    """Return the curve that `to_json` wrote."""
    return ThresholdCurve(**{**body, "heights": tuple(body["heights"])})


@cache
def threshold_curve(reference_nights: int, horizon_nights: int, share: float) -> ThresholdCurve:
    """Return the thresholds for references of so many nights: seeded, the same wherever it is called.

    Takes one to three seconds. Raises ValueError for a share outside (0, 0.5] and for too few nights.
    """
    if not 0 < share <= 0.5 or horizon_nights < 1 or reference_nights < 2:
        raise ValueError(f"No threshold for {share} in {horizon_nights} nights after {reference_nights} nights.")
    estimates, highest = _simulated(reference_nights, horizon_nights)
    firsts = np.clip(np.searchsorted(estimates, RHOS) - NEAREST // 2, 0, DRAWS - NEAREST)
    heights = [np.quantile(highest[first : first + NEAREST], 1 - share) for first in firsts]
    rising = np.maximum.accumulate(heights)  # more autocorrelation never asks for less; a draw's chance may say so
    return ThresholdCurve(reference_nights, horizon_nights, share, tuple(np.round(rising, 6).tolist()))


def autocorrelation(scores: Floats) -> Floats:
    """Return ρ̂ of rows of normal scores in order of time: r + (1 + 3r)/n, clipped to [0, 0.7].

    r falls short of ρ by about (1 + 3ρ)/n (Marriott and Pope, Biometrika 1954).
    """
    z = scores - scores.mean(axis=-1, keepdims=True)
    power = (z * z).sum(axis=-1)
    r = np.divide((z[..., 1:] * z[..., :-1]).sum(axis=-1), power, out=np.zeros_like(power), where=power > 0)
    return np.asarray(np.clip(r + (1 + 3 * r) / z.shape[-1], 0.0, MAX_RHO))


def normal_scores(reference: Floats, losses: Floats) -> Floats:
    """Return Φ⁻¹((#{reference < x} + ½ ties + ½)/(n + 1)) of every loss x, row by row."""
    from scipy.special import ndtri

    ordered = np.sort(reference, axis=-1)
    sides = [_places(ordered, losses, side) for side in ("left", "right")]
    scores: Floats = ndtri((sum(sides) / 2 + 0.5) / (reference.shape[-1] + 1))
    return scores


def cusum(scores: Floats, allowance: float = ALLOWANCE) -> Floats:
    """Return S ← max(0, S + z − allowance) after every night, along the last axis (Page 1954)."""
    sums, s = np.empty_like(scores), np.zeros(scores.shape[:-1])
    for night in range(scores.shape[-1]):
        s = np.maximum(0.0, s + scores[..., night] - allowance)
        sums[..., night] = s
    return sums


def _places(ordered: Floats, losses: Floats, side: str) -> Floats:
    if ordered.ndim == 1:
        return np.searchsorted(ordered, losses, side).astype(np.float64)  # type: ignore[call-overload, no-any-return]
    # one search for all rows: each row is moved to a range of its own
    low = min(ordered.min(), losses.min())
    span = max(ordered.max(), losses.max()) - low + 1.0
    rows = np.arange(len(ordered))[:, None]
    at = np.searchsorted((ordered - low + rows * span).ravel(), losses - low + rows * span, side)  # type: ignore[call-overload]
    return np.asarray(at - rows * ordered.shape[-1], dtype=np.float64)


@cache
def _simulated(reference: int, horizon: int) -> tuple[Floats, Floats]:
    """Return for every draw, in order of the first: the estimate that its reference gives, and its highest CUSUM."""
    chance = np.random.default_rng([SEED, reference, horizon])
    found = [_block(chance, reference, horizon) for _ in range(DRAWS // BLOCK)]
    estimates, highest = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(estimates, kind="stable")
    return estimates[order], highest[order]


def _block(chance: np.random.Generator, reference: int, horizon: int) -> tuple[Floats, Floats]:
    nights = normal_nights(chance, _autocorrelations(chance), reference + horizon)
    past, later = nights[:, :reference], nights[:, reference:]
    return autocorrelation(normal_scores(past, past)), cusum(normal_scores(past, later)).max(axis=1)


def _autocorrelations(chance: np.random.Generator) -> Floats:
    """Return draws from 0 to MAX_RHO with a density in proportion to 1 - ρ/FALLING_TO, by its inverse distribution."""
    most = 1 - (1 - MAX_RHO / FALLING_TO) ** 2
    return np.asarray(FALLING_TO * (1 - np.sqrt(1 - most * chance.uniform(0, 1, BLOCK))))


def normal_nights(chance: np.random.Generator, rho: Floats, nights: int) -> Floats:
    """Return stationary standard normal nights with lag-1 autocorrelation rho, one row for each."""
    noise = chance.standard_normal((len(rho), nights))
    noise[:, 1:] *= np.sqrt(1 - rho**2)[:, None]
    for night in range(1, nights):
        noise[:, night] += rho * noise[:, night - 1]
    return noise
