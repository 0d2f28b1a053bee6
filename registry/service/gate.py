"""The gate before the service: what may come in, answers that are kept, what is counted and logged."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from hashlib import sha256
from typing import Any

from registry.errors import RegistryError, RequestError
from registry.service.kept_answers import EncodedAnswer
from registry.service.responses import build_unchanged, encode_refusal
from registry.service.state import State

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOG = logging.getLogger("registry.service")
_METHODS = ("GET", "HEAD")
_MAX_URL = 8192
"""Bytes of a path and its query: 64 panel Ids of the longest form and more."""
_OPEN_PATHS = ("/healthz",)
_BEARER = b"bearer "


class Gate:
    """Lets requests through to the service; answers those that it kept, and those that are refused, itself."""

    def __init__(self, service: Application, state: State) -> None:
        self._service, self._state = service, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the service answer it."""
        if scope["type"] != "http":
            await self._service(scope, receive, send)
            return
        began = time.perf_counter()
        sent = _Sent(send, is_head=scope["method"] == "HEAD")
        headers = dict(scope["headers"])
        url = find_url(scope)
        answer = self._refuse(scope, headers, url) or self._find_kept(headers, url)
        if answer is None:
            await self._service(scope, receive, sent)
        else:
            await send_answer(answer, sent)
        seconds = time.perf_counter() - began
        self._state.metrics.count_request(find_kind(scope["path"]), sent.status, sent.size)
        _LOG.info(
            "%s %s %s %d %.1f ms",
            scope["method"],
            ascii(url.decode(errors="replace")),
            sent.status,
            sent.size,
            1000 * seconds,
        )

    def _refuse(self, scope: Scope, headers: Mapping[bytes, bytes], url: bytes) -> EncodedAnswer | None:
        """Return the refusal of a request that may not come in, None for one that may."""
        if scope["method"] not in _METHODS:
            return self._build_refusal(
                RequestError("only GET and HEAD are answered: this service records nothing"),
                405,
                ((b"allow", b", ".join(method.encode() for method in _METHODS)),),
            )
        if len(url) > _MAX_URL:
            return self._build_refusal(
                RequestError(f"the URL has more than {_MAX_URL} bytes: ask for fewer things at once"), 414
            )
        wanted = self._state.options.token_sha256
        if wanted is not None and scope["path"] not in _OPEN_PATHS and not _bears_token(headers, wanted):
            return self._build_refusal(
                RequestError("this service needs a token, and the request bears none or another one"),
                401,
                ((b"www-authenticate", b"Bearer"),),
            )
        return None

    def _build_refusal(
        self, error: RegistryError, status: int, more: tuple[tuple[bytes, bytes], ...] = ()
    ) -> EncodedAnswer:
        answer = encode_refusal(error, public=self._state.options.public, status=status)
        return EncodedAnswer(status, (*answer.headers, *more), answer.body)

    def _find_kept(self, headers: Mapping[bytes, bytes], url: bytes) -> EncodedAnswer | None:
        answer = self._state.kept.get(url)
        if answer is None:
            return None
        if is_known(headers, answer.etag):
            self._state.metrics.count_kept("unchanged")
            return build_unchanged(answer)
        self._state.metrics.count_kept("hit")
        return answer


class _Sent:
    """Sends a response on, without the body where only its head is wanted, and remembers its status and size."""

    def __init__(self, send: Send, *, is_head: bool) -> None:
        self._send, self._is_head = send, is_head
        self.status, self.size = 0, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
            if self._is_head:
                message = {**message, "body": b""}
        await self._send(message)


async def send_answer(answer: EncodedAnswer, send: Send) -> None:
    """Send an encoded answer."""
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": "http.response.body", "body": answer.body})


def find_url(scope: Mapping[str, Any]) -> bytes:
    """Return the path and the query of a request, as they came."""
    path = scope.get("raw_path") or scope["path"].encode(errors="surrogateescape")
    query: bytes = scope["query_string"]
    return bytes(path) + b"?" + query if query else bytes(path)


def find_kind(path: str) -> str:
    """Return the kind of a request, for counting: names and digests are left out."""
    parts = path.strip("/").split("/")
    if parts[:1] != ["v1"]:
        return parts[0] if parts[0] in {"healthz", "metrics"} else "other"
    place = 3 if parts[1:2] == ["r"] else 1
    word = parts[place] if len(parts) > place else "other"
    return word if word in KINDS else "other"


KINDS: set[str] = set()
"""The first words of the paths that are answered; the service adds its own."""


def is_known(headers: Mapping[bytes, bytes], etag: bytes) -> bool:
    """Tell whether a client has the answer with this ETag."""
    stated = headers.get(b"if-none-match")
    if stated is None or not etag:
        return False
    return stated.strip() == b"*" or etag in {part.strip().removeprefix(b"W/") for part in stated.split(b",")}


def _bears_token(headers: Mapping[bytes, bytes], wanted: str) -> bool:
    stated = headers.get(b"authorization", b"")
    if stated[: len(_BEARER)].lower() != _BEARER:
        return False
    return hmac.compare_digest(sha256(stated[len(_BEARER) :].strip()).hexdigest(), wanted)
