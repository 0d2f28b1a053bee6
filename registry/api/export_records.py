"""Record an export after its files were written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from registry import provenance
from registry.api.backend import Backend
from registry.authorship import Signature
from registry.errors import RegistryError
from registry.exporters.layout import Layout
from registry.exporters.publication import list_unfinished_documents
from registry.files import sha256_of_file
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


def find_killed_export(home: Path, layout: Layout, draft: Document) -> Document | None:
    """Return the unpublished document of the files that are there, if the same person made it of the same arrays.

    Some formats write the time and the host into their files. With those of the export that was killed after it had
    published files, and before its document, the others are written that belong to them.
    """
    for path in list_unfinished_documents(home, layout.document):
        former = find_same_export(path, draft)
        if former is not None and _is_partly_published(home, former):
            return former
    return None


def _is_partly_published(home: Path, document: Document) -> bool:
    """Tell whether some of a document's files are there, and all that are there are those that it describes."""
    files = [(output.path, output.sha256) for output in document.outputs]
    files += [(companion.path, companion.sha256) for companion in document.companions]
    checksums = {path: sha256 for path, sha256 in files if path is not None}
    with suppress(RegistryError):
        present = {name: sha256_of_file(home / name) for name in checksums if (home / name).is_file()}
        return bool(present) and all(checksums[name] == sha256 for name, sha256 in present.items())
    return False


def try_record_export(
    backend: Backend, document: Document, path: Path, sha256: str, signature: Signature
) -> str | None:
    """Record the export; return a note with the reason where it is not recorded.

    The user may not write, or the database may not: its registry moved, its server is a standby, or it lacks what was
    committed to its store. An export that was recorded before, with this document, is not recorded again.
    """
    try:
        with backend.database.write_transaction(signature, of_export=True) as change:
            if list_exports_with_file(change.connection, sha256):
                return None
            record_export(change, document, path, sha256)
    except RegistryError as error:
        return f"the export is not recorded: {error}"
    return None
