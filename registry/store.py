"""The content store: every registered file once, under the name of its SHA-256, read-only.

``<store>/objects/<first 2 hex digits>/<sha256>.npy``, byte for byte the registered file, and
``<store>/registry.json``, which names the registry to which the store belongs. A file gets its final name only
when its bytes are on disk, so a crash leaves at most a file that nothing refers to. Mode bits and sizes
prove nothing: every use reads the bytes and computes their checksum.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Self

from registry.errors import (
    ConflictError,
    CorruptionError,
    DeniedError,
    LeftOutError,
    Remedy,
    RequestError,
    UnavailableError,
)
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
from registry.left_out_notes import refuse_left_out, write_left_out_note
from registry.permissions import adopt_mode, describe_owner, may
from registry.records import FileUse, SnapshotPart

_MARKER_NAME = "registry.json"
_STORE_FORMAT = 1
_CHUNK_SIZE = 1 << 20
_MAX_MARKER_SIZE = 4096


class ContentStore:
    """The files of one registry.

    Its methods raise `UnavailableError` where a file cannot be read or written, `CorruptionError` where one that was
    stored is missing or has other bytes, and `ConflictError` where the store belongs to another registry.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def make_absolute(self) -> Self:
        """Return the same store, whatever the working folder will be."""
        return type(self)(self.root.absolute())

    def object_path(self, sha256: str) -> Path:
        """Return the path of the file with that checksum, stored or not."""
        return self.root / "objects" / sha256[:2] / f"{sha256}.npy"

    def create(self, registry_id: str) -> None:
        """Create the store of that registry, unless it is there already."""
        self.create_folders()
        with self._translate_errors():
            marker = self.root / _MARKER_NAME
            if marker.exists():
                self.refuse_other_registry(registry_id)
                return
            text = json.dumps({"registry": registry_id, "format": _STORE_FORMAT}) + "\n"
            with atomic_write(marker) as temporary:
                temporary.write_bytes(text.encode())
                adopt_mode(temporary, self.root / "objects")

    def create_folders(self) -> None:
        """Create the folders of a store, which belongs to nobody yet."""
        with self._translate_errors():
            (self.root / "objects").mkdir(parents=True, exist_ok=True)

    def refuse_unwritable(self) -> None:
        """Raise `UnavailableError` where the store cannot be created, or is there and cannot be written."""
        folder = self.root
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir() or not may(folder, os.W_OK | os.X_OK):
            what = "written" if folder == self.root else f"made in {str(folder)!r}"
            problem = f"the store {str(self.root)!r} cannot be {what}"
            if os.statvfs(folder).f_flag & os.ST_RDONLY:
                raise UnavailableError(f"{problem}: {os.strerror(errno.EROFS)}", path=str(folder))
            raise DeniedError(f"{problem}; {describe_owner(folder)}", path=str(folder))

    def read_owner(self) -> str | None:
        """Return the Id of the registry to which the store belongs, None where there is no store."""
        marker = self.root / _MARKER_NAME
        with self._translate_errors():
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
        """Refuse a store that is not there, or belongs to another registry."""
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
        """Store a copy of `source`, whose checksum is known; return whether it was new or replaced a damaged one.

        The copy is verified, by its BLAKE3 where that is given, which is quicker: `RequestError` is raised where the
        source has changed.
        """
        target = self.object_path(sha256)
        with self._translate_errors():
            if _touch_if_intact(target, sha256):
                return False
            self._write_object(source, target, sha256, blake3)
        return True

    def replace_object(self, source: Path, sha256: str, stem: str) -> None:
        """Put a verified copy of `source` in the place of an object that is missing or damaged, which is not read.

        The temporary file is named `stem`.
        """
        target = self.object_path(sha256)
        with self._translate_errors():
            self.create_folders()
            self._write_object(source, target, sha256, None, stem)

    def _write_object(
        self, source: Path, target: Path, sha256: str, blake3: str | None, stem: str | None = None
    ) -> None:
        if not target.parent.exists():
            target.parent.mkdir(exist_ok=True)
            sync_folder(target.parent.parent)
        adopt_mode(target.parent, target.parent.parent)
        with atomic_write(target, stem=stem) as temporary:
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

    def read(self, sha256: str, size: int) -> bytes:
        """Return the bytes with that checksum; raises as `read_into`."""
        return self.read_into(sha256, size, memoryview(bytearray()))

    def read_into(self, sha256: str, size: int, buffer: memoryview, blake3: str | None = None) -> bytes:
        """Fill `buffer` with the last bytes of an object, and return those before them, the header.

        The bytes are verified when it returns: by the recorded BLAKE3 where it is given, which is quicker.
        """
        path = self.object_path(sha256)
        name = f"object {sha256}"
        where = f"the store {str(self.root)!r}"
        with self._translate_errors():
            file = _open_object(path)
            if file is None:
                if not os.path.lexists(path):
                    refuse_left_out(self.root, sha256)
                what = "is not a regular file in" if os.path.lexists(path) else "is missing from"
                raise CorruptionError(
                    f"{name} {what} {where}", remedy=Remedy.REPAIR_STORE, sha256=sha256, path=str(path)
                )
            with file:
                # Memory is allocated for the size on the disk: that of a document from elsewhere may be false.
                size_on_disk = os.fstat(file.fileno()).st_size
                head = file.read(min(max(size - buffer.nbytes, 0), size_on_disk))
                tail = buffer[: file.readinto(buffer)]
                is_whole = len(head) + len(tail) == size and not file.read(1)
        if not is_whole or (
            sha256_of(head, tail) != sha256 if blake3 is None else blake3_of(head, tail) != blake3
        ):
            raise CorruptionError(
                f"{name} in {where} is damaged: its bytes have another checksum",
                remedy=Remedy.REPAIR_STORE,
                sha256=sha256,
                path=str(path),
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
        """Return the error that is raised when the object is read, None where it is sound."""
        try:
            self.read(sha256, size)
        except (CorruptionError, UnavailableError) as error:
            return error
        return None

    def has_bytes(self, sha256: str) -> bool:
        """Return whether the object has the bytes with that checksum, whatever else is recorded of it."""
        with self._translate_errors():
            file = _open_object(self.object_path(sha256))
            if file is None:
                return False
            with file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256

    def has_object(self, sha256: str) -> bool:
        """Return whether there is a file under that checksum; its bytes are not read."""
        with self._translate_errors():
            return _stat_uncached(self.object_path(sha256)) is not None

    def list_objects(self) -> Iterator[Path]:
        """Return every file below ``objects``, referred to or not, in the order of their names."""
        with self._translate_errors():
            return iter(sorted(path for path in (self.root / "objects").rglob("*") if path.is_file()))

    def list_files(self) -> list[Path]:
        """Return every file of the store, objects and temporary ones, except the marker."""
        with self._translate_errors():
            return [*sorted(self.root.glob(f"{TEMPORARY_PREFIX}*")), *self.list_objects()]

    def note_left_out(self, part: SnapshotPart | None, sha256s: Iterable[str]) -> None:
        """Note that files were left out of a partial snapshot; forget those of former ones that are there by now."""
        write_left_out_note(self.root, part, sha256s, self.has_object)

    def is_referenced(self, path: Path, referenced: Container[str]) -> bool:
        """Tell whether the file is one of the objects with these checksums, by its name and folder."""
        return path.stem in referenced and path == self.object_path(path.stem)

    def stat_file(self, path: Path) -> tuple[int, float] | None:
        """Return a file's size in bytes and when it was last stored (Unix seconds), None where it is gone."""
        with self._translate_errors():
            status = _stat_uncached(path)
        return None if status is None else (status.st_size, status.st_mtime)

    def is_own_file(self, path: Path) -> bool:
        """Tell whether the file has a name that the store gives, that of an object or a temporary one."""
        if path.is_symlink():
            return False
        return path.name.startswith(TEMPORARY_PREFIX) or (
            path == self.object_path(path.stem) and re.fullmatch("[0-9a-f]{64}", path.stem) is not None
        )

    def remove_file(self, path: Path) -> None:
        """Remove a file; that nothing refers to it is for the caller to know."""
        with self._translate_errors():
            path.unlink()

    def _translate_errors(self) -> AbstractContextManager[None]:
        return translate_os_errors("used", self.root, f"the store {str(self.root)!r}")


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


def _copy_and_hash(file: BufferedReader, copy: BufferedWriter, digest: Digest) -> str:
    """Copy the rest of a file; return its digest."""
    buffer = memoryview(bytearray(_CHUNK_SIZE))
    while size := file.readinto(buffer):
        digest.update(buffer[:size])
        copy.write(buffer[:size])
    return digest.hexdigest()


def _touch_if_intact(path: Path, sha256: str) -> bool:
    """Return whether the object is there and undamaged; it is dated now, so that it is not collected."""
    with suppress(OSError):  # another user's file, or a read-only disk: `Backend.change` looks again
        os.utime(path)
    file = _open_object(path)
    if file is None:  # never stored, or just collected
        return False
    with file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _stat_uncached(path: Path) -> os.stat_result | None:
    """Return the status of a file, None where it is gone; opened, for a network file system to ask its server."""
    file = _open_object(path)
    if file is None:
        return None
    with file:
        return os.fstat(file.fileno())


def _open_object(path: Path) -> BufferedReader | None:
    """Open an object to read; return None where there is no regular file."""
    try:
        return open_regular(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, IrregularFileError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself
            return None
        raise
