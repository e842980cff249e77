"""A small HTTP proxy before an S3 server that loses, breaks and delays what passes through it, as told."""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Literal

Fault = Literal[
    *("", "409", "412", "500", "503", "stall", "slow", "lose_answer", "cut_request", "cut_answer", "flip_body"),
    "done_500",  # what was asked is done, and the answer is 500
]
Plan = Callable[[str, str], Fault]  # of method and path
STALL_SECONDS = 1.5
HOP = {"connection", "transfer-encoding", "keep-alive", "content-length", "expect", "date", "server"}


class Proxy(ThreadingHTTPServer):
    """A server on a free port of this machine that passes requests on to another one."""

    daemon_threads = True
    plan: Plan

    def __init__(self, upstream: str) -> None:
        """Listen, and pass everything on until another plan is set."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream.removeprefix("http://")
        self.calm()

    @property
    def endpoint(self) -> str:
        """The address to connect to."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def calm(self) -> None:
        """Let everything pass."""
        self.plan = lambda method, path: ""
        self.done: list[tuple[str, Fault]] = []

    def once(self, fault: Fault, method: str, part: str = "") -> None:
        """Break the first request of a method whose path holds some letters."""
        self.calm()
        self.plan = lambda m, path: fault if m == method and part in path and not self.broken else ""

    @property
    def broken(self) -> list[Fault]:
        """The faults so far."""
        return [fault for _, fault in self.done if fault]

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about clients that went away: that is what this server is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer waits 40 ms for the client to say that it has the head
    server: Proxy

    def _pass_on(self) -> None:
        fault = self.server.plan(self.command, self.path)
        self.server.done.append((self.command, fault))
        length = int(self.headers.get("Content-Length", 0))
        if fault == "cut_request":
            self.rfile.read(length // 2)
            return self._hang_up()
        body = self.rfile.read(length)
        if fault.isdigit():
            return self._answer(int(fault), {}, _refusal(fault))
        if fault in {"stall", "slow"}:
            time.sleep(STALL_SECONDS if fault == "stall" else 0.2)
        if fault == "stall":
            return self._hang_up()
        if fault == "flip_body":
            body = bytes([body[0] ^ 1]) + body[1:]
        status, headers, answer = self._ask(body)
        if fault == "lose_answer":
            return self._hang_up()
        if fault == "done_500":
            return self._answer(500, {}, _refusal("500"))
        return self._answer(status, headers, answer, cut=fault == "cut_answer")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=60)
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP - {"date"}}
            connection.request(self.command, self.path, body or None, {**headers, "Content-Length": str(len(body))})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in HOP:
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _refusal(status: str) -> bytes:
    codes = {
        "409": "ConditionalRequestConflict",
        "412": "PreconditionFailed",
        "500": "InternalError",
        "503": "SlowDown",
    }
    code = codes[status]
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>injected</Message></Error>'.encode()


@contextmanager
def proxy_before(upstream: str) -> Iterator[Proxy]:
    """Run a proxy before the server at an address."""
    proxy = Proxy(upstream)
    thread = Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
