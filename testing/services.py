"""Services for tests: the real application behind a plain HTTP server in a thread, or the real server in a process."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3

from registry.api.serving import open_to_serve
from registry.service.application import build_application
from registry.service.options import Options
from registry.service.state import State
from registry.settings import Settings
from testing.registries import RegistryLocation

_Message = MutableMapping[str, Any]
Application = Callable[..., Awaitable[None]]


@contextmanager
def serve_in_thread(location: RegistryLocation, options: Options | None = None) -> Iterator[str]:
    """Serve a registry; yield the URL."""
    state = make_state(location, options)
    with serve_application(build_application(state)) as url:
        yield url
    state.close()


def wait_for_a_look() -> None:
    """Let the moment pass in which a service does not look at the file of SQLite again."""
    time.sleep(0.002)


def make_state(location: RegistryLocation, options: Options | None = None) -> State:
    """Return the state of a worker that serves a registry; on PostgreSQL as the user of the tests, who may write."""
    settings = Settings(location.database, location.store)
    return State(settings, partial(open_to_serve, writer_allowed=True), options or Options())


@contextmanager
def _run_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        # In its own thread: that of the test may run a loop itself.
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Handler(BaseHTTPRequestHandler):
    """Hands each request to the application of its server."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        asyncio.run_coroutine_threadsafe(self._run(), self.server.loop).result()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    async def _run(self) -> None:
        parts = urlsplit(self.path)
        scope: _Message = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.command,
            "scheme": "http",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode("latin-1"),
            "query_string": parts.query.encode("latin-1"),
            "root_path": "",
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in self.headers.items()
            ],
            "server": self.server.server_address,
            "client": self.client_address,
        }
        self._is_received = False
        await self.server.application(scope, self._receive, self._send)

    async def _receive(self) -> _Message:
        if self._is_received:
            await asyncio.Event().wait()  # until the answer is sent: the client does not go away
        self._is_received = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: _Message) -> None:
        if message["type"] == "http.response.start":
            self.send_response_only(message["status"])
            for name, value in message["headers"]:
                self.send_header(name.decode("latin-1"), value.decode("latin-1"))
            self.send_header("connection", "close")  # so that nothing is open when the server ends
            self.end_headers()
        elif message["type"] == "http.response.body" and message.get("body"):
            self.wfile.write(message["body"])

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name of http.server
        """Say nothing."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, application: Application, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.application, self.loop = application, loop


@contextmanager
def serve_application(application: Application) -> Iterator[str]:
    """Serve an ASGI application; yield the URL."""
    with _run_loop() as loop:
        server = _Server(application, loop)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


_START_SECONDS = 60


def find_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_server(
    location: RegistryLocation, *options: str, script: str | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run ``calreg serve``; yield its URL, and the process when it answers; what it prints is in its ``stdout``.

    Parameters
    ----------
    script
        A program of Python that starts a server instead, at the port that is its first argument.
    """
    port = find_port()
    start = ["-m", "registry", "serve", "--port"] if script is None else ["-c", script]
    environment = {**os.environ, **location.environment}
    with subprocess.Popen(  # noqa: S603 - of this package
        [sys.executable, *start, str(port), *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
        reader.start()
        vars(process)["lines"] = lines
        try:
            url = f"http://127.0.0.1:{port}"
            _await_answer(url, process, lines)
            yield url, process
        finally:
            process.terminate()
            process.wait()
            reader.join()


def _await_answer(url: str, process: subprocess.Popen[str], lines: list[str]) -> None:
    end = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            if urllib3.request("GET", f"{url}/healthz", retries=False).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not answer: {''.join(lines)}")
