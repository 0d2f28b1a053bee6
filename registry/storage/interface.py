"""The storage of a store: bytes by their keys, such as ``objects/ab/abcd.npy``, in a folder or elsewhere.

A key is a path with ``/``, relative to the place. There are documents, which are small and replaced as a whole, and
objects, which are large and never change. Methods raise an `OSError`, which `Storage.translate_errors` words.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from registry.files import Digest


class Document(NamedTuple):
    """The content of a document, with a tag that is another one once it has changed."""

    content: bytes
    tag: Hashable


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The condition that a document is still the one that had this tag."""

    tag: Hashable


Condition = Literal["any", "absent"] | Unchanged
"""The state in which a document must be to be written: whatever it is, not there, or as it was read."""

ANY: Condition = "any"


class Entry(NamedTuple):
    """A file of a storage: its key, its size in bytes, and when it was last stored, in Unix seconds."""

    key: str
    size: int
    stored_at: float
    is_link: bool = False


class OpenObject(NamedTuple):
    """An object that is being read; ``size`` is that of the object now, in bytes."""

    size: int
    file: BufferedIOBase


class Source(Protocol):
    """The bytes of what is to be stored."""

    @property
    def name(self) -> str:
        """The name, for messages."""

    def open(self) -> BufferedIOBase:
        """Open it to read, from its beginning; raise a `RegistryError` where it cannot be."""


class Storage(Protocol):
    """A place that keeps documents and objects."""

    def __hash__(self) -> int:
        """Return a number by which it is told from others."""

    @property
    def place(self) -> str:
        """The place, as it is shown."""

    @property
    def requests(self) -> int:
        """The number of objects that are worth being asked for at once, beyond one for each processor."""

    def locate(self, key: str) -> str:
        """Return the location of a file, for messages."""

    def find_key(self, location: str) -> str:
        """Return the key of what is at a location; the opposite of `locate`."""

    def make_absolute(self) -> Storage:
        """Return the same storage, whatever the working folder will be."""

    def translate_errors(self, action: str, key: str | None = None) -> AbstractContextManager[None]:
        """Turn an `OSError` into an `UnavailableError`: "... cannot be read: ...", of the store, or of one file."""

    def contains(self, other: Storage) -> bool:
        """Tell whether another storage is this one, or in it."""

    # The whole.

    def prepare(self, *, with_objects: bool = True) -> None:
        """Make what must be there before a file can be; nothing where it is there."""

    def refuse_unwritable(self) -> None:
        """Raise `UnavailableError` where nothing can be stored, as far as is known without trying."""

    def list_names(self) -> list[str]:
        """Return the names at the top, of files and of what begins the keys of others."""

    def lock(self) -> AbstractContextManager[None]:
        """Let no other process change the documents meanwhile, where there are locks; else conditions must do."""

    def claim(self, name: str) -> AbstractContextManager[str]:
        """Claim objects that take long to write, and remove what dead processes have left; yield a stem for names."""

    def has_claims(self, name: str) -> bool:
        """Tell whether a process that is not there any more may have left files that this one can remove."""

    # Documents.

    def read_document(self, key: str, max_size: int) -> Document | None:
        """Return a document, of which at most `max_size` bytes are read; None where there is none."""

    def find_tag(self, key: str) -> Hashable | None:
        """Return the tag that a document has now, None where there is none."""

    def write_document(
        self,
        key: str,
        content: bytes,
        condition: Condition = ANY,
        *,
        shared: bool = False,
        durable: bool = True,
        synced: bool = True,
    ) -> bool:
        """Write a document as a whole, or return False where the condition does not hold.

        Parameters
        ----------
        shared
            All who may add objects may replace it.
        durable, synced
            As of `files.atomic_write`, where there is a disk.
        """

    # Objects and all files.

    def open_object(self, key: str) -> OpenObject | None:
        """Open an object to read, None where there is none, or something else in its place."""

    def get_source(self, key: str) -> Source:
        """Return an object as what can be stored elsewhere."""

    def put_object(
        self, key: str, source: Source, digest: Digest, expected: str, stem: str | None = None
    ) -> None:
        """Store an object, which gets its name only when its bytes have been compared with the expected digest.

        Raises
        ------
        RequestError
            The source has other bytes.
        """

    def gather_objects(self) -> AbstractContextManager[Storage]:
        """Yield this storage, where objects that are put may wait for each other to get their names.

        All have them at the end, or none that waits gets one where an error ends it.
        """

    def renew(self, key: str) -> bool:
        """Date an object now, if that can be done without storing it again; return whether it can."""

    def has_entry(self, key: str) -> bool:
        """Tell whether there is anything at all under a key."""

    def is_blocked(self, key: str) -> bool:
        """Tell whether something is in the place of an object that cannot be replaced, as a folder."""

    def stat(self, key: str) -> Entry | None:
        """Return the present size and date of a file, None where there is none."""

    def list_keys(self) -> list[str]:
        """Return the keys of all files below ``objects``, in their order."""

    def list_leftovers(self) -> list[str]:
        """Return the keys of the temporary files at the top."""

    def remove(self, key: str) -> None:
        """Remove a file."""

    # How a service sends an object.

    def find_file(self, key: str) -> Path | None:
        """Return the file of an object, where the system can send it; None where its bytes go through."""

    def sign_url(self, key: str, seconds: int) -> str | None:
        """Return a URL at which anyone can get an object for some time, None where there is none."""
