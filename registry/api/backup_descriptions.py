"""The description of a backup, ``backup.json``: the registry, its head, and the file of its database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from registry.errors import DocumentError, NotFoundError
from registry.files import read_bounded
from registry.heads import Seal
from registry.identifiers import quote

FILE_NAME = "backup.json"
FORMAT = "calreg backup"
_MAX_DESCRIPTION_BYTES = 1 << 20
_FIRST_SEALED_SCHEMA = "0008"


class _FormatHeader(msgspec.Struct, frozen=True):
    format: str
    format_version: int


class BackupDescription(msgspec.Struct, frozen=True):
    """The content of ``backup.json``: the registry, its revision, and the database's file with its checksum.

    ``seal`` is that of the revision; None in backups from before there were seals.
    """

    format: Literal["calreg backup"]
    format_version: Literal[1]
    registry: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f-]{36}\Z")]
    revision: Annotated[int, msgspec.Meta(ge=0)]
    made_at: str
    made_from: str
    software: str
    schema: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}\Z")]
    database: Annotated[str, msgspec.Meta(pattern=r"^registry-[0-9TZ]+\.sqlite\Z")]
    size: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    seal: Seal | None = None

    def __post_init__(self) -> None:
        """Refuse a description without a seal of a database that has seals."""
        if (self.seal is None) is not (self.schema < _FIRST_SEALED_SCHEMA):
            has = "needs the" if self.seal is None else "has no"
            raise ValueError(f"a backup of schema {self.schema} {has} `seal` of its revision")


def read_description(folder: Path) -> BackupDescription:
    """Return the description of the backup in a folder; refuse one that is missing, damaged or of a newer format."""
    path = folder / FILE_NAME
    name = repr(str(path))
    try:
        content = read_bounded(path, _MAX_DESCRIPTION_BYTES, "the description of a backup", DocumentError)
    except NotFoundError:
        raise NotFoundError(f"{str(folder)!r} holds no finished backup: there is no {FILE_NAME}") from None
    try:
        header = msgspec.json.decode(content, type=_FormatHeader)
        if header.format == FORMAT and header.format_version != 1:
            raise DocumentError(f"{name} is of format {header.format_version}; this software reads format 1")
        return msgspec.json.decode(content, type=BackupDescription)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(f"{name} is not the description of a backup: {quote(str(error))}") from None
