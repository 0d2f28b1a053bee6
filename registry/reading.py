"""A file that somebody else wrote is read whole, but never more of it than makes sense."""

from __future__ import annotations

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
    name = repr(str(path))
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise refusal(f"{name} is no regular file, so not {what}")
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {name}") from None
    except IsADirectoryError:
        raise refusal(f"{name} is a folder, not {what}") from None
    except OSError as error:
        raise UnavailableError(f"{name} cannot be read: {error.strerror}") from None
    if len(content) > largest:
        raise refusal(f"{name} is larger than {largest >> 20} MiB: not {what}")
    return content
