"""Four models

One night of 500,000 flights (two million with `--full`), scored by four versions that were trained until different
days, each with words and profile bins of its own. **One pass** is one `score_date` with a champion and three
challengers: the export is kept, read, joined and validated once; the champion's result is committed, then the
challengers score the same rows and share a commit. **Four passes** are four `score_date`s on the same night in the same
home, each with one of the versions as champion. Both take turns, each in a fresh process with a fresh home that a small
night has warmed up. The ratio is the one pass's seconds over the four passes', as the median over pairs: 0.25 would be
four models for the price of one.
"""

import datetime as dt
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks.children import environment, in_child, seconds_of
from benchmarks.figures import Figure, at_most, plain
from benchmarks.flights import MODEL, Flights, open_bundle, train_on_winter
from benchmarks.scoring_place import NIGHT, WARM_NIGHT, bundle_folder, prepare, write_night
from plimsoll.predictions import Served

ROWS, FULL_ROWS = 500_000, 2_000_000
UNTIL = ("2013-02-01", "2013-02-15", "2013-03-15")  # those of the other three


def measure(full: bool) -> Iterator[Figure]:
    """Yield the ratio of one pass to four, and the seconds of both."""
    rows, pairs = (FULL_ROWS, 5) if full else (ROWS, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child(prepare_four, folder, rows)
        told: dict[str, list[float]] = {"one pass": [], "four passes": []}
        for n in range(pairs):
            for way in sorted(told, reverse=bool(n % 2)):
                told[way].append(run_home(folder, way))
    ratio = statistics.median(one / four for one, four in zip(*told.values(), strict=True))
    yield at_most(f"one pass against four, {rows / 1e6:.1f} M rows, {pairs} pairs", ratio, "×", 1)
    for way, seconds in told.items():
        yield plain(way, statistics.median(seconds), "s")


def prepare_four(folder: Path, rows: int) -> None:
    """Make the night, the project and four bundles, whose folders `bundles` names."""
    from tasks.workspace import open_workspace

    prepare(folder, rows)
    write_night(folder, rows)
    flights = Flights(folder / "landing", open_workspace().model(MODEL), pd.read_parquet(folder / "flights.parquet"))
    others = [train_on_winter(flights, folder, day) for day in UNTIL]
    (folder / "bundles").write_text(" ".join(path.name for path in [bundle_folder(folder), *others]))


def run_home(folder: Path, way: str) -> float:
    """Return the seconds of one way in a home of its own."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    places = {"HOME": home, "DATA": folder / "landing", "ROOT": folder / "project"}
    with environment({f"PLIMSOLL_{place}": str(path) for place, path in places.items()}):
        return in_child(score_all, folder, way == "one pass")


def score_all(folder: Path, together: bool) -> float:
    """Score the night by all four versions and return the seconds, after a small night."""
    bundles = [open_bundle(folder / name) for name in (folder / "bundles").read_text().split()]
    champions = [Served(number, "champion", bundle) for number, bundle in enumerate(bundles, 1)]
    shadows = [Served(number, "challenger", bundle) for number, bundle in enumerate(bundles, 1)][1:]
    passes = [[champions[0], *shadows]] if together else [[one] for one in champions]
    score_night(passes[:1], WARM_NIGHT)
    return seconds_of(lambda: score_night(passes, NIGHT))


def score_night(passes: list[list[Served]], night: str) -> None:
    """Score a night pass by pass; each of its versions has to have its result at the end."""
    from tasks.prediction_files import committed_versions
    from tasks.records import recording
    from tasks.score_date import score_date

    for served in passes:
        with recording("score_batch", MODEL, dt.date.fromisoformat(night), {}) as opened:
            result = score_date(opened, served, night)
            assert result.state == "committed", result.sentence
            there = set(committed_versions(opened.workspace, MODEL, night))
    wanted = {one.version for served in passes for one in served}
    assert there == wanted, f"expected results of {wanted}, found {there}"
