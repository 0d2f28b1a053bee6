"""A file that somebody else wrote is read whole, but never more of it than makes sense."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from registry.errors import NotFoundError, RequestError, UnavailableError


def read_bounded(path: Path, largest: int, what: str, refusal: type[RequestError] = RequestError) -> bytes:
    """Return the file's bytes.

    Parameters
    ----------
    largest
        In bytes; a larger file is not `what` it should be ("a provenance document").
    refusal
        The error for what is no such file.

    Raises
    ------
    NotFoundError
        There is no such file.
    RequestError
        It is a folder, or too large: of the class `refusal`.
    UnavailableError
        It cannot be read.
    """
    with opened(path, what, refusal) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise refusal(f"{str(path)!r} is larger than {largest >> 20} MiB: not {what}")
    return content


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    NotFoundError, RequestError, UnavailableError
        As `opened`.
    """
    with opened(path, "a file") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def opened(path: Path, what: str, refusal: type[RequestError] = RequestError) -> Iterator[BufferedReader]:
    """Open a file to read; what goes wrong while it is read is refused, too.

    Raises
    ------
    NotFoundError
        There is no such file.
    RequestError
        It is a folder, or no regular file: of the class `refusal`.
    UnavailableError
        It cannot be read.
    """
    name = repr(str(path))
    try:
        with open_regular(path) as file:
            yield file
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {name}") from None
    except IsADirectoryError:
        raise refusal(f"{name} is a folder, not {what}") from None
    except IrregularFileError:
        raise refusal(f"{name} is no regular file, so not {what}") from None
    except OSError as error:
        raise UnavailableError(f"{name} cannot be read: {error.strerror}") from None


class IrregularFileError(OSError):
    """A pipe, a device or a socket stands in the place of a file."""


def open_regular(path: Path) -> BufferedReader:
    """Open a file to read, and nothing that could keep us waiting or has no end: no pipe, device or folder.

    Raises
    ------
    OSError
        As `open`; `IrregularFileError` where it is no regular file.
    """
    if "\0" in str(path):  # the system has no such name, and Python's sentence would be another error
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise IrregularFileError(errno.EINVAL, "it is no regular file", str(path))
    return path.open("rb")
