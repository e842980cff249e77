"""Two accounts on MLflow's own server with a login: whoever trains writes no champion, whoever promotes does."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasks.mlflow_registry import connect
from tasks.mlflow_roles import candidates_of, read_alias
from tasks.processes import answers, free_port
from tests.flows.places import APPROVER, MODEL, Answer, Place

Cli = Callable[..., Answer]
ADMIN = ("admin", "a-password-of-a-test")
PASSWORD = "another-password"  # of a server that lives for a minute
INI = """[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/users.db
admin_username = {admin[0]}
admin_password = {admin[1]}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


@pytest.fixture
def server(waiting: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an MLflow server with a login over the place's own registry, with a trainer and a promoter."""
    (tmp_path / "auth.ini").write_text(INI.format(folder=tmp_path, admin=ADMIN))
    port = free_port()
    env = {
        "MLFLOW_AUTH_CONFIG_PATH": str(tmp_path / "auth.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a-key-of-a-test",
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{waiting.home}/mlflow/mlflow.db",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    words = ("server", "--app-name", "basic-auth", "--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    with (tmp_path / "mlflow.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words], cwd=tmp_path, env={**os.environ, **env}, stdout=log, stderr=log
        )
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + 120
    try:
        while not answers(f"{url}/health"):
            assert process.poll() is None, (tmp_path / "mlflow.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.2)
        for name in ("trainer", "promoter"):
            ask(url, "users/create", username=name, password=PASSWORD)
        allow(url, "trainer", candidates_of(MODEL), "EDIT")
        allow(url, "promoter", candidates_of(MODEL), "MANAGE")
        monkeypatch.setenv("PLIMSOLL_MLFLOW__TRACKING_URI", url)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def ask(url: str, path: str, version: str = "2.0", **body: Any) -> None:
    url = f"{url}/api/{version}/mlflow/{path}"
    httpx.post(url, json=body, auth=ADMIN, timeout=30, trust_env=False).raise_for_status()


def allow(url: str, who: str, registered: str, what: str) -> None:
    about = {"resource_type": "registered_model", "resource_id": registered, "username": who, "permission": what}
    ask(url, "users/permissions/grant", "3.0", **about)


@pytest.mark.campaign
def test_an_account_that_trains_moves_no_champion_and_one_that_promotes_does(
    server: str, waiting: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.startswith("http")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "promoter")
    done = plimsoll("approve", MODEL, 1, "--as", APPROVER)
    assert (done.code, "did not follow" in done.out) == (0, False), done.said
    client = connect(waiting.workspace)
    mine = client.get_model_version_by_alias(MODEL, "champion")
    assert mine.description.startswith("**Champion** at ledger entry")
    assert client.get_model_version(candidates_of(MODEL), "1").description == mine.description
    head = waiting.ledger("promoted")[0]
    assert mine.tags["plimsoll.promoted_entry"] == f"{head['n']}:{head['digest']}"

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "trainer")
    from mlflow.exceptions import MlflowException

    for write in (
        lambda: client.set_registered_model_alias(MODEL, "champion", "1"),
        lambda: client.update_model_version(MODEL, "1", description="mine"),
        lambda: client.set_model_version_tag(MODEL, "1", "plimsoll.promoted_entry", "0:0"),
        lambda: client.create_model_version(MODEL, mine.source),
        lambda: client.delete_registered_model_alias(candidates_of(MODEL), "challenger"),
    ):
        with pytest.raises(MlflowException, match="Permission denied"):
            write()
    client.set_registered_model_alias(candidates_of(MODEL), "challenger", "1")
    assert read_alias(waiting.workspace, MODEL, "champion") == 1
