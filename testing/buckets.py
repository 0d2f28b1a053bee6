"""Real servers of objects for tests: SeaweedFS, and others that ignore conditions."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from testing.delays import run_delaying_proxy
from testing.programs import MissingProgramError

_MAX_WAIT_SECONDS = 60
_KEY, _SECRET = "calregkey", "calregsecret"
READER_KEY, READER_SECRET = "readerkey", "readersecret"


@dataclass(frozen=True, slots=True)
class BucketServer:
    """A server that runs, and its bucket."""

    endpoint: str
    bucket: str
    folder_of_buckets: str = ""

    def remove_bucket(self) -> None:
        """Remove the bucket with all that is in it, as its owner does."""
        url = f"{self.folder_of_buckets}{self.bucket}?recursive=true"
        request = urllib.request.Request(url, method="DELETE")  # noqa: S310 - of this machine
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310
            pass

    def list_variables(self) -> dict[str, str]:
        """Return the variables of the environment by which programs use it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": "us-east-1",
        }


@contextmanager
def run_seaweed() -> Iterator[BucketServer]:
    """Run SeaweedFS with an empty bucket, and with keys that may read and write, or only read."""
    names = (
        "master",
        "master.port.grpc",
        "volume",
        "volume.port.grpc",
        "filer",
        "filer.port.grpc",
        "s3",
        "grpc",
    )
    master, master_rpc, volume, volume_rpc, filer, filer_rpc, port, rpc = _find_ports(len(names))
    writing = ["Read", "Write", "List", "Tagging"]
    with _make_folder("seaweed") as folder:
        (folder / "data").mkdir()
        identities = [
            {
                "name": "writer",
                "credentials": [{"accessKey": _KEY, "secretKey": _SECRET}],
                "actions": writing,
            },
            {
                "name": "reader",
                "credentials": [{"accessKey": READER_KEY, "secretKey": READER_SECRET}],
                "actions": ["Read", "List"],
            },
        ]
        (folder / "s3.json").write_text(json.dumps({"identities": identities}))
        options = {
            "dir": folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.port": master,
            "master.port.grpc": master_rpc,
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 64,
            "volume.port": volume,
            "volume.port.grpc": volume_rpc,
            "volume.max": 400,  # made when they are needed
            "volume.preStopSeconds": 0,
            "filer": "true",
            "filer.port": filer,
            "filer.port.grpc": filer_rpc,
            "s3": "true",
            "s3.port": port,
            "s3.port.grpc": rpc,
            "s3.port.lance": 0,
            "s3.port.iceberg": 0,
            "s3.config": folder / "s3.json",
        }
        words = [f"-{name}={value}" for name, value in options.items()]
        with _run_program("weed", ["server", *words], folder):
            endpoint = f"http://127.0.0.1:{port}"
            _wait_for(endpoint)
            buckets = f"http://127.0.0.1:{filer}/buckets/"
            _wait_for(f"{buckets}files/", "POST")
            yield BucketServer(endpoint, "files", buckets)


@contextmanager
def run_nanio() -> Iterator[BucketServer]:
    """Run a server that takes conditions and ignores them."""
    (port,) = _find_ports(1)
    with _make_folder("nanio") as folder:
        (folder / "data" / "files").mkdir(parents=True)
        words = ["serve", "--data-dir", str(folder / "data"), "--host", "127.0.0.1", "--port", str(port)]
        keys = {**os.environ, "NANIO_ACCESS_KEY": _KEY, "NANIO_SECRET_KEY": _SECRET}
        with _run_program("nanio", words, folder, keys):
            endpoint = f"http://127.0.0.1:{port}"
            _wait_for(endpoint)
            yield BucketServer(endpoint, "files")


@contextmanager
def run_localbucket() -> Iterator[BucketServer]:
    """Run a server that honours the one condition and ignores the other."""
    (port,) = _find_ports(1)
    with _make_folder("localbucket") as folder:
        (folder / "files").mkdir()
        with _run_program("localbucket", ["--port", str(port), str(folder)], folder):
            endpoint = f"http://127.0.0.1:{port}"
            _wait_for(endpoint)
            yield BucketServer(endpoint, "files")


@contextmanager
def delay_requests(server: BucketServer, seconds: float) -> Iterator[BucketServer]:
    """Run a proxy before a server that passes each request on so much later, as over a long line."""
    with run_delaying_proxy(int(server.endpoint.rpartition(":")[2]), seconds) as port:
        yield BucketServer(f"http://127.0.0.1:{port}", server.bucket)


def _find_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.create_server(("127.0.0.1", 0)))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def _make_folder(name: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"calreg-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _run_program(
    name: str, words: list[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    program = Path(sys.executable).parent / name
    if not program.exists():
        raise MissingProgramError(f"{name} is not installed beside Python")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - servers of wheels
            [program, *words], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.kill()  # nothing of it is kept, and SeaweedFS waits long for connections that are open
        process.wait()


def _wait_for(url: str, method: str = "GET") -> None:
    """Wait until a server answers, whatever it says; what is to be made must be made."""
    end = time.monotonic() + _MAX_WAIT_SECONDS
    while True:
        try:
            request = urllib.request.Request(url, method=method)  # noqa: S310 - of this machine
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            if method == "GET" and error.code < 500:
                return
        except OSError:
            pass
        if time.monotonic() > end:
            raise MissingProgramError(f"no server answers at {url}")
        time.sleep(0.1)
