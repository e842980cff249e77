"""Parity: a row has one score, in a batch, alone, in any order, and after the bundle was written and read."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.assembly import KEY, attach_outcome
from plimsoll.bundle import Bundle
from plimsoll.snapshot import load_snapshot
from plimsoll.store import get_object
from plimsoll.training import DATE, train_bundle
from plimsoll.validation import too_many_bad_rows
from tasks.assemble import assemble_batch
from tasks.bundles import fetch_bundle
from tests.flows.places import MODEL, Place, copy_home, standing_at

WORDS = ["carrier", "origin", "dest"]
NUMBERS = ["distance", "departure_minute", "plane_age", "wind_gust", "temp"]
ODD = st.sampled_from([np.nan, -1e30, 1e30, 0.0, -0.0, 1e-40, np.inf])


class Pair:
    """v1 as it was in memory and as it comes back from MLflow, with the rows that it was trained on."""

    def __init__(self, made: Bundle, back: Bundle, rows: pd.DataFrame) -> None:
        self.made, self.back, self.rows = made, back, rows


@pytest.fixture(scope="module")
def pair(
    landing: Path,
    small_project: Path,
    trained_home: Path,
    prefect_server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pair]:
    import io

    import pyarrow.parquet as pq

    place = Place(tmp_path_factory.mktemp("pair") / "home", landing, small_project)
    copy_home(trained_home, place.home)
    with standing_at(place, prefect_server):
        workspace, config = place.workspace, place.workspace.model(MODEL)
        facts = place.ledger("trained")[0]["facts"]
        snapshot = load_snapshot(workspace.store, facts["snapshot"])
        days = []
        for date in snapshot.dates:
            rows, verdict = assemble_batch(workspace, config, snapshot, date, Path("unused"))
            if verdict.stops or too_many_bad_rows(verdict, config.scoring.max_quarantined_share):
                continue
            outcome = snapshot.file("outcome", date)
            assert outcome
            late = pq.read_table(io.BytesIO(get_object(workspace.store, outcome.digest))).to_pandas()
            days.append(attach_outcome(verdict.keep_good(rows.frame()), late, config).assign(**{DATE: date}))
        together = pd.concat(days, ignore_index=True)
        yield Pair(train_bundle(together, config), fetch_bundle(workspace, MODEL, 1, facts["bundle"]), together)


def test_training_outside_the_flow_gives_the_same_bundle(pair: Pair) -> None:
    assert pair.made.digest == pair.back.digest


def test_the_whole_batch_before_and_after(pair: Pair) -> None:
    assert pair.made.score(pair.rows).tobytes() == pair.back.score(pair.rows).tobytes()


@settings(max_examples=40, derandomize=True)
@given(data=st.data())
def test_any_rows_in_any_order_have_the_scores_they_have_alone(pair: Pair, data: st.DataObject) -> None:
    picked = data.draw(st.lists(st.integers(0, len(pair.rows) - 1), min_size=1, max_size=12))
    rows = pair.rows.iloc[picked].reset_index(drop=True).astype(dict.fromkeys(WORDS, object))
    for at, column in data.draw(st.lists(st.tuples(st.integers(0, len(rows) - 1), st.sampled_from(WORDS)), max_size=6)):
        rows.loc[at, column] = data.draw(st.sampled_from([None, "never seen", "", "ÅÄÖ"]))
    for at, column in data.draw(
        st.lists(st.tuples(st.integers(0, len(rows) - 1), st.sampled_from(NUMBERS)), max_size=6)
    ):
        rows[column] = rows[column].astype("float64")
        rows.loc[at, column] = data.draw(ODD)
    batch = pair.made.score(rows)
    alone = np.concatenate([pair.back.score(rows.iloc[[at]]) for at in range(len(rows))])
    order = data.draw(st.permutations(range(len(rows))))
    turned = pair.back.score(rows.iloc[list(order)])
    assert batch.tobytes() == alone.tobytes()
    assert batch[list(order)].tobytes() == turned.tobytes()
    assert np.isfinite(batch).all()


def test_a_word_never_seen_scores_like_none_and_is_counted(pair: Pair) -> None:
    rows = pair.rows.head(50).astype({"dest": object})
    unknown, none = rows.assign(dest="XXX"), rows.assign(dest=None)
    assert pair.back.score(unknown).tobytes() == pair.back.score(none).tobytes()
    assert pair.back.encoder.encode_counting(unknown)[1] == {"dest": 50}
    assert pair.back.encoder.encode_counting(none)[1] == {}


def test_no_rows_have_no_scores(pair: Pair) -> None:
    assert pair.back.score(pair.rows.head(0)).shape == (0,)
    assert KEY in pair.rows
