"""Clients that are odd, slow or many, against the real server: each is answered, refused or cut off, nobody waits."""

import json
import re
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from testing.clients import Client
from testing.panels import PANEL_A, use_small_panels, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation
from testing.services import run_server

pytestmark = pytest.mark.slow

CLOSE = b"connection: close\r\n\r\n"
BIG = "0" * 64
SCRIPT = """
import sys
from registry.service.server import serve
from registry.service.options import Options
from registry.settings import find_settings
serve(find_settings(), "127.0.0.1", int(sys.argv[1]), 1, Options(silent_seconds=2), print)
"""


@pytest.fixture(scope="module")
def server(
    sqlite_factory: RegistryFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Client, RegistryLocation, list[str]]]:
    """A server of a registry with a panel, and with an object that does not fit into buffers of the kernel."""
    folder = tmp_path_factory.mktemp("files")
    with use_small_panels():
        location = sqlite_factory.make("sqlite")
        write_panel_folder(folder, 1)
        with location.open() as registry:
            registry.panels.add(PANEL_A, alias="M068")
            registry.versions.add(
                PANEL_A,
                folder,
                valid_from="2018-01-01T00:00:00Z",
                comment="\u202eright to left\u2066 \x07\x1b[31m",
            )
    big = location.store / "objects" / "00" / f"{BIG}.npy"
    big.parent.mkdir(exist_ok=True)
    with big.open("wb") as file:
        file.truncate(100 << 20)
    with run_server(location, script=SCRIPT) as (url, process):
        yield Client(url), location, vars(process)["lines"]


def _connect(client: Client) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(client.url.rpartition(":")[2])))
    connection.settimeout(30)
    return connection


def _send(client: Client, content: bytes) -> bytes:
    """Send bytes on a connection of their own; return all that comes until it is closed."""
    received = b""
    with _connect(client) as connection:
        connection.sendall(content)
        try:
            while piece := connection.recv(1 << 16):
                received += piece
        except ConnectionResetError:  # the rest of a request was not read
            pass
    return received


ODD = {
    "absolute": (b"GET http://evil.example/v1/head HTTP/1.1\r\nhost: x\r\n", 200),
    "an odd host": (b"GET /v1/nothing HTTP/1.1\r\nhost: [\r\n", 404),
    "a host of bytes": (b"GET /v1/nothing HTTP/1.1\r\nhost: \xff\xfe\r\n", 404),
    "no host": (b"GET /v1/nothing HTTP/1.1\r\n", 404),
    "a slash at the end": (b"GET /v1/head/ HTTP/1.1\r\nhost: evil.example\r\n", 404),
    "two slashes": (b"GET //evil.example/v1/head HTTP/1.1\r\nhost: x\r\n", 404),
    "HTTP/1.0": (b"GET /v1/head HTTP/1.0\r\n", 200),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", None),
    "OPTIONS": (b"OPTIONS * HTTP/1.1\r\nhost: x\r\n", 405),
    "CONNECT": (b"CONNECT evil.example:80 HTTP/1.1\r\nhost: x\r\n", 405),
    "TRACE": (b"TRACE /v1/head HTTP/1.1\r\nhost: x\r\n", 405),
    "an odd method": (b"G'X`!T /v1/head HTTP/1.1\r\nhost: x\r\n", 405),
    "a websocket": (
        b"GET /v1/head HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nsec-websocket-key: AAAA\r\n",
        200,
    ),
    "bytes in a path": (b"GET /v1/r/{pin}/validity/M\xff HTTP/1.1\r\nhost: x\r\n", 400),
    "no UTF-8": (b"GET /v1/r/{pin}/validity/M%ff HTTP/1.1\r\nhost: x\r\n", 400),
    "a NUL": (b"GET /v1/r/{pin}/validity/M%00 HTTP/1.1\r\nhost: x\r\n", 400),
    "no digits": (b"GET /v1/r/{pin}/validity/M%zz%1 HTTP/1.1\r\nhost: x\r\n", 400),
    "a way up": (b"GET /v1/objects/sha256/%2e%2e/%2e%2e/registry.json HTTP/1.1\r\nhost: x\r\n", 404),
    "a way up, twice encoded": (
        b"GET /v1/objects/sha256/%252e%252e%252fregistry.json HTTP/1.1\r\nhost: x\r\n",
        400,
    ),
    "a way up, plain": (b"GET /v1/objects/sha256/../../registry.json HTTP/1.1\r\nhost: x\r\n", 404),
    "only signs": (b"GET /v1/r/{pin}/panels?;&&=&== HTTP/1.1\r\nhost: x\r\n", 400),
    "many parameters": (b"GET /v1/head?" + b"a&" * 4000 + b" HTTP/1.1\r\nhost: x\r\n", 400),
    "one parameter twice": (b"GET /v1/head?as_of=1&as_of=1 HTTP/1.1\r\nhost: x\r\n", 400),
    "a deep path": (b"GET /v1/r/{pin}/show/" + b"a/" * 3000 + b" HTTP/1.1\r\nhost: x\r\n", 400),
    "a long URL": (b"GET /v1/head?" + b"x" * 9000 + b" HTTP/1.1\r\nhost: x\r\n", 414),
    "a huge URL": (b"GET /v1/head?" + b"x" * 1_000_000 + b" HTTP/1.1\r\nhost: x\r\n", 431),
    "a huge header": (b"GET /v1/head HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 1_000_000 + b"\r\n", 431),
    "many headers": (
        b"GET /v1/head HTTP/1.1\r\nhost: x\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(500)),
        431,
    ),
    "a NUL in a header": (b"GET /v1/head HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n", 400),
    "a folded header": (b"GET /v1/head HTTP/1.1\r\nhost: x\r\nx: a\r\n b\r\n", 400),
    "two lengths": (b"GET /v1/head HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 5\r\n", 400),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_request_has_one_answer(server: tuple[Client, RegistryLocation, list[str]], name: str) -> None:
    client, location, _ = server
    request, status = ODD[name]
    answer = _send(client, request.replace(b"{pin}", client.pin.removeprefix("/v1/r/").encode()) + CLOSE)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (int(head.split()[1]) if head else None) == status
    assert b"location:" not in head.lower()
    assert str(location.folder).encode() not in answer
    if b"application/json" in head:
        json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"content-length: 5\r\n\r\nhello",
        b"content-length: 999999999999\r\n\r\nhello",
        b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"expect: 100-continue\r\ncontent-length: 5\r\n\r\n",
    ],
)
def test_what_a_question_brings_with_it_is_not_waited_for(
    server: tuple[Client, RegistryLocation, list[str]], body: bytes
) -> None:
    answer = _send(server[0], b"GET /v1/head HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + body)
    assert b" 200 OK\r\n" in answer


def test_questions_in_one_packet_are_answered_in_turn(
    server: tuple[Client, RegistryLocation, list[str]],
) -> None:
    one = b"GET /v1/head HTTP/1.1\r\nhost: x\r\n\r\n"
    answer = _send(server[0], one * 5 + b"GET /v1/nothing HTTP/1.1\r\nhost: x\r\n" + CLOSE)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"200"] * 5 + [b"404"]


