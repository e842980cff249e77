"""Features of a flight that are known two hours before its scheduled departure."""

import pandas as pd

MINUTES_PER_DAY = 24 * 60


def build(batch: pd.DataFrame) -> pd.DataFrame:
    """Return the batch with time of day, weekday, scheduled block time and the plane's age."""
    local = pd.to_datetime(batch["scheduled_departure_local"])
    departure = local.dt.hour * 60 + local.dt.minute
    return batch.assign(
        departure_minute=departure,
        weekday=local.dt.dayofweek,
        scheduled_minutes=(batch["scheduled_arrival_minute"] - departure) % MINUTES_PER_DAY,
        plane_age=local.dt.year - batch["built"],
    )
