"""The standard streams of the program: closed or full, in any encoding, they cause no traceback and no silent loss.

This module is imported before most others, and so imports little.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # as in the package
if TYPE_CHECKING:
    from typing import Any

_ESCAPE = "calreg.escape"
_CANNOT_PRINT = 8  # the exit code of what is unavailable


class _GuardedFile(io.RawIOBase):
    """A stream's file: its first failure is kept, and what is written after it is discarded."""

    def __init__(self, handle: int, failure: OSError | None) -> None:
        self._handle = handle
        self.failure = failure
        self.is_used = False

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def fileno(self) -> int:
        """Return its number."""
        return self._handle

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return os.isatty(self._handle)

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        """Write bytes; `BrokenPipeError` once where the reader of the answer has enough."""
        self.is_used = self.is_used or len(data) > 0
        while self.failure is None:
            try:
                return os.write(self._handle, data)
            except BlockingIOError:
                _wait_for(self._handle)
            except OSError as error:
                self.failure = error
                if error.errno == errno.EPIPE and self._handle == 1:
                    raise
        return len(data)


class _Text(io.TextIOWrapper):
    """A stream's text, in ASCII alone where it can have nothing else."""

    only_ascii = False

    def write(self, text: str) -> int:
        """Write text; a character that the encoding lacks is written as JSON and Python escape it."""
        return super().write(escape_to_ascii(text) if self.only_ascii else text)


def escape_to_ascii(text: str) -> str:
    r"""Return a text with all characters but those of ASCII as ``\u00e9``."""
    return text.encode("ascii", _ESCAPE).decode()


def can_print(text: str) -> bool:
    """Tell whether the encoding of the standard output has all characters of a text."""
    if getattr(sys.stdout, "only_ascii", False):
        return text.isascii()
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = (units[index : index + 2].hex() for index in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs), error.end


codecs.register_error(_ESCAPE, _escape)


def guard_streams() -> None:
    """Let no file get the number of a closed stream, and no text or full disk end the program in a traceback."""
    closed = []
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
            closed.append(handle)
    sys.stdout = _guard(1, sys.stdout, is_closed=1 in closed)
    sys.stderr = _guard(2, sys.stderr, is_closed=2 in closed)


def _guard(handle: int, former: Any, *, is_closed: bool) -> _Text:
    encoding = getattr(former, "encoding", None) or "utf-8"
    failure = OSError(errno.EBADF, "it is closed") if is_closed or former is None else None
    is_ascii = codecs.lookup(encoding).name == "ascii"
    is_terminal = failure is None and os.isatty(handle)
    text = _Text(
        io.BufferedWriter(_GuardedFile(handle, failure)),  # type: ignore[type-var]
        encoding="utf-8"
        if is_ascii
        else encoding,  # Typer would take another stream in the place of one of ASCII
        errors=_ESCAPE,
        line_buffering=is_terminal or handle == 2,
    )
    text.only_ascii = is_ascii
    return text


def wrap_like(raw: io.RawIOBase, former: Any) -> io.TextIOWrapper:
    """Return a text stream that writes to another place as the former one does, line by line."""
    text = _Text(
        io.BufferedWriter(raw),
        encoding=former.encoding,
        errors=former.errors,
        line_buffering=True,
    )
    text.only_ascii = getattr(former, "only_ascii", False)
    return text


def find_failure() -> str | None:
    """Return why a part of the answer cannot be printed, None where all of it was, or its reader had enough."""
    with suppress(BrokenPipeError):
        sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, _GuardedFile):
        return None
    failure = raw.failure
    if failure is None or failure.errno == errno.EPIPE or not raw.is_used:
        return None
    return f"the answer cannot be printed on the standard output: {failure.strerror}"


@contextmanager
def end_if_unprinted() -> Iterator[None]:
    """End the program with an exit code where its help, which is not a verb's answer, cannot be printed."""
    try:
        yield
    except SystemExit as end:
        failure = find_failure()
        if failure is not None and not end.code:
            sys.stderr.write(f"error: {failure}\n")
            sys.stderr.flush()
            raise SystemExit(_CANNOT_PRINT) from None
        raise


def _wait_for(handle: int) -> None:
    """Wait until a stream that does not block takes more."""
    import select

    select.select([], [handle], [])
