"""On which file system a SQLite database lies: its locks do not hold on those of a network."""

from __future__ import annotations

import re
from pathlib import Path

from registry.settings import sqlite_file

_MOUNTS = Path("/proc/self/mounts")
_NETWORK_TYPES = re.compile(
    r"nfs\d?|cifs|smb\w*|afs|ncpfs|lustre|gpfs|beegfs\w*|ceph|gfs2?|ocfs2|9p|panfs|pvfs2|orangefs"
    r"|fuse\.(sshfs|glusterfs|ceph\S*|s3fs|rclone|cvmfs\w*|gvfsd-fuse|moosefs|juicefs)"
)
_OCTAL_ESCAPE = re.compile(r"\\([0-7]{3})")


def location_warnings(url: str) -> list[str]:
    """Return what is risky about the place of a database, a sentence each."""
    file = sqlite_file(url)
    sort = None if file is None else network_file_system(file)
    if sort is None:
        return []
    caution = (
        f"{file} lies on {sort}, a file system of a network, where SQLite's locks may not hold:"
        " two writers can damage it; use a local disk, or PostgreSQL"
    )
    return [caution]


def network_file_system(file: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of the network's file system on which the file lies, None where it is local or not known.

    Source: ``/proc/self/mounts`` of Linux, see proc(5); other systems have none.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    place = file.resolve()
    deepest, sort = -1, ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mounted = Path(_OCTAL_ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), fields[1]))
        # Of several mounts at one place the last one is seen.
        if place.is_relative_to(mounted) and len(mounted.parts) >= deepest:
            deepest, sort = len(mounted.parts), fields[2]
    return sort if _NETWORK_TYPES.fullmatch(sort) else None
