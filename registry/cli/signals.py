"""Ctrl-C: between the start of a verb and its end it is a `KeyboardInterrupt`; before, nothing has been done yet.

Python would show a traceback where it comes while modules are imported, and Typer has an exit code of its own. This
module is imported before all others, and so imports little.
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

EXIT_INTERRUPTED = 130
_MESSAGE = b"interrupted; nothing was recorded\n"
_REPEAT_SECONDS = 0.01


def end_quietly_when_interrupted() -> None:
    """Let Ctrl-C end the process with a message, until a verb begins; where it is ignored, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
        sys.unraisablehook = _repeat_interruption


@contextmanager
def end_if_interrupted() -> Iterator[None]:
    """End the process at once where the program inside ends with the exit code of an interruption.

    An interruption inside of `exec`, with which many modules define classes, would let Python kill its process later.
    """
    try:
        yield
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED and sys.unraisablehook is _repeat_interruption:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(EXIT_INTERRUPTED)
        raise


def _end(*_: object) -> None:
    os.write(2, _MESSAGE)
    os._exit(EXIT_INTERRUPTED)


@contextmanager
def _permit_interruption() -> Iterator[None]:
    """Let Ctrl-C raise `KeyboardInterrupt` inside, and ignore it afterwards: the work is done.

    Only in the program ``calreg``, not where it is called as a function.
    """
    if sys.unraisablehook is not _repeat_interruption:
        yield
        return
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_interruptibly(run: Callable[[], Any]) -> Any:
    """Return the result of a verb; after Ctrl-C print what it has recorded, and end with the exit code for this."""
    import typer

    from registry.interruptions import follow_attempts

    with follow_attempts() as describe_attempts:
        try:
            with _permit_interruption():
                return run()
        except KeyboardInterrupt:
            typer.echo(f"interrupted; {_describe_interruption(describe_attempts)}", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None


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

        Timer(_REPEAT_SECONDS, signal.raise_signal, [signal.SIGINT]).start()
    else:
        sys.__unraisablehook__(unraisable)
