"""The quality chart's thresholds: simulated once for a reference's length, then kept in the store."""

from functools import partial

from plimsoll.archive import Archive, get_sealed, put_sealed
from plimsoll.quality_threshold import (
    ALLOWANCE,
    DRAWS,
    FALLING_TO,
    NEAREST,
    SEED,
    Curves,
    ThresholdCurve,
    curve_from_json,
    threshold_curve,
)

METHOD = f"{SEED}-{DRAWS}-{NEAREST}-{ALLOWANCE}-{FALLING_TO}"  # another method finds nothing of this one


def kept_curves(archive: Archive) -> Curves:
    """Return where thresholds come from: the store, or a simulation whose result is kept there, signed."""
    return partial(_kept, archive)


def _kept(archive: Archive, reference_nights: int, horizon_nights: int, share: float) -> ThresholdCurve:
    key = f"thresholds/{METHOD}/{reference_nights}-{horizon_nights}-{share:.6g}.json"
    if kept := get_sealed(archive, key):
        return curve_from_json(kept)
    curve = threshold_curve(reference_nights, horizon_nights, share)
    put_sealed(archive, key, curve.to_json())
    return curve
