"""What a model's first version could not be judged by, in a line of its own: silence would read as a pass."""

from collections.abc import Sequence

from plimsoll.gate_result import GateResult, Judgement
from plimsoll.gates_config import Gates


def judged_without_its_features(missing: Sequence[str]) -> Judgement:
    """Return a warning that a champion was judged without the features that it learnt from; nothing where it was not.

    missing says where and why. A gain over such a champion may be its lack of them, so a person looks.
    """
    if not missing:
        return Judgement()
    more = f"; and {len(missing) - 1} more" if len(missing) > 1 else ""
    sentence = f"the champion was not judged with all features that it learnt from: {missing[0].rstrip('.')}{more}"
    return Judgement((GateResult("the champion's features", "warn", None, None, sentence),))


def not_judged_alone(gates: Gates) -> Judgement:
    """Return a line that names every gate that needs a champion; nothing where the config asks for none."""
    asked = {
        "champion": gates.champion,
        "slices.champion_margin": gates.slices and gates.slices.champion_margin is not None,
        "trust": gates.trust and (gates.trust.by_date or gates.trust.max_share_change is not None),
        "holdout.champion": gates.holdout and gates.holdout.champion,
        "operations.max_slowdown": gates.operations and gates.operations.max_slowdown is not None,
    }
    names = [f"gates.{name}" for name, wanted in asked.items() if wanted]
    if not names:
        return Judgement()
    sentence = f"there is no champion yet, so {', '.join(names)} judged nothing of this version"
    return Judgement((GateResult("beside the champion", "pass", None, None, sentence),))
