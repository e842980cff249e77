"""Which settings of which estimator can be searched, within which limits, and what is wrong with a space."""

from collections.abc import Iterator
from dataclasses import dataclass

from plimsoll.config_loading import nearest
from plimsoll.estimator_config import Estimator
from plimsoll.search_config import Search, Shrink, Span, is_number

ROUNDS = "rounds"
TREES = frozenset({"gbtree"})  # boosters whose first trees are a model; dart weighs all of them anew


@dataclass(frozen=True)
class Setting:
    """What one parameter may be."""

    low: float = 0.0
    high: float = float("inf")
    whole: bool = False  # an integer
    above_low: bool = False  # low itself is not allowed
    words: tuple[str, ...] = ()  # allowed words; with any, it is no number
    yes_or_no: bool = False


SHARE = Setting(high=1, above_low=True)
AMOUNT = Setting()
COUNT = Setting(low=1, whole=True)
OF_KIND: dict[str, dict[str, Setting]] = {
    "xgboost": {
        ROUNDS: COUNT,
        "max_depth": COUNT,
        "learning_rate": SHARE,
        "min_child_weight": AMOUNT,
        "subsample": SHARE,
        "colsample_bytree": SHARE,
        "colsample_bylevel": SHARE,
        "colsample_bynode": SHARE,
        "gamma": AMOUNT,
        "reg_alpha": AMOUNT,
        "reg_lambda": AMOUNT,
        "max_delta_step": AMOUNT,
        "max_leaves": Setting(whole=True),
        "max_bin": Setting(low=2, whole=True),
        "max_cat_to_onehot": COUNT,
        "max_cat_threshold": COUNT,
        "num_parallel_tree": COUNT,
        "scale_pos_weight": Setting(above_low=True),
        "grow_policy": Setting(words=("depthwise", "lossguide")),
    },
    "logistic": {
        "C": Setting(above_low=True),
        "l1_ratio": Setting(high=1),
        "tol": Setting(above_low=True),
        "max_iter": COUNT,
        "fit_intercept": Setting(yes_or_no=True),
    },
    "ridge": {"alpha": AMOUNT, "tol": Setting(above_low=True), "fit_intercept": Setting(yes_or_no=True)},
}
OTHER_NAMES = {  # of XGBoost's parameters
    "eta": "learning_rate",
    "min_split_loss": "gamma",
    "alpha": "reg_alpha",
    "lambda": "reg_lambda",
}


def tuning_faults(estimator: Estimator, search: Search | None, shrink: Shrink | None) -> list[str]:
    """Return one sentence per mistake in what a config searches or shrinks, given its estimator."""
    faults = list(_search_faults(estimator, search)) if search else []
    return faults + (list(_shrink_faults(estimator)) if shrink else [])


def _search_faults(estimator: Estimator, search: Search) -> Iterator[str]:
    known = OF_KIND.get(estimator.kind)
    if known is None:
        yield f"search needs an estimator that is trained here, found kind {estimator.kind}; leave search out"
        return
    for name, span in search.space.items():
        field = f"search.space.{name}"
        if name not in known:
            yield f"{field} is no setting of {estimator.kind} that can be searched.{_meant(name, known)}".rstrip(".")
            continue
        if fixed := _fixed(name, estimator):
            yield f"{field} is also fixed by estimator.{fixed}; take one of them out"
        yield from (f"{field}: {fault}" for fault in _span_faults(span, known[name]))


def _meant(name: str, known: dict[str, Setting]) -> str:
    return f" Did you mean {OTHER_NAMES[name]}?" if OTHER_NAMES.get(name) in known else nearest(name, list(known))


def _fixed(name: str, estimator: Estimator) -> str:
    """Return where a searched setting is fixed as well, under whichever of its names; empty when it is not."""
    if name == ROUNDS:
        default = type(estimator).model_fields[ROUNDS].default
        return f"rounds ({estimator.rounds})" if estimator.rounds != default else ""
    names = [name, *(other for other, own in OTHER_NAMES.items() if own == name and estimator.kind == "xgboost")]
    return next((f"params.{one}" for one in names if one in estimator.params), "")


def _span_faults(span: Span, setting: Setting) -> Iterator[str]:
    values = [*(span.choices or (span.low, span.high)), *([span.start] if span.start is not None else [])]
    if setting.words or setting.yes_or_no:
        allowed = setting.words or (True, False)
        if span.choices is None or any(value not in allowed for value in values):
            yield f"needs choices among {', '.join(map(str, allowed)).lower()}"
        return
    for value in dict.fromkeys(values):
        if not is_number(value):
            yield f"needs numbers, found {value!r}"
        elif setting.whole and (float(value or 0) != int(value or 0) or (span.choices and isinstance(value, float))):
            yield f"needs whole numbers, found {value}"
        elif not _allowed(float(value or 0), setting):
            yield f"has to be {_limits(setting)}, found {value:g}"


def _allowed(value: float, setting: Setting) -> bool:
    return (value > setting.low if setting.above_low else value >= setting.low) and value <= setting.high


def _limits(setting: Setting) -> str:
    low = f"{'above' if setting.above_low else 'at least'} {setting.low:g}"
    return low if setting.high == float("inf") else f"{low} and at most {setting.high:g}"


def _shrink_faults(estimator: Estimator) -> Iterator[str]:
    if estimator.kind != "xgboost":
        yield f"shrink needs trees that are trained here (estimator.kind xgboost), found {estimator.kind}"
    elif (booster := estimator.params.get("booster", "gbtree")) not in TREES:
        yield f"shrink needs booster gbtree, found {booster}: the first trees of another are no model"


def is_whole(kind: str, name: str) -> bool:
    """Return whether a setting of an estimator is an integer."""
    return OF_KIND[kind][name].whole
