"""The servers that are measured, each in processes of its own: ``calreg serve``, and nginx where it is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from testing.registries import RegistryLocation

_MAX_WAIT_SECONDS = 60
_READER = "calreg_benchmark_reader"
_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/errors;
{user}
events {{}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers: its port, its first process, and the seconds until it answered."""

    port: int
    process: int
    seconds: float

    @property
    def url(self) -> str:
        """The URL of a service."""
        return f"http://127.0.0.1:{self.port}"

    def measure_worker(self) -> float:
        """Return the MiB that are resident of its largest process: that of a worker."""
        return max(_read_resident(process) for process in [self.process, *_list_children(self.process)])


def _list_children(process: int) -> list[int]:
    children = [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return [*children, *(below for child in children for below in _list_children(child))]


def _read_resident(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


@contextmanager
def run_service(location: RegistryLocation) -> Iterator[Server]:
    """Run ``calreg serve`` with one worker."""
    port = _find_port()
    command = [sys.executable, "-m", "registry", "serve", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALREG_")}
    with _run(command, port, "/healthz", environment | location.environment) as server:
        yield server


@contextmanager
def find_served(location: RegistryLocation) -> Iterator[RegistryLocation]:
    """Yield the location with a database role that may only read, as a service needs it."""
    if location.is_sqlite:
        yield location
        return
    engine = location.engine()
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {_READER} LOGIN"))
    try:
        with location.open() as registry:
            registry.grant(readers=[_READER], apply=True)
        url = sa.make_url(location.database).set(username=_READER, password=None)
        yield RegistryLocation(url.render_as_string(hide_password=False), location.store)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"DROP OWNED BY {_READER}"))
            connection.execute(sa.text(f"DROP ROLE {_READER}"))
        engine.dispose()


def find_nginx() -> str | None:
    """Return the program, None where it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def run_nginx(program: str, root: Path) -> Iterator[Server]:
    """Run nginx with one worker, which sends the files of a folder."""
    port = _find_port()
    with tempfile.TemporaryDirectory(prefix="calreg-nginx-") as name:
        user = "user root;" if os.geteuid() == 0 else ""
        text = _NGINX.format(folder=name, port=port, root=root, user=user)
        configuration = Path(name) / "nginx.conf"
        configuration.write_text(text)
        command = [program, "-e", f"{name}/errors", "-c", str(configuration)]
        with _run(command, port, "/", dict(os.environ)) as server:
            yield server


@contextmanager
def _run(command: list[str], port: int, path: str, environment: dict[str, str]) -> Iterator[Server]:
    start = time.perf_counter()
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            while not _is_answered(port, path):
                if process.poll() is not None or time.perf_counter() - start > _MAX_WAIT_SECONDS:
                    output.seek(0)
                    raise RuntimeError(f"{command[0]} does not answer: {output.read().decode()}")
                time.sleep(0.002)
            yield Server(port, process.pid, time.perf_counter() - start)
        finally:
            process.terminate()


def _is_answered(port: int, path: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_MAX_WAIT_SECONDS) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n".encode())
            return connection.recv(9).startswith(b"HTTP/1.")
    except OSError:
        return False


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
