"""Record an export after its files were written."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from registry import provenance
from registry.api.backend import Backend
from registry.authorship import Signature
from registry.errors import RegistryError
from registry.instants import parse_instant
from registry.lookup.stored_files import list_exports_with_file
from registry.provenance import Document
from registry.registration.exports import record_export


def find_same_export(path: Path, draft: Document) -> Document | None:
    """Return the document that is there if the same person wrote it of the same arrays before; None if not.

    Nothing says that it is true: that is so only if its files and itself have the bytes that are written now.
    """
    try:
        former = provenance.read(path)
        if not parse_instant(former.created_at) <= parse_instant(draft.created_at):
            return None
    except RegistryError:
        return None
    if former.created_by.author != draft.created_by.author:
        return None
    same = replace(draft, created_at=former.created_at, created_by=former.created_by)
    return former if replace(former, outputs=(), companions=()) == same else None


def try_record_export(
    backend: Backend, document: Document, path: Path, sha256: str, signature: Signature
) -> str | None:
    """Record the export; return a note with the reason where it is not recorded.

    The user may not write, or the database may not: its registry moved, its server is a standby, or it lacks what was
    committed to its store. An export that was recorded before, with this document, is not recorded again.
    """
    try:
        with backend.database.write_transaction(signature) as change:
            if list_exports_with_file(change.connection, sha256):
                return None
            record_export(change, document, path, sha256)
    except RegistryError as error:
        return f"the export is not recorded: {error}"
    return None
