"""The quality chart's thresholds: simulated once for a reference's length, then kept in the store."""

from functools import cache, partial

from plimsoll import quality_threshold
from plimsoll.archive import Archive, get_sealed, put_sealed
from plimsoll.code_digests import code_of
from plimsoll.digest import sha256_json
from plimsoll.quality_threshold import Curves, ThresholdCurve, curve_from_json, threshold_curve


def kept_curves(archive: Archive) -> Curves:
    """Return where thresholds come from: the store, or a simulation whose result is kept there, signed."""
    return partial(_kept, archive)


@cache
def method() -> str:
    """Return the digest of the code that thresholds are simulated by: another method finds nothing of this one."""
    return sha256_json(["thresholds", code_of((quality_threshold,))])[:16]


def _kept(archive: Archive, reference_nights: int, horizon_nights: int, share: float) -> ThresholdCurve:
    key = f"thresholds/{method()}/{reference_nights}-{horizon_nights}-{share:.6g}.json"
    if kept := get_sealed(archive, key):
        return curve_from_json(kept)
    curve = threshold_curve(reference_nights, horizon_nights, share)
    put_sealed(archive, key, curve.to_json())
    return curve
