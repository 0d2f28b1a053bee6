"""The server: it checks that the registry can be served, and runs the workers."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable

import msgspec

from registry.api.serving import open_to_serve
from registry.errors import RequestError, UnavailableError
from registry.extras import import_extra
from registry.identifiers import quote
from registry.service.state import Options
from registry.service.worker import OPTIONS
from registry.settings import Settings, refuse_pin

_PORTS = range(1, 1 << 16)
_MAX_WORKERS = 256
_BACKLOG = 4096
_HEADER_SECONDS = 15


def serve(
    settings: Settings, host: str, port: int, workers: int, options: Options, announce: Callable[[str], None]
) -> None:
    """Serve a registry until the process is interrupted; `announce` is called with the address.

    Raises
    ------
    UnavailableError
        The registry cannot be read, the port is taken, or the packages of the service are not installed.
    RequestError
        The port or the number of workers cannot be, or the database's role may write.
    """
    refuse_pin("serve the registry")
    if port not in _PORTS:
        raise RequestError(f"{port} is not a port: a number from 1 to {_PORTS[-1]} is expected")
    if not 1 <= workers <= _MAX_WORKERS:
        raise RequestError(f"{workers} is not a number of workers: 1 to {_MAX_WORKERS} are expected")
    granian = import_extra("granian", "serve", "granian, which serves, is not installed")
    import_extra("starlette", "serve", "starlette, which the service is made with, is not installed")
    import_extra("jinja2", "serve", "jinja2, which its pages are made with, is not installed")
    open_to_serve(settings).close()  # what is wrong is said here, not by every worker
    _refuse_taken_port(host, port)
    from granian.constants import Interfaces, RuntimeModes
    from granian.http import HTTP1Settings

    os.environ["CALREG_DATABASE"], os.environ["CALREG_STORE"] = settings.database, str(settings.store)
    os.environ[OPTIONS] = msgspec.json.encode(options).decode()
    server = granian.Granian(
        "registry.service.worker:build_service",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        factory=True,
        backlog=_BACKLOG,
        runtime_mode=RuntimeModes.st,  # a third less of the processor for a file that is sent
        websockets=False,
        log_access=False,
        log_level="warning",
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_SECONDS * 1000),
        respawn_failed_workers=True,
        workers_kill_timeout=5,
    )
    announce(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
    server.serve()


def _refuse_taken_port(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise RequestError(
            f"{quote(host)} is not the address of this machine: {error.strerror}", host=host
        ) from None
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL}:
            raise
        raise UnavailableError(
            f"{host}:{port} cannot be used: {os.strerror(error.errno)}", host=host, port=port
        ) from None
