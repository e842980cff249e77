"""Two references: the champion's training days, which decide, and the last nights, which are shown beside them.

A new season is strange to the training days and familiar to the last weeks; a jump is strange to both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from plimsoll.drift import InputVerdict, judge_inputs, unjudged
from plimsoll.drift import to_json as verdict_to_json
from plimsoll.pooling import Pool, blocks_of, pool_nights
from plimsoll.profile import ColumnPlan, Profile
from plimsoll.standing import Standing

TRAILING_NIGHTS = 28  # four of each weekday


@dataclass(frozen=True)
class InputsJudged:
    """Tonight's inputs against two references; only the training days can alarm."""

    training: InputVerdict
    trailing: InputVerdict
    pool: Pool
    unread: int = 0  # nights before tonight whose profiles are in another form, and are left out

    @property
    def verdict(self) -> InputVerdict:
        """What decides, with the sentence about everything."""
        return replace(self.training, sentence=self.sentence)

    @property
    def sentence(self) -> str:
        """The training days' verdict, what the last nights add to it, and what pooling hides."""
        return " ".join(filter(None, [self.training.sentence, self._beside, self.pool.blind, self._left_out]))

    @property
    def _beside(self) -> str:
        if not (self.training.judged and self.trailing.judged):
            return ""
        nights = f"the last {len(self.trailing.reference_statistics) * len(self.pool.nights)} nights"
        return _BESIDE[self.training.alarm, self.trailing.alarm].format(nights=nights)

    @property
    def _left_out(self) -> str:
        if not self.unread:
            return ""
        nights = f"{self.unread} nights are" if self.unread > 1 else "1 night is"
        return f"{nights} left out of the last nights: another version of Plimsoll wrote what they held."

    def to_json(self) -> dict[str, Any]:
        """Return what is kept with a decision: the deciding verdict's own fields, and the rest beside them."""
        beside = {"trailing": verdict_to_json(self.trailing), "pool": self.pool.to_json()}
        return {**verdict_to_json(self.verdict), **beside}


_BESIDE = {
    (True, True): "It is as strange to {nights}: a jump, or a change that goes on.",
    (True, False): "It is like {nights}: a new season or level, and steady in it.",
    (False, True): "It is strange to {nights} and not to the training days: a return to what was trained on.",
    (False, False): "",
}


def judge_both(
    plan: Sequence[ColumnPlan],
    reference: Mapping[str, Profile],
    committed: Mapping[str, Profile],
    date: str,
    tonight: Profile,
    one_in_nights: int,
    waiting: Mapping[str, Profile],
) -> InputsJudged:
    """Return a night's verdict against the training days and against the last nights, small nights pooled.

    reference holds the training days by date, committed the profiles of batches on the same plan, waiting the small
    nights of before that nobody has judged. Raises what `judge_inputs` raises.
    """
    days = list(reference.values())
    pool, merged = pool_nights(days, waiting, date, tonight)
    window = trailing_window(reference, committed, pool.nights[0])
    if pool.waits:
        training, trailing = (unjudged(len(some), one_in_nights, _why(pool)) for some in (days, window))
        return InputsJudged(training, trailing, pool)
    against = [days, list(window.values())]
    if len(pool.nights) > 1:
        sizes = [*(waiting[night].rows for night in pool.nights[:-1]), tonight.rows]
        against = [blocks_of(some, sizes) for some in against]
    training, trailing = (judge_inputs(plan, some, merged, one_in_nights) for some in against)
    return InputsJudged(training, trailing, pool)


def trailing_window(
    reference: Mapping[str, Profile], committed: Mapping[str, Profile], before: str
) -> dict[str, Profile]:
    """Return the last nights before a date, in order: committed ones, and training days where those are too few.

    Parts that stand in for days of a table without a time axis are no nights.
    """
    known = {**reference, **committed}
    return {date: known[date] for date in sorted(date for date in known if date < before)[-TRAILING_NIGHTS:]}


def trailing_dates(standing: Standing, version: int, before: str, nights: int = TRAILING_NIGHTS) -> list[str]:
    """Return the dates of the last batches before a date that hold a profile on a version's plan."""
    committed = standing.of_kind("batch_committed")
    dates = {str(e.facts["date"]) for e in committed if str(version) in e.facts.get("profiles", {})}
    return sorted(date for date in dates if date < before)[-nights:]


def _why(pool: Pool) -> str:
    together = f"the last {len(pool.nights)} nights together have" if len(pool.nights) > 1 else "the batch has"
    return f"{together} {pool.rows:,} rows and {pool.needed:,} are needed. The next small nights are added to them."
