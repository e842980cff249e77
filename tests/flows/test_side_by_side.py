"""Side by side: versions that scored the same rows are compared, and one is retired."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows import places
from tests.flows.places import AS_OF, DAY, MODEL, REQUESTER, Answer, Grown, Place

Cli = Callable[..., Answer]
LAST = DAY + dt.timedelta(days=8)


@pytest.fixture(scope="module")
def beside_home(grown: Grown, champion_home: Path) -> Path:
    """A home in which v1 is champion and v2, which waits, scored nine days beside it. Only to be copied."""
    from flows.check_drift import check_drift
    from flows.score_batch import score_batch
    from flows.train_model import train_model

    def live(_: Place) -> None:
        train_model(MODEL, start=dt.date(2013, 2, 20), as_of=AS_OF, requested_by=REQUESTER)
        score_batch(MODEL, start=DAY, end=LAST)
        check_drift(MODEL, start=LAST, as_of=LAST)

    return grown("beside", champion_home, live)


@pytest.fixture
def beside(empty: Place, beside_home: Path) -> Place:
    """A place of its own with that home."""
    places.copy_home(beside_home, empty.home)
    return empty


def test_versions_of_the_same_rows_are_compared(beside: Place, plimsoll: Cli) -> None:
    found = json.loads(plimsoll("compare", MODEL, "--json").out)
    print(json.dumps(found, indent=1))
    told = plimsoll("compare", MODEL)
    print(told.said)
    import shutil
    shutil.copytree(beside.home, "/tmp/wt-a-home", dirs_exist_ok=True)
    assert 0
