"""Storages without a disk of this machine: no links, no locks, and nothing is left of a write that was killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Self

from registry.errors import DeniedError, StoreServerError
from registry.files import TEMPORARY_PREFIX
from registry.permissions import DENIED


class Diskless:
    """The part of a `Storage` that is the same wherever there is no disk.

    Parameters
    ----------
    place
        The place, as it is shown.
    """

    def __init__(self, place: str) -> None:
        self.place = place

    def locate(self, key: str) -> str:
        """Return the location of a file, for messages."""
        return f"{self.place}/{key}"

    def find_key(self, location: str) -> str:
        """Return the key of what is at a location."""
        return location.removeprefix(f"{self.place}/")

    def make_absolute(self) -> Self:
        """Return this storage: it is the same from everywhere."""
        return self

    @contextmanager
    def translate_errors(self, action: str, key: str | None = None) -> Iterator[None]:
        """Turn an `OSError` into a `StoreServerError`, or a `DeniedError`, of the store or of one file of it."""
        try:
            yield
        except OSError as error:
            what = f"the store {self.place!r}" if key is None else repr(self.locate(key).rstrip("/"))
            error_class = DeniedError if error.errno in DENIED else StoreServerError
            path = str(error.filename or self.place)
            raise error_class(f"{what} cannot be {action}: {error.strerror}", path=path) from None

    def contains(self, other: object) -> bool:
        """Tell whether another storage is this one, or in it."""
        return isinstance(other, type(self)) and f"{other.place}/".startswith(f"{self.place}/")

    def lock(self) -> AbstractContextManager[None]:
        """Return at once: conditions protect the documents."""
        return nullcontext()

    def claim(self, name: str) -> AbstractContextManager[str]:  # noqa: ARG002 - the shape of every storage
        """Claim nothing: a write that was killed leaves nothing."""
        return nullcontext("")

    def has_claims(self, name: str) -> bool:  # noqa: ARG002 - the shape of every storage
        """Return False: a write that was killed leaves nothing."""
        return False

    def gather_objects(self) -> AbstractContextManager[Self]:
        """Return this storage: each object gets its name by itself."""
        return nullcontext(self)

    def list_names(self) -> list[str]:
        """Return the names at the top."""
        raise NotImplementedError

    def list_leftovers(self) -> list[str]:
        """Return the keys of temporary files at the top."""
        return sorted(name for name in self.list_names() if name.startswith(TEMPORARY_PREFIX))

    def renew(self, key: str) -> bool:  # noqa: ARG002 - the shape of every storage
        """Return False: an object gets a new date by being stored again."""
        return False

    def is_blocked(self, key: str) -> bool:  # noqa: ARG002 - the shape of every storage
        """Return False: every object can be replaced."""
        return False

    def find_file(self, key: str) -> Path | None:  # noqa: ARG002 - the shape of every storage
        """Return None: there is no file."""
        return None

    def sign_url(self, key: str, seconds: int) -> str | None:  # noqa: ARG002 - the shape of every storage
        """Return None: there are no such URLs."""
        return None
