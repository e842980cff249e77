"""Nights as a version saw them: the profiles that were kept with its batches."""

from plimsoll.ledger import Entry
from plimsoll.night_verdict import NIGHTS_SEEN, Observed
from plimsoll.profile import from_json
from plimsoll.score_sketch import sketch_from_json
from plimsoll.standing import Standing
from plimsoll.store import Store, get_json
from plimsoll.trailing import trailing_dates


def observed_nights(store: Store, standing: Standing, version: int, date: str) -> list[Observed]:
    """Return what a version's batches of the last nights up to a date held, in order of their dates."""
    dates = [*trailing_dates(standing, version, date, NIGHTS_SEEN - 1), date]
    batches = [e for e in standing.of_kind("batch_committed") if str(version) in e.facts["versions"]]
    latest = {str(e.facts["date"]): e for e in batches}
    return [_observed(store, latest[one], version) for one in dates]


def _observed(store: Store, batch: Entry, version: int) -> Observed:
    body = get_json(store, batch.facts["profiles"][str(version)])
    scores = sketch_from_json(body["scores"]) if body.get("scores") else None
    return Observed(str(batch.facts["date"]), from_json(body), scores)
