"""Record an export after its files were written."""

from __future__ import annotations

from pathlib import Path

from registry.api.backend import Backend
from registry.authorship import Signature
from registry.errors import ConflictError, CorruptionError, SchemaError, UnavailableError
from registry.provenance import Document
from registry.registration.exports import record_export


def try_record_export(
    backend: Backend, document: Document, path: Path, sha256: str, signature: Signature
) -> str | None:
    """Record the export; return a note with the reason where it is not recorded.

    The user may not write, or the database may not: its registry moved, or it lacks what was committed to its store.
    """
    try:
        with backend.database.write_transaction(signature) as change:
            record_export(change, document, path, sha256)
    except (ConflictError, CorruptionError, SchemaError, UnavailableError) as error:
        return f"the export is not recorded: {error}"
    return None
