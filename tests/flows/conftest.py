"""One Prefect harness for all flow tests, one landing folder of real flights, one model trained once and copied.

Every test has a home, a landing folder and a project folder of its own in tmp_path, named by PLIMSOLL_ variables.
"""

import importlib
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.flows import places
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, REQUESTER, Answer, Grown, Place

os.environ |= {"DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "GX_ANALYTICS_ENABLED": "false"}
os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"


@pytest.fixture(scope="session", autouse=True)
def prefect_server() -> Iterator[str]:
    """A real, short-lived Prefect server on its own database; yields the address of its API."""
    _import_what_warns()
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield str(PREFECT_API_URL.value())


def _import_what_warns() -> None:
    """Import libraries that warn while they are imported; what they do later is held to `error`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("deltalake", "evidently", "great_expectations", "mlflow", "prefect", "skops.io"):
            importlib.import_module(name)


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's landing folder for February and March, and the breast-cancer table. Only to be copied."""
    from flows.demo_data import lay_out_breast_cancer, lay_out_flights

    year, folder = tmp_path_factory.mktemp("year"), tmp_path_factory.mktemp("landing")
    lay_out_flights(year)
    for name in ("flights", "weather", "outcomes"):
        (folder / name).mkdir()
        for path in sorted((year / name).glob("2013-0[23]-*.parquet")):
            path.rename(folder / name / path.name)
    (year / "planes.parquet").rename(folder / "planes.parquet")
    lay_out_breast_cancer(folder)
    return folder


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's configs and suites, for models that train in seconds. Only to be copied."""
    return places.make_small(places.copy_project(places.ROOT, tmp_path_factory.mktemp("project")))


@pytest.fixture(scope="session")
def trained_home(
    tmp_path_factory: pytest.TempPathFactory, landing: Path, small_project: Path, prefect_server: str
) -> Path:
    """A home in which flight_delay v1 has passed its gates and waits for a decision. Only to be copied."""
    from flows.train_model import train_model

    place = Place(tmp_path_factory.mktemp("trained") / "home", landing, small_project)
    with places.standing_at(place, prefect_server):
        train_model(MODEL, as_of=AS_OF, requested_by=REQUESTER)
    return place.home


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory, landing: Path, small_project: Path, prefect_server: str) -> Grown:
    """What copies a home and stands there, so that more can happen in it."""

    @contextmanager
    def grow(home: Path) -> Iterator[Place]:
        place = Place(tmp_path_factory.mktemp("grown") / "home", landing, small_project)
        places.copy_home(home, place.home)
        with places.standing_at(place, prefect_server):
            yield place

    return grow


@pytest.fixture(scope="session")
def champion_home(grown: Grown, trained_home: Path) -> Path:
    """A home in which flight_delay v1 is champion and no date was scored. Only to be copied."""
    from tasks.approvals import submit_decision

    with grown(trained_home) as place:
        assert submit_decision(place.workspace, MODEL, 1, "approve", APPROVER, "").accepted
    return place.home


@pytest.fixture(scope="session")
def lived_home(grown: Grown, champion_home: Path) -> Path:
    """A home in which v1 scored two days and was checked once, with the first day's outcomes. Only to be copied."""
    from flows.check_drift import check_drift
    from flows.score_batch import score_batch

    with grown(champion_home) as place:
        score_batch(MODEL, start=DAY, end=NEXT)
        check_drift(MODEL, start=NEXT)
    return place.home


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables with nothing in them, which take MLflow seconds to make. Only to be copied."""
    from tasks.mlflow_registry import connect
    from tasks.workspace import open_workspace

    home = tmp_path_factory.mktemp("tables") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLIMSOLL_HOME", str(home))
        connect(open_workspace())
    return home / "mlflow/mlflow.db"


@pytest.fixture
def empty(
    tmp_path: Path, landing: Path, small_project: Path, prefect_server: str, mlflow_database: Path
) -> Iterator[Place]:
    """A place where nothing has happened yet."""
    (tmp_path / "home/mlflow").mkdir(parents=True)
    shutil.copy(mlflow_database, tmp_path / "home/mlflow")
    data, root = (
        shutil.copytree(landing, tmp_path / "landing"),
        places.copy_project(small_project, tmp_path / "project"),
    )
    with places.standing_at(Place(tmp_path / "home", data, root), prefect_server) as place:
        yield place


@pytest.fixture
def waiting(empty: Place, trained_home: Path) -> Place:
    """A place where flight_delay v1 waits for a decision."""
    places.copy_home(trained_home, empty.home)
    return empty


@pytest.fixture
def serving(empty: Place, champion_home: Path) -> Place:
    """A place where flight_delay v1 is champion and no date was scored."""
    places.copy_home(champion_home, empty.home)
    return empty


@pytest.fixture
def lived(empty: Place, lived_home: Path) -> Place:
    """A place with two scored days, a drift decision and late outcomes."""
    from tasks.verify import verify

    places.copy_home(lived_home, empty.home)
    shutil.rmtree(empty.home / "witness")  # those of the homes that this one was copied from
    assert not verify(empty.workspace).findings
    return empty


@pytest.fixture
def plimsoll(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Run a command in this process, as a terminal would, and return what a person sees of it."""
    from flows.cli import main

    def run(*words: object) -> Answer:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["plimsoll", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        found = capsys.readouterr()
        return Answer(code, found.out, found.err)

    return run
