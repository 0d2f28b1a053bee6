"""The gate before the service: what may come in, answers that are kept, what is counted and logged."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, MutableMapping
from hashlib import sha256
from typing import Any

from registry.errors import RegistryError, RequestError
from registry.service.kept_answers import EncodedAnswer
from registry.service.request_log import log_request
from registry.service.responses import build_unchanged
from registry.service.state import State

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

_METHODS = ("GET", "HEAD")
_MAX_URL = 8192
"""Bytes of a path and its query: 64 panel Ids of the longest form and more."""
_OPEN_PATHS = ("/healthz",)
_PINNED = ("/v1/r/", "/r/")
_BEARER = b"bearer "


class Gate:
    """Lets requests through to the service; answers those that it kept, and those that are refused, itself.

    Parameters
    ----------
    kinds
        The first words of the paths that are answered, for counting.
    """

    def __init__(self, service: Application, state: State, kinds: Container[str]) -> None:
        self._service, self._state, self._kinds = service, state, kinds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the service answer it."""
        if scope["type"] == "lifespan":
            await self._service(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # nothing is asked for that speaks otherwise
        began = time.perf_counter()
        is_head = scope["method"] == "HEAD"
        url = find_url(scope)
        sent: _Sent | None = None
        status = size = 0
        try:
            answer = self._refuse(scope, url) or await self._find_kept(scope, url)
            if answer is None:
                sent = _Sent(send, is_head=is_head)
                await self._service(scope, receive, sent)
            else:
                body = b"" if is_head else answer.body
                await send(
                    {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
                )
                status = answer.status
                await send({"type": "http.response.body", "body": body})
                size = len(body)
        finally:  # also where the service has a fault, or the client is gone
            if sent is not None:
                status, size = sent.status, sent.size
            seconds = time.perf_counter() - began
            self._state.metrics.count_request(find_kind(scope["path"], self._kinds), status, size)
            log_request(scope, url, status, size, seconds)

    def _refuse(self, scope: Scope, url: bytes) -> EncodedAnswer | None:
        """Return the refusal of a request that may not come in, None for one that may."""
        encode_refusal = self._state.encoder.encode_refusal
        if scope["method"] not in _METHODS:
            return encode_refusal(
                RequestError("only GET and HEAD are answered: this service records nothing"),
                status=405,
                more=((b"allow", b", ".join(method.encode() for method in _METHODS)),),
            )
        if len(url) > _MAX_URL:
            return encode_refusal(
                RequestError(f"the URL has more than {_MAX_URL} bytes: ask for fewer things at once"),
                status=414,
            )
        wanted = self._state.options.token_sha256
        if wanted is not None and scope["path"] not in _OPEN_PATHS and not _bears_token(scope, wanted):
            return encode_refusal(
                RequestError("this service needs a token, and the request bears none or another one"),
                status=401,
                more=((b"www-authenticate", b"Bearer"),),
            )
        return None

    async def _find_kept(self, scope: Scope, url: bytes) -> EncodedAnswer | None:
        """Return the answer that is kept of what the database still is, None where there is none."""
        if not scope["path"].startswith(_PINNED):
            return None
        try:
            opened = self._state.served.get() or await self._state.confirm()
        except RegistryError:  # which the service refuses, in JSON or on a page
            return None
        answer = opened.kept.get(url)
        if answer is None:
            return None
        if is_known(scope["headers"], answer.etag):
            self._state.metrics.count_kept("unchanged")
            return build_unchanged(answer)
        self._state.metrics.count_kept("hit")
        return answer


class _Sent:
    """Sends a response on, without the body where only its head is wanted, and remembers its status and size."""

    def __init__(self, send: Send, *, is_head: bool) -> None:
        self._send, self._is_head = send, is_head
        self.status, self.size, self._announced = 0, 0, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._announced = _find_length(message["headers"])
        elif message["type"] == "http.response.pathsend":
            self.size = self._announced
        elif message["type"] == "http.response.body":
            if self._is_head:
                message = {**message, "body": b""}
            self.size += len(message.get("body", b""))
        await self._send(message)


def find_url(scope: Mapping[str, Any]) -> bytes:
    """Return the path and the query of a request, as they came."""
    path = scope.get("raw_path") or scope["path"].encode(errors="surrogateescape")
    query: bytes = scope["query_string"]
    return bytes(path) + b"?" + query if query else bytes(path)


def find_kind(path: str, kinds: Container[str]) -> str:
    """Return the kind of a request, for counting: names and digests are left out."""
    parts = path.strip("/").split("/")
    if parts[:1] != ["v1"]:
        return parts[0] if parts[0] in {"healthz", "metrics"} else "other"
    place = 3 if parts[1:2] == ["r"] else 1
    word = parts[place] if len(parts) > place else "other"
    return word if word in kinds else "other"


def is_known(headers: Headers, etag: bytes) -> bool:
    """Tell whether a client has the answer with this ETag."""
    stated = b",".join(value for name, value in headers if name == b"if-none-match")
    if not stated or not etag:
        return False
    return stated.strip() == b"*" or etag in {part.strip().removeprefix(b"W/") for part in stated.split(b",")}


def _bears_token(scope: Scope, wanted: str) -> bool:
    stated = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(stated) != 1 or stated[0][: len(_BEARER)].lower() != _BEARER:
        return False
    return hmac.compare_digest(sha256(stated[0][len(_BEARER) :].strip()).hexdigest(), wanted)


def _find_length(headers: Headers) -> int:
    return next((int(value) for name, value in headers if name.lower() == b"content-length"), 0)
