"""Permissions: whose file it is that may not be used, and the modes by which the users of a group share a folder."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from registry.errors import DeniedError

try:
    import pwd
except ImportError:  # not POSIX
    pwd = None  # type: ignore[assignment]

DENIED = {errno.EACCES, errno.EPERM}
_GROUP_USE = 0o060


def name_user(number: int) -> str:
    """Return the name of a user, from the system; the number where it has no name."""
    try:
        return pwd.getpwuid(number).pw_name
    except (AttributeError, KeyError):  # not POSIX, or a number without an entry
        return f"uid {number}"


def may(path: Path, rights: int) -> bool:
    """Tell whether this process may use an existing path so: `os.R_OK`, `os.W_OK`, `os.X_OK`, added up."""
    return os.access(path, rights, effective_ids=os.access in os.supports_effective_ids)


def find_obstacle(path: Path) -> Path | None:
    """Return the first folder on the way that may not be searched, else the file, else its folder; None if gone."""
    absolute = path.absolute()
    for folder in reversed(absolute.parents):
        if not may(folder, os.X_OK):
            return folder if os.path.lexists(folder) else None
    if os.path.lexists(absolute) and not may(absolute, os.R_OK | os.W_OK):
        return absolute
    return next((folder for folder in absolute.parents if folder.exists()), None)


def describe_owner(path: Path) -> str:
    """Return whose a file or folder is: "'/data/store' belongs to ana and has mode 0755"; empty if that is hidden."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return (
        f"{str(path)!r} belongs to {name_user(status.st_uid)} and has mode {stat.S_IMODE(status.st_mode):04o}"
    )


def describe_denial(path: Path) -> str:
    """Return whose the file or folder is for which access to a path is denied; empty if that is hidden."""
    obstacle = find_obstacle(path)
    return "" if obstacle is None else describe_owner(obstacle)


def describe_denied_database(database: Path, *, writing: bool) -> str:
    """Return whose the file is, of those of a SQLite database or their folder, that may not be used; empty if none."""
    if not may(database, os.R_OK):
        return describe_denial(database)
    beside = [file for file in list_log_files(database) if file.exists()]
    for path in [*([database] if writing else []), *beside, database.parent]:
        if not may(path, os.R_OK | os.W_OK):
            return describe_owner(path)
    return ""


def adopt_mode(path: Path, model: Path) -> None:
    """Give a file or folder of this user the mode and the group of a folder; a file is never executable.

    What is shared by a group stays so whatever the umask of those who add to it. The user keeps his own rights, also
    where somebody has taken them from the folder.
    """
    wanted, status = model.stat(), path.stat()
    mode = stat.S_IMODE(wanted.st_mode) | stat.S_IRWXU
    if not stat.S_ISDIR(status.st_mode):
        mode &= 0o666
    if status.st_uid != os.geteuid() or (stat.S_IMODE(status.st_mode), status.st_gid) == (
        mode,
        wanted.st_gid,
    ):
        return
    with suppress(PermissionError):  # of a group that this user is not in; some file systems have no modes
        if status.st_gid != wanted.st_gid:
            os.chown(path, -1, wanted.st_gid)
        path.chmod(mode)


def refuse_lock_out(database: Path) -> None:
    """Raise `DeniedError` where reading a SQLite database would keep its owner from using it.

    Even a reader makes files beside it, and one who may not write the database does not remove them. They are of use
    to the owner in a folder that a group may write.
    """
    try:
        status, folder = database.stat(), database.parent.stat()
        if may(database, os.W_OK) or not may(database.parent, os.W_OK) or not may(database, os.R_OK):
            return  # nothing is left, or SQLite refuses it
        if all(file.exists() for file in list_log_files(database)) or not has_log(database):
            return
    except OSError:
        return  # SQLite refuses it
    if not (folder.st_mode & stat.S_IWGRP and folder.st_gid in {os.getegid(), *os.getgroups()}):
        raise DeniedError(
            f"the database {database} cannot be read by you: SQLite would leave files beside it that lock its owner"
            f" out; {describe_owner(database)}",
            path=str(database),
            owner=name_user(status.st_uid),
        )


def share_log_files(database: Path) -> None:
    """Let all who may write a SQLite database, and its owner, write the files that this process has made beside it."""
    with suppress(OSError):  # gone again, or of a group that this user is not in
        status = database.stat()
        for file in list_log_files(database):
            current = file.stat()
            if current.st_uid != os.geteuid():
                continue
            mode = stat.S_IMODE(status.st_mode) & 0o666
            if current.st_uid != status.st_uid:
                mode |= _GROUP_USE
            if current.st_gid != status.st_gid:
                _give_to_group(file, status.st_gid, database.parent.stat().st_gid)
            if stat.S_IMODE(current.st_mode) != mode:
                file.chmod(mode)


def _give_to_group(file: Path, *groups: int) -> None:
    """Give a file to the first of these groups that this user is in."""
    for group in groups:
        with suppress(PermissionError):
            os.chown(file, -1, group)
            return


def list_log_files(database: Path) -> list[Path]:
    """Return the names of SQLite's files beside a database, there or not."""
    return [database.with_name(f"{database.name}{suffix}") for suffix in ("-wal", "-shm")]


def has_log(database: Path) -> bool:
    """Tell whether SQLite keeps a log beside the file. Source: "Database File Format", 1.3, byte 18."""
    with database.open("rb") as file:
        return file.read(19)[18:] == b"\2"
