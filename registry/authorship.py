"""Signatures of revisions and exports: the user, the host, the command, and the version of the software."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import sys
from functools import cache
from pathlib import Path

from msgspec import Struct

from registry.errors import RequestError
from registry.identifiers import quote
from registry.packages import find_version
from registry.permissions import name_user
from registry.secrets import has_database_password, mask_words


class Signature(Struct, frozen=True):
    """The author, host, command line (passwords masked) and software version of one action."""

    author: str
    host: str
    command: str
    software: str


def build_signature() -> Signature:
    """Return the signature of this process."""
    program = Path(sys.argv[0]).name
    words = ["calreg" if program == "__main__.py" else program, *mask_words(sys.argv[1:])]
    return Signature(
        author=_find_user_name(),
        host=escape_undecodable(socket.gethostname()),
        command=escape_undecodable(shlex.join(words)),
        software=software_version(),
    )


def escape_undecodable(text: str) -> str:
    r"""Return the text with bytes of a path that are not UTF-8 written as ``\xe9``, for databases and JSON.

    A lone surrogate that does not stand for a byte is written as ``\ud800``.
    """
    try:
        return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()


def refuse_unrecordable(text: str, what: str) -> None:
    """Raise `RequestError` for a text with bytes that are not UTF-8, a NUL, or the password of a database.

    What is recorded is never changed, so it can neither be mended nor masked; `what` names it in the message.
    """
    if has_database_password(text):
        raise RequestError(
            f"{what} cannot be recorded: it holds the address of a database with its password; leave that out"
        )
    if "\0" in text or escape_undecodable(text) != text:
        raise RequestError(f"{what} {quote(text)} cannot be recorded: it must be UTF-8 without a NUL")


def find_working_folder() -> str | None:
    """Return the working folder of the process, None where it was removed."""
    try:
        return escape_undecodable(str(Path.cwd()))
    except FileNotFoundError:
        return None


@cache
def software_version() -> str:
    """Return the name and version of this software, ``calreg 0.1.0``."""
    return f"calreg {find_version('calreg')}"


def _find_user_name() -> str:
    """Return the user's name from the system, not from a variable; the number where there is no name."""
    return escape_undecodable(name_user(os.getuid()) if hasattr(os, "getuid") else getpass.getuser())
