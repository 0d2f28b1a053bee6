"""Record an export after its files were written."""

from __future__ import annotations

from pathlib import Path

from registry.api.backend import Backend
from registry.authorship import Signature
from registry.errors import ClosedError, UnavailableError
from registry.provenance import Document
from registry.registration.exports import record_export


def try_record_export(
    backend: Backend, document: Document, path: Path, sha256: str, signature: Signature
) -> str | None:
    """Record the export; where the user may not write, return a note with the reason."""
    try:
        with backend.database.write_transaction(signature) as change:
            record_export(change, document, path, sha256)
    except (ClosedError, UnavailableError) as error:
        return f"the export is not recorded: {error}"
    return None
