"""Requests to a service that is slow, gone, another one, behind a proxy, or hostile: one sentence, or the answer."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from registry import transport
from registry.api import open_registry
from registry.errors import ConflictError, NotFoundError, RequestError, SchemaError, UnavailableError
from registry.transport import Service
from tests.cli import Calreg

HEAD = {"registry": "5b0c", "revision": 3, "seal": "ab" * 32, "timezone": "UTC", "api": 1}
Reply = Callable[["_Handler"], None]


class _Handler(BaseHTTPRequestHandler):
    """Sends the replies of its server one after the other, the last one again and again."""

    server: "_Server"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        replies = self.server.replies
        (replies.pop(0) if len(replies) > 1 else replies[0])(self)
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name of http.server
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, replies: list[Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies = replies
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def _serve(*replies: Reply) -> Iterator[_Server]:
    server = _Server(list(replies))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _send(status: int, body: bytes | dict[str, Any], **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def send(handler: _Handler) -> None:
        handler.send_response(status)
        handler.send_header("connection", "close")  # which it does: a client shall not use it again
        for name, value in {"content-length": str(len(content)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return send


def _refuse(status: int, code: int, kind: str, message: str, **headers: str) -> Reply:
    return _send(status, {"error": {"code": code, "kind": kind, "message": message}}, **headers)


def _break_off(handler: _Handler) -> None:
    """Send a part of what was announced."""
    handler.send_response(200)
    handler.send_header("content-length", "100")
    handler.end_headers()
    handler.wfile.write(b"0123456789")
    handler.wfile.flush()
    handler.connection.shutdown(2)


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_FIRST_WAIT", 0.001)
    monkeypatch.setattr(transport, "_CONNECT_SECONDS", 10.0)
    monkeypatch.setattr(transport, "_READ_SECONDS", 10.0)


def test_what_passes_is_tried_again() -> None:
    with _serve(
        _send(503, b"<html>busy</html>", retry_after="0"),
        _refuse(503, 8, "UnavailableError", "the database does not answer"),
        _send(429, b""),
        _break_off,
        _send(200, {"answer": 1}),
    ) as server:
        assert Service(server.url).get("/v1/x") == {"answer": 1}
        assert len(server.requests) == 5


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (_send(404, b"<html>no such page</html>"), "it answered 404 Not Found, and not as a registry does"),
        (_send(500, b""), "it answered 500 Internal Server Error"),
        (_send(401, {"detail": "log in"}), "it answered 401 Unauthorized"),
        (_send(200, b"<html>log in</html>"), "its answer is not JSON"),
        (_send(200, b"[" * 100_000), "its answer is not JSON"),
        (_send(302, b"", location="ftp://example.org/"), "it redirects to a URL that is not followed"),
        (_send(302, b"", location="/v1/x"), "it redirects more than 5 times"),
        (_send(302, b""), "it redirects more than 5 times"),
        (lambda handler: handler.connection.shutdown(2), "the connection was lost"),
        (lambda handler: handler.wfile.write(b"\0\0\0\0\r\n\r\n"), "the connection was lost"),
        (lambda _handler: threading.Event().wait(1), "it was silent"),
    ],
)
def test_what_is_no_answer_of_a_registry_is_unavailable(
    reply: Reply, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if problem == "it was silent":
        monkeypatch.setattr(transport, "_READ_SECONDS", 0.3)
    with _serve(reply) as server, pytest.raises(UnavailableError) as refusal:
        Service(server.url).get("/v1/x")
    assert problem in str(refusal.value)
    assert refusal.value.code == 8


NO_REFUSALS = ({"error": {"code": 3}}, {"error": {"message": 1}}, {"error": []}, [])


def test_the_code_in_the_body_decides() -> None:
    unknown = _refuse(418, 3, "NotFoundError", "no panel has the M-number M067")
    with _serve(unknown) as server, pytest.raises(NotFoundError, match="M067"):
        Service(server.url).get("/v1/x")
    newer = _refuse(409, 5, "OddityError", "of newer software")
    with _serve(newer) as server, pytest.raises(ConflictError, match="of newer software"):
        Service(server.url).get("/v1/x")
    for body in (*NO_REFUSALS, {"error": {"code": True, "message": "x"}}):
        with _serve(_send(404, json.dumps(body).encode())) as server, pytest.raises(UnavailableError):
            Service(server.url).get("/v1/x")


def test_a_long_wait_is_not_waited_for() -> None:
    with _serve(_send(503, b"", retry_after="86400")) as server, pytest.raises(UnavailableError):
        Service(server.url).get("/v1/x")
    assert len(server.requests) == 1


def test_an_object_that_breaks_off_is_gone_on_with() -> None:
    content = bytes(range(100))

    def send_rest(handler: _Handler) -> None:
        assert handler.headers["range"] == "bytes=10-"
        _send(206, content[10:])(handler)

    def break_off(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "100")
        handler.end_headers()
        handler.wfile.write(content[:10])
        handler.wfile.flush()
        handler.connection.shutdown(2)

    for rest in (send_rest, _send(200, content)):  # a proxy that knows no ranges sends the whole again
        pieces: list[bytes] = []
        with _serve(break_off, rest) as server:
            Service(server.url).download("/v1/objects/sha256/00", 100, pieces.append)
        assert b"".join(pieces) == content
    with _serve(_send(200, content)) as server, pytest.raises(UnavailableError, match="more than 10 bytes"):
        Service(server.url).download("/v1/objects/sha256/00", 10, pieces.append)


def test_a_token_is_sent_to_its_service_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("secret-of-the-beamline\n")
    monkeypatch.setenv("CALREG_TOKEN_FILE", str(token))
    with _serve(_send(200, {})) as other, _serve(_send(302, b"", location=f"{other.url}/v1/x")) as server:
        Service(server.url).get("/v1/x")
    assert server.requests[0][1]["authorization"] == "Bearer secret-of-the-beamline"
    assert "authorization" not in other.requests[0][1]
    monkeypatch.setenv("CALREG_TOKEN_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(NotFoundError):
        Service(server.url)


@pytest.mark.parametrize("content", [b"", b"two words of a token\n", b"short\n", b"\xff" * 20, b"x" * 5000])
def test_both_sides_accept_the_same_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_calreg: Calreg, content: bytes
) -> None:
    token = tmp_path / "token"
    token.write_bytes(content)
    monkeypatch.setenv("CALREG_TOKEN_FILE", str(token))
    with pytest.raises(RequestError, match="holds no token") as refusal:
        Service("http://localhost")
    served = sqlite_calreg("serve", "--token-file", token)
    assert (served.code, served.stderr) == (2, f"error: {refusal.value}\n")


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "https://[::1",
        "http://host:port",
        "https://host:99999999",
        "https://ana:secret@host",
        "https://host/?key=secret",
        "https://host/#part",
        "https://ho st/",
        "https://hôst/",
        "http://host\n/",
    ],
)
def test_a_url_that_is_none_of_a_service_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(RequestError) as refusal:
        open_registry(url)
    assert "secret" not in str(refusal.value)


def test_a_name_that_is_not_known_is_unavailable() -> None:
    with pytest.raises(UnavailableError):
        Service("https://calreg.invalid").get("/v1/head")


def test_certificates_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _serve(_send(200, HEAD)) as server:
        with pytest.raises(UnavailableError):
            open_registry(server.url.replace("http://", "https://"))
        monkeypatch.setenv("CALREG_CA", str(tmp_path / "nowhere.pem"))
        with pytest.raises(UnavailableError, match="certificates of CALREG_CA"):
            open_registry(server.url.replace("http://", "https://"))
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("head", "error_class"),
    [
        ({**HEAD, "api": 2}, SchemaError),
        ({**HEAD, "seal": None}, UnavailableError),
        ({"head": 3}, UnavailableError),
        ([], UnavailableError),
    ],
)
def test_a_service_of_newer_software_or_another_one_is_refused(
    head: Any, error_class: type[Exception]
) -> None:
    with _serve(_send(200, json.dumps(head).encode())) as server, pytest.raises(error_class):
        open_registry(server.url)


def test_an_answer_of_another_form_is_refused() -> None:
    with (
        _serve(_send(200, HEAD), _send(200, b'[{"panel": 1}]')) as server,
        open_registry(server.url) as registry,
        pytest.raises(UnavailableError, match="of another form"),
    ):
        registry.panels.list()


def test_certificates_are_read_for_https_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(**_options: Any) -> ssl.SSLContext:
        raise ssl.SSLError("read")

    monkeypatch.setattr(transport.ssl, "create_default_context", read)
    with _serve(_send(200, HEAD)) as server:
        assert Service(server.url).get("/v1/head") == HEAD
    with pytest.raises(UnavailableError, match="CALREG_CA"):
        Service(server.url.replace("http:", "https:")).get("/v1/head")
