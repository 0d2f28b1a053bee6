"""Ctrl-C, and the ends that a system requests: between the start of a verb and its end each is a `KeyboardInterrupt`.

Before, nothing has been done yet. Python would show a traceback where Ctrl-C comes while modules are imported, and end
without a word or a clean-up at SIGTERM, as of a batch system, and at SIGHUP, as from a closed terminal. Typer has an
exit code of its own. This module is imported before all others, and so imports little.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # as in the package
if TYPE_CHECKING:
    from typing import Any

_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
_FIRST_EXIT_CODE = 128  # 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP: as a shell counts
_MESSAGE = b"interrupted; nothing was recorded\n"
_REPEAT_SECONDS = 0.01

_followed: list[signal.Signals] = []  # those that are not ignored, once the program has begun
_came: list[int] = []  # the first of these decides the exit code


def end_quietly_when_interrupted() -> None:
    """Let Ctrl-C and the like end the process with a message, until a verb begins; what is ignored stays so."""
    defaults = (signal.default_int_handler, signal.SIG_DFL)
    _followed[:] = [number for number in _SIGNALS if signal.getsignal(number) in defaults]
    for number in _followed:
        signal.signal(number, _end)
    if _followed:
        sys.unraisablehook = _repeat_interruption


@contextmanager
def end_if_interrupted() -> Iterator[None]:
    """End the process at once where the program inside ends with the exit code of an interruption.

    An interruption inside of `exec`, with which many modules define classes, would let Python kill its process later.
    """
    try:
        yield
    except SystemExit as end:
        if _came and end.code == _FIRST_EXIT_CODE + _came[0] and sys.unraisablehook is _repeat_interruption:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(_FIRST_EXIT_CODE + _came[0])
        raise


def _end(number: int, _frame: object) -> None:
    with suppress(OSError):  # the terminal may be closed
        os.write(2, _MESSAGE)
    os._exit(_FIRST_EXIT_CODE + number)


def _interrupt(number: int, _frame: object) -> None:
    _came.append(number)
    raise KeyboardInterrupt


@contextmanager
def _permit_interruption() -> Iterator[None]:
    """Let Ctrl-C and the like raise `KeyboardInterrupt` inside, and ignore them afterwards: the work is done.

    Only in the program ``calreg``, not where it is called as a function.
    """
    if sys.unraisablehook is not _repeat_interruption:
        yield
        return
    try:
        for number in _followed:
            signal.signal(number, _interrupt)
        yield
    finally:
        for number in _followed:
            signal.signal(number, signal.SIG_IGN)


def run_interruptibly(run: Callable[[Callable[[], str]], Any]) -> Any:
    """Return the result of a verb; after Ctrl-C print what it has recorded, and end with the exit code for this.

    The verb gets the function that describes what it has recorded so far.
    """
    import typer

    from registry.interruptions import follow_attempts

    with follow_attempts() as describe_attempts:
        try:
            with _permit_interruption():
                return run(describe_attempts)
        except KeyboardInterrupt:
            with suppress(OSError):  # the terminal may be closed
                typer.echo(f"interrupted; {_describe_interruption(describe_attempts)}", err=True)
            raise typer.Exit(_FIRST_EXIT_CODE + (_came[0] if _came else signal.SIGINT)) from None


def _describe_interruption(describe_attempts: Callable[[], str]) -> str:
    """Return what has become of the work that was interrupted, for one line of the terminal."""
    from registry.identifiers import escape_control_characters

    try:
        with _permit_interruption():
            return escape_control_characters(describe_attempts())
    except KeyboardInterrupt:
        return "whether something was recorded is not known"


def _repeat_interruption(unraisable: Any) -> None:
    """Send an interruption again that came inside a callback, where Python would print and forget it."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        from threading import Timer

        Timer(_REPEAT_SECONDS, signal.raise_signal, [_came[0] if _came else signal.SIGINT]).start()
    else:
        sys.__unraisablehook__(unraisable)
