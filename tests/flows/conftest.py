"""A Prefect server for each process of flow tests; for all a landing folder of real flights and homes, copied.

Every test has a home, a landing folder and a project folder of its own in tmp_path, named by PLIMSOLL_ variables.
"""

import datetime as dt
import importlib
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.flows import places
from tests.flows.made_once import Common, common_folder
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, REQUESTER, Answer, Grown, Place, code_of
from tests.flows.prefect_for_tests import prefect_for_tests

os.environ |= {"DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "GX_ANALYTICS_ENABLED": "false"}
os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"


AT_THE_END = ExitStack()  # closed when no test is left, where no test's time runs out


def pytest_sessionfinish() -> None:
    """Stop the Prefect server."""
    AT_THE_END.close()


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Common:
    """What all processes of this test run have in common."""
    return common_folder(tmp_path_factory)


@pytest.fixture(scope="session", autouse=True)
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the API of a real, short-lived Prefect server on its own database, for this process alone."""
    _import_what_warns()
    return AT_THE_END.enter_context(prefect_for_tests(tmp_path_factory.mktemp("prefect")))


def _import_what_warns() -> None:
    """Import libraries that warn while they are imported; what they do later is held to `error`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("deltalake", "evidently", "great_expectations", "mlflow", "prefect", "skops.io"):
            importlib.import_module(name)


@pytest.fixture(scope="session")
def landing(common: Common, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's landing folder for February and March, and the breast-cancer table. Only to be copied."""

    def lay_out(folder: Path) -> None:
        from flows.demo_data import lay_out_breast_cancer, lay_out_flights

        lay_out_flights(year := tmp_path_factory.mktemp("year"))
        for name in ("flights", "weather", "outcomes"):
            (folder / name).mkdir()
            for path in sorted((year / name).glob("2013-0[23]-*.parquet")):
                path.rename(folder / name / path.name)
        (year / "planes.parquet").rename(folder / "planes.parquet")
        lay_out_breast_cancer(folder)

    return common.once("landing", lay_out)


@pytest.fixture(scope="session")
def small_project(common: Common) -> Path:
    """The project's configs and suites, for models that train in seconds. Only to be copied."""
    return common.once("project", lambda root: places.make_small(places.copy_project(places.ROOT, root)))


@pytest.fixture(scope="session")
def grown(common: Common, landing: Path, small_project: Path, prefect_server: str) -> Grown:
    """What makes a home by a name once: it copies another or nothing, stands there, and lets more happen in it."""

    def grow(name: str, before: Path | None, live: Callable[[Place], object]) -> Path:
        def make(folder: Path) -> None:
            place = Place(folder / "home", landing, small_project)
            if before:
                places.copy_home(before, place.home)
            with places.standing_at(place, prefect_server):
                live(place)

        return common.once(name, make) / "home"

    return grow


@pytest.fixture(scope="session")
def trained_home(grown: Grown) -> Path:
    """A home in which flight_delay v1 has passed its gates and waits for a decision. Only to be copied.

    The verdicts on the days that tests score are known to it, as they are from a second run on: most tests are about
    what follows. Files, suites and code that change are judged anew.
    """
    from flows.train_model import train_model

    def live(place: Place) -> None:
        train_model(MODEL, as_of=AS_OF, requested_by=REQUESTER)
        places.learn_verdicts(place, [str(DAY + dt.timedelta(days=n)) for n in range(4)])

    return grown("trained", None, live)


@pytest.fixture(scope="session")
def champion_home(grown: Grown, trained_home: Path) -> Path:
    """A home in which flight_delay v1 is champion and no date was scored. Only to be copied."""
    from tasks.approvals import submit_decision

    def live(place: Place) -> None:
        code = code_of(APPROVER, place.workspace)
        assert submit_decision(place.workspace, MODEL, 1, "approve", APPROVER, "", code=code).accepted

    return grown("champion", trained_home, live)


@pytest.fixture(scope="session")
def lived_home(grown: Grown, champion_home: Path) -> Path:
    """A home in which v1 scored two days and was checked once, with the first day's outcomes. Only to be copied."""
    from flows.check_drift import check_drift
    from flows.score_batch import score_batch

    def live(_: Place) -> None:
        score_batch(MODEL, start=DAY, end=NEXT)
        check_drift(MODEL, start=NEXT)

    return grown("lived", champion_home, live)


@pytest.fixture(scope="session")
def mlflow_database(common: Common) -> Path:
    """MLflow's tables with nothing in them, which take MLflow seconds to make. Only to be copied."""
    from tasks.mlflow_registry import connect
    from tasks.workspace import open_workspace

    def make(home: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PLIMSOLL_HOME", str(home))
            connect(open_workspace())

    return common.once("tables", make) / "mlflow/mlflow.db"


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
def judged(empty: Place, trained_home: Path) -> Place:
    """A place where nothing has happened yet, but that the suite has judged the days before."""
    shutil.copytree(trained_home / "keys", empty.home / "keys")
    places.copy_verdicts(trained_home, empty.home)
    return empty


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
    """Run a command in this process, as a terminal would, and return what a person sees of it.

    Whoever is named after --as enters an unused code, unless a code or a dry run is named too.
    """
    from flows.cli import main

    def run(*words: object) -> Answer:
        if "--as" in words and not {"--code", "--dry-run"} & set(words):
            words = (*words, "--code", code_of(str(words[words.index("--as") + 1])))
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
