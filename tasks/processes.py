"""Child processes that serve: each has a log, answers before it counts as up, and goes when it is told to.

One that outlived its parent (kill -9) is found by its note in {home}/run: see process_groups.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from plimsoll.errors import ServerError
from tasks.process_groups import refuse_second, stop_orphans, stop_process, write_note

START_SECONDS = 120.0
POLL_SECONDS = 0.2


class StoppedError(Exception):
    """A person or the system asked to stop."""


@dataclass(frozen=True)
class Server:
    """What to start and how to know that it is up."""

    name: str  # of its log and its pid file
    title: str  # in sentences
    command: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int | None = None
    port_variable: str = ""  # the variable that moves it to another port
    health: str = ""  # path that answers once it is up
    says: str = ""  # without such a path: the words in its log once it is up


@dataclass(frozen=True)
class Running:
    """A started server."""

    server: Server
    process: "subprocess.Popen[bytes]"
    log: Path
    note: Path  # pid and start time, for whoever comes after a crash

    def complaint(self, what: str) -> ServerError:
        """Return the error that says what is wrong with it and where to read on."""
        return ServerError(f"{self.server.title} {what}. Its log {self.log} ends with: {last_line(self.log)}")


class Fleet:
    """The servers of one `plimsoll up`: started together, watched, and stopped in reverse order."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.running: list[Running] = []
        self.stop_asked = False

    def start(self, *servers: Server) -> None:
        """Start servers and return when all of them answer; ServerError when one does not."""
        for server in servers:
            check_port(server)
        started = [launch(server, self.home, self.running) for server in servers]
        end = time.monotonic() + START_SECONDS
        for one in started:
            while not is_up(one):
                if time.monotonic() > end:
                    raise one.complaint(f"did not answer within {START_SECONDS:.0f} s")
                self._pause()

    def watch(self) -> None:
        """Return when asked to stop; ServerError when a server ends by itself."""
        while True:
            for one in self.running:
                if (code := one.process.poll()) is not None:
                    raise one.complaint(f"ended by itself with code {code}")
            self._pause()

    def stop(self, drain: Callable[[], None]) -> None:
        """Stop all servers, the last started first; drain is called when only the first is left."""
        while self.running:
            if len(self.running) == 1 and self.running[0].process.poll() is None:
                drain()
            stop_process(self.running[-1].process.pid)
            self.running[-1].process.wait()
            self.running.pop().note.unlink(missing_ok=True)

    def _pause(self) -> None:
        time.sleep(POLL_SECONDS)
        if self.stop_asked:
            raise StoppedError


@contextlib.contextmanager
def fleet(home: Path, drain: Callable[[], None]) -> Iterator[Fleet]:
    """Hand out a fleet that is stopped however the block ends; Ctrl-C, SIGTERM and a hang-up end it quietly.

    A signal only sets a flag that the fleet looks at between steps: it never cuts a start or a stop in half.
    """
    refuse_second(home)
    stop_orphans(home)
    ships = Fleet(home)

    def ask(_signal: int, _frame: FrameType | None) -> None:
        ships.stop_asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with contextlib.suppress(StoppedError):
            yield ships
    finally:
        ships.stop(drain)
        for number, handler in before.items():
            signal.signal(number, handler)


def launch(server: Server, home: Path, running: list[Running]) -> Running:
    """Start a server in a process group of its own, note its pid, and enter it among the running."""
    log, note = home / "logs" / f"{server.name}.log", home / "run" / f"{server.name}.json"
    for path in (log, note):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _fresh(log) as stream:
        process = subprocess.Popen(
            server.command,
            cwd=server.cwd,
            env={**os.environ, **server.env, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal must reach the parent alone
        )
    running.append(Running(server, process, log, note))
    write_note(note, process.pid)
    return running[-1]


def is_up(one: Running) -> bool:
    """Return whether a server answers; ServerError when it has ended."""
    if (code := one.process.poll()) is not None:
        raise one.complaint(f"did not start (code {code})")
    if not one.server.health:
        return one.server.says in one.log.read_text(errors="replace")
    return answers(f"http://{one.server.host}:{one.server.port}{one.server.health}")


def answers(url: str) -> bool:
    """Return whether a local address answers with success."""
    import httpx

    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def check_port(server: Server) -> None:
    """Raise ServerError when something else listens on a server's port."""
    if server.port is None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
        except OSError as error:
            raise ServerError(
                f"{server.title} needs port {server.port} on {server.host}: {os.strerror(error.errno or 0)}. "
                f"Free it, or choose another: {server.port_variable}={free_port()}"
            ) from None


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def last_line(log: Path) -> str:
    """Return the last line of a log that says something."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()] if log.exists() else []
    return next((line for line in reversed(lines) if line), "(nothing)")


def _fresh(log: Path) -> IO[bytes]:
    """Open an empty log; the one before it is kept beside it."""
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    return log.open("wb")
