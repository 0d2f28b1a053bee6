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
from registry.identifiers import quote
from registry.secrets import mask_passwords


@dataclass(frozen=True, slots=True)
class Signature:
    """Author, host, command line (without passwords) and software version of one action."""

    author: str
    host: str
    command: str
    software: str


def build_signature() -> Signature:
    """Return the signature of this process, now."""
    return Signature(
        author=_find_user_name(),
        host=socket.gethostname(),
        command=escape_undecodable(shlex.join([_program_name(), *map(mask_passwords, sys.argv[1:])])),
        software=software_version(),
    )


def escape_undecodable(text: str) -> str:
    r"""Return a text that may hold a path as databases and JSON take it: bytes that are no UTF-8 as ``\xe9``."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def refuse_unrecordable(text: str, what: str) -> None:
    """Refuse a text that no database keeps as it is: with bytes that are not UTF-8, or a NUL.

    Raises
    ------
    RequestError
        It is such a text; `what` it is meant as is said.
    """
    if "\0" in text or escape_undecodable(text) != text:
        raise RequestError(
            f"{what} {quote(text)} cannot be recorded: it must be UTF-8, and have no NUL in it"
        )


def find_working_folder() -> str | None:
    """Return the folder in which the process works, None where it is gone."""
    try:
        return escape_undecodable(str(Path.cwd()))
    except FileNotFoundError:
        return None


def _program_name() -> str:
    name = Path(sys.argv[0]).name
    return "calreg" if name == "__main__.py" else name


@cache
def software_version() -> str:
    """Return the name and version of this software, ``calreg 0.1.0``."""
    return f"calreg {version('calreg')}"


def _find_user_name() -> str:
    """Return the user's name, or the number where the system has none; never what a variable claims."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except ImportError:  # not POSIX
        return getpass.getuser()
    except KeyError:
        return f"uid {os.getuid()}"
