"""Features of a flight, from its timetable and the register of planes."""

import pandas as pd

MINUTES_PER_DAY = 1440


def build(batch: pd.DataFrame) -> pd.DataFrame:
    """Return batch with departure_minute, weekday, scheduled_minutes and plane_age; null where their source is.

    batch has its lookups joined. departure_minute is the minute of the local day, weekday is 0 on Mondays,
    plane_age is in years. scheduled_minutes runs from one airport's clock to the other's, so it is the time in
    the air less the hours the sun takes over the same way: the same for all flights of a route and season.
    """
    departure = pd.to_datetime(batch["scheduled_departure_local"])
    departure_minute = departure.dt.hour * 60 + departure.dt.minute
    arrival_minute = batch["scheduled_arrival_minute"].astype("float64")
    return batch.assign(
        departure_minute=departure_minute.astype("float64"),
        weekday=departure.dt.weekday.astype("float64"),
        scheduled_minutes=(arrival_minute - departure_minute) % MINUTES_PER_DAY,
        plane_age=departure.dt.year - batch["built"].astype("float64"),
    )
