"""A proxy that passes each request on so much later, as over a long line: ``python -m testing.delays PORT SECONDS``.

It is a process of its own, and the system moves the bytes from socket to socket: what is measured behind it does not
share an interpreter with it, and little of a processor.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_PIPE_SIZE = 1 << 18
_HOST = "127.0.0.1"


@contextmanager
def run_delaying_proxy(port: int, seconds: float) -> Iterator[int]:
    """Run the proxy before a port of this machine; yield its own port."""
    words = [sys.executable, "-m", "testing.delays", str(port), str(seconds)]
    process = subprocess.Popen(words, cwd=_ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this module
    with process:
        try:
            yield int(process.stdout.readline() if process.stdout else 0)
        finally:
            process.terminate()


def _serve(port: int, seconds: float) -> None:
    with socket.create_server((_HOST, 0), backlog=128) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_pass_on, args=(client, port, seconds), daemon=True).start()


def _pass_on(client: socket.socket, port: int, seconds: float) -> None:
    """Pass the bytes of a connection on, both ways; what the client says after an answer, later."""
    with client, suppress(OSError), socket.create_connection((_HOST, port)) as server:
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        is_answered = threading.Event()
        is_answered.set()

        def delay() -> None:
            if is_answered.is_set():  # the first piece of a request, not the rest of one
                is_answered.clear()
                time.sleep(seconds)

        def answer() -> None:
            with suppress(OSError):
                _move(server, client, is_answered.set)
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=answer, daemon=True).start()
        _move(client, server, delay)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)


def _move(source: socket.socket, target: socket.socket, before: Callable[[], object]) -> None:
    """Move the bytes of a connection to another one until it ends; call `before` when there are some."""
    waiting = select.poll()
    waiting.register(source, select.POLLIN)
    with ExitStack() as closing:
        outlet, inlet = os.pipe()
        closing.callback(os.close, outlet)
        closing.callback(os.close, inlet)
        with suppress(OSError):  # this user may have no larger pipes
            fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        while waiting.poll():
            before()
            size = os.splice(source.fileno(), inlet, _PIPE_SIZE)
            if not size:
                return
            while size:
                size -= os.splice(outlet, target.fileno(), size)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), float(sys.argv[2]))
