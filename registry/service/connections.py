"""The connections of a worker: clients that take no answer are cut off by the kernel, orphaned workers end."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

_OPEN_FILES = Path("/proc/self/fd")
_FIRST_SECONDS, _PAUSE, _ORPHAN_PAUSE = 30.0, 0.05, 1.0


def watch_connections(silent_seconds: int) -> None:
    """Cut off clients that take nothing of their answer for so long; end when the server is gone that started this.

    The listening socket is the server's own, made after this: it is looked for among the open files, where the system
    lists them. Its connections have its options.
    """
    threading.Thread(target=_limit_patience, args=(silent_seconds,), daemon=True).start()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _limit_patience(silent_seconds: int) -> None:
    end = time.monotonic() + _FIRST_SECONDS
    while hasattr(socket, "TCP_USER_TIMEOUT") and time.monotonic() < end:
        listening = _find_listening()
        if listening is not None:
            with listening:
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silent_seconds * 1000)
            return
        time.sleep(_PAUSE)


def _find_listening() -> socket.socket | None:
    """Return a duplicate of the socket on which this process listens, None while there is none."""
    with suppress(OSError):
        for file in list(_OPEN_FILES.iterdir()):
            with suppress(OSError):  # closed meanwhile
                if file.is_socket() and (listener := _duplicate_listening(int(file.name))) is not None:
                    return listener
    return None


def _duplicate_listening(handle: int) -> socket.socket | None:
    listener = socket.socket(fileno=os.dup(handle))
    is_tcp = listener.family in {socket.AF_INET, socket.AF_INET6} and listener.type == socket.SOCK_STREAM
    if is_tcp and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return listener
    listener.close()
    return None


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_ORPHAN_PAUSE)
    os.kill(os.getpid(), signal.SIGTERM)
