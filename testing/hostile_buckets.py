"""A server before a server of objects that misbehaves on request: slow, full, forbidden, or with half of an answer."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, cast

from testing.buckets import BucketServer

_PIECE_SECONDS = 1.0
_KEPT_OUT = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class Answer(NamedTuple):
    """An answer of the server behind."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Fault = Callable[["_Handler", Callable[[], Answer]], None]
"""Answers a request in its own way; the second argument passes the request on and returns the right answer."""


@dataclass(slots=True)
class HostileServer:
    """A server whose next answers are wrong in some way.

    Attributes
    ----------
    requests
        The requests since it was told, as ``METHOD /path``.
    """

    server: BucketServer
    requests: list[str] = field(default_factory=list)
    _fault: Fault | None = None
    _method: str = ""
    _part: str = ""
    _skipped: int = 0
    _most: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def misbehave(
        self, fault: Fault, method: str = "", part: str = "", *, after: int = 0, times: int | None = None
    ) -> None:
        """Let requests be answered wrongly from now on.

        Parameters
        ----------
        method, part
            Only those by this method, with this text in their path; by default all.
        after
            How many of them are answered as they should be before.
        times
            How many are answered wrongly then; by default all.
        """
        with self._lock:
            self._fault, self._method, self._part = fault, method, part
            self._skipped, self._most = after, times
            self.requests.clear()

    def behave(self) -> None:
        """Let all requests be answered as they should be from now on."""
        with self._lock:
            self._fault = None
            self.requests.clear()

    def choose(self, method: str, path: str) -> Fault | None:
        """Return what is wrong with the answer to a request, None where nothing is."""
        with self._lock:
            self.requests.append(f"{method} {path}")
            if self._fault is None or self._method not in {"", method} or self._part not in path:
                return None
            if self._skipped:
                self._skipped -= 1
                return None
            if self._most is not None:
                if not self._most:
                    return None
                self._most -= 1
            return self._fault


class _Handler(BaseHTTPRequestHandler):
    """Passes requests on, or answers them as it was told."""

    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        server = cast(_Server, self.server)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = server.hostile.choose(self.command, self.path)

        def pass_on() -> Answer:
            host, _, port = server.target.rpartition(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                headers = dict(answer.getheaders())
                return Answer(answer.status, headers, answer.read())
            finally:
                connection.close()

        try:
            if fault is None:
                self.send(pass_on())
            else:
                fault(self, pass_on)
        except OSError:  # the client is gone, or the server behind
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - the names of the library

    def send(self, answer: Answer, *, body: bytes | None = None, length: int | None = None) -> None:
        """Send an answer, with another body or another length than it has where these are given."""
        self.send_head(answer, length)
        if self.command != "HEAD":
            self.wfile.write(answer.body if body is None else body)
            self.wfile.flush()

    def send_head(self, answer: Answer, length: int | None = None) -> None:
        """Send the head of an answer, with the length of its body or another one."""
        self.send_response_only(answer.status)
        named = {name.lower(): value for name, value in answer.headers.items()}
        for name, value in named.items():
            if name not in _KEPT_OUT:
                self.send_header(name, value)
        whole = named.get("content-length", "0") if self.command == "HEAD" else str(len(answer.body))
        self.send_header("content-length", whole if length is None else str(length))
        self.end_headers()

    def cut(self) -> None:
        """Break the connection off, so that the other side sees an error."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the library
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, hostile: HostileServer, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hostile, self.target = hostile, target

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that is gone."""


@contextmanager
def run_hostile(server: BucketServer) -> Iterator[HostileServer]:
    """Run a server before another one, which passes everything on until it is told to misbehave."""
    hostile = HostileServer(server)
    front = _Server(hostile, server.endpoint.removeprefix("http://"))
    hostile.server = BucketServer(f"http://127.0.0.1:{front.server_address[1]}", server.bucket)
    threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield hostile
    finally:
        front.shutdown()
        front.server_close()


# What can be wrong with an answer


def refuse(status: int, code: str, secret: str = "") -> Fault:
    """Return a fault: the answer is a refusal, with a code and, as servers do, what the request was."""

    def fault(handler: _Handler, _pass_on: Callable[[], Answer]) -> None:
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>no {secret}</Message>'
            f"<Resource>{handler.path}</Resource></Error>"
        )
        handler.send(Answer(status, {"content-type": "application/xml"}, text.encode()))

    return fault


def drip(handler: _Handler, pass_on: Callable[[], Answer]) -> None:
    """Send the body a byte a second."""
    answer = pass_on()
    handler.send_head(answer)
    for place in range(len(answer.body)):
        handler.wfile.write(answer.body[place : place + 1])
        handler.wfile.flush()
        time.sleep(_PIECE_SECONDS)


def hang(handler: _Handler, _pass_on: Callable[[], Answer]) -> None:
    """Take the request and answer nothing, until the client gives up."""
    handler.close_connection = True
    with suppress(OSError):
        handler.connection.settimeout(600)
        handler.connection.recv(1)


def break_off(handler: _Handler, pass_on: Callable[[], Answer]) -> None:
    """Break the connection off in the middle of the body."""
    answer = pass_on()
    handler.send(answer, body=answer.body[: len(answer.body) // 2], length=len(answer.body))
    handler.cut()


def forget_answer(handler: _Handler, pass_on: Callable[[], Answer]) -> None:
    """Do what was asked, and break the connection off instead of an answer."""
    pass_on()
    handler.cut()


def promise_more(handler: _Handler, pass_on: Callable[[], Answer]) -> None:
    """Say that the body is longer than it is, and end the connection after it."""
    answer = pass_on()
    handler.send(answer, length=len(answer.body) + 1000)
    handler.close_connection = True


def send_half(handler: _Handler, pass_on: Callable[[], Answer]) -> None:
    """Send half of the body as if it were all."""
    answer = pass_on()
    half = answer.body[: len(answer.body) // 2]
    handler.send(answer, body=half, length=len(half))


def babble(handler: _Handler, _pass_on: Callable[[], Answer]) -> None:
    """Answer in another protocol than HTTP."""
    handler.wfile.write(b"220 mail.example.org ESMTP ready\r\n" * 3)
    handler.wfile.flush()
    handler.cut()


def welcome(handler: _Handler, _pass_on: Callable[[], Answer]) -> None:
    """Answer everything with a page for people, as the portal of a network does."""
    page = b"<!DOCTYPE html><html><title>Welcome to the guest network</title></html>"
    handler.send(Answer(200, {"content-type": "text/html"}, page))


_CONTENTS = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)


def leave_out(part: str) -> Fault:
    """Return a fault: a list lacks the keys with a text in them, as if they were stored a moment ago."""

    def fault(handler: _Handler, pass_on: Callable[[], Answer]) -> None:
        answer = pass_on()
        body = _CONTENTS.sub(lambda match: b"" if part.encode() in match[0] else match[0], answer.body)
        handler.send(answer._replace(body=body))

    return fault


def show_again(key: str) -> Fault:
    """Return a fault: a list has a key that is not there any more."""

    def fault(handler: _Handler, pass_on: Callable[[], Answer]) -> None:
        answer = pass_on()
        entry = (
            f"<Contents><Key>{key}</Key><LastModified>2020-01-01T00:00:00Z</LastModified><ETag>&quot;1&quot;</ETag>"
            "<Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
        handler.send(
            answer._replace(body=answer.body.replace(b"<Contents>", entry.encode() + b"<Contents>", 1))
        )

    return fault
