"""The pager: what is read on a terminal goes through ``less``, or what the person uses instead, as git does it.

It is started by the first line of the answer. While it runs, Ctrl-C is its own, and what belongs on stderr waits, so
that nothing is written across its screen. A pager that is left early is like a closed pipe.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from typer.core import TyperOption

from registry.cli.colours import DUMB_TERMINALS
from registry.cli.defaults import find_default
from registry.cli.formats import LISTINGS
from registry.cli.streams import wrap_like

if TYPE_CHECKING:
    import subprocess

PAGED = {*LISTINGS, "diff", "identify", "panel show", "provenance show", "show", "version diff"}
"""The verbs whose answers are read, and may be long."""

_DEFAULT = "less"
_SHELL_CHARACTERS = re.compile(r"""[|&;<>()$`\\"'*?\[\]#~=%]""")
_NOT_STARTED = (126, 127)  # exit codes of a shell that cannot start a program


class _Pager(io.RawIOBase):
    """The pipe to a pager, which is started when something is written; without it the terminal itself.

    Attributes
    ----------
    notes
        Why the pager was not used.
    held
        What is to be printed on stderr when the pager has ended.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self.notes: list[str] = []
        self.held: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._is_begun = self._is_left = False
        self._former_handler: Any = None

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def isatty(self) -> bool:
        """Tell that a person reads it: lines are folded, and have colours."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes; `BrokenPipeError` once, when the pager has been left."""
        if not self._is_begun:
            self._is_begun = True
            self._start()
        if self.process is None or self.process.stdin is None:
            return os.write(1, data)
        if self._is_left:
            return len(data)
        try:
            return os.write(self.process.stdin.fileno(), data)
        except BrokenPipeError:
            self._is_left = True
            raise

    def _start(self) -> None:
        import shutil  # here and below: most commands start no pager
        import subprocess
        import threading

        words = _split_command(self.command)
        reason = f"there is no program {words[0]}" if shutil.which(_find_program(words)) is None else None
        if reason is None:
            try:
                self.process = subprocess.Popen(  # noqa: S603 - the person's own choice
                    words,
                    stdin=subprocess.PIPE,
                    env={"LESS": "FRX", "LV": "-c", **os.environ},
                )
            except OSError as error:
                reason = error.strerror or str(error)
        if self.process is None:
            if self.command != _DEFAULT:
                self.notes.append(f"the pager {self.command!r} cannot be started: {reason}")
        elif threading.current_thread() is threading.main_thread():
            self._former_handler = signal.getsignal(signal.SIGINT)
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def finish(self, *, is_ended: bool) -> None:
        """Wait until the person has left the pager; end it at once where the system ends this process."""
        if self.process is None:
            return
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        if is_ended:
            self.process.terminate()
        code = self.process.wait()
        if self._former_handler is not None:
            signal.signal(signal.SIGINT, self._former_handler)
        if code in _NOT_STARTED:
            self.notes.append(f"the pager {self.command!r} ended with exit code {code}")


def _split_command(command: str) -> list[str]:
    """Return the words of a command; those of a shell where it has a shell's characters."""
    return ["sh", "-c", command] if _SHELL_CHARACTERS.search(command) else command.split()


def _find_program(words: list[str]) -> str:
    """Return the program of a command: in a shell's command, the first word that assigns nothing."""
    if words[0] != "sh" or len(words) < 3:
        return words[0]
    import shlex

    try:
        inner = shlex.split(words[2])
    except ValueError:
        return words[0]
    return next((word for word in inner if "=" not in word), words[0])


_active: list[_Pager] = []


def hold_message(text: str) -> bool:
    """Keep a line for stderr until the pager has ended, if one runs; return whether it is kept."""
    if not _active or _active[-1].process is None or not sys.stderr.isatty():
        return False
    _active[-1].held.append(text)
    return True


def add_pager(command: Any, verb: str) -> Any:
    """Add ``--no-pager`` to a verb whose answer is read; return it."""
    if verb in PAGED:
        command.params.append(
            TyperOption(
                param_decls=["--no-pager"],
                is_flag=True,
                default=False,
                expose_value=False,
                is_eager=True,
                callback=_begin_paging,
                help="Print a long answer at once, also on a terminal.",
            )
        )
    return command


def _begin_paging(ctx: Any, _option: Any, unwanted: bool) -> None:
    if unwanted or ctx.resilient_parsing or not sys.stdout.isatty() or not sys.stdin.isatty():
        return
    command = _choose_pager(ctx)
    if command is not None:
        ctx.with_resource(_page_answer(command))


def _choose_pager(ctx: Any) -> str | None:
    """Return the command of the pager: of CALREG_PAGER, the user's configuration, PAGER, else ``less``; or None."""
    if os.environ.get("TERM", "dumb") in DUMB_TERMINALS:
        return None
    command = os.environ.get("CALREG_PAGER")
    if command is None:
        default = find_default(ctx, "pager")
        command = os.environ.get("PAGER", _DEFAULT) if default is None else str(default.value)
    return None if command.strip() in ("", "cat") else command


@contextmanager
def _page_answer(command: str) -> Iterator[None]:
    """Send the answer through the pager, until the verb ends; then print what was held back."""
    answer, pager = sys.stdout, _Pager(command)
    sys.stdout.flush()
    sys.stdout = wrap_like(pager, answer)
    _active.append(pager)
    is_ended = False
    try:
        yield
    except KeyboardInterrupt:
        is_ended = True
        raise
    finally:
        with suppress(BrokenPipeError):
            sys.stdout.flush()
        pager.finish(is_ended=is_ended)
        _active.pop()
        sys.stdout = answer
        for text in (*(f"note: {note}" for note in pager.notes), *pager.held):
            sys.stderr.write(f"{text}\n")