@pytest.mark.parametrize(
    ("stated", "status", "content_range"),
    [
        ("bytes=0-9", 206, "bytes 0-9/{size}"),
        ("bytes=-5", 206, "bytes {start}-{end}/{size}"),
        ("bytes=-99999999", 206, "bytes 0-{end}/{size}"),
        ("bytes=5-", 206, "bytes 5-{end}/{size}"),
        ("bytes=0-999999999", 206, "bytes 0-{end}/{size}"),
        ("bytes=999999-", 416, "bytes */{size}"),
        ("bytes=-0", 416, "bytes */{size}"),
        ("bytes=9-5", 200, None),
        ("bytes=0-9,5-20", 200, None),
        ("bytes=0-1,3-4", 200, None),
        (",".join(["bytes=0-"] * 1000), 200, None),
        ("bytes=0-99999999999999999999999999", 200, None),
        ("items=0-5", 200, None),
        ("bytes", 200, None),
        ("bytes=a-b", 200, None),
        ("bytes=\xb2-5", 200, None),
        ("bytes= 0 - 9 ", 200, None),
    ],
)
def test_a_range_is_honoured_refused_or_not_one(
    server: tuple[Client, RegistryLocation, list[str]], stated: str, status: int, content_range: str | None
) -> None:
    client, _, _ = server
    sha256 = client.get(f"{client.pin}/versions/1")["files"][0]["sha256"]
    size = len(client(f"/v1/objects/sha256/{sha256}").data)
    response = client(f"/v1/objects/sha256/{sha256}", range=stated)
    assert response.status == status
    expected = content_range and content_range.format(size=size, end=size - 1, start=size - 5)
    assert response.headers.get("content-range") == expected
    if status == 416:
        assert response.json()["error"]["code"] == 2


