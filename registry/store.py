"""The content store: every registered file once, under the name of its SHA-256, read-only, for ever.

``<store>/objects/<first 2 hex digits>/<sha256>.npy``, byte for byte the registered file, and
``<store>/registry.json``, which says to which registry the store belongs. A file gets its final name only
when its bytes are on disk, so a crash leaves at most a file that nothing refers to. Mode bits and sizes
prove nothing: every use reads the bytes and computes their checksum.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path

from registry.errors import ConflictError, CorruptionError, Remedy, RequestError, UnavailableError
from registry.files import (
    TEMPORARY_PREFIX,
    Digest,
    IrregularFileError,
    atomic_write,
    blake3_of,
    new_blake3,
    open_regular,
    sha256_of,
    sync_folder,
    translate_os_errors,
)

_MARKER_NAME = "registry.json"
_STORE_FORMAT = 1
_CHUNK_SIZE = 1 << 20
_MAX_MARKER_SIZE = 4096


class ContentStore:
    """The files of one registry."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _translate_errors(self) -> AbstractContextManager[None]:
        return translate_os_errors("used", self.root, f"the store {str(self.root)!r}")

    def object_path(self, sha256: str) -> Path:
        """Return where the file with that checksum lies, or would lie."""
        return self.root / "objects" / sha256[:2] / f"{sha256}.npy"

    def create(self, registry_id: str) -> None:
        """Make the store of that registry, or find it made.

        Raises
        ------
        ConflictError
            It belongs to another registry.
        CorruptionError
            Its marker names no registry.
        UnavailableError
            It cannot be written.
        """
        with self._translate_errors():
            (self.root / "objects").mkdir(parents=True, exist_ok=True)
            if (self.root / _MARKER_NAME).exists():
                self.refuse_other_registry(registry_id)
            else:
                text = json.dumps({"registry": registry_id, "format": _STORE_FORMAT}) + "\n"
                _write_marker(self.root / _MARKER_NAME, text.encode())

    def refuse_unwritable(self) -> None:
        """Refuse a place where no store can be made, before anything else is.

        Raises
        ------
        UnavailableError
            The nearest folder that is there cannot be written, or is none.
        """
        place = self.root
        while not place.exists() and place != place.parent:
            place = place.parent
        if not place.is_dir() or not os.access(place, os.W_OK):
            what = "written" if place == self.root else f"made in {str(place)!r}"
            raise UnavailableError(f"the store {str(self.root)!r} cannot be {what}", path=str(place))

    def read_owner(self) -> str | None:
        """Return the id of the registry to which the store belongs, None where no store is there.

        Raises
        ------
        CorruptionError
            Its marker names no registry.
        UnavailableError
            It cannot be read.
        """
        with self._translate_errors():
            marker = self.root / _MARKER_NAME
            try:
                with open_regular(marker) as file:
                    owner = json.loads(file.read(_MAX_MARKER_SIZE))["registry"]
            except FileNotFoundError:
                return None
            except (ValueError, LookupError, TypeError, RecursionError):
                owner = None
        if not isinstance(owner, str) or not owner.isprintable():
            raise CorruptionError(f"{str(marker)!r} is damaged: it names no registry", path=str(marker))
        return owner

    def refuse_other_registry(self, registry_id: str) -> None:
        """Refuse a store that is not there, or is not that registry's.

        Raises
        ------
        UnavailableError
            There is no store.
        ConflictError
            It belongs to another registry.
        """
        owner = self.read_owner()
        if owner is None:
            raise UnavailableError(
                f"there is no store {str(self.root)!r}", remedy=Remedy.CREATE_REGISTRY, path=str(self.root)
            )
        if owner != registry_id:
            raise ConflictError(
                f"the store {str(self.root)!r} belongs to registry {owner},"
                f" the database to registry {registry_id}",
                store=owner,
                database=registry_id,
            )

    def add_object(self, source: Path, sha256: str, blake3: str | None = None) -> bool:
        """Store a copy of `source`, whose checksum is known; return whether it was new or had to be mended.

        The copy is verified by its BLAKE3 where that is given, which is quicker.

        Raises
        ------
        RequestError
            The file is not what it was when its checksum was computed.
        UnavailableError
            The store cannot be written, or the source cannot be read.
        """
        target = self.object_path(sha256)
        with self._translate_errors():
            if _touch_if_intact(target, sha256):
                return False
            if not target.parent.exists():
                target.parent.mkdir(exist_ok=True)
                sync_folder(target.parent.parent)
            with atomic_write(target) as temporary:
                with translate_os_errors("read", source):
                    file = open_regular(source)
                with file, temporary.open("wb") as copy:
                    digest = _copy_and_hash(file, copy, new_blake3() if blake3 else hashlib.sha256())
                if digest != (blake3 or sha256):
                    raise RequestError(
                        f"{str(source)!r} was changed while it was read; nothing was recorded",
                        path=str(source),
                    )
                temporary.chmod(0o444)
        return True

    def read(self, sha256: str, size: int) -> bytes:
        """Return the bytes with that checksum, which has been computed from them just now.

        Raises
        ------
        CorruptionError
            The file is missing, or its bytes are others.
        UnavailableError
            It cannot be read.
        """
        return self.read_into(sha256, size, memoryview(bytearray()))

    def read_into(self, sha256: str, size: int, buffer: memoryview, blake3: str | None = None) -> bytes:
        """Fill `room` with the last bytes of an object, and return those before them, the header.

        Until it returns, what is in `room` is not verified. That is done by the BLAKE3 that was recorded with the
        object, where it is given: of the two digests the quicker one.

        Raises
        ------
        CorruptionError, UnavailableError
            As `read`.
        """
        path = self.object_path(sha256)
        with self._translate_errors():
            try:
                with _open_object(path) as file:
                    # Room is made for what is there, not for what a document from elsewhere claims.
                    there = os.fstat(file.fileno()).st_size
                    head = file.read(min(max(size - buffer.nbytes, 0), there))
                    tail = buffer[: file.readinto(buffer)]
                    is_whole = len(head) + len(tail) == size and not file.read(1)
            except _NoFileError as error:
                what = f"object {sha256} {error} the store {str(self.root)!r}"
                raise CorruptionError(what, sha256=sha256, path=str(path)) from None
        if not is_whole or not _matches_digest(sha256, blake3, head, tail):
            raise CorruptionError(
                f"object {sha256} in the store {str(self.root)!r} is damaged:"
                " its bytes have another checksum",
                sha256=sha256,
                path=str(path),
            )
        return head

    def find_problem(self, sha256: str, size: int) -> str | None:
        """Return what is wrong with the object, None where its bytes are those of its name."""
        try:
            self.read(sha256, size)
        except (CorruptionError, UnavailableError) as error:  # a bad sector is a problem, not the end
            return str(error)
        return None

    def has_object(self, sha256: str) -> bool:
        """Return whether there is a file under that checksum; its bytes are not read."""
        with self._translate_errors():
            return _stat_uncached(self.object_path(sha256)) is not None

    def list_objects(self) -> Iterator[Path]:
        """Return every file below ``objects``, referred to or not, in the order of their names."""
        with self._translate_errors():
            return iter(sorted(path for path in (self.root / "objects").rglob("*") if path.is_file()))

    def list_files(self) -> list[Path]:
        """Return every file that belongs to the store but its marker, objects and temporary ones."""
        with self._translate_errors():
            return [*sorted(self.root.glob(f"{TEMPORARY_PREFIX}*")), *self.list_objects()]

    def is_referenced(self, path: Path, referenced: Container[str]) -> bool:
        """Return whether the file is one of the objects with these checksums, by its name and place."""
        return path.stem in referenced and path == self.object_path(path.stem)

    def stat_file(self, path: Path) -> tuple[int, float] | None:
        """Return a file's size in bytes and when it was last stored (Unix seconds), None where it is gone.

        Raises
        ------
        UnavailableError
            It cannot be read.
        """
        with self._translate_errors():
            found = _stat_uncached(path)
        return None if found is None else (found.st_size, found.st_mtime)

    def is_own_file(self, path: Path) -> bool:
        """Return whether the file has a name that the store gives, to an object or to one that arrives."""
        if path.is_symlink():
            return False
        return path.name.startswith(TEMPORARY_PREFIX) or (
            path == self.object_path(path.stem) and re.fullmatch("[0-9a-f]{64}", path.stem) is not None
        )

    def remove_file(self, path: Path) -> None:
        """Remove a file to which nothing refers; whether that is so, the caller knows.

        Raises
        ------
        UnavailableError
            It cannot be removed.
        """
        with self._translate_errors():
            path.unlink()


