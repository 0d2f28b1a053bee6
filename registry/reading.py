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


def read_bounded(
    path: Path, max_size: int, expected: str, error_class: type[RequestError] = RequestError
) -> bytes:
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
    with open_input(path, expected, error_class) as file:
        content = file.read(max_size + 1)
    if len(content) > max_size:
        raise error_class(f"{str(path)!r} is larger than {max_size >> 20} MiB: not {expected}")
    return content


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    NotFoundError, RequestError, UnavailableError
        As `opened`.
    """
    with open_input(path, "a file") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def open_input(
    path: Path, expected: str, error_class: type[RequestError] = RequestError
) -> Iterator[BufferedReader]:
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
        raise error_class(f"{name} is a folder, not {expected}") from None
    except IrregularFileError:
        raise error_class(f"{name} is no regular file, so not {expected}") from None
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
