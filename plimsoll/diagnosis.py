"""What the separate answers mean together: data drift or concept drift, harm or none, in an analyst's words."""

import math
from collections.abc import Mapping, Sequence

from plimsoll.drift import InputVerdict
from plimsoll.estimate import EstimateVerdict
from plimsoll.quality import QualityVerdict, rose_from

MIN_NIGHTS = 3  # with both estimate and loss, before one is held against the other
GAP_SD = 2.0  # standard errors between them that are no chance


def diagnose(
    inputs: InputVerdict,
    scores: InputVerdict | None,
    quality: QualityVerdict,
    estimate: EstimateVerdict,
    nights: Mapping[str, tuple[float, float]],
    recent: bool = False,
    slices: Sequence[str] = (),
) -> str:
    """Return what it means in a sentence or two.

    nights are the latest dates with the loss that was estimated and the one that came, of which those count since which
    losses have been rising: the quiet ones before would hide a rise of a few nights. recent is whether the losses of
    the last nights are high together, slices are those whose own losses rose.
    """
    moved = inputs.alarm or bool(scores and scores.alarm)
    if quality.alarm:
        since = rose_from(quality) or ""
        return _losses_rose(moved, _gap(estimate, {date: both for date, both in nights.items() if date >= since}))
    if not quality.judged:
        why = f"no outcomes have come since those of {quality.path[-1][0]}" if quality.path else "too few outcomes"
        known = f"Whether the model got worse is not known: {why}."
        return f"{known} {_before_outcomes(moved, estimate)}"
    what = "Inputs" if inputs.alarm else "Scores"
    if slices or recent:
        return _losses_in_part(f"{what} moved and" if moved else "", slices, _before_outcomes(moved, estimate))
    if moved:
        return (
            f"{what} moved and losses did not rise: data drift without harm so far. {_before_outcomes(True, estimate)}"
        )
    return (
        "Nothing moved." if not estimate.alarm else f"Inputs and losses as usual. {_before_outcomes(False, estimate)}"
    )


def _losses_rose(moved: bool, gap: float | None) -> str:
    with_inputs = "Inputs moved and losses rose" if moved else "Losses rose on inputs as usual"
    if gap is None:
        kind = "data drift that harms" if moved else "likely concept drift: the same inputs lead to other outcomes"
        return f"{with_inputs}: {kind}."
    if gap > GAP_SD:
        return (
            f"{with_inputs}, by more than the scores explain: concept drift, rows with the same scores now have other "
            "outcomes. A model that learns from the new outcomes may help."
        )
    return (
        f"{with_inputs}, as much as the scores explain: harder nights, not another world. A new model would find "
        "them hard too."
    )


def _losses_in_part(moved: str, slices: Sequence[str], before: str) -> str:
    """Return what is said when losses are high somewhere, or were of late, and have not risen for good as a whole."""
    if slices:
        where = f"losses rose for {', '.join(slices)}, and not as a whole: look at what is special there."
    else:
        where = "losses of the last nights are high, with no lasting rise so far: bad nights that pass, or a beginning."
    said = f"{moved} {where}".strip()
    return f"{said[0].upper()}{said[1:]} {before}".rstrip()


def _before_outcomes(moved: bool, estimate: EstimateVerdict) -> str:
    if not estimate.judged:
        return ""
    if estimate.alarm:
        return "The scores of tonight have meant high losses before: expect some when outcomes come."
    return "By the scores of tonight no higher loss is to be expected." if moved else "Estimated loss as usual."


def _gap(estimate: EstimateVerdict, nights: Mapping[str, tuple[float, float]]) -> float | None:
    """Return how far losses were above their estimates, in standard errors of the estimate."""
    if estimate.error_sd is None or estimate.bias is None or len(nights) < MIN_NIGHTS or not estimate.error_sd:
        return None
    above = math.fsum(came - guessed for guessed, came in nights.values()) / len(nights) + estimate.bias
    return above / (estimate.error_sd / math.sqrt(len(nights)))