def manifest_sha256(detector_type: str, kind: str, sha256s: Sequence[str | None]) -> str:
    """Return what identifies constants: the SHA-256 of a text of type, kind and the checksums by gain range."""
    lines = ["calreg constants 1", f"type {detector_type}", f"kind {kind}"]
    lines += [f"{gain_range} {sha256}" for gain_range, sha256 in enumerate(sha256s)]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def describe_use(kind: str, gain_range: int, panel: str, version: int) -> str:
    """Return in words for what a version uses a file."""
    return f"{kind} of gain range {gain_range} of panel {panel}, version {version}"


@contextmanager
def name_use_in_errors(kind: str, gain_range: int, panel: str, version: int) -> Iterator[None]:
    """Let the refusal of a damaged object say who needs it."""
    try:
        yield
    except CorruptionError as error:
        raise CorruptionError(
            f"{error}; it is {describe_use(kind, gain_range, panel, version)}",
            **error.values,
            gain_range=gain_range,
            panel=panel,
            version=version,
        ) from None


def _copy_and_hash(file: BufferedReader, copy: BufferedWriter, digest: Digest) -> str:
    """Copy what is left of a file; return its digest."""
    room = memoryview(bytearray(_CHUNK_SIZE))
    while size := file.readinto(room):
        digest.update(room[:size])
        copy.write(room[:size])
    return digest.hexdigest()


