"""The server: it checks that the registry can be served, and runs the workers."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context

import msgspec

from registry.api.serving import open_to_serve, read_present_state
from registry.errors import RequestError, UnavailableError
from registry.extras import import_extra
from registry.identifiers import quote
from registry.service.options import VARIABLE, Options
from registry.settings import Settings, refuse_pin

_PORTS = range(1, 1 << 16)
_MAX_WORKERS = 256
_BACKLOG = 4096
_MAX_FILES = 1 << 16
_HEADER_SECONDS = 15
_MAX_HEADERS = 1 << 16  # bytes, with the URL


def serve(
    settings: Settings, host: str, port: int, workers: int, options: Options, announce: Callable[[str], None]
) -> None:
    """Serve a registry until the process is interrupted; `announce` is called with the address.

    Raises
    ------
    UnavailableError
        The registry cannot be read, the port is taken, the packages of the service are not installed, or workers end
        as soon as they begin.
    RequestError
        The port or the number of workers cannot be, or the database's role may write.
    CorruptionError
        The newest revision has no seal, so that it has no pin.
    """
    refuse_pin("serve the registry")
    if port not in _PORTS:
        raise RequestError(f"{port} is not a port: a number from 1 to {_PORTS[-1]} is expected")
    if not 1 <= workers <= _MAX_WORKERS:
        raise RequestError(f"{workers} is not a number of workers: 1 to {_MAX_WORKERS} are expected")
    granian = import_extra("granian", "serve", "granian, which serves, is not installed")
    import_extra("starlette", "serve", "starlette, which the service is made with, is not installed")
    import_extra("jinja2", "serve", "jinja2, which its pages are made with, is not installed")
    _check(settings)  # what is wrong is said here, not by every worker
    address = _find_address(host, port)
    _allow_many_connections()
    from granian.constants import HTTPModes, Interfaces, RuntimeModes
    from granian.http import HTTP1Settings

    os.environ["CALREG_DATABASE"], os.environ["CALREG_STORE"] = settings.database, str(settings.store)
    with tempfile.TemporaryDirectory(prefix="calreg-serve-", ignore_cleanup_errors=True) as counts:
        os.environ[VARIABLE] = msgspec.json.encode(replace(options, counts=counts)).decode()
        server = granian.Granian(
            "registry.service.worker:build_service",
            address=address,
            port=port,
            interface=Interfaces.ASGI,
            workers=workers,
            factory=True,
            backlog=_BACKLOG,
            runtime_mode=RuntimeModes.st,  # a third less of the processor for a file that is sent
            http=HTTPModes.http1,  # with the other one, who says nothing would not be cut off
            websockets=False,
            log_access=False,
            log_level="warning",
            http1_settings=HTTP1Settings(
                header_read_timeout=_HEADER_SECONDS * 1000, max_buffer_size=_MAX_HEADERS
            ),
            respawn_failed_workers=True,
            workers_kill_timeout=5,
        )
        announce(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        try:
            server.serve()
        except SystemExit:  # of granian, when workers end again and again
            raise UnavailableError("the workers of the service end as soon as they begin") from None


def _check(settings: Settings) -> None:
    """Open the registry in a process of its own: the library of buckets does not survive that workers are forked."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as checker:
        checker.submit(_open_and_close, settings).result()


def _open_and_close(settings: Settings) -> None:
    with open_to_serve(settings) as registry:
        read_present_state(registry)


def _find_address(host: str, port: int) -> str:
    """Return the address of a host; refuse one of another machine, and one at which the port is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or "0.0.0.0",  # noqa: S104 - as everywhere, no name means every address
            port,
            type=socket.SOCK_STREAM,
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (socket.gaierror, UnicodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be a name"
        raise RequestError(f"{quote(host)} is not the address of this machine: {reason}", host=host) from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise RequestError(
                f"{quote(host)} is not the address of this machine: {os.strerror(error.errno)}", host=host
            ) from None
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UnavailableError(f"{host}:{port} cannot be used: {reason}", host=host, port=port) from None
    return str(address[0])


def _allow_many_connections() -> None:
    """Let this process and its workers have as many connections as its user may have files."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(_MAX_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
