"""Nights as a version saw them: the profiles that were kept with its batches."""

from plimsoll.assembly import KEY
from plimsoll.bundle import Bundle
from plimsoll.errors import DataError
from plimsoll.ledger import Entry
from plimsoll.model_config import ModelConfig
from plimsoll.night_verdict import NIGHTS_SEEN, Observed
from plimsoll.profile import Profile, from_json, is_on_plan, profile_batch
from plimsoll.score_sketch import sketch_from_json, sketch_scores
from plimsoll.snapshot import load_snapshot
from plimsoll.standing import Standing
from plimsoll.store import get_json
from plimsoll.trailing import trailing_dates
from tasks.assemble import batch_partition, reassemble
from tasks.committed_rows import committed_rows
from tasks.version_config import own_config
from tasks.workspace import Workspace


def observed_nights(
    workspace: Workspace, config: ModelConfig, standing: Standing, bundle: Bundle, version: int, date: str
) -> list[Observed]:
    """Return what a version's batches of the last nights up to a date held, in order of their dates.

    A profile in another form than this code writes is None, but that of the last night is made again from the batch's
    snapshot: it is to be judged.
    """
    dates = [*trailing_dates(standing, version, date, NIGHTS_SEEN - 1), date]
    batches = [e for e in standing.of_kind("batch_committed") if str(version) in e.facts["versions"]]
    latest = {str(e.facts["date"]): e for e in batches}
    *before, tonight = (_observed(workspace, latest[one], bundle, version) for one in dates)
    if tonight.profile is None:
        trained_by = next(str(v.trained.facts["run"]) for v in standing.versions if v.number == version)
        own = own_config(workspace, config, trained_by)
        tonight = _made_again(workspace, own, latest[date], bundle, version)
    return [*before, tonight]


def _observed(workspace: Workspace, batch: Entry, bundle: Bundle, version: int) -> Observed:
    body = get_json(workspace.store, batch.facts["profiles"][str(version)])
    scores = sketch_from_json(body["scores"]) if body.get("scores") else None
    return Observed(str(batch.facts["date"]), _profile(body, bundle), scores)


def _profile(body: dict[str, object], bundle: Bundle) -> Profile | None:
    try:
        found = from_json(body)
    except DataError:
        return None
    return found if is_on_plan(found, bundle.reference.plan) else None


def _made_again(workspace: Workspace, config: ModelConfig, batch: Entry, bundle: Bundle, version: int) -> Observed:
    """Profile a batch once more: the rows that were scored, from the snapshot that they were scored from."""
    date, rows = str(batch.facts["date"]), committed_rows(workspace, batch)
    mine = rows[rows["version"] == version]
    snapshot = load_snapshot(workspace.store, str(batch.facts["snapshot"]))
    frame = reassemble(workspace, config, snapshot, batch_partition(config, date))
    profile = profile_batch(bundle.reference.plan, frame[frame[KEY].isin(mine["key"])])
    return Observed(date, profile, sketch_scores(mine["score"].to_numpy(dtype=float)))
