"""Families

One config that makes a model for each of many segments (`for_each`), trained, scored and checked by the family's flow
in one process against a real Prefect server: twenty days of flights, twenty trees a model, the segments made by
dealing out each day's flights in turn. Ten and twenty models; fifty and a hundred with `--full`. A night is one date
scored and checked by all of them. Linear means that twice the models take at most twice the seconds and no more
memory.
"""

import datetime as dt
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.children import environment, in_child, peak_rss_mib, seconds_of
from benchmarks.figures import Figure, at_most, plain
from benchmarks.flights import MODEL
from benchmarks.nightly import server

FAMILY, COLUMN = "late_of", "lot"
AS_OF, NIGHT = dt.date(2013, 3, 2), dt.date(2013, 3, 2)
NO_GATES = "gates: {limits: [{metric: log_loss, at_most: 9}]}\n\n"  # nine flights a day are too few to judge
SMALL = {
    "max_quarantined_share: 0.02": "max_quarantined_share: 0.02\n  max_unseen_share: 1",
    "policy: person": "policy: automatic",
    "rounds: 200": "rounds: 20",
    "test_days: 14": "test_days: 5",
    "window_days: 90": "window_days: 20",
}
NIGHT_MINUTES, LINEAR, SAME = 10.0, 2.2, 1.25


def measure(full: bool) -> Iterator[Figure]:
    """Yield the minutes of training and of a night for few and for twice as many models, and the peak memory."""
    few, many = (50, 100) if full else (10, 20)
    nights, peaks = {}, {}
    for models in (few, many):
        trained, scored, checked, peaks[models] = family_of(models)
        nights[models] = scored + checked
        yield plain(f"{models} models: trained, judged and promoted", trained / 60, "min")
        asked = at_most if models == 100 else lambda figure, value, unit, _: plain(figure, value, unit)
        yield asked(f"{models} models: a night, scores and checks", nights[models] / 60, "min", NIGHT_MINUTES)
        yield plain(f"{models} models: of it scores", scored / 60, "min")
    yield at_most(f"{many} models over {few}: a night", nights[many] / nights[few], "×", LINEAR)
    yield at_most(f"{many} models over {few}: peak memory of the process", peaks[many] / peaks[few], "×", SAME)


def family_of(models: int) -> tuple[float, float, float, float]:
    """Return the seconds in which so many models are trained, score a night and check it, and the peak memory (MiB)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder / "project", models)
        with server(folder), environment({**os.environ, "PLIMSOLL_ROOT": str(folder / "project")}):
            in_child(deal_out, models)
            trained = in_child(train_family)
            return trained, *in_child(live_night)


def make_project(root: Path, models: int) -> None:
    """Write a project with one template of so many models."""
    from tests.flows.places import ROOT, copy_project

    copy_project(ROOT, root)
    for one in (root / "configs/models").glob("*.yaml"):
        one.unlink()
    text = (ROOT / f"configs/models/{MODEL}.yaml").read_text()
    head, _, rest = text.partition("gates:\n")
    text = head + NO_GATES + rest[rest.index("approval:") :]
    for old, new in SMALL.items():
        text = text.replace(old, new)
    each = f"for_each:\n  column: {COLUMN}\n  values: {[*range(models)]}\nsuite: {MODEL}\n"
    (root / f"configs/models/{FAMILY}.yaml").write_text(text.replace(f"model: {MODEL}\n", f"model: {FAMILY}\n{each}"))


def deal_out(models: int) -> None:
    """Give every flight of the landed days a lot, in turn."""
    import numpy as np
    import pandas as pd

    from tasks.workspace import open_workspace

    folder = open_workspace().data / "flights"
    for path in sorted(folder.iterdir()):
        if "2013-02" < path.stem < "2013-03-05":
            rows = pd.read_parquet(path)
            rows.assign(**{COLUMN: np.arange(len(rows)) % models}).to_parquet(path, index=False)
        else:
            path.unlink()


def train_family() -> float:
    """Return the seconds in which every model is trained and promoted by its policy."""
    from tasks.approvals import submit_policy
    from tasks.workspace import open_workspace

    workspace = open_workspace()

    def promote_all() -> None:
        for name in workspace.members(FAMILY):
            outcome = submit_policy(workspace, name, 1)
            assert outcome.accepted, outcome.sentence

    return step("train_model") + seconds_of(promote_all)


def live_night() -> tuple[float, float, float]:
    """Return the seconds of scores and of checks of one night, and the peak memory of this process."""
    return step("score_batch"), step("check_drift"), peak_rss_mib()


def step(name: str) -> float:
    """Return the seconds of one step for every model of the family."""
    from flows.running import run_here

    days = {"as_of": AS_OF} if name == "train_model" else {"start": NIGHT, "as_of": NIGHT}

    def run() -> None:
        state, result = run_here("run_family", {"family": FAMILY, "step": name, **days})
        assert state.is_completed(), (state.message, result)

    return seconds_of(run)
