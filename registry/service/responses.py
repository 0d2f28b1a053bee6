"""The responses of a service: JSON with the headers that say how long it may be kept."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from registry.errors import (
    BehindError,
    CorruptionError,
    LeftOutError,
    RegistryError,
    RequestError,
    SchemaError,
    UnavailableError,
)
from registry.records.json import encode, to_builtins
from registry.records.refusals import STATUSES, build_refusal, may_pass
from registry.service.kept_answers import EncodedAnswer
from registry.service.redaction import redact

IMMUTABLE = "public, max-age=31536000, immutable"
PINNED = "public, max-age=86400"
LIVE = "public, max-age=2"
UNKEPT = "no-store"

_RETRY_SECONDS = 2
_MISSING = 404
_MAX_BODY = 128 << 20
_POLICY = b"default-src 'none'"
# What they say about files and servers is for the operator.
_PRIVATE = (CorruptionError, SchemaError, UnavailableError)


@dataclass(frozen=True, slots=True)
class Encoder:
    """Encodes the answers of a service.

    Attributes
    ----------
    public
        Leave out authors, hosts, commands and paths.
    guarded
        Who asks must bear a token: no cache on the way may give an answer to somebody else.
    """

    public: bool = False
    guarded: bool = False

    def encode_answer(
        self,
        value: Any,
        *,
        keeping: str,
        status: int = 200,
        etag: bytes = b"",
        more: tuple[tuple[bytes, bytes], ...] = (),
    ) -> EncodedAnswer:
        """Return a value as it is sent; refuse one that is too large to be sent at once."""
        body = encode(redact(to_builtins(value)) if self.public else value)
        if len(body) > _MAX_BODY:
            raise RequestError(
                f"the answer has {len(body) >> 20} MiB, more than the {_MAX_BODY >> 20} MiB of one answer: ask for less"
                " at once",
                bytes=len(body),
            )
        return self.build_answer(
            body, b"application/json", keeping=keeping, status=status, etag=etag, more=more
        )

    def build_answer(
        self,
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
            *list_safe_headers(policy),
            *more,
            (b"content-type", media_type),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", self.limit_keeping(keeping).encode()),
            *(((b"etag", etag),) if etag else ()),
        )
        return EncodedAnswer(status, headers, body, etag)

    def encode_refusal(
        self,
        error: RegistryError,
        *,
        keeping: str = UNKEPT,
        status: int | None = None,
        more: tuple[tuple[bytes, bytes], ...] = (),
    ) -> EncodedAnswer:
        """Return a refusal as it is sent: the status tells proxies, the body the client."""
        error = self.hide_details(error)
        more = (*more, *list_waits(error))
        if status is None:  # what was left out is missing for good
            status = _MISSING if isinstance(error, LeftOutError) else STATUSES[error.code]
        return self.encode_answer(
            build_refusal(error),
            keeping=keeping,
            status=status,
            more=more,
        )

    def hide_details(self, error: RegistryError) -> RegistryError:
        """Return a refusal; of a public service without what it says of files and servers."""
        if not self.public or isinstance(error, BehindError):
            return error
        if isinstance(error, _PRIVATE):
            return type(error)(
                "the registry cannot answer this now; its operator finds the reason in the log"
            )
        if isinstance(error.__cause__, (sa.exc.SQLAlchemyError, sqlite3.Error)):
            return type(error)("the database refuses this question")
        return error

    def limit_keeping(self, keeping: str) -> str:
        """Return how long an answer may be kept, and by whom."""
        return keeping.replace("public", "private") if self.guarded else keeping


def list_safe_headers(policy: bytes = _POLICY) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that keep browsers from doing anything else with an answer."""
    return (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"content-security-policy", policy),
    )


def list_waits(error: RegistryError) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that says when to ask again, where that may help."""
    return ((b"retry-after", str(_RETRY_SECONDS).encode()),) if may_pass(error) else ()


def build_unchanged(answer: EncodedAnswer) -> EncodedAnswer:
    """Return what is sent to a client that has the answer already."""
    headers = tuple(
        header for header in answer.headers if header[0] not in {b"content-type", b"content-length"}
    )
    return EncodedAnswer(304, headers, b"", answer.etag)


def respond(answer: EncodedAnswer) -> Response:
    """Return an encoded answer as a response of Starlette."""
    response = Response(answer.body, answer.status)
    response.raw_headers = list(answer.headers)
    return response
