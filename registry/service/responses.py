"""The responses of a service: JSON with the headers that say how long it may be kept."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from registry.errors import (
    CorruptionError,
    LeftOutError,
    RegistryError,
    RequestError,
    SchemaError,
    UnavailableError,
)
from registry.records.json import encode, to_builtins
from registry.records.refusals import STATUSES, build_refusal
from registry.service.kept_answers import EncodedAnswer
from registry.service.redaction import redact

PINNED = "public, max-age=86400"
LIVE = "public, max-age=2"
UNKEPT = "no-store"

_RETRY_SECONDS = 2
_MISSING = 404
_MAX_BODY = 128 << 20
_POLICY = b"default-src 'none'"
# What they say about files and servers is for the operator.
_PRIVATE = (CorruptionError, SchemaError, UnavailableError)


def encode_answer(
    value: Any,
    *,
    keeping: str,
    public: bool,
    status: int = 200,
    etag: bytes = b"",
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> EncodedAnswer:
    """Return a value as it is sent; refuse one that is too large to be sent at once."""
    body = encode(redact(to_builtins(value)) if public else value)
    if len(body) > _MAX_BODY:
        raise RequestError(
            f"the answer has {len(body) >> 20} MiB, more than the {_MAX_BODY >> 20} MiB of one answer: ask for less at"
            " once",
            bytes=len(body),
        )
    return build_answer(body, b"application/json", keeping=keeping, status=status, etag=etag, more=more)


def build_answer(
    body: bytes,
    media_type: bytes,
    *,
    keeping: str,
    status: int = 200,
    etag: bytes = b"",
    more: tuple[tuple[bytes, bytes], ...] = (),
    policy: bytes = _POLICY,
) -> EncodedAnswer:
    """Return a body with its headers; `policy` says what a browser may load for it."""
    headers = (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"content-security-policy", policy),
        *more,
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", keeping.encode()),
        *(((b"etag", etag),) if etag else ()),
    )
    return EncodedAnswer(status, headers, body, etag)


def build_unchanged(answer: EncodedAnswer) -> EncodedAnswer:
    """Return what is sent to a client that has the answer already."""
    headers = tuple(
        header for header in answer.headers if header[0] not in {b"content-type", b"content-length"}
    )
    return EncodedAnswer(304, headers, b"", answer.etag)


def encode_refusal(
    error: RegistryError, *, public: bool, keeping: str = UNKEPT, status: int | None = None
) -> EncodedAnswer:
    """Return a refusal as it is sent: the status tells proxies, the body the client."""
    if public:
        error = hide_details(error)
    is_missing = isinstance(error, LeftOutError)  # for good: to ask again does not help
    is_passing = isinstance(error, UnavailableError) and not is_missing
    more = ((b"retry-after", str(_RETRY_SECONDS).encode()),) if is_passing else ()
    if status is None:
        status = _MISSING if is_missing else STATUSES[error.code]
    return encode_answer(
        build_refusal(error),
        keeping=keeping,
        public=public,
        status=status,
        more=more,
    )


def hide_details(error: RegistryError) -> RegistryError:
    """Return a refusal for everybody, without the details of files and servers."""
    if isinstance(error, _PRIVATE):
        return type(error)("the registry cannot answer this now; its operator finds the reason in the log")
    return error


def respond(answer: EncodedAnswer) -> Response:
    """Return an encoded answer as a response of Starlette."""
    response = Response(answer.body, answer.status)
    response.raw_headers = list(answer.headers)
    return response
