"""Requests to a service over HTTP: one answer each, or a refusal; whatever is between the two.

The code in the body of a refusal decides, never the status alone: a status without that body is of a proxy, or of
another server, and means only that there is no answer.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from registry.errors import OfflineError, RegistryError, Remedy, RequestError, UnavailableError
from registry.extras import import_extra
from registry.identifiers import escape_control_characters, format_count, quote
from registry.records.refusals import may_pass, parse_refusal
from registry.settings import is_offline, is_service_url
from registry.tokens import read_token

if TYPE_CHECKING:
    import urllib3

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0
_ATTEMPTS = 5
_FIRST_WAIT, _MAX_WAIT = 0.25, 15.0  # seconds
_MAX_REDIRECTS = 5
_MAX_ANSWER = 256 << 20  # bytes of JSON
_PIECE = 1 << 20
_RETRIED = frozenset({429, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

# By the names of urllib3's errors, the special ones first.
_FINAL_PROBLEMS = {
    "SSLError": "its certificate is not accepted: {reason}",
    "NameResolutionError": "its name is not known here",
}
_PASSING_PROBLEMS = {
    "NewConnectionError": "no server answers there",
    "ConnectTimeoutError": f"it did not answer within {_CONNECT_SECONDS:.0f} s",
    "ReadTimeoutError": f"it was silent for {_READ_SECONDS:.0f} s",
}


class Service:
    """A service at a URL. Threads may share it, and a child of a fork opens connections of its own.

    Parameters
    ----------
    attempts
        How often a request is made that fails in a way that may pass; by default several times.

    Raises
    ------
    RequestError
        The URL cannot be that of a service.
    UnavailableError
        urllib3 is not installed, or the token or the certificates cannot be read.
    """

    def __init__(self, url: str, *, attempts: int | None = None) -> None:
        self._attempts = attempts or _ATTEMPTS
        self._urllib3: Any = import_extra("urllib3", "remote", "urllib3, which speaks HTTP, is not installed")
        self.url = _parse_url(url)
        self._token = _read_token()
        self._certificates = os.environ.get("CALREG_CA")
        self.is_offline = is_offline()
        self._pools: dict[str, urllib3.PoolManager] = {}  # by scheme
        self._owner = 0
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The URL as it may be shown."""
        return self.url

    @property
    def has_token(self) -> bool:
        """True where requests bear a token: who has one may be told more."""
        return self._token is not None

    def __reduce__(self) -> tuple[type[Service], tuple[str]]:
        """Open connections of its own where it is unpickled."""
        return Service, (self.url,)

    def close(self) -> None:
        """Close all connections."""
        pools, self._pools = self._pools, {}
        if self._owner == os.getpid():
            for pool in pools.values():
                pool.clear()

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Any:
        """Return the JSON that is answered to a question.

        Raises
        ------
        RegistryError
            The refusal of the service; `UnavailableError` where there is no answer.
        """
        address = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        return self._try_again(lambda: self._get_json(address))

    def download(self, path: str, size: int, write: Callable[[bytes], object]) -> None:
        """Pass the bytes of an object on, piece by piece; go on where a connection was lost.

        What was passed on is not verified: the caller knows the digest.
        """
        address, passed = f"{self.url}{path}", 0

        def receive() -> None:
            nonlocal passed
            headers = {"range": f"bytes={passed}-"} if passed else {}
            with self._open(address, headers) as response:
                if passed and response.status != http.client.PARTIAL_CONTENT:
                    _skip(response, passed)
                while piece := response.read1(_PIECE):  # what is there, also before the connection is lost
                    passed += len(piece)
                    if passed > size:
                        raise self._error(f"it sent more than {format_count(size, 'byte')} of {path}")
                    write(piece)
            if passed < size:
                raise _LostConnectionError(f"it sent {passed} of {format_count(size, 'byte')} of {path}")

        self._try_again(receive)

    def _try_again(self, request: Callable[[], Any]) -> Any:
        """Return the result of a request, which is repeated where that can help; there is none offline."""
        if self.is_offline:
            raise OfflineError(
                f"the service {self.url} is not asked: CALREG_OFFLINE is set", remedy=Remedy.FETCH
            )
        wait = _FIRST_WAIT
        for attempt in range(1, self._attempts + 1):
            try:
                return request()
            except _BusyError as busy:
                if attempt == self._attempts or (busy.seconds or 0) > _MAX_WAIT:
                    raise busy.error from None
                pause = max(busy.seconds or 0.0, wait)
            except _LostConnectionError as error:
                if attempt == self._attempts:
                    raise self._error(str(error)) from None
                pause = wait
            time.sleep(pause * random.uniform(1.0, 1.5))  # noqa: S311 - many clients shall not come back at once
            wait = min(2 * wait, _MAX_WAIT)
        raise AssertionError  # never reached

    def _get_json(self, address: str) -> Any:
        with self._open(address, {}) as response:
            content = b"".join(_read_bounded(response, self))
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self._error("its answer is not JSON: a proxy may have sent a page of its own") from None

    @contextmanager
    def _open(self, address: str, headers: Mapping[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        """Yield the response of status 200, or 206 where a range was asked for; raise the refusal of another."""
        try:
            response = self._follow(address, headers)
            try:
                if response.status not in {200, 206}:
                    self._refuse(response)
                yield response
            finally:
                response.release_conn()
        except self._urllib3.exceptions.HTTPError as error:
            raise self._translate(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise _LostConnectionError(_describe(error)) from None

    def _follow(self, address: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """Return the response, after redirections; the token goes to the host of the URL only."""
        home = urlsplit(self.url)
        for _ in range(_MAX_REDIRECTS + 1):
            place = urlsplit(address)
            sent = {"accept": "application/json, application/octet-stream", **headers}
            if self._token and (place.scheme, place.netloc) == (home.scheme, home.netloc):
                sent["authorization"] = f"Bearer {self._token}"
            response = self._find_pool(place.scheme).request(
                "GET", address, headers=sent, redirect=False, retries=False, preload_content=False
            )
            if response.status not in _REDIRECTS:
                return response
            target = urljoin(address, response.headers.get("location", ""))
            response.drain_conn()
            response.release_conn()
            if not is_service_url(target) or (place.scheme == "https" and not target.startswith("https://")):
                raise self._error("it redirects to a URL that is not followed: from https only to https")
            address = target
        raise self._error(f"it redirects more than {_MAX_REDIRECTS} times")

    def _find_pool(self, scheme: str) -> urllib3.PoolManager:
        """Return the connections for a scheme; to read all certificates takes longer than to ask, and is for https."""
        with self._lock:
            if self._owner != os.getpid():
                self._pools, self._owner = {}, os.getpid()
            if scheme not in self._pools:
                context = self._make_tls_context() if scheme == "https" else None
                timeout = self._urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS)
                self._pools[scheme] = self._urllib3.PoolManager(
                    num_pools=4, maxsize=16, timeout=timeout, ssl_context=context
                )
            return self._pools[scheme]

    def _make_tls_context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._certificates)
        except (OSError, ssl.SSLError) as error:
            raise UnavailableError(
                f"the certificates of CALREG_CA {quote(str(self._certificates))} cannot be read:"
                f" {_describe(error)}"
            ) from None

    def _refuse(self, response: urllib3.BaseHTTPResponse) -> None:
        """Raise the refusal in a response; one that may pass as `_BusyError`."""
        try:
            error = parse_refusal(json.loads(b"".join(_read_bounded(response, self))))
        except (ValueError, RecursionError):
            error = None
        is_ours = error is not None
        if error is None:
            reason = escape_control_characters(http.client.responses.get(response.status, ""))
            error = self._error(
                f"it answered {response.status} {reason}".rstrip()
                + ", and not as a registry does: a proxy, or another server"
            )
        if response.status in _RETRIED and (not is_ours or may_pass(error)):
            raise _BusyError(error, _parse_seconds(response.headers.get("retry-after")))
        raise error

    def _translate(self, error: Exception) -> Exception:
        """Return the refusal for an error of urllib3; what may pass as `_LostConnectionError`."""
        kinds = self._urllib3.exceptions
        reason = error
        while isinstance(reason, kinds.MaxRetryError) and reason.reason is not None:
            reason = reason.reason
        if isinstance(reason, kinds.LocationParseError):
            return RequestError(f"{quote(self.url)} is not the URL of a service")
        for kind, problem in _FINAL_PROBLEMS.items():
            if isinstance(reason, getattr(kinds, kind)):
                return self._error(problem.format(reason=_describe(reason)))
        for kind, problem in _PASSING_PROBLEMS.items():
            if isinstance(reason, getattr(kinds, kind)):
                return _LostConnectionError(problem)
        return _LostConnectionError(f"the connection was lost: {_describe(reason)}")

    def _error(self, problem: str) -> UnavailableError:
        return UnavailableError(f"the service {self.url} cannot be used: {problem}", service=self.url)


class _BusyError(Exception):
    """The service, or a proxy before it, says that it may answer later, and perhaps when."""

    def __init__(self, error: RegistryError, seconds: float | None) -> None:
        super().__init__(str(error))
        self.error, self.seconds = error, seconds


class _LostConnectionError(Exception):
    """There was no whole answer; the next attempt may bring one."""


def _parse_url(text: str) -> str:
    """Return a URL without a slash at its end; refuse one with parts that a service has not."""
    try:
        parts = urlsplit(text)
        is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_whole = False
    if not is_whole or not text.isprintable() or " " in text or not text.isascii():
        raise RequestError("the URL of the service cannot be read; write https://HOST or https://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise RequestError(
            "the URL of the service has a name or a password in it; a token is read from the file that"
            " CALREG_TOKEN_FILE names"
        )
    if parts.query or parts.fragment:
        raise RequestError("the URL of the service has a ? or a # in it; write https://HOST/PATH")
    return text.rstrip("/")


def _read_token() -> str | None:
    name = os.environ.get("CALREG_TOKEN_FILE")
    return read_token(Path(name)) if name else None


def _read_bounded(response: urllib3.BaseHTTPResponse, service: Service) -> Iterator[bytes]:
    size = 0
    for piece in response.stream(_PIECE):
        size += len(piece)
        if size > _MAX_ANSWER:
            raise service._error(f"its answer has more than {_MAX_ANSWER >> 20} MiB")  # noqa: SLF001 - of this module
        yield piece


def _skip(response: urllib3.BaseHTTPResponse, size: int) -> None:
    while size > 0:
        piece = response.read(min(size, _PIECE))
        if not piece:
            return
        size -= len(piece)


def _parse_seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 6 else None


def _describe(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return escape_control_characters(text)[:300]
