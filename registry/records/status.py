"""The state of a registry, as an administrator looks at it in the morning."""

from __future__ import annotations

from msgspec import Struct

from registry.instants import Instant
from registry.records.exports import RecordedExport
from registry.records.mirrors import MirrorState


class SettingInUse(Struct, frozen=True):
    """A setting and where it comes from.

    Attributes
    ----------
    origin
        ``option``, ``environment``, ``user's file``, ``registry's file``, ``registry`` or ``default``.
    place
        The variable or the file, where there is one.
    """

    name: str
    value: str
    origin: str
    place: str | None


class Counts(Struct, frozen=True):
    """The facts that are live, and the exports and files.

    ``files`` and ``file_bytes`` are None for very many, ``exports`` of a mirror, which has none.
    """

    panels: int
    versions: int
    runs: int
    exports: int | None
    files: int | None
    file_bytes: int | None


class Status(Struct, frozen=True):
    """The state of a registry; None and empty is what is not known, as where it cannot be opened.

    Attributes
    ----------
    database
        The URL, without its password.
    schema
        That of the database; ``software_schema`` is the one that this software needs.
    seal, pin
        That of the newest revision, and the text that pins a session to it.
    database_bytes
        The size of the database: a file, or what the server says.
    newest_exports
        The newest first; ``stale_exports`` has those among the newest ``exports_compared`` that are stale.
    problems
        A sentence for each thing that is wrong.
    refusal
        Why the registry cannot be opened.
    mirror
        What it follows, and how far it is behind; None for other registries than mirrors.
    """

    database: str
    store: str
    settings: tuple[SettingInUse, ...]
    software_schema: str
    schema: str | None = None
    registry: str | None = None
    timezone: str | None = None
    revision: int | None = None
    recorded_at: Instant | None = None
    author: str | None = None
    seal: str | None = None
    pin: str | None = None
    counts: Counts | None = None
    database_bytes: int | None = None
    newest_exports: tuple[RecordedExport, ...] = ()
    stale_exports: tuple[RecordedExport, ...] = ()
    exports_compared: int = 0
    problems: tuple[str, ...] = ()
    refusal: str | None = None
    mirror: MirrorState | None = None
