"""Whether a batch is of its own date: a file of another year passes every rule that looks at its values alone."""

import pandas as pd

from plimsoll.errors import DataError
from plimsoll.lookups import decision_time
from plimsoll.model_config import ModelConfig

DAY = pd.Timedelta(days=1)


class BatchTimes:
    """Counts event times beyond source.event_within_days of a batch date: before it begins or after it ends, in UTC.

    Nothing is asked of rows without a time, nor where the config does not say how many days.
    """

    def __init__(self, config: ModelConfig, date: str) -> None:
        self._source = config.source.model_copy(update={"decision_lead_minutes": 0})
        self._share, self._date = config.scoring.max_quarantined_share, date
        self._seen, self._far, self._example = 0, 0, ""

    def see(self, batch: pd.DataFrame) -> None:
        """Count the times of some rows; DataError when they are no times."""
        within = self._source.event_within_days
        if within is None or not self._date or batch.empty:
            return
        start, times = pd.Timestamp(self._date, tz="UTC"), decision_time(batch, self._source).dropna()
        far = times[(times < start - within * DAY) | (times >= start + (within + 1) * DAY)]
        self._seen, self._far = self._seen + len(times), self._far + len(far)
        self._example = self._example or (f"{far.iloc[0]:%Y-%m-%d %H:%M}" if len(far) else "")

    def finish(self, where: str) -> None:
        """Raise DataError where more of them lie beyond than may be set aside of a batch."""
        if self._far > self._share * self._seen:
            raise DataError(
                f"{where}: {self._source.event_time} of {self._far:,} of {self._seen:,} rows is more than "
                f"{self._source.event_within_days} days away from that date, as {self._example} UTC. Is it the file of "
                "another date? Deliver the right one, or change source.event_within_days."
            )
