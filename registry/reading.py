"""A file that somebody else wrote is read whole, but never more of it than makes sense."""

from __future__ import annotations

import hashlib
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
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise refusal(f"{name} is no regular file, so not {what}")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {name}") from None
    except IsADirectoryError:
        raise refusal(f"{name} is a folder, not {what}") from None
    except OSError as error:
        raise UnavailableError(f"{name} cannot be read: {error.strerror}") from None
