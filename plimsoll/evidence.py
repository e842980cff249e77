"""Evidence: what a person should see of a candidate beyond its gates, measured on rows that it was not trained on.

Everything is drawn from seeded samples of bounded size, so that it costs seconds whatever the number of rows, and the
same run gives the same evidence. It is one JSON object; the gate report names its digest, and an approval that of the
gate report.
"""

from typing import Any

import numpy as np

from plimsoll.bundle import Bundle
from plimsoll.contributions import LOG_ODDS, PROBABILITY, UNITS, contributions, explainable, sampled_contributions
from plimsoll.curves import curves_of, rounded
from plimsoll.dependence import partial_dependence
from plimsoll.encoder import Matrix
from plimsoll.importance import permutation_importance
from plimsoll.judged_rows import Judged
from plimsoll.local_effects import accumulated_effects
from plimsoll.metric_intervals import metric_intervals
from plimsoll.metrics import Numbers
from plimsoll.row_parts import Mask, Rows, sampled

FORMAT = 1
DRAWN = 200_000  # rows of curves
SAMPLE = 3_000  # rows of importance
EXPLAINED = 300  # rows whose contributions are shown
VARIED = 150  # rows whose inputs are set to other values
SHOWN = 12  # inputs that dependence and contributions are shown of, the most important


def gather_evidence(judged: Judged, bundle: Bundle, rows: Rows, mask: Mask) -> dict[str, Any]:
    """Return curves, importance, partial dependence and contributions of a bundle on the rows that judge, as JSON."""
    seed = judged.config.estimator.seed
    chosen = sampled(mask, SAMPLE, seed)
    matrix, unit = encoded(bundle, rows, chosen), judged.unit[chosen[mask]]
    ranked = permutation_importance(bundle, matrix, rows.outcome[chosen], unit, len(judged.units), seed)
    shown = [one.feature for one in ranked[:SHOWN]]
    few = _spread(matrix, EXPLAINED, seed)
    return {
        "format": FORMAT,
        "rows": len(matrix),
        "of": int(mask.sum()),
        "metrics": metric_intervals(judged),
        "units": f"{len(judged.units)} {judged.unit_word}",
        "curves": _curves(judged),
        "importance": [one.to_json() for one in ranked],
        "dependence": _dependence(bundle, matrix, few[:VARIED], shown),
        "contributions": summary(bundle, few, shown, seed),
    }


def _dependence(bundle: Bundle, matrix: Matrix, few: Matrix, features: list[str]) -> list[dict[str, Any]]:
    """Return partial dependence of few rows, and accumulated effects of all of numbers that hang together."""
    found = partial_dependence(bundle, few, features)
    effects = accumulated_effects(bundle, matrix, [one["feature"] for one in found if one["tied"]])
    return [{**one, "accumulated": effects.get(one["feature"], [])} for one in found]


def summary(bundle: Bundle, matrix: Matrix, features: list[str], seed: int) -> dict[str, Any]:
    """Return what each feature added to the scores of encoded rows, with where its value lies among theirs.

    Of a learner whose scores cannot be taken apart exactly that is an estimate, with its mean standard error.
    """
    if explainable(bundle):
        method, found = contributions(bundle, matrix)
        unit = LOG_ODDS if bundle.task == "classification" else UNITS
        return _summed(bundle, matrix, features, found) | {"method": method, "unit": unit}
    estimated = sampled_contributions(bundle, matrix, seed)
    if estimated is None:
        said = f"{matrix.shape[1]:,} inputs are too many to sample" if len(matrix) else "there are no rows to sample"
        name = bundle.fitted.file_name
        return {"missing": f"Scores of {name} cannot be taken apart exactly, and {said}, so nothing is shown."}
    method, found, errors = estimated
    told = _summed(bundle, matrix[: len(found)], features, found)
    for part in told["features"]:
        part["error"] = rounded(errors[:, bundle.encoder.columns.index(part["feature"])].mean())
    unit = PROBABILITY if bundle.task == "classification" else UNITS
    return told | {"method": method, "unit": unit, "estimated": True}


def _summed(bundle: Bundle, matrix: Matrix, features: list[str], found: Numbers) -> dict[str, Any]:
    parts = []
    for name in features:
        j = bundle.encoder.columns.index(name)
        words = bundle.encoder.words.get(name)
        values = [] if words else _places(matrix[:, j])
        pushes = [rounded(value) for value in found[:, j]]
        parts.append({"feature": name, "mean": rounded(np.abs(found[:, j]).mean()), "pushes": pushes, "places": values})
    return {"rows": len(matrix), "features": parts}


def encoded(bundle: Bundle, rows: Rows, mask: Mask) -> Matrix:
    """Return the rows of a mask as the bundle encodes them, in their order."""
    return np.concatenate([bundle.encoder.encode(frame) for frame in rows.frames(mask, bundle.encoder.columns)])


def _curves(judged: Judged) -> dict[str, Any]:
    sides = {"candidate": judged.score, "champion": judged.rival}
    few = sampled(np.ones(len(judged.outcome), dtype=bool), DRAWN, judged.config.estimator.seed)
    known = {side: score[few] for side, score in sides.items() if score is not None}
    return {side: curves_of(judged.outcome[few], score, judged.task) for side, score in known.items()}


def _spread(matrix: Matrix, most: int, seed: int) -> Matrix:
    return matrix[np.random.default_rng(seed).permutation(len(matrix))[:most]]


def _places(values: Matrix) -> list[float | None]:
    """Return where each value lies among the others, 0 to 1; None for none."""
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return [None] * len(values)
    places: Numbers = (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / 2
    return [None if np.isnan(v) else round(float(p) / len(known), 3) for v, p in zip(values, places, strict=True)]
