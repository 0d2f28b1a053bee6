"""The folder of a cache on the disk: opened once, so that nobody else can put a file in the place of one of it.

The folder may lie in one that everybody writes, as /tmp: whoever came first may have made a folder or a link of its
name. So what was opened is looked at, not what a path leads to, and its files are named relative to it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from registry.errors import CacheError, DeniedError
from registry.permissions import describe_owner, name_user

_OTHERS = 0o077
_WRITABLE_BY_OTHERS = 0o022
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # nor does a pipe block


class Identity(NamedTuple):
    """The file that has a name: another one gets the name where an entry is made anew."""

    device: int
    inode: int


class Directory:
    """An open folder of this user, which nobody else may enter."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.handle = handle

    def open_entry(self, name: str) -> int | None:
        """Open a file to read; return None where there is none, or what is there cannot be an entry."""
        with translate_cache_errors(self.path, "read"):
            try:
                handle = os.open(name, os.O_RDONLY | _NO_LINK, dir_fd=self.handle)
            except (FileNotFoundError, PermissionError):
                return None
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.ENOTDIR}:
                    return None
                raise
        status = os.fstat(handle)
        is_own = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if not is_own or status.st_mode & _WRITABLE_BY_OTHERS:
            os.close(handle)
            return None
        return handle

    def create(self, name: str, mode: int, *, anew: bool = True) -> int:
        """Open a file to read and write, made anew or if it is not there; raise OSError."""
        flags = os.O_RDWR | os.O_CREAT | _NO_LINK | (os.O_EXCL if anew else 0)
        return os.open(name, flags, mode, dir_fd=self.handle)

    def stat(self, name: str) -> os.stat_result | None:
        """Return the status of a file, or of a link; None where there is none."""
        with translate_cache_errors(self.path, "read"), suppress(FileNotFoundError):
            return os.stat(name, dir_fd=self.handle, follow_symlinks=False)
        return None

    def identify(self, name: str) -> Identity | None:
        """Return which file has a name; None where there is none."""
        status = self.stat(name)
        return None if status is None else Identity(status.st_dev, status.st_ino)

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name, in the place of the file that has it; raise OSError."""
        os.rename(name, new_name, src_dir_fd=self.handle, dst_dir_fd=self.handle)

    def remove(self, name: str) -> bool:
        """Remove a file; return whether it was there and could be removed."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self.handle)
            return True
        return False

    def list_names(self) -> list[str]:
        """Return the names of all files."""
        with translate_cache_errors(self.path, "read"):
            # Opened again: processes that share an open folder share the place up to which it is read.
            handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.handle)
            try:
                return os.listdir(handle)  # noqa: PTH208 - a folder that is open has no path
            finally:
                os.close(handle)


@contextmanager
def open_directory(path: Path, *, create: bool = True) -> Iterator[Directory | None]:
    """Open the folder, made if it is not there; yield None if it is not there and not to be made.

    Raises
    ------
    DeniedError
        It is a link, or belongs to another user, or others may use it.
    CacheError
        It cannot be made or opened.
    """
    if os.name != "posix":
        raise CacheError("there is no cache on this system")
    handle = _open_folder(path, create=create)
    if handle is None:
        yield None
        return
    try:
        _refuse_foreign(path, os.fstat(handle))
        yield Directory(path, handle)
    finally:
        os.close(handle)


def _open_folder(path: Path, *, create: bool) -> int | None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    with translate_cache_errors(path, "used"):
        for _ in range(2):
            try:
                return os.open(path, flags)
            except FileNotFoundError:
                if not create:
                    return None
                _make_folders(path)
            except PermissionError:
                _refuse_foreign(path, path.lstat())
                raise
            except OSError as error:
                if error.errno not in {errno.ENOTDIR, errno.ELOOP, errno.EMLINK}:
                    raise
                what = "a link" if path.is_symlink() else "not a folder"
                raise DeniedError(
                    f"the cache {str(path)!r} cannot be used: it is {what}", path=str(path), cache=str(path)
                ) from None
        return os.open(path, flags)


def _make_folders(path: Path) -> None:
    """Make the folder and those that it lies in, all for this user alone whatever the umask."""
    for folder in [*reversed(path.parents), path]:
        with suppress(FileExistsError):
            if folder == path or not folder.exists():
                folder.mkdir(mode=0o700)


def _refuse_foreign(path: Path, status: os.stat_result) -> None:
    """Raise `DeniedError` where others can have put files into the folder, or may read them."""
    if status.st_uid != os.geteuid() or status.st_mode & _OTHERS:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        owner = describe_owner(path) or f"{str(path)!r} has mode {mode}"
        raise DeniedError(
            f"the cache {str(path)!r} cannot be used: {owner};"
            " it must belong to this user alone, with mode 0700",
            path=str(path),
            cache=str(path),
            owner=name_user(status.st_uid),
            mode=mode,
        )


@contextmanager
def translate_cache_errors(path: Path, action: str) -> Iterator[None]:
    """Turn an `OSError` into a `CacheError`: "the cache '/tmp/calreg-501' cannot be read: Input/output error"."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise CacheError(f"the cache {str(path)!r} cannot be {action}: {reason}", path=str(path)) from None
