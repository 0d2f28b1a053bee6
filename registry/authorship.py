"""Who does something, from where, and by which command: what every revision and export is signed with."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from registry.errors import RequestError
from registry.identifiers import shown
from registry.secrets import masked


@dataclass(frozen=True, slots=True)
class Signature:
    """Author, host, command line (without passwords) and software version of one action."""

    author: str
    host: str
    command: str
    software: str


def sign() -> Signature:
    """Return the signature of this process, now."""
    return Signature(
        author=_operating_system_user(),
        host=socket.gethostname(),
        command=recordable(shlex.join([_program(), *map(masked, sys.argv[1:])])),
        software=software_version(),
    )


def recordable(text: str) -> str:
    r"""Return a text that may hold a path as databases and JSON take it: bytes that are no UTF-8 as ``\xe9``."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def refuse_unrecordable(text: str, what: str) -> None:
    """Refuse a text that no database keeps as it is: with bytes that are not UTF-8, or a NUL.

    Raises
    ------
    RequestError
        It is such a text; `what` it is meant as is said.
    """
    if "\0" in text or recordable(text) != text:
        raise RequestError(
            f"{what} {shown(text)} cannot be recorded: it must be UTF-8, and have no NUL in it"
        )


def working_folder() -> str | None:
    """Return the folder in which the process works, None where it is gone."""
    try:
        return recordable(str(Path.cwd()))
    except FileNotFoundError:
        return None


def _program() -> str:
    name = Path(sys.argv[0]).name
    return "calreg" if name == "__main__.py" else name


@cache
def software_version() -> str:
    """Return the name and version of this software, ``calreg 0.1.0``."""
    return f"calreg {version('calreg')}"


def _operating_system_user() -> str:
    """Return the user's name, or the number where the system has none; never what a variable claims."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except ImportError:  # not POSIX
        return getpass.getuser()
    except KeyError:
        return f"uid {os.getuid()}"