def _touch_if_intact(path: Path, sha256: str) -> bool:
    """Return whether the object is there and sound; it counts as stored now, so that nobody collects it."""
    with suppress(OSError):  # somebody else's file, or a disk that is read-only: `Backend.change` looks again
        os.utime(path)
    try:
        with _open_object(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except _NoFileError:  # never stored, or collected a moment ago
        return False


def _stat_uncached(path: Path) -> os.stat_result | None:
    """Return what is known of a file now, None where it is gone.

    It is opened for that: then a file system of a network asks its server, and not its memory.
    """
    try:
        with _open_object(path) as file:
            return os.fstat(file.fileno())
    except _NoFileError:
        return None


class _NoFileError(Exception):
    """No file is at the place of an object; the text goes between its name and that of the store."""


def _open_object(path: Path) -> BufferedReader:
    try:
        return open_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        raise _NoFileError("is missing from") from None
    except (IsADirectoryError, IrregularFileError):
        raise _NoFileError("is no file in") from None
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself
            raise _NoFileError("is no file in") from None
        raise


def _matches_digest(sha256: str, blake3: str | None, *pieces: bytes | memoryview) -> bool:
    """Tell whether these are the bytes that were recorded."""
    return sha256_of(*pieces) == sha256 if blake3 is None else blake3_of(*pieces) == blake3


def _write_marker(target: Path, content: bytes) -> None:
    with atomic_write(target) as temporary:
        temporary.write_bytes(content)
        temporary.chmod(0o644)
