"""One Prefect harness for all flow tests, one landing folder of real flights, one home per test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
os.environ |= {"DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "GX_ANALYTICS_ENABLED": "false"}
os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"


@pytest.fixture(scope="session", autouse=True)
def prefect_server() -> Iterator[None]:
    """A real, short-lived Prefect server on its own database."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's landing folder: real flights, weather, planes, outcomes, and the breast-cancer table."""
    from flows.demo_data import lay_out_breast_cancer, lay_out_flights

    folder = tmp_path_factory.mktemp("landing")
    lay_out_flights(folder)
    lay_out_breast_cancer(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, landing: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home over a private copy of January to March, with the project's own configs."""
    data = tmp_path / "landing"
    for folder in ("flights", "weather", "outcomes"):
        (data / folder).mkdir(parents=True)
        for path in sorted((landing / folder).glob("2013-0[123]-*.parquet")):
            os.link(path, data / folder / path.name)
    shutil.copy(landing / "planes.parquet", data / "planes.parquet")
    shutil.copytree(landing / "breast_cancer", data / "breast_cancer")
    monkeypatch.setenv("PLIMSOLL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PLIMSOLL_DATA", str(data))
    return tmp_path / "home"


@pytest.fixture
def project(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private copy of configs and suites, for tests that change them."""
    root = tmp_path / "project"
    for name in ("configs", "great_expectations"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("uncommitted", "__pycache__"))
    shutil.copy(ROOT / "requirements.lock", root / "requirements.lock")
    monkeypatch.setenv("PLIMSOLL_ROOT", str(root))
    return root
