"""Other verdicts over the same nights, from rows: Evidently's, tests with Benjamini–Hochberg, PSI, ADWIN.

Each takes the rows of reference and tonight and says whether that is drift.
"""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

Kinds = Mapping[str, str]
Rival = Callable[[pd.DataFrame, pd.DataFrame, Kinds], bool]
FALSE_DISCOVERY = 0.05
PSI_LIMIT, PSI_BINS = 0.1, 10
ADWIN_DELTA = 0.002


def evidently(reference: pd.DataFrame, tonight: pd.DataFrame, kinds: Kinds) -> bool:
    """Return Evidently's default verdict on a data set: half of the columns or more drifted."""
    return evidently_share(reference, tonight, kinds) >= 0.5


def evidently_share(reference: pd.DataFrame, tonight: pd.DataFrame, kinds: Kinds) -> float:
    """Return the share of columns that Evidently's DataDriftPreset, as it comes, calls drifted.

    It refuses a column without a value tonight, so those are left out.
    """
    kinds = {name: kind for name, kind in kinds.items() if tonight[name].notna().any()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        numbers = [name for name, kind in kinds.items() if kind == "number"]
        about = DataDefinition(numerical_columns=numbers, categorical_columns=[n for n in kinds if n not in numbers])
        data = [Dataset.from_pandas(rows[[*kinds]], data_definition=about) for rows in (tonight, reference)]
        found = Report([DataDriftPreset()]).run(*data).dict()
    count = next(m["value"] for m in found["metrics"] if "DriftedColumnsCount" in str(m.get("metric_name", m)))
    return float(count["share"])


def benjamini_hochberg(reference: pd.DataFrame, tonight: pd.DataFrame, kinds: Kinds) -> bool:
    """Return whether any column's Kolmogorov–Smirnov or chi-squared test is found at 5 % false discoveries."""
    p = np.sort([_p_value(reference[name], tonight[name], kind) for name, kind in kinds.items()])
    return bool(np.any(p <= FALSE_DISCOVERY * np.arange(1, len(p) + 1) / len(p)))


def psi(reference: pd.DataFrame, tonight: pd.DataFrame, kinds: Kinds) -> bool:
    """Return whether the population stability index of any column is over 0.1 (deciles, or categories)."""
    return any(_psi(reference[name], tonight[name], kind) > PSI_LIMIT for name, kind in kinds.items())


def adwin(reference: pd.DataFrame, tonight: pd.DataFrame, kinds: Kinds) -> bool:
    """Return whether ADWIN, fed row by row, would cut its window between reference and tonight for any number.

    It is the test of that one cut (Bifet and Gavaldà 2007, equation 3.1), δ 0.002; ADWIN itself tries more cuts, so it
    alarms no less often. Values are scaled to the reference's range.
    """
    return any(_cuts(reference[name], tonight[name]) for name, kind in kinds.items() if kind == "number")


RIVALS: dict[str, Rival] = {
    "KS and χ² with Benjamini–Hochberg": benjamini_hochberg,
    "any PSI > 0.1": psi,
    "ADWIN, any number": adwin,
}


def _p_value(reference: pd.Series, tonight: pd.Series, kind: str) -> float:
    from scipy.stats import chi2_contingency, ks_2samp

    before, now = reference.dropna(), tonight.dropna()
    if before.empty or now.empty:
        return 1.0
    if kind == "number":
        return float(ks_2samp(before, now, method="asymp").pvalue)
    table = np.array([before.value_counts().add(0 * now.value_counts(), fill_value=0), _like(before, now)])
    return float(chi2_contingency(table).pvalue) if table.shape[1] > 1 else 1.0


def _like(before: pd.Series, now: pd.Series) -> pd.Series:
    return now.value_counts().add(0 * before.value_counts(), fill_value=0)


def _psi(reference: pd.Series, tonight: pd.Series, kind: str) -> float:
    before, now = reference.dropna(), tonight.dropna()
    if before.empty or now.empty:
        return 0.0
    if kind == "number":
        edges = np.unique(np.quantile(before, np.linspace(0, 1, PSI_BINS + 1)[1:-1]))
        counts = [np.bincount(np.searchsorted(edges, x, side="left"), minlength=len(edges) + 1) for x in (before, now)]
    else:
        counts = [_like(now, before).to_numpy(), _like(before, now).to_numpy()]
    p, q = (np.maximum(c / c.sum(), 1e-4) for c in counts)
    return float(np.sum((q - p) * np.log(q / p)))


def _cuts(reference: pd.Series, tonight: pd.Series) -> bool:
    before, now = reference.dropna().to_numpy(float), tonight.dropna().to_numpy(float)
    span = np.ptp(before) if len(before) else 0.0
    if not len(now) or span == 0:
        return False
    n = len(before) + len(now)
    inverse = 1 / len(before) + 1 / len(now)  # 1/m of the paper, m the harmonic mean of both
    log = np.log(2 * np.log(n) / ADWIN_DELTA)
    variance = np.var(np.concatenate([before, now])) / span**2
    epsilon = np.sqrt(2 * inverse * variance * log) + 2 / 3 * inverse * log
    return bool(abs(before.mean() - now.mean()) / span > epsilon)
