"""Levels: how many false alarms a reference of so many days can promise, and how far one reference may be off."""

from dataclasses import dataclass

MIN_REFERENCE_DAYS = 10
NINE_IN_TEN = (0.05, 0.95)  # quantiles between which the true rates of nine references in ten lie


@dataclass(frozen=True)
class Level:
    """What was asked of a reference, and what it can give."""

    alpha: float  # the level used: 1/one_in_nights, or 1/supported_one_in where the days support no less
    supported_one_in: int  # the rarest alarm that this many reference days can support
    finer_than_supported: bool  # a rarer alarm was asked than the days support
    rate: float  # false alarms a night, as the mean over references of so many days; at most alpha
    true_rate: tuple[float, float]  # between these lies the rate of one reference, nine times in ten


def level_of(days: int, one_in_nights: int) -> Level:
    """Return what a reference of so many days gives when one false alarm in one_in_nights is asked.

    Of days + 1 ranks the highest m alarm. The rate that one reference really has is then spread as Beta(m, days + 1 −
    m), since it is the probability beyond an order statistic (Vovk, arXiv 1209.2673, prop. 2b, for split conformal;
    full conformal keeps near it, as measured in docs/drift.md). Raises ValueError when one_in_nights is below 2.
    """
    if one_in_nights < 2:
        raise ValueError(f"one_in_nights: expected 2 or more, found {one_in_nights}.")
    ranks = alarming_ranks(days, one_in_nights)
    supported = days + 1
    level = 1 / min(one_in_nights, supported), supported, one_in_nights > supported
    return Level(*level, ranks / supported, _spread(days, ranks))


def alarming_ranks(days: int, one_in_nights: int) -> int:
    """Return how many of the days + 1 ranks alarm: n + 1 − ⌈(n+1)(1−α)⌉, at least one."""
    return max((days + 1) // one_in_nights, 1)


def _spread(days: int, ranks: int) -> tuple[float, float]:
    if days < MIN_REFERENCE_DAYS:
        return 0.0, 1.0
    from scipy.special import betaincinv

    low, high = (float(betaincinv(ranks, days + 1 - ranks, share)) for share in NINE_IN_TEN)
    return low, high
