"""Verify and repair: what was changed behind the project's back is named, what a process left undone is done."""

import shutil
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows import places
from tests.flows.places import AS_OF, DAY, MODEL, NEXT, Answer, Place

Cli = Callable[..., Answer]


@pytest.fixture(scope="session")
def lived_home(
    tmp_path_factory: pytest.TempPathFactory,
    landing: Path,
    small_project: Path,
    prefect_server: str,
    champion_home: Path,
) -> Path:
    """A home in which v1 scored two days and was checked once, with the first day's outcomes. Only to be copied."""
    from flows.check_drift import check_drift
    from flows.score_batch import score_batch

    place = Place(tmp_path_factory.mktemp("lived") / "home", landing, small_project)
    places.copy_home(champion_home, place.home)
    with places.standing_at(place, prefect_server):
        score_batch(MODEL, start=DAY, end=NEXT)
        check_drift(MODEL, start=NEXT)
    return place.home


@pytest.fixture
def lived(empty: Place, lived_home: Path) -> Place:
    """A place with two scored days, a drift decision and late outcomes."""
    places.copy_home(lived_home, empty.home)
    return empty


def test_all_as_written(lived: Place, plimsoll: Cli) -> None:
    shutil.rmtree("/tmp/vf/keep", ignore_errors=True)
    shutil.copytree(lived.home, "/tmp/vf/keep/home"); shutil.copytree(lived.data, "/tmp/vf/keep/landing"); shutil.copytree(lived.root, "/tmp/vf/keep/project")
    answer = plimsoll("verify", "--all")
    print(answer)
    assert answer.code == 0, answer.said
    assert ": all as written." in answer.out
