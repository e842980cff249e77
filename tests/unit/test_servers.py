"""Servers as child processes: ports, pid notes, orphans, logs, and what the environment carries."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from plimsoll.errors import ServerError
from tasks.prefect_api import BUSY_SECONDS, server_answers
from tasks.process_groups import refuse_second, stop_orphans, stop_process
from tasks.processes import Server, check_port, fleet, free_port, last_line

SLEEP = "import time; print('ready', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


def server(code: str = SLEEP, **given: Any) -> Server:
    return Server("nap", "The nap", (sys.executable, "-S", "-c", code), Path("/"), **{"says": "ready", **given})


def nothing() -> None:
    """Drain nothing."""


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.processes.POLL_SECONDS", 0.01)


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-S", "-c", SLEEP], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def note(home: Path, pid: int, created: float, parent: int, parent_created: float) -> Path:
    path = home / "run" / "nap.json"
    path.parent.mkdir(exist_ok=True)
    body = {"pid": pid, "create_time": created, "parent": {"pid": parent, "create_time": parent_created}}
    path.write_text(json.dumps(body))
    return path


def created(pid: int) -> float:
    return psutil.Process(pid).create_time()


def test_a_free_port_can_be_had() -> None:
    check_port(server(port=free_port(), port_variable="X"))


def test_a_taken_port_is_named_with_the_variable_that_moves_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=rf"The nap needs port {port} .*PLIMSOLL_NAP__PORT=\d+"):
            check_port(server(port=port, port_variable="PLIMSOLL_NAP__PORT"))


def test_a_fleet_starts_notes_and_stops(tmp_path: Path) -> None:
    drained: list[int] = []
    with fleet(tmp_path, lambda: drained.append(1)) as ships:
        ships.start(server())
        pid = ships.running[0].process.pid
        assert json.loads((tmp_path / "run/nap.json").read_text())["pid"] == pid
        assert last_line(tmp_path / "logs/nap.log") == "ready"
    assert not psutil.pid_exists(pid)
    assert drained == [1]
    assert not list((tmp_path / "run").iterdir())


def test_a_server_that_does_not_start_is_named_with_its_log_and_last_line(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerError, match=r"The nap did not start \(code 3\)\. Its log .*nap\.log ends with: no luck"),
        fleet(tmp_path, nothing) as ships,
    ):
        ships.start(server("print('no luck\\n'); raise SystemExit(3)"))


def test_a_server_that_ends_by_itself_ends_the_watch(tmp_path: Path) -> None:
    code = "print('ready', flush=True); import time; time.sleep(0.3)"
    with fleet(tmp_path, nothing) as ships:
        ships.start(server(code))
        with pytest.raises(ServerError, match="The nap ended by itself with code 0"):
            ships.watch()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_watch_quietly_and_stops_everything(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with fleet(tmp_path, nothing) as ships:
        ships.start(server())
        pid = ships.running[0].process.pid
        os.kill(os.getpid(), number)
        ships.watch()
    assert not psutil.pid_exists(pid)
    assert signal.getsignal(number) is before


def test_the_log_before_this_one_is_kept(tmp_path: Path) -> None:
    for word in ("one", "two"):
        with fleet(tmp_path, nothing) as ships:
            ships.start(server(f"print('{word}'); {SLEEP}"))
    assert "one" in (tmp_path / "logs/nap.log.1").read_text()
    assert "two" in (tmp_path / "logs/nap.log").read_text()


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    with fleet(tmp_path, nothing) as ships:
        ships.start(server(STUBBORN))
        began = time.monotonic()
        stop_process(ships.running[0].process.pid, grace_seconds=0.2)
        assert ships.running[0].process.wait(timeout=2) == -signal.SIGKILL
        assert time.monotonic() - began < 2


def test_an_orphan_is_stopped_and_its_note_removed(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    path = note(tmp_path, sleeper.pid, created(sleeper.pid), parent=2**22 + 1, parent_created=1.0)
    assert stop_orphans(tmp_path) == ["nap"]
    assert sleeper.poll() is not None
    assert not path.exists()


def test_a_reused_pid_is_left_alone(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    path = note(tmp_path, sleeper.pid, created(sleeper.pid) - 100, parent=2**22 + 1, parent_created=1.0)
    assert stop_orphans(tmp_path) == []
    assert sleeper.poll() is None
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_broken_note_is_removed(tmp_path: Path, text: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/nap.json").write_text(text)
    refuse_second(tmp_path)
    assert stop_orphans(tmp_path) == []
    assert not list((tmp_path / "run").iterdir())


def test_a_second_up_is_refused_while_the_first_lives(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    me = os.getpid()
    note(tmp_path, sleeper.pid, created(sleeper.pid), parent=me, parent_created=created(me))
    with pytest.raises(ServerError, match=f"Plimsoll is up already in .* kill {me}"):
        refuse_second(tmp_path)
    assert sleeper.poll() is None


def test_the_environment_of_a_run_carries_settings_and_no_secrets() -> None:
    from flows.deploy import job_environment

    given = {
        "PLIMSOLL_HOME": "/x",
        "PLIMSOLL_DISPATCH": "inline",
        "PLIMSOLL_STORE__URL": "s3://bucket/prefix",
        "PLIMSOLL_MLFLOW__TRACKING_URI": "postgresql+psycopg2://me:hidden@db/mlflow",
        "PLIMSOLL_API_TOKEN": "hidden",
        "AWS_SECRET_ACCESS_KEY": "hidden",
        "PATH": "/bin",
    }
    found = job_environment(given)
    assert found["PLIMSOLL_HOME"] == "/x"
    assert found["PLIMSOLL_STORE__URL"] == "s3://bucket/prefix"
    assert found["PLIMSOLL_DISPATCH"] == "deployment"
    assert found["DO_NOT_TRACK"] == "1"
    assert "hidden" not in "".join(found.values())
    assert "PATH" not in found


def test_promoters_have_a_worker_of_their_own_only_where_they_have_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.servers import prefect_workers
    from tasks.workspace import open_workspace

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "trainer")
    monkeypatch.setenv("MLFLOW_PROMOTER_USERNAME", "promoter")
    monkeypatch.setenv("MLFLOW_PROMOTER_PASSWORD", "hidden")
    for same in (None, "plimsoll"):
        if same:
            monkeypatch.setenv("PLIMSOLL_PREFECT__PROMOTE_POOL", same)
        (only,) = prefect_workers(open_workspace())
        assert only.command[-4:] == ("--pool", "plimsoll", "--type", "process")
    monkeypatch.setenv("PLIMSOLL_PREFECT__PROMOTE_POOL", "promoters")
    first, second = prefect_workers(open_workspace())
    assert [one.command[one.command.index("--pool") + 1] for one in (first, second)] == ["plimsoll", "promoters"]
    assert first.name != second.name, "each has a log and a note of its own"
    seen = [{**os.environ, **one.env} for one in (first, second)]
    assert [one["MLFLOW_TRACKING_USERNAME"] for one in seen] == ["trainer", "promoter"]
    assert seen[1]["MLFLOW_TRACKING_PASSWORD"] == "hidden"
    assert "hidden" not in seen[0].values(), "a training never sees the promoters' password"
    assert "hidden" not in " ".join(second.command)


@pytest.mark.parametrize("name", ["a/b", "a b"])
def test_a_pool_that_prefect_would_not_take_is_a_mistake_in_the_config(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from plimsoll.errors import ConfigError
    from tasks.workspace import open_workspace

    monkeypatch.setenv("PLIMSOLL_PREFECT__PROMOTE_POOL", name)
    with pytest.raises(ConfigError, match="promote_pool"):
        open_workspace()


def test_a_server_that_is_busy_is_waited_for_and_nobody_is_known_at_once() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def busy() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1024)
                time.sleep(1.2)  # longer than a connection may take
                connection.sendall(answer)

        address = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
        with ThreadPoolExecutor(1) as pool:
            pool.submit(busy)
            assert server_answers(address)
    began = time.monotonic()
    assert not server_answers(address)
    assert time.monotonic() - began < BUSY_SECONDS / 3


def test_a_server_that_drops_an_answer_is_asked_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as beside:

        def drop_one_and_answer() -> None:
            listening.accept()[0].close()
            with listening.accept()[0] as taken:
                taken.recv(1000)
                taken.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue")

        said = beside.submit(drop_one_and_answer)
        assert server_answers(f"http://127.0.0.1:{listening.getsockname()[1]}/api")
        said.result(5)
