"""A folder on a disk that holds the files of a store.

A file gets its final name only when its bytes are on the disk, so a crash leaves at most a file that nothing refers
to.
"""

from __future__ import annotations

import errno
import operator
import os
from collections.abc import Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from registry.errors import DeniedError, UnavailableError
from registry.files import (
    TEMPORARY_PREFIX,
    Digest,
    IrregularFileError,
    atomic_write,
    open_regular,
    sync_folder,
    translate_os_errors,
)
from registry.permissions import adopt_mode, describe_owner, may
from registry.storage.arrivals import Arrivals
from registry.storage.folder_locks import lock_folder
from registry.storage.interface import ANY, Condition, Document, Entry, OpenObject, Source, Unchanged
from registry.storage.output_claims import OutputClaim, claim_output, has_claims
from registry.storage.sources import FileSource, copy_and_hash, other_source_error


class LooseLinkError(FileNotFoundError):
    """A link that leads nowhere is in the place of a document."""


class Folder:
    """A folder with documents, and objects below ``objects``; see `Storage`."""

    requests = 1  # the next one is read ahead; a disk has the others no sooner

    def __init__(self, root: Path, arrivals: Arrivals | None = None) -> None:
        self.root = root
        self._arrivals = arrivals

    @property
    def place(self) -> str:
        """The path of the folder."""
        return str(self.root)

    def locate(self, key: str) -> str:
        """Return the path of a file."""
        return str(self.root / key)

    def find_key(self, location: str) -> str:
        """Return the key of the file at a path."""
        return Path(location).relative_to(self.root).as_posix()

    def make_absolute(self) -> Folder:
        """Return the same folder, whatever the working folder will be."""
        return Folder(self.root.absolute())

    def translate_errors(self, action: str, key: str | None = None) -> AbstractContextManager[None]:
        """Turn an `OSError` into an `UnavailableError`, of the store, or of one file of it."""
        if key is None:
            return translate_os_errors(action, self.root, f"the store {str(self.root)!r}")
        return translate_os_errors(action, self.root / key)

    def contains(self, other: object) -> bool:
        """Tell whether another storage is this folder, or in it; links are followed."""
        if not isinstance(other, Folder):
            return False
        own = self.root / "objects"
        with suppress(OSError):
            if own.samefile(other.root / "objects"):
                return True
        return other.root.resolve().is_relative_to(self.root.resolve())

    def prepare(self, *, with_objects: bool = True) -> None:
        """Make the folder, and the one of the objects."""
        (self.root / "objects" if with_objects else self.root).mkdir(parents=True, exist_ok=True)

    def refuse_unwritable(self) -> None:
        """Raise `UnavailableError` where the folder cannot be created, or is there and cannot be written."""
        folder = self.root
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir() or not may(folder, os.W_OK | os.X_OK):
            what = "written" if folder == self.root else f"made in {str(folder)!r}"
            problem = f"the store {str(self.root)!r} cannot be {what}"
            if os.statvfs(folder).f_flag & os.ST_RDONLY:
                raise UnavailableError(f"{problem}: {os.strerror(errno.EROFS)}", path=str(folder))
            raise DeniedError(f"{problem}; {describe_owner(folder)}", path=str(folder))

    def list_names(self) -> list[str]:
        """Return the names in the folder, none where there is no folder."""
        return [path.name for path in self.root.iterdir()] if self.root.exists() else []

    def lock(self) -> AbstractContextManager[None]:
        """Let no other process of this machine change the documents meanwhile; see `lock_folder`."""
        return lock_folder(self.root)

    @contextmanager
    def claim(self, name: str) -> Iterator[str]:
        """Hold a claim on objects; remove the temporary files of dead processes beside them."""
        with translate_os_errors("written", self.root), claim_output(self.root, name) as claim:
            if claim.is_sole():
                _remove_leftovers(claim)
            yield claim.stem

    def has_claims(self, name: str) -> bool:
        """Tell whether a dead process may have left files that this user can remove."""
        return has_claims(self.root, name) and may(self.root, os.W_OK)

    def read_document(self, key: str, max_size: int) -> Document | None:
        """Return a document; see `Storage`."""
        path = self.root / key
        try:
            with open_regular(path) as file:
                return Document(file.read(max_size), _get_tag(os.fstat(file.fileno())))
        except FileNotFoundError as error:
            if path.is_symlink():
                raise LooseLinkError(*error.args) from None
            return None

    def find_tag(self, key: str) -> Hashable | None:
        """Return the tag that a document has now."""
        path = self.root / key
        return _get_tag(path.stat()) if path.exists() else None

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
        """Write a document where the condition holds; between the two nobody else writes who holds the lock."""
        path = self.root / key
        if condition == "absent" and path.exists():
            return False
        if isinstance(condition, Unchanged) and self.find_tag(key) != condition.tag:
            return False
        target = path if condition == "absent" else Path(os.path.realpath(path))
        with atomic_write(target, durable=durable, synced=synced) as hidden:
            hidden.write_bytes(content)
            if shared:
                adopt_mode(hidden, self._find_model())
        return True

    def _find_model(self) -> Path:
        """Return the folder that tells who shares the store."""
        objects = self.root / "objects"
        return objects if objects.is_dir() else self.root

    def open_object(self, key: str) -> OpenObject | None:
        """Open an object to read, None where there is no regular file."""
        file = _open_regular(self.root / key)
        return None if file is None else OpenObject(os.fstat(file.fileno()).st_size, file)

    def get_source(self, key: str) -> Source:
        """Return the file of an object."""
        return FileSource(self.root / key)

    def put_object(
        self, key: str, source: Source, digest: Digest, expected: str, stem: str | None = None
    ) -> None:
        """Store a verified copy, synced before it gets its name; see `Storage`."""
        target = self.root / key
        arrivals = self._arrivals
        if arrivals is None:
            _prepare_folder(target.parent)
        elif target.parent not in arrivals.folders:
            _prepare_folder(target.parent)
            arrivals.folders.add(target.parent)
        name = None if stem is None else f"{stem}{target.stem[:16]}"
        write = atomic_write if arrivals is None else arrivals.write
        with write(target, stem=name) as temporary:
            with source.open() as file, temporary.open("wb") as copy:
                if copy_and_hash(file, copy.write, digest) != expected:
                    raise other_source_error(source.name)
            temporary.chmod(0o444)

    @contextmanager
    def gather_objects(self) -> Iterator[Folder]:
        """Yield this folder, whose objects get their names together: each would wait for the disk twice."""
        arrivals = Arrivals()
        try:
            yield Folder(self.root, arrivals)
            with self.translate_errors("written"):
                arrivals.settle()
        finally:
            arrivals.discard()

    def renew(self, key: str) -> bool:
        """Date an object now."""
        with suppress(OSError):  # another user's file, or a read-only disk: `Backend.change` looks again
            os.utime(self.root / key)
        return True

    def has_entry(self, key: str) -> bool:
        """Tell whether there is a file, folder or link."""
        return os.path.lexists(self.root / key)

    def is_blocked(self, key: str) -> bool:
        """Tell whether a folder is in the place of an object."""
        return (self.root / key).is_dir()

    def stat(self, key: str) -> Entry | None:
        """Return the size and date of a file; opened, for a network file system to ask its server."""
        path = self.root / key
        file = _open_regular(path)
        if file is None:
            return None
        with file:
            status = os.fstat(file.fileno())
        return Entry(key, status.st_size, status.st_mtime, path.is_symlink())

    def list_keys(self) -> list[str]:
        """Return the keys of all files below ``objects``, in the order of their paths."""
        return list(_walk(str(self.root / "objects"), "objects"))

    def list_leftovers(self) -> list[str]:
        """Return the keys of the temporary files in the folder itself."""
        return self._name(self.root.glob(f"{TEMPORARY_PREFIX}*"))

    def _name(self, paths: Iterable[Path]) -> list[str]:
        return [path.relative_to(self.root).as_posix() for path in sorted(paths)]

    def remove(self, key: str) -> None:
        """Remove a file."""
        (self.root / key).unlink()

    def find_file(self, key: str) -> Path | None:
        """Return the path of an object."""
        return self.root / key

    def sign_url(self, key: str, seconds: int) -> str | None:  # noqa: ARG002 - a disk has no URLs
        """Return None."""
        return None


def _prepare_folder(folder: Path) -> None:
    """Make a folder of objects, unless it is there, and let those write in it who share the store."""
    if not folder.exists():
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
    adopt_mode(folder, folder.parent)


def _walk(folder: str, key: str) -> Iterator[str]:
    """Yield the keys of the files below a folder, by name; what this user may not list is left out."""
    try:
        with os.scandir(folder) as entries:
            present = sorted(entries, key=operator.attrgetter("name"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    for entry in present:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{key}/{entry.name}")
        elif _is_file(entry):
            yield f"{key}/{entry.name}"


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Tell whether there is a file at the end of an entry; links that lead to each other have none."""
    try:
        return entry.is_file()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False


def _get_tag(status: os.stat_result) -> Hashable:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _open_regular(path: Path) -> BufferedReader | None:
    """Open a file to read; return None where there is no regular file."""
    try:
        return open_regular(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, IrregularFileError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself
            return None
        raise


def _remove_leftovers(claim: OutputClaim) -> None:
    """Remove the temporary files of killed repairs beside the stored files."""
    begin, _, _ = claim.stem.rpartition("-")
    for path in claim.folder.glob(f"objects/*/{begin}-*"):
        path.unlink(missing_ok=True)
