"""Late losses

What a night's late losses cost, once a night and version, when its outcomes have come: nights of half a million, four
and sixteen million flights, scored and committed by `score_date`, with an outcome for each but those that a suite set
aside. The digest of the predictions is checked, the outcomes are joined to them by key, and the loss is told for the
whole and for the slices of origin and carrier; these come from the batch's own rows, which flights' feature function
makes anew, so they are assembled again, and alone they are most of the work. Each in a process of its own, which has
done a night of two thousand rows before. `plain` is the same by pandas: everything read whole and mapped by key. It is
the memory that should not grow.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from benchmarks.children import environment, in_child, peak_rss_mib
from benchmarks.figures import Figure, at_most, plain
from benchmarks.flights import MODEL
from benchmarks.scoring import run_full_path
from benchmarks.scoring_place import NIGHT, PART_ROWS, WARM_NIGHT, prepare, repeated, write_night
from plimsoll.assembly import OUTCOME

KEPT_WHOLE = True  # a quick run shows its figures and leaves those of a whole one
SIZES, FULL_SIZES = (500_000, 4_000_000), (500_000, 4_000_000, 16_000_000)
SLICES = ("origin", "carrier")
MOST_MIB = 1024
AS_OF = "2013-06-10"


def measure(full: bool) -> Iterator[Figure]:
    """Yield seconds of processor and peak memory of nights of several sizes, and what the plain way needs."""
    peaks: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child(prepare, folder, 0)
        for rows in FULL_SIZES if full else SIZES:
            with committed(folder, rows):
                size = f"{rows / 1e6:g} M rows"
                for what, slices in (("whole", ()), ("with slices", SLICES)):
                    seconds, peak, loss = in_child(late_night, slices)
                    yield plain(f"{size}, {what}: processor", seconds, "s")
                    yield at_most(f"{size}, {what}: peak memory", peak, "MiB", MOST_MIB)
                peaks.append(peak)
                if rows <= max(SIZES):
                    seconds, peak, by_pandas = in_child(plain_night)
                    yield plain(f"{size}, plain, whole: processor", seconds, "s")
                    yield plain(f"{size}, plain, whole: peak memory", peak, "MiB")
                    yield at_most(f"{size}: losses differ by", abs(loss / by_pandas - 1), "of them", 1e-12)
    if full:
        yield at_most(
            "the largest night's peak memory, with slices", peaks[-1] / peaks[1], "× that of four million", 1.15
        )


@contextmanager
def committed(folder: Path, rows: int) -> Iterator[None]:
    """Score a night of so many flights, let its outcomes come, and hold its home folder open around the block."""
    in_child(write_night, folder, rows)
    run_full_path(folder)
    (folder / f"landing/flights/{NIGHT}.parquet").unlink()  # its bytes are kept; the disk is small
    in_child(write_outcomes, folder, rows)
    places = {"HOME": folder / "home", "DATA": folder / "landing", "ROOT": folder / "project"}
    with environment({f"PLIMSOLL_{place}": str(path) for place, path in places.items()}):
        yield


def write_outcomes(folder: Path, rows: int) -> None:
    """Write the night's outcomes, a part at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    flights, path = pd.read_parquet(folder / "flights.parquet"), folder / f"landing/outcomes/{NIGHT}.parquet"
    schema = pq.read_schema(folder / f"landing/outcomes/{WARM_NIGHT}.parquet").remove_metadata()
    delays = flights[OUTCOME].mul(60).rename("arrival_delay_minutes")
    some = pd.DataFrame({name: flights.get(name, delays) for name in schema.names})
    with pq.ParquetWriter(path, schema) as writer:
        for number in range(rows // PART_ROWS):
            part = repeated(some, number)
            part["flight_id"] += "#" + (part.index + number * PART_ROWS).astype("str")
            writer.write_table(pa.Table.from_pandas(part, schema, preserve_index=False))


def late_night(slices: tuple[str, ...]) -> tuple[float, float, float]:
    """Return seconds of processor, peak memory (MiB) and the mean loss of the night."""
    from tasks.champion import standing_of
    from tasks.outcomes_feed import late_losses
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    config = workspace.model(MODEL)
    config = config.model_copy(update={"drift": config.drift.model_copy(update={"slices": slices})})
    standing = standing_of(workspace, MODEL)
    [_] = late_losses(workspace, config, standing, 1, AS_OF, since=WARM_NIGHT)
    begun = time.process_time()
    night, _ = late_losses(workspace, config, standing, 1, AS_OF)
    seconds = time.process_time() - begun
    assert night.loss is not None
    assert bool(night.slices) == bool(slices)
    return seconds, peak_rss_mib(), night.loss


def plain_night() -> tuple[float, float, float]:
    """Return the same of the plain way: all rows of both files in memory."""
    from plimsoll.metrics import row_losses
    from tasks.champion import standing_of
    from tasks.committed_rows import committed_rows, outcome_share
    from tasks.landing import keep_outcomes
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    config, standing = workspace.model(MODEL), standing_of(workspace, MODEL)

    def loss_of(date: str) -> float:
        [batch] = [e for e in standing.of_kind("batch_committed") if e.facts["date"] == date]
        ref = keep_outcomes(workspace, config, [date])[date]
        truth = outcome_share(workspace, config, ref, f"outcomes of {date}", 1)
        rows = committed_rows(workspace, batch)
        known = rows.assign(truth=rows["key"].map(truth)).dropna(subset="truth")
        return float(row_losses(known["truth"].to_numpy(), known["score"].to_numpy(), config.task).mean())

    loss_of(WARM_NIGHT)
    begun = time.process_time()
    loss = loss_of(NIGHT)
    return time.process_time() - begun, peak_rss_mib(), loss
