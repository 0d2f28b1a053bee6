"""Files: opened and hashed without surprises, written so that no half of one is seen, refused in one sentence."""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from registry.errors import DeniedError, NotFoundError, RequestError, UnavailableError
from registry.permissions import DENIED, describe_denial

_WRITE_SIZE = 1 << 20  # a larger write may take longer by the byte
_FLUSH_SIZE = 8 << 20

_SCHEME = re.compile(
    "[A-Za-z][A-Za-z0-9+.:-]*[A-Za-z0-9+.-]:"
)  # as of a URL, whose slashes a path counts as one

STALE_AFTER_SECONDS = 24 * 3600  # a temporary file that is older was left by a process that was killed
TEMPORARY_PREFIX = ".arriving-"  # of the names of temporary files

Buffer = bytes | bytearray | memoryview


@contextmanager
def translate_os_errors(action: str, path: Path | None = None, subject: str = "") -> Iterator[None]:
    """Turn an `OSError` into an `UnavailableError`: "'/data/a.npy' cannot be read: Is a directory".

    Where permission is denied it is a `DeniedError`, and says whose file it is.

    Parameters
    ----------
    action
        What was tried: "read", "written".
    path
        The file to name where the system names none.
    subject
        What cannot be used without the file, to be named first: "the store '/data'".
    """
    try:
        yield
    except OSError as error:
        name = str(error.filename2 or error.filename or path or "")
        what = subject or repr(name)
        detail = f"{name!r}: " if subject and name and name != str(path) else ""
        owner = describe_denial(Path(name)) if error.errno in DENIED and name else ""
        reason = f"{error.strerror}; {owner}" if owner else error.strerror
        error_class = DeniedError if error.errno in DENIED else UnavailableError
        raise error_class(f"{what} cannot be {action}: {detail}{reason}", path=name) from None


def make_absolute(path: Path) -> Path:
    """Return a path as it leads from the root, also after ``~``.

    Raises
    ------
    RequestError
        It begins with the home folder of an unknown user, has a NUL in it, or is the URL of something else.
    UnavailableError
        The working folder has been removed.
    """
    if "\0" in str(path):
        raise RequestError(f"{str(path)!r} is not a path: it has a NUL in it")
    try:
        absolute = path.expanduser().absolute()
    except RuntimeError:
        raise RequestError(f"{str(path)!r} begins with the home folder of an unknown user") from None
    except FileNotFoundError:
        raise UnavailableError(
            f"the working folder has been removed, and {str(path)!r} begins in it", path=str(path)
        ) from None
    refuse_url(path)
    # Two slashes, which POSIX leaves to the system, are one to every system here; SQLite takes them for a host.
    return Path(f"/{str(absolute).lstrip('/')}") if str(absolute).startswith("//") else absolute


def refuse_url(path: Path) -> None:
    """Raise `RequestError` for the URL of something that is not a folder or file, such as ``s3://bucket/x``."""
    first = path.parts[0] if path.parts else ""
    if _SCHEME.fullmatch(first) and not Path(first).exists():
        raise RequestError(f"what begins with {first!r} is not a path here: calreg needs a folder or a file")


def has_content(path: Path, content: bytes) -> bool:
    """Tell whether a file is there, can be read and has just these bytes."""
    try:
        with open_regular(path) as file:
            return file.read(len(content) + 1) == content
    except OSError:
        return False


class IrregularFileError(OSError):
    """The path is that of a pipe, a device or a socket."""


def open_regular(path: Path) -> BufferedReader:
    """Open a file to read, but no pipe, device or folder, which could block or have no end; raise OSError."""
    if "\0" in str(path):  # the system has no such name, and Python would raise a ValueError
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    mode = os.stat(path).st_mode  # noqa: PTH116 - hundreds of thousands of small files are read
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise IrregularFileError(errno.EINVAL, "it is not a regular file", str(path))
    return path.open("rb")


@contextmanager
def open_input(
    path: Path, expected: str, error_class: type[RequestError] = RequestError
) -> Iterator[BufferedReader]:
    """Open a user's file to read; refuse it where it cannot be opened, or not be read to its end.

    Parameters
    ----------
    expected
        What the file should be, for the message: "a provenance document".
    error_class
        The error for a folder, a link that leads in a circle, or what else is not a regular file.

    Raises
    ------
    NotFoundError
        There is no such file.
    RequestError
        It is not a regular file: of the class `error_class`.
    UnavailableError
        It cannot be read.
    """
    name = repr(str(path))
    with translate_os_errors("read", path):
        try:
            with open_regular(path) as file:
                yield file
        except FileNotFoundError:
            raise NotFoundError(f"there is no file {name}", path=str(path)) from None
        except IsADirectoryError:
            raise error_class(f"{name} is a folder, not {expected}", path=str(path)) from None
        except IrregularFileError:
            raise error_class(f"{name} is not a regular file, so not {expected}", path=str(path)) from None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise error_class(f"{name} is a link that leads in a circle", path=str(path)) from None


