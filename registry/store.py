"""The content store: every registered file once, under the name of its SHA-256, never changed.

``<store>/objects/<first 2 hex digits>/<sha256>.npy``, byte for byte the registered file, and
``<store>/registry.json``, which names the registry to which the store belongs. A file gets its name only when its
bytes are stored, so a crash leaves at most a file that nothing refers to. Mode bits, sizes and tags prove nothing:
every use reads the bytes and computes their checksum. Where the bytes are is for `registry.storage` to know.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Self

from registry.errors import (
    ConflictError,
    CorruptionError,
    DeniedError,
    LeftOutError,
    Remedy,
    StoreServerError,
    UnavailableError,
)
from registry.files import TEMPORARY_PREFIX, blake3_of, new_blake3, sha256_of
from registry.left_out_notes import refuse_left_out, write_left_out_note
from registry.parallel import CPU_COUNT, map_in_threads
from registry.records import FileUse, SnapshotPart
from registry.storage import Entry, FileSource, Place, Source, Storage, open_storage

_MARKER_KEY = "registry.json"
_STORE_FORMAT = 1
_MAX_MARKER_SIZE = 4096
_OBJECT_KEY = re.compile(r"objects/([0-9a-f]{2})/(\1[0-9a-f]{62})\.npy")


class ContentStore:
    """The files of one registry.

    Its methods raise `UnavailableError` where a file cannot be read or written, `CorruptionError` where one that was
    stored is missing or has other bytes, and `ConflictError` where the store belongs to another registry.
    """

    def __init__(self, place: Place | Storage) -> None:
        self.storage = open_storage(place)

    @property
    def place(self) -> str:
        """The place of the store, as it is shown."""
        return self.storage.place

    @property
    def requests(self) -> int:
        """The number of objects that are read ahead of the one that is used, see `Storage.requests`."""
        return self.storage.requests

    @property
    def threads(self) -> int:
        """The number of threads that read or write objects at once: more where each one waits for an answer."""
        return max(CPU_COUNT, self.storage.requests)

    def make_absolute(self) -> Self:
        """Return the same store, whatever the working folder will be."""
        return type(self)(self.storage.make_absolute())

    def is_same(self, other: ContentStore) -> bool:
        """Tell whether another store has the same files because it is at the same place."""
        return self.storage.contains(other.storage) and other.storage.contains(self.storage)

    def locate(self, sha256: str) -> str:
        """Return the location of the object with that checksum, stored or not."""
        return self.storage.locate(_find_key(sha256))

    def create(self, registry_id: str) -> None:
        """Create the store of that registry, unless it is there already."""
        self.create_folders()
        text = json.dumps({"registry": registry_id, "format": _STORE_FORMAT}) + "\n"
        with self._translate_errors():
            is_new = self.storage.write_document(_MARKER_KEY, text.encode(), "absent", shared=True)
        if not is_new:
            self.refuse_other_registry(registry_id)

    def create_folders(self, *, with_objects: bool = True) -> None:
        """Create what a store needs that belongs to nobody yet."""
        with self._translate_errors():
            self.storage.prepare(with_objects=with_objects)

    def refuse_unwritable(self) -> None:
        """Raise `UnavailableError` where the store cannot be created, or is there and cannot be written."""
        self.storage.refuse_unwritable()

    def list_names(self) -> list[str]:
        """Return the names of all that is at the top of the store."""
        with self.storage.translate_errors("read", ""):
            return self.storage.list_names()

    def read_owner(self) -> str | None:
        """Return the Id of the registry to which the store belongs, None where there is no store."""
        marker = self.storage.locate(_MARKER_KEY)
        with self._translate_errors():
            document = self.storage.read_document(_MARKER_KEY, _MAX_MARKER_SIZE)
        if document is None:
            return None
        try:
            owner = json.loads(document.content)["registry"]
        except (ValueError, LookupError, TypeError, RecursionError):
            owner = None
        if not isinstance(owner, str) or not owner.isprintable():
            raise CorruptionError(f"{marker!r} is damaged: it names no registry", path=marker)
        return owner

    def refuse_other_registry(self, registry_id: str) -> None:
        """Refuse a store that is not there, or belongs to another registry."""
        owner = self.read_owner()
        if owner is None:
            raise UnavailableError(
                f"there is no store {self.place!r}", remedy=Remedy.CREATE_REGISTRY, path=self.place
            )
        if owner != registry_id:
            raise ConflictError(
                f"the store {self.place!r} belongs to registry {owner}, the database to registry {registry_id}",
                store=owner,
                database=registry_id,
            )

    @contextmanager
    def gather_objects(self) -> Iterator[Self]:
        """Yield this store, where objects that are added get their names together, at the latest at the end."""
        with self.storage.gather_objects() as storage:
            yield type(self)(storage)

    def add_object(self, source: Path | Source, sha256: str, blake3: str | None = None) -> bool:
        """Store a copy of `source`, whose checksum is known; return whether it was new or replaced a damaged one.

        The copy is verified, by its BLAKE3 where that is given, which is quicker: `RequestError` is raised where the
        source has changed.
        """
        with self._translate_errors():
            if self.storage.renew(_find_key(sha256)):
                is_there = self._has_bytes(sha256)
                if is_there:
                    return False
            else:  # what is there gets its new date, and sound bytes, from being stored again
                is_there = self.storage.stat(_find_key(sha256)) is not None
            self._put_object(source, sha256, blake3)
        return not is_there

    def replace_object(self, source: Source, sha256: str, stem: str) -> None:
        """Put a verified copy of `source` in the place of an object that is missing or damaged, which is not read.

        Names of temporary files begin with `stem`.
        """
        with self._translate_errors():
            self.create_folders()
            self._put_object(source, sha256, None, stem)

    def _put_object(
        self, source: Path | Source, sha256: str, blake3: str | None, stem: str | None = None
    ) -> None:
        digest = new_blake3() if blake3 else hashlib.sha256()
        wanted = FileSource(source) if isinstance(source, Path) else source
        self.storage.put_object(_find_key(sha256), wanted, digest, blake3 or sha256, stem)

    def get_source(self, sha256: str) -> Source:
        """Return an object as what another store can add."""
        return self.storage.get_source(_find_key(sha256))

    def claim(self, name: str) -> AbstractContextManager[str]:
        """Claim objects that take long to write; see `Storage.claim`."""
        return self.storage.claim(name)

    def has_claims(self, name: str) -> bool:
        """Tell whether a killed process may have left files of a claim that this user can remove."""
        return self.storage.has_claims(name)

    def read(self, sha256: str, size: int) -> bytes:
        """Return the bytes with that checksum; raises as `read_into`."""
        return self.read_into(sha256, size, memoryview(bytearray()))

    def read_into(self, sha256: str, size: int, buffer: memoryview, blake3: str | None = None) -> bytes:
        """Fill `buffer` with the last bytes of an object, and return those before them, the header.

        The bytes are verified when it returns: by the recorded BLAKE3 where it is given, which is quicker.
        """
        key = _find_key(sha256)
        name = f"object {sha256}"
        where = f"the store {self.place!r}"
        with self._translate_errors():
            opened = self.storage.open_object(key)
            if opened is None:
                has_entry = self.storage.has_entry(key)
                if not has_entry:
                    refuse_left_out(self.storage, sha256)
                what = "is not a regular file in" if has_entry else "is missing from"
                raise CorruptionError(
                    f"{name} {what} {where}",
                    remedy=Remedy.REPAIR_STORE,
                    sha256=sha256,
                    path=self.locate(sha256),
                )
            with opened.file as file:
                # Memory is allocated for the size that is stored: that of a document from elsewhere may be false.
                head = file.read(min(max(size - buffer.nbytes, 0), opened.size))
                tail = buffer[: file.readinto(buffer)]
                is_whole = len(head) + len(tail) == size and not file.read(1)
        if not is_whole or (
            sha256_of(head, tail) != sha256 if blake3 is None else blake3_of(head, tail) != blake3
        ):
            raise CorruptionError(
                f"{name} in {where} is damaged: its bytes have another checksum",
                remedy=Remedy.REPAIR_STORE,
                sha256=sha256,
                path=self.locate(sha256),
            )
        return head

    def find_problem(self, sha256: str, size: int) -> str | None:
        """Return the problem of an object that cannot be read, or whose bytes have another checksum, else None.

        Raises
        ------
        DeniedError, LeftOutError
            This user may not read it, or a partial snapshot has not got it: nothing is known of its bytes.
        """
        error = self.find_error(sha256, size)
        if isinstance(error, (DeniedError, LeftOutError)):
            raise error
        return None if error is None else str(error)

    def find_error(self, sha256: str, size: int) -> CorruptionError | UnavailableError | None:
        """Return the error that is raised when the object is read, None where it is sound.

        Raises
        ------
        StoreServerError
            Nothing is known of this file, nor of others.
        """
        try:
            self.read(sha256, size)
        except StoreServerError:
            raise
        except (CorruptionError, UnavailableError) as error:
            return error
        return None

    def has_bytes(self, sha256: str) -> bool:
        """Return whether the object has the bytes with that checksum, whatever else is recorded of it."""
        with self._translate_errors():
            return self._has_bytes(sha256)

    def _has_bytes(self, sha256: str) -> bool:
        opened = self.storage.open_object(_find_key(sha256))
        if opened is None:  # never stored, or just collected
            return False
        with opened.file as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256

    def has_object(self, sha256: str) -> bool:
        """Return whether there is a file under that checksum; its bytes are not read."""
        return self.stat_object(sha256) is not None

    def sign_url(self, sha256: str, seconds: int) -> str | None:
        """Return a URL at which anyone can get an object for some time, None where there is none."""
        with self._translate_errors():
            return self.storage.sign_url(_find_key(sha256), seconds)

    @contextmanager
    def open_object(self, sha256: str) -> Iterator[BufferedIOBase]:
        """Open an object to read; its bytes are not verified."""
        with self._translate_errors():
            opened = self.storage.open_object(_find_key(sha256))
            if opened is None:
                raise CorruptionError(
                    f"object {sha256} is missing from the store {self.place!r}", sha256=sha256
                )
            with opened.file as file:
                yield file

    def list_absent(self, sha256s: Collection[str]) -> list[str]:
        """Return those of the checksums under which there is no file."""
        if not sha256s:
            return []
        are_there = map_in_threads(self.has_object, sha256s, self.threads)
        return [sha256 for sha256, is_there in zip(sha256s, are_there, strict=True) if not is_there]

    def stat_object(self, sha256: str) -> Entry | None:
        """Return the size and the date of an object, None where there is none; its bytes are not read."""
        return self.stat_file(_find_key(sha256))

    def has_entry(self, sha256: str) -> bool:
        """Tell whether anything is in the place of an object, also what is not one."""
        with self._translate_errors():
            return self.storage.has_entry(_find_key(sha256))

    def is_blocked(self, sha256: str) -> bool:
        """Tell whether something is in the place of an object that cannot be replaced, as a folder."""
        return self.storage.is_blocked(_find_key(sha256))

    def find_file(self, sha256: str) -> Path | None:
        """Return the file of an object, where the system can send it; None where its bytes go through."""
        return self.storage.find_file(_find_key(sha256))

    def list_objects(self) -> list[str]:
        """Return the keys of all files below ``objects``, referred to or not, in their order."""
        with self._translate_errors():
            return self.storage.list_keys()

    def list_files(self) -> list[str]:
        """Return the keys of all files of the store, objects and temporary ones, except its documents."""
        with self._translate_errors():
            return [*self.storage.list_leftovers(), *self.storage.list_keys()]

    def note_left_out(
        self, part: SnapshotPart | None, sha256s: Iterable[str], *, is_complete: bool = False
    ) -> None:
        """Note that files were left out of a partial snapshot; forget those of former ones that are there by now."""
        write_left_out_note(self.storage, part, sha256s, self.has_object, is_complete=is_complete)

    def is_referenced(self, key: str, referenced: Container[str]) -> bool:
        """Tell whether the file is one of the objects with these checksums, by its key."""
        match = _OBJECT_KEY.fullmatch(key)
        return match is not None and match[2] in referenced

    def stat_file(self, key: str) -> Entry | None:
        """Return a file's size in bytes and when it was last stored (Unix seconds), None where it is gone."""
        with self._translate_errors():
            return self.storage.stat(key)

    def is_own_file(self, entry: Entry) -> bool:
        """Tell whether the file has a name that the store gives, that of an object or a temporary one."""
        if entry.is_link:
            return False
        name = entry.key.rpartition("/")[2]
        return name.startswith(TEMPORARY_PREFIX) or _OBJECT_KEY.fullmatch(entry.key) is not None

    def remove_file(self, key: str) -> None:
        """Remove a file; that nothing refers to it is for the caller to know."""
        with self._translate_errors():
            self.storage.remove(key)

    def _translate_errors(self) -> AbstractContextManager[None]:
        return self.storage.translate_errors("used")


def _find_key(sha256: str) -> str:
    return f"objects/{sha256[:2]}/{sha256}.npy"


def manifest_sha256(detector_type: str, kind: str, sha256s: Sequence[str | None]) -> str:
    """Return the SHA-256 that identifies constants, of a text of their type, kind and checksums by gain range."""
    lines = ["calreg constants 1", f"type {detector_type}", f"kind {kind}"]
    lines += [f"{gain_range} {sha256}" for gain_range, sha256 in enumerate(sha256s)]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


@contextmanager
def name_use_in_errors(kind: str, gain_range: int, panel: str, version: int) -> Iterator[None]:
    """Add to the error of a damaged object the version that uses it."""
    try:
        yield
    except CorruptionError as error:
        raise CorruptionError(
            f"{error}; it is {FileUse(kind, gain_range, panel, version)}",
            remedy=error.remedy,
            **error.values,
            gain_range=gain_range,
            panel=panel,
            version=version,
        ) from None