def test_what_a_client_has_is_told_by_any_of_its_headers(
    server: tuple[Client, RegistryLocation, list[str]],
) -> None:
    client, _, _ = server
    path = f"{client.pin}/panels"
    etag = client(path).headers["etag"].encode()
    request = b"GET %b HTTP/1.1\r\nhost: x\r\n" % path.encode()
    for stated in (b'"a", W/' + etag + b', "b"', b"*", etag + b'\r\nif-none-match: "b"'):
        assert b" 304 " in _send(client, request + b"if-none-match: " + stated + b"\r\n" + CLOSE)
    assert b" 200 " in _send(client, request + b'if-none-match: "\xff"\r\n' + CLOSE)


def _meet_many_clients(client: Client, count: int) -> None:
    starts = (b"", b"G", b"GET /v1/head HTTP/1.1\r\nx-slow: ", b"\0\xff\r\n\r\n", b"PRI * HTTP/2.0\r\n")
    with ExitStack() as stack:
        connections = [stack.enter_context(_connect(client)) for _ in range(count)]
        for number, connection in enumerate(connections):
            connection.sendall(starts[number % len(starts)])
        for _ in range(5):
            began = time.monotonic()
            assert client.get("/v1/head")["revision"] == 2
            assert time.monotonic() - began < 10
        whole = connections[:: len(starts)]
        for connection in whole:  # those that had said nothing
            connection.sendall(b"GET /v1/head HTTP/1.1\r\nhost: x\r\n" + CLOSE)
        for connection in whole:
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_hundred_clients_keep_nobody_waiting(server: tuple[Client, RegistryLocation, list[str]]) -> None:
    _meet_many_clients(server[0], 100)


@pytest.mark.exhaustive
def test_a_thousand_clients_keep_nobody_waiting(server: tuple[Client, RegistryLocation, list[str]]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("this user may not open two thousand files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    try:
        _meet_many_clients(server[0], 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off(
    server: tuple[Client, RegistryLocation, list[str]],
) -> None:
    if not hasattr(socket, "TCP_USER_TIMEOUT") or not Path("/proc/net/tcp").exists():
        pytest.skip("this system has no TCP_USER_TIMEOUT, or does not list its connections")
    client, _, _ = server
    with _connect(client) as connection:
        own, other = connection.getsockname()[1], connection.getpeername()[1]
        connection.sendall(f"GET /v1/objects/sha256/{BIG} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        connection.recv(1, socket.MSG_PEEK)
        end = time.monotonic() + 30
        while f":{other:04X} 0100007F:{own:04X} 01" in Path("/proc/net/tcp").read_text():
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.exhaustive
def test_a_client_that_never_ends_its_question_is_cut_off(
    server: tuple[Client, RegistryLocation, list[str]],
) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"  # and nothing after it
    starts = (b"", b"G", b"GET /v1/head HTTP/1.1\r\nx-slow: ", whole)
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda start: _send(server[0], start), starts))
    assert time.monotonic() - began < 25


def test_many_questions_at_once_are_answered_or_refused_as_documented(
    server: tuple[Client, RegistryLocation, list[str]],
) -> None:
    client, _, _ = server
    pin = client.pin

    def ask(number: int) -> int:
        response = client(f"{pin}/validity/M068?at=2018-02-01T00:00:{number % 60:02d}Z&form=record")
        assert response.status == 200 or response.headers["retry-after"]
        return response.status

    with ThreadPoolExecutor(64) as pool:
        assert set(pool.map(ask, range(128))) <= {200, 503}


def test_the_log_has_a_line_of_json_for_each_request_and_nothing_that_moves_a_cursor(
    server: tuple[Client, RegistryLocation, list[str]],
) -> None:
    client, _, lines = server
    odd = b"GET /v1/nothing%0a%1b[31m\xe2\x80\xae?\x7f HTTP/1.1\r\nhost: x\r\n"
    _send(client, odd + b"authorization: Bearer secret-of-a-client\r\n" + CLOSE)
    _send(client, b"GET /v1/last-of-all HTTP/1.1\r\nhost: x\r\n" + CLOSE)
    end = time.monotonic() + 30
    while not any("last-of-all" in line for line in lines):
        assert time.monotonic() < end
        time.sleep(0.02)
    logged = [json.loads(line) for line in lines[1:]]  # the first one is the address
    assert {line["level"] for line in logged} <= {"info", "error"}
    assert all(line.isascii() and line.rstrip("\n").isprintable() for line in lines)
    assert not any("secret-of-a-client" in line for line in lines)
    assert logged[-1]["url"] == "/v1/last-of-all"
    assert {"time", "method", "status", "bytes", "ms", "client"} <= set(logged[-1])


def test_signs_that_move_a_cursor_are_escaped_in_answers(
    server: tuple[Client, RegistryLocation, list[str]],
) -> None:
    client, _, _ = server
    content = client(f"{client.pin}/log").data
    assert b"right to left" in content
    assert not any(byte < 0x20 for byte in content)