def read_bounded(
    path: Path, max_size: int, expected: str, error_class: type[RequestError] = RequestError
) -> bytes:
    """Return the bytes of a user's file of at most `max_size` bytes; refused as by `open_input`, or if larger."""
    with open_input(path, expected, error_class) as file:
        content = file.read(max_size + 1)
    if len(content) > max_size:
        raise error_class(
            f"{str(path)!r} is larger than {max_size >> 20} MiB: not {expected}", path=str(path)
        )
    return content


def decode_text(content: bytes) -> str:
    """Return the text of a user's file, UTF-8 or what its byte order mark says, without the mark.

    Editors on Windows write these marks. Raises UnicodeDecodeError for bytes that are not a text.
    """
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if utf_16 else "utf-8-sig")


def list_folder(
    folder: Path, expected: str, error_class: type[RequestError] = RequestError
) -> list[os.DirEntry[str]]:
    """Return the entries of a user's folder in the order of their names; refused as by `open_input`."""
    with translate_os_errors("read", folder):
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            raise NotFoundError(f"there is no folder {str(folder)!r}", path=str(folder)) from None
        except NotADirectoryError:
            raise error_class(
                f"{str(folder)!r} is a file; {expected} is expected", path=str(folder)
            ) from None


class Digest(Protocol):
    """A digest of 256 bits: SHA-256, by which a file is named, or BLAKE3, which takes a quarter of the time or less."""

    def update(self, piece: Buffer, /) -> object:
        """Add bytes."""

    def hexdigest(self) -> str:
        """Return it, in 64 hexadecimal digits."""


def new_blake3() -> Digest:
    """Return the BLAKE3 of nothing yet."""
    from blake3 import blake3

    return blake3()


def sha256_of(*pieces: Buffer) -> str:
    """Return the SHA-256 of the pieces, one after the other."""
    return _hash_pieces(hashlib.sha256(), pieces)


def blake3_of(*pieces: Buffer) -> str:
    """Return the BLAKE3 of the pieces, one after the other."""
    return _hash_pieces(new_blake3(), pieces)


def _hash_pieces(digest: Digest, pieces: tuple[Buffer, ...]) -> str:
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a user's file; refused as by `open_input`."""
    with open_input(path, "a file with a checksum") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_write(
    target: Path, *, stem: str | None = None, durable: bool = True, synced: bool = True
) -> Iterator[Path]:
    """Hand out a temporary file in the target's folder; at the end, sync it and give it the target's name.

    Its mode is that of any new file, by the umask, unless the caller gives it another one.
    On any error until then the temporary file is removed and the target stays as it was. Where it need not be
    `durable` the former file may be back after a power cut; where it is not `synced` it may be empty then. It is
    named `stem`, if that is given.
    """
    temporary = create_temporary(target, stem)
    try:
        yield temporary
        if synced:
            sync_file(temporary)
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(target.parent)


def create_temporary(target: Path, stem: str | None = None) -> Path:
    """Make an empty file in the target's folder, named `stem` if that is given, and return its path."""
    temporary = target.parent / (stem or f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}")
    os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
    return temporary


def make_read_only(path: Path) -> None:
    """Let nobody write a file; who may read it is left."""
    path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o444)


class FlushingFile:
    """A large file that is written anew: the system begins early to put it on the disk, so the sync is short."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        self._handle = os.open(path, flags, 0o666)
        self._flushed = 0
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def write(self, piece: Buffer) -> None:
        """Add bytes."""
        rest = memoryview(piece).cast("B")
        while rest:
            written = os.write(self._handle, rest[:_WRITE_SIZE])
            rest = rest[written:]
            self.size += written
        if self.size - self._flushed >= _FLUSH_SIZE and hasattr(os, "posix_fadvise"):
            # Linux is told that the bytes will not be read soon: it starts to write them, and does not wait.
            os.posix_fadvise(self._handle, self._flushed, self.size - self._flushed, os.POSIX_FADV_DONTNEED)
            self._flushed = self.size

    def sync(self) -> None:
        """Put the bytes on the disk."""
        os.fsync(self._handle)


def append_lines(path: Path, lines: bytes) -> Callable[[], None]:
    """Add lines to a file, created if it is not there, in one write: what others add meanwhile stays whole.

    Return the call that takes them back, as long as nothing was added after them.
    """
    absent = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        before = os.fstat(handle).st_size
        if before and os.pread(handle, 1, before - 1) != b"\n":
            lines = b"\n" + lines
        os.write(handle, lines)
        os.fsync(handle)
    finally:
        os.close(handle)

    def undo() -> None:
        if path.stat().st_size == before + len(lines):
            path.unlink() if absent else os.truncate(path, before)

    return undo


def sync_file(path: Path) -> None:
    """Put the file's bytes on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Put the folder's entries, not the files in it, on the disk."""
    sync_file(folder)
