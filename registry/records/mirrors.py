"""Mirrors: what one took over from the registry that it follows, and how far it is behind."""

from __future__ import annotations

from msgspec import Struct

from registry.instants import Instant


class MirrorState(Struct, frozen=True):
    """The state of a mirror beside the registry that it follows.

    Attributes
    ----------
    upstream
        That registry: the URL of its service or of its database, without a password.
    followed_at
        When it was asked for its revisions last.
    upstream_revision
        Its newest revision: now, or, where it cannot be asked, when it was asked last.
    behind
        How many revisions the mirror lacks of these.
    with_files
        Whether the mirror has the stored files, too.
    problem
        Why the registry cannot be asked now, or why the mirror cannot follow it.
    """

    upstream: str
    followed_at: Instant
    upstream_revision: int
    behind: int
    with_files: bool
    problem: str | None = None


class Followed(Struct, frozen=True):
    """The revisions and files that a mirror took over from the registry that it follows.

    Attributes
    ----------
    registry, revision, seal
        The registry's id, the newest revision in the mirror, and its seal: it stands for everything up to it.
    upstream
        The registry that is followed, without a password.
    database, store
        Of the mirror.
    revisions
        How many revisions are new in the mirror.
    rows
        The numbers of new rows, by table.
    files, files_there
        The numbers of files that were brought now, and of those that were in the store already.
    with_files
        Whether the mirror has files.
    """

    registry: str
    revision: int
    seal: str
    upstream: str
    database: str
    store: str
    revisions: int
    rows: dict[str, int]
    files: int
    files_there: int
    with_files: bool
    warnings: tuple[str, ...] = ()
