"""Run calreg in a pseudo terminal of a given width."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path


def run_in_terminal(
    arguments: list[str], environment: Mapping[str, str], columns: int = 80, folder: Path | None = None
) -> str:
    """Return what is written on the terminal, stdout and stderr, with its escapes."""
    terminal, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    known = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")
    }
    variables = {**known, "TERM": "xterm", "NO_COLOR": "1", **environment}
    if not variables["NO_COLOR"]:  # older versions of rich take an empty one for a wish, too
        del variables["NO_COLOR"]
    with subprocess.Popen(  # noqa: S603 - calreg, with the words of a test
        [sys.executable, *arguments],
        cwd=folder,
        env=variables,
        stdin=inner,
        stdout=inner,
        stderr=inner,
    ) as process:
        os.close(inner)
        written = bytearray()
        while piece := _read_chunk(terminal):
            written += piece
    os.close(terminal)
    if process.returncode:
        raise AssertionError(written.decode())
    return written.decode().replace("\r\n", "\n")


def _read_chunk(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # so Linux says that the other end is closed
        return b""
